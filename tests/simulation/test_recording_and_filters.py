# SPDX-License-Identifier: GPL-3.0-or-later
"""Detectors, interpolation, deconvolution and band-passes in their known limits."""

import numpy as np
import pytest
import torch
from small_worlds import PERFECT, crowded, point, specimen_of

from tomoscore_scipion.simulation.acquisition import Microscope
from tomoscore_scipion.simulation.picture import as_picture
from tomoscore_scipion.simulation.recipe import BAND_PASSES, Recipe, random_recipe
from tomoscore_scipion.simulation.truth import plane_density, tile_curves
from tomoscore_scipion.simulation.view_filters import (
    band_pass,
    deconvolution,
    detector_transfer,
    interpolation_transfer,
    recipe_transfer,
)

K = torch.linspace(0, 1 / 3, 64)
"""Frequencies in 1/nm."""


@pytest.mark.parametrize("shape", ["sinc", "gaussian"])
def test_detector_transfer_is_1_at_frequency_0_and_the_given_value_at_3_nm(shape):
    transfer = detector_transfer(K, Recipe(mtf_shape=shape), 0.6)
    assert float(transfer[0]) == 1
    assert float(transfer[-1]) == pytest.approx(0.6, abs=0.03)
    assert (torch.diff(transfer) < 0).all()


def test_linear_interpolation_is_a_squared_sinc_and_cubic_keeps_more():
    linear, cubic = (interpolation_transfer(K, 1.5, kind) for kind in ("linear", "cubic"))
    torch.testing.assert_close(linear, torch.sinc(1.5 * K) ** 2)
    assert float(cubic[0]) == 1
    assert float(cubic[-1]) == pytest.approx(12 / np.pi**2 * 4 / np.pi**2, abs=2e-3)
    assert (cubic[8:] > linear[8:]).all()


def test_deconvolution_is_the_published_filter():
    recipe = Recipe(deconvolution_strength=1.0, deconvolution_falloff=1.1, voxel_nm=1.5)
    k = torch.tensor([1e-9, 0.01, 0.1])
    ctf = torch.tensor([0.07, 0.3, -0.9])
    relative = k * 3
    snr = 1000 * torch.exp(-relative * 110 / 15)
    snr *= 1 - torch.cos(np.pi * (relative / 0.02).clamp(max=1))
    expected = ctf / (ctf**2 + 1 / snr.clamp_min(1e-9))
    torch.testing.assert_close(deconvolution(k, ctf, recipe), expected)
    assert float(expected[0]) < 1e-6


@pytest.mark.parametrize("kind", BAND_PASSES[1:])
def test_a_band_pass_is_one_half_at_its_periods(kind):
    recipe = Recipe(band_pass=kind, band_low_nm=200.0, band_high_nm=5.0)
    transfer = band_pass(torch.tensor([0.0, 1 / 200, 1 / 30, 1 / 5, 1.0]), recipe).tolist()
    assert transfer[0] == 0
    assert [transfer[1], transfer[3]] == pytest.approx([0.5, 0.5], abs=0.03)
    assert transfer[2] > 0.95
    assert transfer[4] < 1e-3


def test_filters_are_off_by_default():
    assert recipe_transfer(K, Recipe()) is None
    corrected = recipe_transfer(K, Recipe(ctf_correction="wiener", strength=0.5))
    assert corrected is not None
    assert torch.isfinite(corrected).all()


@pytest.mark.parametrize(
    "changed",
    [
        {"mtf_shape": "gaussian", "signal_mtf": 0.5, "noise_mtf": 0.5},
        {"band_pass": "butterworth", "band_low_nm": 500.0, "band_high_nm": 2.0},
    ],
)
def test_filters_of_both_signal_and_noise_do_not_change_the_truth(changed):
    microscope = Microscope(crowded())
    curves = []
    for recipe in (Recipe(), Recipe(**changed)):
        acquisition = microscope.acquire(np.random.default_rng(0), recipe, 1.0)
        plane = acquisition.planes([20])[0]
        curves.append(acquisition.truth(plane, 20).mean(dim=(0, 1)))
    torch.testing.assert_close(curves[0][1:5], curves[1][1:5], atol=0.05, rtol=0)


def test_detector_and_alignment_do_not_move_a_point():
    recipe = dict(mtf_shape="sinc", signal_mtf=0.5, noise_mtf=0.8, alignment_interpolation="cubic")
    index = (20, 30, 100)
    acquisition = Microscope(specimen_of(point(index))).acquire(
        np.random.default_rng(0), Recipe(**{**vars(PERFECT), **recipe}), headroom=1.0
    )
    planes = acquisition.planes(range(41))
    assert np.unravel_index(int(planes.argmin()), planes.shape) == index


def test_the_halves_of_a_tomogram_have_independent_noise_of_equal_strength():
    ice = specimen_of(torch.zeros((40, 128, 128)), ice_nm=60.0)
    recipe = Recipe(post="noise2noise", strength=0.0, voxel_nm=3.0)
    acquisition = Microscope(ice).acquire(np.random.default_rng(0), recipe, 1.0)
    first, second = acquisition.halves(torch.arange(-4.0, 5.0))
    pair = torch.stack([first.flatten(), second.flatten()])
    assert abs(float(torch.corrcoef(pair)[0, 1])) < 0.05
    assert float(first.std()) == pytest.approx(float(second.std()), rel=0.1)


@pytest.mark.parametrize("name", ["noise2noise", "restored"])
def test_a_trained_denoiser_raises_the_curve_of_a_noisy_tomogram(name):
    microscope = Microscope(crowded())
    found = {}
    for post in ("none", name):
        recipe = Recipe(post=post, strength=0.6, total_dose=40.0, filter="ramp")
        acquisition = microscope.acquire(np.random.default_rng(0), recipe, 1.0)
        planes = acquisition.planes([18, 20, 22])
        curves = [acquisition.truth(plane, z) for plane, z in zip(planes, (18, 20, 22))]
        found[post] = torch.stack(curves).mean(dim=(0, 1, 2))
    assert float((found[name] - found["none"])[2:].mean()) > 0.01


def test_halves_that_were_not_acquired_are_an_error():
    acquisition = Microscope(crowded()).acquire(np.random.default_rng(0), Recipe(), 1.0)
    with pytest.raises(ValueError, match="halves"):
        acquisition.halves(torch.tensor([0.0]))


def test_old_recipes_have_no_new_parameters():
    default = Recipe()
    for seed in range(60):
        recipe = random_recipe(np.random.default_rng(seed), world="0.1")
        for name in ("mtf_shape", "alignment_interpolation", "band_pass", "falloff", "picture"):
            assert getattr(recipe, name) == getattr(default, name)
        assert recipe.post not in ("noise2noise", "restored")


def test_trained_denoisers_are_drawn_for_19_per_cent():
    drawn = [random_recipe(np.random.default_rng(seed)).post for seed in range(600)]
    assert 0.07 < drawn.count("noise2noise") / 600 < 0.13
    assert 0.06 < drawn.count("restored") / 600 < 0.12


def test_pictures_show_the_same_field_in_8_bits_with_another_pixel_size():
    specimen = crowded()
    density = plane_density(specimen.density, 0.0, 1.5, 1.5)
    plane = -density
    sizes = set()
    for seed in range(12):
        picture, pixel = as_picture(np.random.default_rng(seed), plane, 1.5)
        sizes.add(len(picture))
        assert torch.equal(picture, picture.round())
        assert 0 <= float(picture.min()) < float(picture.max()) <= 255
        assert pixel * len(picture) == pytest.approx(192.0)
        curve = tile_curves(picture, density, specimen.grid).mean(dim=(0, 1))
        assert float(curve[1:4].min()) > 0.8  # of the same sign, at its place
    assert len(sizes) > 4
