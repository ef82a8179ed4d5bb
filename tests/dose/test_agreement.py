# SPDX-License-Identifier: GPL-3.0-or-later
"""Agreement of partial tomograms with the specimen, for views of known signal and noise."""

import numpy as np
import pytest
import torch

from tomoscore_scipion.dose.agreement import Agreement, correlation, decreasing_fit, gram_of
from tomoscore_scipion.records.bands import PERIODS_NM

N_VIEWS, N = 12, 320
ANGLES = np.linspace(-60, 60, N_VIEWS)
ALL = np.ones(N_VIEWS)
ORDER = np.arange(N_VIEWS)


def planes_of(signals, noise=1.0, seed=0):
    """Views of one specimen with a signal amplitude per view and independent noise."""
    generator = torch.Generator().manual_seed(seed)
    specimen = torch.randn((N, N), generator=generator)
    views = torch.randn((N_VIEWS, N, N), generator=generator)
    return torch.tensor(signals).float()[:, None, None] * specimen + noise * views


def measured(planes, *weights):
    gram = np.stack([gram_of(planes, 1.5)])
    units = Agreement(gram, ALL, ANGLES, ORDER).units(np.stack(weights), slice(None))
    return correlation(units)


def first(n):
    return (np.arange(N_VIEWS) < n).astype(float)


def test_agreement_is_the_correlation_with_the_specimen():
    found = measured(planes_of(np.ones(N_VIEWS)), first(3), ALL)
    # n views of signal 1 and noise 1 each: n / sqrt(n^2 + n).
    np.testing.assert_allclose(found[0, 1:], 3 / np.sqrt(12), atol=0.06)
    np.testing.assert_allclose(found[1, 1:], 12 / np.sqrt(156), atol=0.06)


def test_pure_noise_has_no_agreement():
    found = measured(planes_of(np.zeros(N_VIEWS)), first(3), ALL)
    assert np.abs(found[:, 2:]).max() < 0.15


def test_agreement_rises_with_signal_and_falls_with_views_without_signal():
    found = measured(planes_of([1.0] * 6 + [0.0] * 6), first(3), first(6), ALL)
    # n signals in m views: n / sqrt(n^2 + m), times the same of the reference, sqrt(5 / 6).
    expected = np.sqrt(5 / 6) * np.array([3 / np.sqrt(12), 6 / np.sqrt(42), 6 / np.sqrt(48)])
    np.testing.assert_allclose(found[:, 2:].mean(axis=1), expected, atol=0.02)


@pytest.mark.parametrize("gain", [1e-3, 1e4])
def test_agreement_does_not_depend_on_the_image_scale(gain):
    planes = planes_of(np.ones(N_VIEWS))
    np.testing.assert_allclose(
        measured(gain * planes, ALL), measured(planes, ALL), rtol=1e-4, atol=1e-5
    )


def test_a_gold_bead_does_not_change_the_agreement():
    planes = planes_of(np.ones(N_VIEWS))
    bead = planes.clone()
    bead[:, 90:97, 90:97] -= 50
    np.testing.assert_allclose(measured(bead, ALL)[:, 2:], measured(planes, ALL)[:, 2:], atol=0.03)
    blank = planes_of(np.zeros(N_VIEWS))
    blank[:, 90:97, 90:97] -= 50
    assert np.abs(measured(blank, ALL)[:, 2:]).max() < 0.2


def test_agreement_is_zero_beyond_the_nyquist_frequency():
    views = torch.randn((N_VIEWS, 96, 96))
    gram = gram_of(views, 4.0)
    carried = [fine >= 8 for _, fine in PERIODS_NM]
    assert [bool(gram[:, band].any()) for band in range(6)][:4] == carried[:4]
    assert not gram[:, 5].any()
    units = Agreement(gram[None], ALL, ANGLES, ORDER).units(ALL[None], slice(None))
    assert correlation(units)[0, 5] == 0


def test_bootstrap_draws_weight_tiles_and_slices():
    grams = np.stack([gram_of(planes_of(np.ones(N_VIEWS), seed=seed), 1.5) for seed in (0, 1)])
    agreement = Agreement(grams, ALL, ANGLES, ORDER)
    units = agreement.units(ALL[None], slice(None))
    n_tiles = grams.shape[1]
    only_second = np.r_[np.zeros(n_tiles), np.ones(n_tiles)]
    both = correlation(units, np.stack([only_second, np.ones(2 * n_tiles)]))
    np.testing.assert_allclose(both[0], correlation(agreement.units(ALL[None], slice(1, 2))))
    np.testing.assert_allclose(both[1], correlation(units))


def test_decreasing_fit_averages_rising_values():
    np.testing.assert_allclose(
        decreasing_fit(np.array([3.0, 1, 2, 2, 0])), [3, 5 / 3, 5 / 3, 5 / 3, 0]
    )
    np.testing.assert_allclose(decreasing_fit(np.arange(5.0)), np.full(5, 2.0))


def test_reference_amplifies_late_views_of_low_signal_up_to_a_limit():
    signals = np.sqrt(np.r_[np.ones(6), np.full(6, 0.5)])
    gram = np.stack([gram_of(planes_of(signals, noise=0.2), 1.5)])
    reference = Agreement(gram, ALL, ANGLES, ORDER).reference
    np.testing.assert_allclose(reference[3, 8:] / reference[3, :4], np.sqrt(2), rtol=0.05)
    gram = np.stack([gram_of(planes_of(np.r_[np.ones(6), np.zeros(6)]), 1.5)])
    reference = Agreement(gram, ALL, ANGLES, ORDER).reference
    np.testing.assert_allclose(reference[3, 8:], np.sqrt(1 / 0.3), rtol=0.05)
