# SPDX-License-Identifier: GPL-3.0-or-later
"""Preparation of a slice removes gain, offset, background and empty parts, by linear steps only."""

import numpy as np
import pytest
import torch
from small_model import canonical, speckle

from tomoscore_scipion.model.normalisation import (
    CLIP_SPREADS,
    MIN_VOXEL_NM,
    canonical_slice,
    gaussian_blur,
    local_lines,
    robust_spread,
    without_background,
)
from tomoscore_scipion.model.sampling import plan_slice

VOXEL = 2.0
"""Voxel size at which each plane is a separate slice."""
VOLUME = speckle((9, 120, 136), seed=1)
FILLS = (0.0, -3.5, 7.25, np.nan, np.inf)


def prepared(volume, voxel_nm=VOXEL, z=None):
    return canonical(volume, voxel_nm, z)


def middle(found):
    """The images (n, y, x) of a slice without the padding of the window."""
    return _middle(found.images, found.shape)


def mask(found):
    return _middle(found.valid, found.shape)


def _middle(images, shape):
    first = [(n - m) // 2 for n, m in zip(images.shape[-2:], shape)]
    return images[..., first[0] : first[0] + shape[0], first[1] : first[1] + shape[1]]


def assert_same(found, expected, atol=2e-3, sign=1):
    torch.testing.assert_close(found.images, sign * expected.images, atol=atol, rtol=0)
    torch.testing.assert_close(found.valid, expected.valid)
    assert found.blank == expected.blank


# Gain and offset


@pytest.mark.parametrize("gain", [1e-20, 0.01, 37.0, 1e20, -1e-20, -0.01, -37.0, -1e20])
def test_gain_changes_only_the_sign_and_the_level(gain):
    found, expected = prepared(VOLUME * np.float32(gain)), prepared(VOLUME)
    assert_same(found, expected, sign=np.sign(gain))
    assert found.log_spread - expected.log_spread == pytest.approx(np.log10(abs(gain)), abs=1e-3)


@pytest.mark.parametrize("offset", [-500.0, 0.1, 2000.0])
def test_offset_does_not_change_the_slice(offset):
    assert_same(prepared(VOLUME * 3 + offset), prepared(VOLUME))


def test_the_centre_has_robust_spread_1_and_mean_0():
    centre = middle(prepared(VOLUME))[0]
    assert robust_spread(centre) == pytest.approx(1, abs=0.02)
    assert abs(float(centre.mean())) < 0.02


def test_preparation_is_linear():
    """All steps before the whitening are linear; filters would change the effect of other steps."""
    one = VOLUME - VOLUME.mean()
    other = speckle(VOLUME.shape, seed=9)
    summed = prepared(one + other)
    parts = [10**p.log_spread * p.images for p in (prepared(one), prepared(other))]
    found = 10**summed.log_spread * summed.images
    difference = found[0] - sum(parts)[0]
    assert float(difference.std()) < 1e-3 * float(found[0].std())


# The channels


def test_channels_are_the_slice_and_its_neighbours_near_and_far():
    found = middle(prepared(VOLUME))
    expected = (VOLUME[4], VOLUME[[3, 5]].mean(axis=0), VOLUME[[1, 7]].mean(axis=0))
    assert len(found) == 3
    for channel, plane in zip(found, expected):
        assert np.corrcoef(channel.flatten(), plane.flatten())[0, 1] > 0.99
    assert prepared(VOLUME).z == 4


def test_neighbours_keep_their_gain_relative_to_the_slice():
    weaker = VOLUME.copy()
    weaker[[3, 5]] = 0.25 * VOLUME[4]
    found = middle(prepared(weaker))
    slope = np.polyfit(found[0].flatten().numpy(), found[1].flatten().numpy(), 1)[0]
    assert slope == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("n_z", "present"), [(1, "1000"), (3, "1100"), (7, "1110"), (9, "1110"), (33, "1111")]
)
def test_absent_neighbours_are_marked(n_z, present):
    found = prepared(np.resize(VOLUME, (n_z, *VOLUME.shape[1:])))
    assert "".join(str(int(one)) for one in found.present) == present
    assert len(found.images) == sum(found.present)


@pytest.mark.parametrize("voxel_nm", [0.5, 1.5, 3.0])
def test_only_planned_planes_are_read(voxel_nm):
    plan = plan_slice(4, len(VOLUME), voxel_nm)
    reads = set()

    def read(z):
        reads.add(z)
        return VOLUME[z]

    canonical_slice(read, plan, voxel_nm)
    assert reads == set(plan.planes)


def test_planes_that_are_read_are_not_changed():
    before = VOLUME.copy()
    prepared(VOLUME)
    np.testing.assert_array_equal(VOLUME, before)


def test_only_voxels_much_finer_than_the_bands_are_binned():
    assert prepared(VOLUME, 3.0).shape == (120, 136)
    assert prepared(VOLUME, 3.0).voxel_nm == 3.0
    fine = prepared(VOLUME, MIN_VOXEL_NM / 2)
    assert (fine.shape, fine.voxel_nm) == ((60, 68), MIN_VOXEL_NM)


@pytest.mark.parametrize(
    ("voxel_nm", "cells"), [(1.5, (4, 5)), (0.75, (2, 3)), (3.0, (8, 9)), (0.1, (2, 2))]
)
def test_cells_cover_the_slice(voxel_nm, cells):
    assert prepared(VOLUME, voxel_nm).cells == cells


@pytest.mark.parametrize("voxel_nm", [0.5, 1.5, 4.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (2, 40), (40, 2), (7, 9), (8, 8)])
def test_tiny_images_are_prepared_or_blank(shape, voxel_nm):
    found = prepared(speckle((1, *shape)), voxel_nm)
    assert found.images.isfinite().all()
    assert found.images.shape[1:] == found.valid.shape
    assert found.blank == (not found.images.any())


def test_a_slice_fades_out_in_the_margin_of_its_window():
    found = prepared(VOLUME)
    edge = torch.cat([found.images[0][0], found.images[0][:, -1]])
    assert float(edge.abs().max()) < 0.1
    # No step at the edge of the slice, which would be a cross in the Fourier transform.
    first = (found.images.shape[1] - found.shape[0]) // 2
    torch.testing.assert_close(
        found.images[0][first - 1], found.images[0][first], atol=0.05, rtol=0
    )
    assert not found.valid[: first - 1].any()


# Extreme values


@pytest.mark.parametrize("extreme", [1e8, -1e30, 3e38])
def test_extreme_pixels_are_limited(extreme):
    spoiled = VOLUME.copy()
    spoiled[:, 30, 40:43] = extreme
    found = prepared(spoiled)
    assert not found.blank
    assert found.images.isfinite().all()
    assert float(found.images.abs().max()) < 2 * CLIP_SPREADS


def test_a_volume_of_huge_values_is_prepared():
    assert_same(prepared(VOLUME * np.float32(1e30)), prepared(VOLUME))


# Empty borders and holes


@pytest.mark.parametrize("fill", FILLS)
def test_empty_borders_are_masked(fill):
    bordered = VOLUME.copy()
    inside = np.zeros(VOLUME.shape[1:], dtype=bool)
    inside[24:112, 8:104] = True
    bordered[:, ~inside] = fill
    found = prepared(bordered)
    empty = ~torch.from_numpy(inside)
    assert float(mask(found)[~empty].mean()) > 0.99
    assert not mask(found)[empty].any()
    assert not middle(found)[:, empty].any()
    assert found.not_finite == (not np.isfinite(fill))


def test_the_value_of_a_border_does_not_change_the_scale():
    results = []
    for fill in (0.0, 1e6):
        bordered = VOLUME.copy()
        bordered[:, :40] = bordered[:, :, :32] = fill
        results.append(prepared(bordered))
    one, other = results
    assert one.log_spread == pytest.approx(other.log_spread, abs=1e-3)
    # Pixels beside the border that have its value by chance are masked with it.
    assert float((one.valid != other.valid).float().mean()) < 0.01
    both = (one.valid * other.valid) > 0
    assert float((one.images - other.images)[:, both].abs().mean()) < 0.01


def test_nan_is_masked_and_reported():
    spoiled = VOLUME.copy()
    spoiled[4, 10:20, 30] = np.nan
    found = prepared(spoiled)
    assert found.not_finite
    assert not prepared(VOLUME).not_finite
    assert found.images.isfinite().all()
    assert not mask(found)[10:20, 30].any()
    assert float(mask(found).mean()) == pytest.approx(1 - 10 / VOLUME[0].size, abs=1e-6)


def test_opposite_infinities_in_the_mean_of_planes_are_masked():
    spoiled = VOLUME.copy()
    spoiled[3, 10:20, 30], spoiled[4, 10:20, 30] = np.inf, -np.inf
    found = prepared(spoiled, voxel_nm=0.9)
    assert found.not_finite
    assert found.images.isfinite().all()


def test_nan_in_a_neighbour_gives_no_signal():
    spoiled = VOLUME.copy()
    spoiled[5, 10:20] = np.nan
    found = middle(prepared(spoiled))
    assert found.isfinite().all()
    assert float(found[1, 12:18].abs().mean()) < 0.5


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("sigma_levels", [0.6, 1.5, 20.0])
def test_integers_of_few_levels_are_valid(dtype, sigma_levels):
    levels = np.round(sigma_levels * VOLUME / VOLUME.std())
    levels = levels + 128 if dtype == "uint8" else levels
    volume = np.clip(levels, np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)
    found = prepared(volume)
    assert not found.blank
    assert float(mask(found).mean()) > 0.99
    assert np.corrcoef(middle(found)[0].flatten(), VOLUME[4].flatten())[0, 1] > 0.85


# Backgrounds


@pytest.mark.parametrize("height", [3.0, -12.0])
def test_a_linear_background_is_removed(height):
    y, x = np.mgrid[:120, :136] / 120
    found, expected = prepared(VOLUME + height * (y - 0.5 * x)), prepared(VOLUME)
    unit = 10 ** (found.log_spread - expected.log_spread)
    assert_same(expected, expected)
    torch.testing.assert_close(found.images * unit, expected.images, atol=0.01, rtol=0)


def test_a_smooth_background_beside_an_empty_part_is_removed():
    valid = torch.ones((200, 200))
    valid[:, 150:] = 0
    y, x = np.mgrid[:200, :200] / 200
    background = torch.from_numpy(5 * np.cos(2 * y) * np.cos(x)).float()[None]
    left = without_background(background, valid, VOXEL)
    assert not left[:, :, 150:].any()
    assert float(left[0, 20:-20, 20:130].std()) < 0.3 * float(background[0, :, :150].std())


@pytest.mark.parametrize("n", [9, 37, 128, 200])
def test_the_smoother_keeps_straight_lines_up_to_the_ends(n):
    blocks = -(-n // 8)
    line = 3 - 0.7 * torch.arange(float(n))
    means = torch.nn.functional.adaptive_avg_pool1d(line[None], blocks)[0]
    smoother = local_lines(n, blocks, 40.0)
    torch.testing.assert_close(smoother @ means, line, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(smoother.flip(0, 1), smoother)


def test_the_smoother_of_a_single_block_is_its_mean():
    torch.testing.assert_close(local_lines(5, 1, 40.0), torch.ones(5, 1))


def test_a_strong_coarse_background_does_not_change_the_edge():
    """A background as from a filter that amplifies coarse features; its mirror image has a kink."""
    fine = speckle((1, 256, 256), seed=4)
    bend = 200 * np.cos(2 * np.pi * (np.arange(256) * VOXEL / 900 + 0.2))
    found, expected = (middle(prepared(volume))[0] for volume in (fine + bend, fine))
    for image in (found, expected):
        image -= image.mean()
    at_edge = (found[:, :16] - found[:, :16].mean(dim=0)).flatten()
    as_before = (expected[:, :16] - expected[:, :16].mean(dim=0)).flatten()
    assert np.corrcoef(at_edge, as_before)[0, 1] > 0.99
    left = found.mean(dim=0) / found.std(dim=0).mean()
    assert float(left.abs().max()) < 10, "of a bend of hundreds of standard deviations"


def test_waves_of_the_coarsest_band_remain():
    volume = 0.05 * speckle((9, 256, 256), seed=3)
    wave = np.sin(2 * np.pi * np.arange(256) * VOXEL / 100)
    values = middle(prepared(volume + wave))[0].numpy()
    assert np.corrcoef(values.mean(axis=0), wave)[0, 1] ** 2 > 0.95


# Blank slices


@pytest.mark.parametrize("value", [0.0, -7.0, 1e30, np.nan, np.inf])
def test_a_constant_slice_is_blank(value):
    found = prepared(np.full((3, 64, 64), value))
    assert found.blank
    assert not found.images.any()
    assert not found.valid.any()
    assert found.not_finite == (not np.isfinite(value))


def test_a_gradient_alone_is_blank():
    y = np.mgrid[:120, :136][0]
    assert prepared(np.float32(0.1) * y[None].astype(np.float32)).blank


def test_a_slice_constant_except_for_rounding_is_blank():
    volume = np.float32(1e6) + np.float32(1e-2) * VOLUME
    assert len(np.unique(volume)) > 1
    assert prepared(volume).blank


def test_a_few_valid_rows_among_nan_give_finite_images():
    spoiled = np.full_like(VOLUME, np.nan)
    spoiled[:, 60:62] = VOLUME[:, 60:62]
    assert prepared(spoiled).images.isfinite().all()


# Helpers


def test_robust_spread_is_the_standard_deviation_without_outliers():
    values = torch.randn(50_000, generator=torch.Generator().manual_seed(0))
    values[::100] = 1e6
    assert robust_spread(values) == pytest.approx(1, rel=0.03)
    assert robust_spread(torch.tensor([])) == 0


def test_blur_keeps_the_sum_of_a_point_and_spreads_it_by_sigma():
    point = torch.zeros(1, 41, 41)
    point[0, 20, 20] = 1
    blurred = gaussian_blur(point, 3.0)[0]
    assert float(blurred.sum()) == pytest.approx(1, abs=0.01)
    offsets = torch.arange(41.0) - 20
    assert float((blurred.sum(dim=0) * offsets**2).sum()) == pytest.approx(9, rel=0.05)
