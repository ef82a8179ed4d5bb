# SPDX-License-Identifier: GPL-3.0-or-later
"""Sums of single views equal the tomograms of those views; weighting and cropping of views."""

import numpy as np
import pytest
import torch
from dose_files import ANGLES, DOSE, RANK

from tomoscore_scipion.dose import measure
from tomoscore_scipion.dose.slices import ViewSlices
from tomoscore_scipion.dose.subsets import cumulative
from tomoscore_scipion.model.normalisation import canonical_slice
from tomoscore_scipion.model.sampling import plan_slices
from tomoscore_scipion.tilt_metadata.exposures import Exposures
from tomoscore_scipion.tomography import fourier
from tomoscore_scipion.tomography.backprojection import backproject, filter_views
from tomoscore_scipion.tomography.dose_series import dose_weighted
from tomoscore_scipion.tomography.radiation_damage import surviving_amplitude

EXPOSURES = Exposures(DOSE * RANK, np.full(len(RANK), DOSE), "test")
SHAPE = (40, 64, 72)
VOXEL_NM = 1.5


@pytest.fixture(scope="module")
def images():
    return torch.randn((len(ANGLES), *SHAPE[1:]), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("z", [0, 2, 11])
def test_slices_of_a_step_equal_those_of_the_tomogram_of_its_views(images, z):
    plan = plan_slices(SHAPE[0], VOXEL_NM, None, 13)[z]
    shares = ViewSlices(filter_views(images), ANGLES, SHAPE, plan)
    steps = cumulative(ANGLES, EXPOSURES, 4)
    for step, one in zip(steps, shares.canonical_slices(steps, VOXEL_NM)):
        tomogram = backproject(images[step.views], ANGLES[step.views], shape_zyx=SHAPE).numpy()
        centre = np.tensordot(plan.centre.weights, tomogram[list(plan.centre.planes)], axes=1)
        np.testing.assert_allclose(shares.images([step])[0, 0].numpy(), centre, atol=1e-4)
        expected = canonical_slice(lambda k, t=tomogram: t[k].copy(), plan, VOXEL_NM)
        torch.testing.assert_close(one.images, expected.images, atol=2e-3, rtol=0)
        assert one.present == expected.present
        assert one.z == plan.z
        assert one.log_spread == pytest.approx(expected.log_spread, abs=1e-4)


def test_the_centre_slice_of_a_view_equals_its_backprojection(images):
    plan = plan_slices(SHAPE[0], VOXEL_NM, None, 3)[1]
    shares = ViewSlices(filter_views(images), ANGLES, SHAPE, plan)
    planes = list(plan.centre.planes)
    alone = backproject(images[:1], ANGLES[:1], shape_zyx=SHAPE, z_positions=planes)
    expected = torch.einsum("z,zyx->yx", torch.tensor(plan.centre.weights), alone)
    torch.testing.assert_close(shares.centre[0], expected, atol=1e-4, rtol=0)


def test_dose_weighting_attenuates_a_wave_like_radiation_damage():
    x = torch.arange(120) * VOXEL_NM
    wave = torch.cos(2 * np.pi * x / 6.0).expand(1, 100, 120)
    for before in (0.0, 60.0):
        exposures = Exposures(np.array([before]), np.array([DOSE]), "test")
        left = dose_weighted(wave, exposures, 10 * VOXEL_NM).abs().max()
        # Ne(1/60 A) = 0.245 x 60^1.665 + 2.81 = 226.6 e/A^2.
        assert float(left) == pytest.approx(np.exp(-(before + 1.5) / 2 / 226.6), abs=2e-3)


def test_critical_dose_is_that_of_grant_and_grigorieff():
    # At 3 A: 0.245 x 3^1.665 + 2.81 = 4.336 e/A^2 leave 1 / e of the power.
    left = surviving_amplitude(torch.tensor(1 / 0.3), torch.tensor(4.336))
    assert float(left**2) == pytest.approx(np.exp(-1), abs=1e-3)


def test_frequencies_are_per_nanometre():
    k = fourier.radius(10, 20, 1.5)
    assert k.shape == (10, 11)
    assert float(k[0, 10]) == pytest.approx(1 / 3.0)


def test_a_field_too_large_for_the_memory_is_cropped_to_its_middle(monkeypatch):
    images = torch.zeros((4, 200, 100))
    images[:, 99:101, 49:51] = 1
    same, warnings = measure.cropped(images, 15.0)
    assert same is images and warnings == ()
    monkeypatch.setattr(measure, "MAX_PIXELS", 4 * 200 * 100 // 4)
    middle, (warning,) = measure.cropped(images, 15.0)
    assert middle.shape == (4, 100, 50)
    assert middle[:, 49:51, 24:26].mean() == 1
    assert "middle 75 x 150 nm" in warning
