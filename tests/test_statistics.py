# SPDX-License-Identifier: GPL-3.0-or-later
"""Statistics of noise agree with theory, for any spectrum."""

import math

import numpy as np
import pytest
import torch
from small_model import CPU, canonical, filtered, speckle, white

from tomoscore_scipion.model.features import N_RATIOS, ODD, RATIO_TABLE, RATIOS, ratios
from tomoscore_scipion.model.inference import measure
from tomoscore_scipion.model.octaves import OCTAVES
from tomoscore_scipion.model.sampling import CHANNEL_NAMES
from tomoscore_scipion.model.statistics import MEAN_TABLE, MEANS, PERSISTENCE

AT = {name: place for place, name in enumerate(RATIOS)}
N = 512
VOXEL_NM = 2.0
"""Voxel size at which the channels of a slice share no plane."""
SPECTRA = {
    "white": lambda k: np.ones_like(k),
    "pink": lambda k: np.maximum(k, 1 / 700) ** -1.0,
    "blue": lambda k: k**0.5,
    "smoothed": lambda k: np.exp(-0.5 * (k / 0.1) ** 2),
}
MEAN_SUMS = [60.478199, 51.4749832, 42.6815681, 44.8216362, 35.0505028]
RATIO_SUMS = [3.1007705, 3.2637517, 2.9230881, 3.790159, 4.7196651]
"""Sums over all means, and over all ratios, of each octave of one volume."""
PYTHON = str.maketrans({"<": " ", ">": " ", "^": "**"})
FINE = (0, 1, 2)
"""Octaves with enough independent waves in the field for a comparison with theory."""


def of(volume):
    """Means and ratios of the whole slice in the middle of a volume, and its persistence."""
    found = measure(canonical(volume, VOXEL_NM), CPU)
    share = found.weight / found.weight.sum()
    means = (found.means * share[..., None, None]).sum(dim=(0, 1))
    return means, ratios(means), found.persistence


@pytest.mark.parametrize("name", SPECTRA)
def test_gaussian_noise_has_its_theoretical_moments(name):
    _, found, _ = of(filtered(white((1, N, N), seed=2), SPECTRA[name], VOXEL_NM))
    for octave in FINE:
        tolerance = 0.02 * 2**octave
        kurtosis, amplitude = found[octave, AT["kurtosis"]], found[octave, AT["amplitude_kurtosis"]]
        # The compression of amplitudes beyond 4 lowers the kurtosis slightly.
        assert float(kurtosis) == pytest.approx(math.log10(3), abs=0.02 + tolerance)
        # A chi square of two degrees of freedom: twice the squared mean; Riesz images share 1 / 2.
        assert 10 ** float(amplitude) == pytest.approx(1.75, abs=0.15 + tolerance)
        assert float(found[octave, AT["skewness"]]) == pytest.approx(0, abs=2 * tolerance)
        riesz = float(found[octave, AT["riesz_energy"]])
        assert riesz == pytest.approx(0, abs=0.02 + tolerance)


def test_planes_of_white_noise_are_uncorrelated_and_equal_planes_correlated():
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
    directed = AT["coherence_8"]
    kurtosis = AT["kurtosis"]
    assert float(lined[1, directed] - plain[1, directed]) > 0.1
    assert float(pointed[0, kurtosis] - plain[0, kurtosis]) > 0.1
    assert float(pointed[1, kurtosis] - plain[1, kurtosis]) > 0.1


def test_every_mean_and_ratio_has_a_name():
    means, found, _ = of(white((1, 128, 128)))
    assert means.shape == (OCTAVES, len(MEANS))
    assert found.shape == (OCTAVES, N_RATIOS)
    assert len(set(MEANS)) == len(MEANS)
    assert len(set(RATIOS)) == len(RATIOS)


def test_the_sums_of_means_and_ratios_do_not_change():
    """Feature values that the shipped weights were trained with, for structured noise."""
    means, found, _ = of(speckle((41, 192, 192), seed=8))
    np.testing.assert_allclose(means.sum(dim=1).tolist(), MEAN_SUMS, rtol=1e-5)
    np.testing.assert_allclose(found.sum(dim=1).tolist(), RATIO_SUMS, rtol=1e-5)


def test_every_ratio_agrees_with_its_formula():
    means, found, _ = of(speckle((41, 192, 192), seed=8))
    with_coarser = means[:-1]
    known = {name: with_coarser[:, place] for place, name in enumerate(MEANS)}
    known |= {"log": lambda x: torch.log10(x.clamp_min(1e-3)), "sqrt": torch.sqrt}
    for place, ratio in enumerate(RATIO_TABLE):
        formula, _, limit = ratio.formula.partition(", clipped to +- ")
        value = eval(formula.translate(PYTHON), {}, known)
        value = value.clamp(-float(limit), float(limit)) if limit else value
        torch.testing.assert_close(value, found[:-1, place], atol=1e-4, rtol=1e-4)


def test_ratios_declare_the_channels_and_octaves_of_their_means():
    for ratio in RATIO_TABLE:
        used = [mean for mean in MEAN_TABLE if f"<{mean.name}>" in ratio.formula]
        assert {channel for mean in used for channel in mean.channels} == set(ratio.channels)
        assert any(mean.coarser for mean in used) == ratio.coarser
        assert ("contrast sign" in ratio.invariances) != (RATIO_TABLE.index(ratio) in ODD)
    assert 2 * len(CHANNEL_NAMES[1:]) == PERSISTENCE


def test_means_of_absent_channels_and_octaves_are_0():
    means, _, _ = of(white((1, 128, 128)))
    for place, mean in enumerate(MEAN_TABLE):
        assert bool(means[-1, place] != 0) == (not mean.channels and not mean.coarser), mean.name
        assert bool(means[0, place] != 0) == (not mean.channels), mean.name


def test_channels_that_are_absent_have_no_ratios():
    _, found, persistence = of(white((1, 128, 128)))
    assert not found[:, :9].any()
    assert not persistence.any()
    assert found[:, 9:15].any()


def test_means_of_0_give_ratios_of_0():
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
