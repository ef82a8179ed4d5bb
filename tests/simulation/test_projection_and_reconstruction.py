# SPDX-License-Identifier: GPL-3.0-or-later
"""Projections and back-projection put matter at the right position."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_worlds import GRID, PERFECT, point, specimen_of

from tomoscore_scipion.simulation.acquisition import Microscope
from tomoscore_scipion.simulation.grid import Grid, crop_spectrum
from tomoscore_scipion.simulation.projection import plane_spectra, project
from tomoscore_scipion.simulation.recipe import FILTERS, POST_PROCESSING, Recipe
from tomoscore_scipion.simulation.reconstruction import field_size, radial_filter
from tomoscore_scipion.simulation.views import detector_frequency
from tomoscore_scipion.tomography.backprojection import LANDWEBER_STEP


def projections(volume, tilts_deg, axis_error_deg=0.0):
    heights = (torch.arange(len(volume)) - (len(volume) - 1) / 2) * GRID.pixel_nm
    tilts = torch.tensor(tilts_deg)
    spectra = project(plane_spectra(volume), heights, GRID.kx(), GRID.ky(), tilts, axis_error_deg)
    return torch.fft.irfft2(spectra, s=(GRID.n, GRID.n))


@pytest.mark.parametrize(("tilt", "shift"), [(45.0, 3), (0.0, 0), (-45.0, -3)])
def test_a_point_is_projected_to_x_plus_z_tan_tilt(tilt, shift):
    volume = torch.zeros((9, 128, 128))
    volume[7, 20, 50] = 1.0  # three planes above the middle
    image = projections(volume, [tilt])[0]
    assert divmod(int(image.argmax()), 128) == (20, 50 + shift)
    assert float(image.max()) == pytest.approx(1.5 / math.cos(math.radians(tilt)), rel=1e-3)


def test_projected_mass_is_that_of_the_volume_along_the_beam():
    volume = point((12, 40, 30), nz=31)
    tilts = [-60.0, 0.0, 33.0]
    masses = projections(volume, tilts).sum(dim=(1, 2))
    expected = [float(volume.sum()) * 1.5 / math.cos(math.radians(t)) for t in tilts]
    assert masses.tolist() == pytest.approx(expected, rel=1e-4)


def test_the_field_is_periodic():
    volume = torch.zeros((9, 128, 128))
    volume[8, 0, 126] = 1.0
    image = projections(volume, [45.0])[0]
    assert divmod(int(image.argmax()), 128) == (0, 2)  # 126 + 4 wraps round


def test_an_error_of_the_tilt_axis_moves_high_points_along_it():
    volume = torch.zeros((33, 128, 128))
    volume[32, 64, 64] = 1.0
    right, wrong = (projections(volume, [45.0], error)[0] for error in (0.0, 10.0))
    assert divmod(int(right.argmax()), 128) == (64, 80)
    # 16 planes up, turned by 10 degrees: 16 cos(10) = 15.8 across and 16 sin(10) = 2.8 along.
    assert divmod(int(wrong.argmax()), 128) == (67, 80)


def test_detector_frequency_across_the_axis_is_that_of_the_foreshortened_image():
    frequency = detector_frequency(GRID, torch.tensor([0.0, 60.0]))
    torch.testing.assert_close(frequency[0], GRID.radius())
    torch.testing.assert_close(frequency[1, 0], 2 * GRID.kx())
    torch.testing.assert_close(frequency[1, :, 0], GRID.ky().abs())


@pytest.mark.parametrize("index", [(20, 64, 64), (31, 30, 100), (7, 120, 11)])
@pytest.mark.parametrize("filter_", FILTERS)
def test_a_point_is_reconstructed_at_its_position(index, filter_):
    recipe = replace(PERFECT, filter=filter_, rolloff=0.4)
    acquisition = Microscope(specimen_of(point(index))).acquire(
        np.random.default_rng(0), recipe, headroom=1.0
    )
    assert acquisition.n_z == 41
    planes = acquisition.planes(range(41))
    assert np.unravel_index(int(planes.argmin()), planes.shape) == index


def test_a_point_is_reconstructed_at_its_position_on_a_coarser_grid_and_with_headroom():
    recipe = replace(PERFECT, voxel_nm=3.0, pretilt_deg=8.0)
    specimen = specimen_of(point((30, 40, 90), nz=41))
    acquisition = Microscope(specimen).acquire(np.random.default_rng(0), recipe, headroom=2.0)
    assert acquisition.voxel_nm == pytest.approx(3.0)
    planes = acquisition.planes(range(acquisition.n_z))
    z, y, x = np.unravel_index(int(planes.argmin()), planes.shape)
    # Ten planes of 1.5 nm above the middle, which lies at (n_z - 1) / 2.
    assert z == pytest.approx((acquisition.n_z - 1) / 2 + 5, abs=0.51)
    assert (y, x) == (20, 45)


def test_the_slab_has_the_position_of_the_specimen():
    specimen = specimen_of(torch.zeros((40, 128, 128)))
    acquisition = Microscope(specimen).acquire(np.random.default_rng(0), PERFECT, headroom=2.0)
    assert acquisition.n_z == 80
    assert acquisition.slab_z() == (20, 59) or acquisition.slab_z() == (20, 60)
    whole = Microscope(specimen).acquire(np.random.default_rng(0), PERFECT, headroom=1.0)
    assert whole.slab_z() == (0, 39)


def test_selected_planes_equal_those_of_the_whole_tomogram():
    specimen = specimen_of(point((20, 64, 64)))
    acquisition = Microscope(specimen).acquire(np.random.default_rng(0), Recipe(), headroom=1.0)
    torch.testing.assert_close(acquisition.planes(range(41))[7:9], acquisition.planes([7, 8]))


@pytest.mark.parametrize("post", POST_PROCESSING)
def test_selected_planes_are_post_processed_as_in_the_whole_tomogram(post):
    recipe = Recipe(post=post, strength=0.7, total_dose=30.0)
    acquisition = Microscope(specimen_of(point((20, 64, 64)))).acquire(
        np.random.default_rng(0), recipe, headroom=1.0
    )
    chosen = [5, 6, 7, 17, 29, 30]
    found, whole = acquisition.planes(chosen), acquisition.planes(range(41))[chosen]
    assert float((found - whole).std() / whole.std()) < 0.1


def test_a_binned_tomogram_is_the_block_means_of_the_tomogram():
    microscope = Microscope(specimen_of(point((20, 64, 64), nz=40)))
    fine, binned = (
        microscope.acquire(np.random.default_rng(0), Recipe(binning=n), headroom=1.0)
        for n in (1, 2)
    )
    assert binned.voxel_nm == 2 * fine.voxel_nm
    assert fine.n_z == 2 * binned.n_z == 40
    means = fine.planes([18, 19]).reshape(2, 64, 2, 64, 2).mean(dim=(0, 2, 4))
    torch.testing.assert_close(binned.planes([9])[0], means)
    whole = binned.planes(range(binned.n_z))
    assert whole.shape == (binned.n_z, 64, 64)
    torch.testing.assert_close(whole[9], means)


def test_the_ramp_is_zero_at_zero_and_linear():
    f = torch.tensor([0.0, 0.1, 0.5])
    torch.testing.assert_close(radial_filter(Recipe(filter="ramp")).at(f), f)


def test_a_rolled_off_ramp_falls_below_the_ramp_beyond_the_cutoff():
    f = torch.tensor([0.15, 0.3, 0.45])
    relative = (radial_filter(Recipe(filter="ramp_rolloff", rolloff=0.3)).at(f) / f).tolist()
    assert relative[:2] == pytest.approx([1, 1])
    assert relative[2] == pytest.approx(math.exp(-4.5), rel=1e-3)  # three sigma of 0.05


def test_a_hamming_window_leaves_8_per_cent_at_nyquist():
    f = torch.tensor([1e-6, 0.5])
    relative = radial_filter(Recipe(filter="hamming")).at(f) / f
    assert relative.tolist() == pytest.approx([1.0, 0.08], abs=1e-3)


def test_few_sirt_iterations_give_a_flat_filter_and_many_the_ramp():
    f = torch.tensor([LANDWEBER_STEP, 0.2, 0.4])
    few, many = (
        radial_filter(Recipe(filter="sirt_like", sirt_iterations=n)).at(f) for n in (4, 2000)
    )
    assert few[2] / few[1] == pytest.approx(1.0, abs=0.06)
    torch.testing.assert_close(many, f, rtol=1e-3, atol=0)
    assert few[0] == pytest.approx(LANDWEBER_STEP)  # converged at once


@pytest.mark.parametrize(("n", "m"), [(128, 96), (96, 128), (128, 128), (128, 50)])
def test_resampling_keeps_the_values_of_a_band_limited_field(n, m):
    def field(size):
        at = torch.arange(size, dtype=torch.float64) / size * 2 * math.pi
        return 0.3 + torch.cos(3 * at[:, None] + 7 * at + 1) - torch.sin(20 * at[:, None] - 5 * at)

    resampled = torch.fft.irfft2(crop_spectrum(torch.fft.rfft2(field(n)), m), s=(m, m))
    torch.testing.assert_close(resampled, field(m))


def test_resampling_removes_frequencies_beyond_nyquist():
    x = torch.arange(128, dtype=torch.float64) / 128 * 2 * math.pi
    fine = torch.cos(40 * x).expand(128, 128)
    coarse = torch.fft.irfft2(crop_spectrum(torch.fft.rfft2(fine), 64), s=(64, 64))
    assert coarse.abs().max() < 1e-9


def test_fields_hold_an_even_number_of_voxels():
    assert [field_size(Grid(n=128), v) for v in (1.5, 2.0, 3.1)] == [128, 96, 62]
    assert [field_size(Grid(n=128), v, 2) for v in (1.5, 2.0, 3.1)] == [128, 96, 60]


@pytest.mark.parametrize("wrong", [{"n": 31}, {"n": 65}, {"pixel_nm": 0.0}])
def test_an_invalid_grid_is_refused(wrong):
    with pytest.raises(ValueError, match="expected an even n"):
        Grid(**wrong)
