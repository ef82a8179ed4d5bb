# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores measured from two halves, compared with the true score of the whole."""

import numpy as np
import pytest

from tomoscore_scipion.benchmark.halves import (
    measured_curve,
    noise_free_series,
    split_ceiling,
    wedge_factor,
)
from tomoscore_scipion.halves.correlation import noise_free_correlation, ring_correlation

SHAPE = (6, 128, 120)


def white(seed):
    return np.random.default_rng(seed).standard_normal(SHAPE)


def test_equal_halves_correlate_fully_and_independent_noise_does_not():
    np.testing.assert_allclose(ring_correlation(white(0), white(0), 1.5), 1)
    assert np.abs(ring_correlation(white(0), white(1), 1.5)[2:]).max() < 0.1


def test_ring_correlation_is_the_share_of_signal():
    signal = white(0)
    found = ring_correlation(signal + white(1), signal + white(2), 1.5)
    np.testing.assert_allclose(found[2:], 0.5, atol=0.05)


def test_noise_free_correlation_is_that_of_the_mean_with_the_signal():
    signal = white(0)
    odd, even = signal + 2 * white(1), signal + 2 * white(2)
    found = noise_free_correlation(ring_correlation(odd, even, 1.5))
    true = np.corrcoef((odd + even).ravel(), signal.ravel())[0, 1]
    assert found[4] == pytest.approx(true, abs=0.03)


def test_bands_beyond_nyquist_have_no_correlation():
    found = measured_curve(white(0), white(0), 3.0, np.full(6, 0.7))
    np.testing.assert_allclose(found[:5], 0.7)
    assert np.isnan(found[5])


def test_halves_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        ring_correlation(white(0), white(0)[:3], 1.5)


def test_the_wedge_factor_is_lower_for_a_narrower_tilt_range():
    wide, narrow = (wedge_factor(next(noise_free_series(tilt, 3.0, [0]))) for tilt in (66.0, 30.0))
    assert (wide < 0.95).all()
    assert (narrow[:5] < wide[:5] - 0.1).all()
    assert wide[1:4].min() > 0.6


def test_halves_by_tilt_agree_in_coarse_octaves_and_less_in_fine_ones_at_wide_steps():
    close, far = (split_ceiling(next(noise_free_series(60.0, step, [0]))) for step in (1.5, 4.0))
    assert close[:2].min() > 0.97
    assert far[:2].min() > 0.97
    assert (far[3:5] < close[3:5] - 0.05).all()
