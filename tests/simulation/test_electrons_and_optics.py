# SPDX-License-Identifier: GPL-3.0-or-later
"""Electron counting, contrast transfer and radiation damage in their known limits."""

import math

import numpy as np
import pytest
import torch
from small_worlds import GRID, PERFECT, point, specimen_of

from tomoscore_scipion.simulation import detector, optics
from tomoscore_scipion.simulation.projection import plane_spectra
from tomoscore_scipion.simulation.recipe import Recipe
from tomoscore_scipion.simulation.views import take_views
from tomoscore_scipion.tomography import contrast_transfer, radiation_damage


def images_of(specimen, recipe, seed=0):
    views = take_views(
        np.random.default_rng(seed), specimen, plane_spectra(specimen.scatter), recipe
    )
    return views, torch.fft.irfft2(views.spectra, s=(GRID.n, GRID.n))


def test_vacuum_gives_flux_times_pixel_area():
    tilts = torch.tensor([0.0, 60.0])
    counts = detector.electrons_per_pixel(torch.tensor([2.0, 2.0]), 1.5, tilts)
    # 15 x 15 square angstrom, and half of it where a pixel of the specimen is seen at 60 degrees.
    assert counts.tolist() == pytest.approx([450.0, 225.0], rel=1e-5)


def test_transmission_of_ice_agrees_with_the_mean_free_path():
    share = optics.transmitted(200.0, torch.tensor([0.0, 60.0, -60.0]), 300.0)
    expected = [math.exp(-2 / 3), math.exp(-4 / 3), math.exp(-4 / 3)]
    assert share.tolist() == pytest.approx(expected, rel=1e-5)


def test_noise_of_views_of_ice_agrees_with_their_electron_counts():
    ice = specimen_of(torch.zeros((40, 128, 128)), ice_nm=150.0)
    recipe = Recipe(total_dose=100, tilt_step_deg=30, quantum_efficiency=0.5, mean_free_path_nm=250)
    views, images = images_of(ice, recipe)
    for tilt, image in zip(views.scheme.tilts_deg.tolist(), images):
        cosine = math.cos(math.radians(tilt))
        counts = 0.5 * 100 / 5 * 225 * cosine * math.exp(-150 / 250 / cosine)
        assert float(image.var()) == pytest.approx(1 / counts, rel=0.05)


def test_variance_of_shot_noise_is_one_over_the_counts():
    noise = detector.shot_noise(
        torch.tensor([25.0, 400.0]), (256, 256), torch.Generator().manual_seed(0)
    )
    assert noise.var(dim=(1, 2)).tolist() == pytest.approx([1 / 25, 1 / 400], rel=0.03)
    assert noise.mean(dim=(1, 2)).abs().max() < 0.003


@pytest.mark.parametrize(
    ("defocus_nm", "zeros"), [(4000.0, (0.3523, 0.5010)), (10000.0, (0.2228, 0.3168))]
)
def test_contrast_transfer_is_zero_at_the_zeros_of_the_formula(defocus_nm, zeros):
    # k = sqrt((n - asin(0.07) / pi) / (0.00197 nm x defocus)); Cs matters below 1e-4 here.
    for k in zeros:
        below, above = contrast_transfer.ctf(
            torch.tensor([k - 2e-3, k + 2e-3]), defocus_nm, 0.07
        ).tolist()
        assert below * above < 0
        assert abs(contrast_transfer.ctf(torch.tensor(k), defocus_nm, 0.07)) < 0.01


def test_spherical_aberration_cancels_the_defocus_phase_at_high_frequency():
    # At k^2 = 2 defocus / (Cs lambda^2) the two phases cancel: amplitude contrast is left.
    k = math.sqrt(2 * 1000.0 / (2.7e6 * 0.00197**2))
    assert float(contrast_transfer.ctf(torch.tensor(k), 1000.0, 0.1)) == pytest.approx(
        0.1, abs=0.01
    )


def test_contrast_at_frequency_zero_is_amplitude_contrast():
    assert float(contrast_transfer.ctf(torch.tensor(0.0), 3000.0, 0.07)) == pytest.approx(0.07)


@pytest.mark.parametrize(("defocus_nm", "sign"), [(4000.0, -1), (-4000.0, 1)])
def test_dense_matter_is_dark_under_focus_and_bright_over_focus(defocus_nm, sign):
    recipe = Recipe(**{**vars(PERFECT), "defocus_nm": defocus_nm, "amplitude_contrast": 0.0})
    _, images = images_of(specimen_of(point((20, 64, 64))), recipe)
    untilted = images[len(images) // 2]
    assert sign * float(untilted[64, 64]) == pytest.approx(float(untilted.abs().max()))


def test_contrast_is_twice_the_phase_shift_of_the_projected_density():
    """A wave of period 12 nm through 60 nm of matter, with the transfer at that frequency."""
    x = torch.arange(128) * 1.5
    density = 0.1 * torch.cos(2 * math.pi * x / 12).expand(40, 128, 128).clone()
    _, images = images_of(specimen_of(density), Recipe(**{**vars(PERFECT), "tilt_step_deg": 30}))
    phase_rad = 0.00653 * 2.5 * 0.1 * 60
    transfer = float(contrast_transfer.ctf(torch.tensor(1 / 12), PERFECT.defocus_nm, 0.07))
    # The simulated defocus has an error of a few per cent, like a fitted one.
    assert float(images[2, 0, 0]) == pytest.approx(-2 * phase_rad * transfer, rel=0.1)


@pytest.mark.parametrize(("k_per_nm", "dose"), [(0.1, 526.61), (1.0, 14.138), (2.0, 6.382)])
def test_critical_dose_is_that_of_grant_and_grigorieff(k_per_nm, dose):
    assert float(radiation_damage.critical_dose(torch.tensor(k_per_nm))) == pytest.approx(
        dose, rel=1e-3
    )


def test_amplitude_is_one_over_e_at_twice_the_critical_dose():
    k = torch.tensor([0.05, 0.2, 0.33])
    left = radiation_damage.surviving_amplitude(k, 2 * radiation_damage.critical_dose(k))
    assert left.tolist() == pytest.approx([math.exp(-1)] * 3, rel=1e-5)


def test_frequency_zero_survives_any_dose():
    assert float(radiation_damage.surviving_amplitude(torch.tensor(0.0), torch.tensor(1e4))) == 1.0
