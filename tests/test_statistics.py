# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured of noise is what theory says of it, whatever its spectrum."""

import math

import numpy as np
import pytest
import torch
from small_model import CPU, canonical, filtered, white

from tomoscore_scipion.model.features import N_RATIOS, RATIOS, ratios
from tomoscore_scipion.model.inference import measure
from tomoscore_scipion.model.octaves import OCTAVES
from tomoscore_scipion.model.statistics import MEANS, PERSISTENCE

AT = {name: place for place, name in enumerate(RATIOS)}
N = 512
VOXEL_NM = 2.0
"""At which the channels of a slice have no plane in common."""
SPECTRA = {
    "white": lambda k: np.ones_like(k),
    "pink": lambda k: np.maximum(k, 1 / 700) ** -1.0,
    "blue": lambda k: k**0.5,
    "smoothed": lambda k: np.exp(-0.5 * (k / 0.1) ** 2),
}
FINE = (0, 1, 2)
"""Octaves with enough independent waves in the field for a theoretical value to show."""


def of(volume):
    """Means and ratios of the whole slice in the middle of a volume, and its persistence."""
    found = measure(canonical(volume, VOXEL_NM), CPU)
    share = found.weight / found.weight.sum()
    means = (found.means * share[..., None, None]).sum(dim=(0, 1))
    return means, ratios(means), found.persistence


@pytest.mark.parametrize("name", SPECTRA)
def test_gaussian_noise_has_the_moments_of_its_theory(name):
    _, found, _ = of(filtered(white((1, N, N), seed=2), SPECTRA[name], VOXEL_NM))
    for octave in FINE:
        tolerance = 0.02 * 2**octave
        kurtosis, amplitude = found[octave, AT["kurtosis, log10"]], found[octave, 10]
        # A little is lost to the compression of amplitudes beyond 4.
        assert float(kurtosis) == pytest.approx(math.log10(3), abs=0.02 + tolerance)
        # A chi square of two degrees of freedom: twice the squared mean; Riesz images share 1 / 2.
        assert RATIOS[10] == "kurtosis of the amplitude, log10"
        assert 10 ** float(amplitude) == pytest.approx(1.75, abs=0.15 + tolerance)
        assert float(found[octave, AT["skewness"]]) == pytest.approx(0, abs=2 * tolerance)
        riesz = float(found[octave, AT["Riesz energy over energy, log10"]])
        assert riesz == pytest.approx(0, abs=0.02 + tolerance)


def test_planes_of_white_noise_have_nothing_in_common_and_those_of_matter_all():
    noise = white((41, N, N), seed=3)
    _, found, persistence = of(noise)
    assert persistence.shape == (OCTAVES, PERSISTENCE)
    assert float(persistence[list(FINE)].abs().max()) < 0.05
    assert float(found[list(FINE)][:, 3:9].abs().max()) < 0.05
    _, same, lasting = of(np.repeat(noise[:1], 41, axis=0))
    torch.testing.assert_close(lasting, torch.ones_like(lasting), atol=1e-3, rtol=0)
    torch.testing.assert_close(same[:, 3:9], torch.ones_like(same[:, 3:9]), atol=0.01, rtol=0)


def test_persistence_is_the_correlation_of_neighbours():
    common, own = white((1, N, N), seed=4), white((41, N, N), seed=5)
    _, _, persistence = of(common + own)
    # The neighbour at 2 nm is a mean of windows on both sides, with less noise of its own.
    assert (persistence[list(FINE)] > 0.5).all()
    assert (persistence[list(FINE)] < 0.9).all()


def test_lines_are_coherent_and_points_are_sparse():
    noise = white((1, N, N), seed=6)
    lines, points = noise.copy(), noise.copy()
    lines[0, :, ::24] += 6
    rng = np.random.default_rng(7)
    places = rng.integers(8, N - 8, (200, 2))
    for y, x in places:
        points[0, y - 1 : y + 2, x - 1 : x + 2] += 12
    plain, lined, pointed = (of(v)[1] for v in (noise, lines, points))
    directed = AT["coherence of directions over 2 pixels"] + 2
    kurtosis = AT["kurtosis, log10"]
    assert float(lined[1, directed] - plain[1, directed]) > 0.1
    assert float(pointed[0, kurtosis] - plain[0, kurtosis]) > 0.1
    assert float(pointed[1, kurtosis] - plain[1, kurtosis]) > 0.1


def test_every_mean_and_ratio_has_a_name():
    means, found, _ = of(white((1, 128, 128)))
    assert means.shape == (OCTAVES, len(MEANS))
    assert found.shape == (OCTAVES, N_RATIOS)
    assert len(set(MEANS)) == len(MEANS)


def test_channels_that_are_absent_have_no_ratios():
    _, found, persistence = of(white((1, 128, 128)))
    assert not found[:, :9].any()
    assert not persistence.any()
    assert found[:, 9:15].any()


def test_means_of_nothing_have_ratios_of_0():
    assert not ratios(torch.zeros((4, OCTAVES, len(MEANS)))).any()


def test_ratios_do_not_depend_on_the_strength_of_an_octave():
    means, found, _ = of(white((41, 192, 192)))
    assert found.isfinite().all()
    powers = {"amplitude": 0.5, "absolute": 0.5, "cube": 1.5}
    powers |= dict.fromkeys(("fourth", "amplitude_4"), 2.0)
    powers |= {f"energy_{size}": 2.0 for size in ("2", "4", "8", "cell")}
    coarser = {"coarse_2": 0.0, "energy_coarse": 1.0, "energy_image": 1.0}
    coarser |= {"tensor_coarse": 1.0, "phase_coarse": 0.5}
    power = torch.tensor([{**powers, **coarser}.get(name, 1.0) for name in MEANS])
    torch.testing.assert_close(ratios(means * 3.0**power), found, atol=1e-3, rtol=0)
