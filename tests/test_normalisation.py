# SPDX-License-Identifier: GPL-3.0-or-later
"""What the network sees does not depend on gain, offset, sign, borders, beads or gradients."""

import math

import numpy as np
import pytest
import torch
from small_model import speckle

from tomoscore_scipion.engine.normalisation import (
    LINEAR,
    WILDEST,
    canonical_slice,
    compress,
    gaussian_blur,
    polarity,
    robust_spread,
    valid_pixels,
)
from tomoscore_scipion.engine.sampling import plan_slice

VOLUME = speckle((9, 120, 136), seed=1)
FILLS = (0.0, -3.5, 7.25, np.nan, np.inf)


def canonical(volume, voxel_nm=1.5, z=None):
    volume = np.asarray(volume, dtype=np.float32)
    z = len(volume) // 2 if z is None else z
    return canonical_slice(volume.__getitem__, plan_slice(z, len(volume), voxel_nm), voxel_nm)


def assert_same(found, expected, atol=2e-3):
    torch.testing.assert_close(found.channels, expected.channels, atol=atol, rtol=0)
    torch.testing.assert_close(found.valid, expected.valid)
    assert found.blank == expected.blank


def discs(shape, centres, radius):
    y, x = np.ogrid[: shape[0], : shape[1]]
    return np.any([(y - cy) ** 2 + (x - cx) ** 2 <= radius**2 for cy, cx in centres], axis=0)


# Gain, offset and sign


@pytest.mark.parametrize("gain", [1e-20, 0.01, 37.0, 1e20, -1e-20, -0.01, -37.0, -1e20])
def test_gain_of_either_sign_changes_nothing(gain):
    assert_same(canonical(VOLUME * np.float32(gain)), canonical(VOLUME))


@pytest.mark.parametrize("gain", [3.0, -3.0])
@pytest.mark.parametrize("offset", [-500.0, 0.1, 2000.0])
def test_offset_changes_nothing(gain, offset):
    assert_same(canonical(VOLUME * gain + offset), canonical(VOLUME))


def test_centre_has_robust_spread_1_and_no_mean():
    centre = canonical(VOLUME).channels[0]
    assert robust_spread(centre.flatten()) == pytest.approx(1, abs=0.01)
    assert abs(float(centre.mean())) < 0.1
    assert float(centre.abs().max()) < LINEAR + math.log1p(WILDEST)


def test_the_long_tail_is_dark():
    for volume in (VOLUME, -VOLUME):
        assert polarity(canonical(volume).channels[0]) < 0


def test_sign_is_one_for_all_channels():
    for found in (canonical(VOLUME), canonical(-VOLUME)):
        near = np.mean(VOLUME[[3, 5]], axis=0)
        correlation = np.corrcoef(found.channels[1].flatten(), near.flatten())[0, 1]
        assert correlation > 0.95


# The channels


def test_channels_are_the_slice_and_its_neighbours_near_and_far():
    found = canonical(VOLUME)
    expected = (VOLUME[4], VOLUME[[3, 5]].mean(axis=0), VOLUME[[0, 8]].mean(axis=0))
    for channel, plane in zip(found.channels, expected):
        assert np.corrcoef(channel.flatten(), plane.flatten())[0, 1] > 0.95
    assert found.z == 4


def test_neighbours_keep_their_gain_relative_to_the_slice():
    weaker = VOLUME.copy()
    weaker[[3, 5]] = 0.25 * VOLUME[4]
    found = canonical(weaker).channels
    linear = found[0].abs() < LINEAR
    slope = np.polyfit(found[0][linear].numpy(), found[1][linear].numpy(), 1)[0]
    assert slope == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("n_z", "absent"), [(1, [1, 2, 3]), (3, [2, 3]), (5, [2, 3]), (9, [3]), (33, [])]
)
def test_absent_neighbours_are_zero(n_z, absent):
    found = canonical(np.resize(VOLUME, (n_z, *VOLUME.shape[1:])))
    assert [c for c in range(4) if not found.channels[c].any()] == absent


@pytest.mark.parametrize("voxel_nm", [0.5, 1.5, 3.0])
def test_only_planned_planes_are_read_each_once(voxel_nm):
    plan = plan_slice(4, len(VOLUME), voxel_nm)
    reads = []

    def read(z):
        reads.append(z)
        return VOLUME[z]

    canonical_slice(read, plan, voxel_nm)
    assert tuple(sorted(reads)) == plan.planes


def test_planes_that_are_read_are_not_changed():
    before = VOLUME.copy()
    canonical(VOLUME)
    np.testing.assert_array_equal(VOLUME, before)


def test_field_of_view_stays_at_the_canonical_pixel():
    assert canonical(VOLUME, voxel_nm=0.75).channels.shape == (4, 60, 68)
    assert canonical(VOLUME, voxel_nm=3.0).channels.shape == (4, 240, 272)
    assert canonical(VOLUME, voxel_nm=3.0).valid.shape == (240, 272)


@pytest.mark.parametrize("voxel_nm", [0.5, 1.5, 4.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (2, 40), (40, 2), (7, 9), (8, 8)])
def test_tiny_images_are_normalised_or_blank(shape, voxel_nm):
    found = canonical(speckle((1, *shape)), voxel_nm)
    assert found.channels.isfinite().all()
    assert found.channels.shape[1:] == found.valid.shape
    assert found.blank == (not found.channels.any())


# Gold beads and wild values


def test_gold_beads_hardly_change_what_is_around_them():
    volume = speckle((9, 300, 300), seed=2)
    places = [(60, 60), (150, 220), (240, 100), (40, 250)]
    beads = discs((300, 300), places, 3)
    gilded = volume.copy()
    gilded[:, beads] = -50 * volume.std()
    around = torch.from_numpy(~discs((300, 300), places, 5))
    change = canonical(gilded).channels - canonical(volume).channels
    assert float(change[:, around].std()) < 0.05
    assert float(change[:, around].abs().max()) < 0.4


def test_beads_are_compressed():
    gilded = VOLUME.copy()
    gilded[:, discs((120, 136), [(60, 60)], 4)] = -1e4
    centre = canonical(gilded).channels[0]
    assert -LINEAR - math.log1p(WILDEST) < float(centre[60, 60]) < -LINEAR


def test_compression_changes_only_what_is_beyond_and_keeps_its_order_and_sign():
    values = torch.linspace(-500, 500, 4001)
    found = values.clone()
    compress(found[None, None])
    inside = values.abs() <= LINEAR
    torch.testing.assert_close(found[inside], values[inside])
    assert (found.diff() > 0).all()
    torch.testing.assert_close(found, -found.flip(0))


def test_lone_objects_on_a_quiet_ground_stay_dark_beside_their_bright_fringes():
    """Clipping made both alike, and what is wider decided which was taken for matter."""
    noise = np.random.default_rng(3).standard_normal((9, 256, 256)).astype(np.float32)
    places = [(40 + 60 * i, 50 + 50 * j) for i in range(4) for j in range(4)]
    noise[:, discs((256, 256), places, 13)] += 5
    noise[:, discs((256, 256), places, 8)] = -25
    assert float(canonical(noise).channels[0][40, 50]) < -LINEAR
    assert float(canonical(-noise).channels[0][40, 50]) < -LINEAR


@pytest.mark.parametrize("wild", [1e4, 1e8, -1e30, 3e38])
def test_a_few_wild_pixels_hide_nothing(wild):
    spoiled = VOLUME.copy()
    spoiled[:, 30, 40:43] = wild
    found, expected = canonical(spoiled), canonical(VOLUME)
    assert not found.blank
    far = found.channels[:, 60:] - expected.channels[:, 60:]
    assert float(far.std()) < 0.05


def test_a_volume_of_huge_values_is_normalised():
    assert_same(canonical(VOLUME * np.float32(1e30)), canonical(VOLUME))


# Empty borders and holes


def assert_inside_unchanged(bordered, mask, tolerance=0.25):
    """Where `mask` is True the slice is as it would be without a border."""
    inside = torch.from_numpy(mask)
    found, expected = canonical(bordered), canonical(VOLUME)
    assert float(found.valid[inside].min()) == 1
    assert float(found.valid[~inside].max()) == 0
    assert not found.channels[:, ~inside].any()
    change = (found.channels - expected.channels)[:, inside]
    assert float(change.std()) < tolerance
    assert robust_spread(found.channels[0][inside]) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("fill", FILLS)
def test_empty_rows_and_columns_at_the_edges_carry_no_weight(fill):
    bordered = VOLUME.copy()
    inside = np.zeros(VOLUME.shape[1:], dtype=bool)
    inside[20:117, 3:100] = True
    bordered[:, ~inside] = fill
    assert_inside_unchanged(bordered, inside)


@pytest.mark.parametrize("side", ["top", "bottom", "left", "right"])
def test_a_border_at_one_side_is_enough(side):
    rows, columns = slice(None), slice(None)
    if side in ("top", "bottom"):
        rows = slice(0, 5) if side == "top" else slice(-5, None)
    else:
        columns = slice(0, 5) if side == "left" else slice(-5, None)
    empty = np.zeros(VOLUME.shape[1:], dtype=bool)
    empty[rows, columns] = True
    np.testing.assert_array_equal(valid_pixels(np.where(empty, 4.0, VOLUME[4])), ~empty)


@pytest.mark.parametrize("fill", FILLS)
def test_an_empty_patch_inside_carries_no_weight(fill):
    bordered = VOLUME.copy()
    inside = np.ones(VOLUME.shape[1:], dtype=bool)
    inside[30:61, 50:75] = False
    bordered[:, ~inside] = fill
    assert_inside_unchanged(bordered, inside)


@pytest.mark.parametrize("fill", [0.0, 5.0])
def test_corners_that_a_rotation_left_empty_carry_no_weight(fill):
    y, x = np.mgrid[:120, :136]
    empty = (y + x < 50) | (y + x > 215)
    valid = valid_pixels(np.where(empty, fill, VOLUME[4]))
    assert valid[~empty].all()
    assert (~valid[empty]).mean() > 0.95


def test_borders_of_any_value_do_not_shift_the_scale():
    results = []
    for fill in (0.0, 1e6):
        bordered = VOLUME.copy()
        bordered[:, :40] = bordered[:, :, :30] = fill
        results.append(canonical(bordered))
    assert_same(*results, atol=1e-5)


def test_nan_is_masked_and_noted():
    spoiled = VOLUME.copy()
    spoiled[4, 10:20, 30] = np.nan
    found = canonical(spoiled)
    assert found.not_finite
    assert not canonical(VOLUME).not_finite
    assert found.channels.isfinite().all()
    assert not found.valid[10:20, 30].any()
    assert float(found.valid.mean()) == pytest.approx(1 - 10 / found.valid.numel(), abs=1e-6)


def test_infinities_that_meet_in_the_mean_of_planes_are_masked():
    spoiled = VOLUME.copy()
    spoiled[3, 10:20, 30], spoiled[4, 10:20, 30] = np.inf, -np.inf
    found = canonical(spoiled, voxel_nm=0.5)
    assert found.not_finite
    assert found.channels.isfinite().all()


def test_nan_in_a_neighbour_is_no_signal():
    spoiled = VOLUME.copy()
    spoiled[5, 10:20] = np.nan
    found = canonical(spoiled).channels
    assert found.isfinite().all()
    assert float(found[1, 12:18].abs().mean()) < 0.5


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("sigma_levels", [0.6, 1.5, 20.0])
def test_integers_of_few_levels_are_data(dtype, sigma_levels):
    levels = np.round(sigma_levels * VOLUME / VOLUME.std())
    levels = levels + 128 if dtype == "uint8" else levels
    volume = np.clip(levels, np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)
    found = canonical(volume)
    assert not found.blank
    assert float(found.valid.mean()) > 0.999
    correlation = np.corrcoef(found.channels[0].flatten(), VOLUME[4].flatten())[0, 1]
    assert correlation > 0.85


# Gradients


@pytest.mark.parametrize("height", [3.0, -12.0])
def test_gradients_are_removed(height):
    volume = speckle((9, 256, 256), seed=3)
    y, x = np.mgrid[:256, :256] / 256
    found, expected = canonical(volume + height * (y - 0.5 * x)), canonical(volume)
    middle = slice(40, -40)
    change = (found.channels - expected.channels)[:, middle, middle]
    assert float(change.abs().mean()) < 0.05 * abs(height)
    correlation = np.corrcoef(found.channels[0].flatten(), expected.channels[0].flatten())[0, 1]
    assert correlation > 0.9


def test_smooth_shading_is_removed():
    volume = speckle((9, 256, 256), seed=3)
    shade = 3 * np.cos(np.pi * np.arange(256) / 256)[:, None] ** 2
    found, expected = canonical(volume + shade), canonical(volume)
    change = (found.channels - expected.channels)[:, 40:-40, 40:-40]
    assert float(change.std()) < 0.5 * float(shade.std() / volume.std())


def test_waves_of_the_coarsest_band_are_kept():
    volume = 0.05 * speckle((9, 256, 256), seed=3)
    wave = np.sin(2 * np.pi * np.arange(256) * 1.5 / 100)
    kept = canonical(volume + wave).channels[0].numpy()[64:-64, 64:-64]
    assert np.corrcoef(kept.mean(axis=0), wave[64:-64])[0, 1] ** 2 > 0.95


# Nothing there


@pytest.mark.parametrize("value", [0.0, -7.0, 1e30, np.nan, np.inf])
def test_a_constant_slice_is_blank(value):
    found = canonical(np.full((3, 64, 64), value))
    assert found.blank
    assert not found.channels.any()
    assert not found.valid.any()
    assert found.not_finite == (not np.isfinite(value))


def test_differences_at_the_rounding_of_float32_are_nothing():
    volume = np.float32(1e6) + np.float32(1e-2) * VOLUME
    assert len(np.unique(volume)) > 1
    assert canonical(volume).blank


def test_a_few_valid_rows_among_nan_do_not_break():
    spoiled = np.full_like(VOLUME, np.nan)
    spoiled[:, 60:62] = VOLUME[:, 60:62]
    found = canonical(spoiled)
    assert found.channels.isfinite().all()
    assert float(found.valid.sum()) == pytest.approx(2 * VOLUME.shape[2])


# Helpers


def test_robust_spread_is_the_standard_deviation_blind_to_outliers():
    values = torch.randn(50_000, generator=torch.Generator().manual_seed(0))
    values[::100] = 1e6
    assert robust_spread(values) == pytest.approx(1, rel=0.03)
    assert robust_spread(torch.tensor([])) == 0


def test_blur_keeps_the_sum_of_a_point_and_spreads_it_by_sigma():
    point = torch.zeros(1, 1, 41, 41)
    point[0, 0, 20, 20] = 1
    blurred = gaussian_blur(point, 3.0)[0, 0]
    assert float(blurred.sum()) == pytest.approx(1, abs=1e-4)
    offsets = torch.arange(41.0) - 20
    assert float((blurred.sum(dim=0) * offsets**2).sum()) == pytest.approx(9, rel=0.05)
