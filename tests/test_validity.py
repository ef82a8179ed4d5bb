# SPDX-License-Identifier: GPL-3.0-or-later
"""Empty borders are recognised by their spread and position, for any values."""

import numpy as np
import pytest
from scipy import ndimage
from small_model import white

from tomoscore_scipion.model.validity import BLOCK, valid_pixels

SHAPE = (160, 200)
FIELD = white(SHAPE, seed=1)
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]]
CORNERS = (Y + X < 70) | (Y + X > 290)


def masked_share(valid, empty):
    """Fractions of the empty pixels that are masked and of the data that are valid."""
    return float((~valid[empty]).mean()), float(valid[~empty].mean())


@pytest.mark.parametrize("fill", [0.0, -3.5, 700.0])
def test_constant_corners_are_masked(fill):
    found = masked_share(valid_pixels(np.where(CORNERS, np.float32(fill), FIELD)), CORNERS)
    assert min(found) > 0.97


def test_empty_corners_are_masked_after_a_gaussian():
    smoothed = ndimage.gaussian_filter(np.where(CORNERS, 0, FIELD), 1.0)
    empty, data = masked_share(valid_pixels(smoothed), CORNERS)
    assert empty > 0.8
    assert data > 0.95


def test_empty_corners_are_masked_after_a_low_pass():
    """The edge is 0.05 cycles per pixel wide, so that ringing beyond the data decays fast."""
    n = 320
    y, x = np.mgrid[:n, :n]
    outside = np.abs(y - n / 2) + np.abs(x - n / 2) - 0.62 * n
    spectrum = np.fft.rfft2(np.where(outside > 0, 0, white((n, n), seed=4)))
    k = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n))
    gain = 0.5 * (1 + np.cos(np.pi * np.clip((k - 0.25) / 0.05, 0, 1)))
    valid = valid_pixels(np.fft.irfft2(spectrum * gain, s=(n, n)).astype(np.float32))
    assert float((~valid[outside > 40]).mean()) > 0.5
    assert float(valid[outside <= 0].mean()) > 0.95


@pytest.mark.parametrize("cut", [0.12, 0.25])
@pytest.mark.parametrize("empty", ["corner", "half"])
def test_empty_areas_are_masked_after_an_ideal_low_pass(cut, empty):
    n = 320
    plane = np.random.default_rng(4).standard_normal((n, n)).astype(np.float32)
    plane = ndimage.gaussian_filter(plane, 0.7, mode="wrap")
    y, x = np.mgrid[:n, :n]
    blank = (y + x < 150) if empty == "corner" else x < n // 2
    k = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None])
    filtered = np.fft.irfft2(np.fft.rfft2(np.where(blank, 0, plane)) * (k < cut), s=(n, n))
    valid = valid_pixels(filtered.astype(np.float32))
    assert (~valid[blank]).mean() > 0.7
    assert valid[~blank].mean() > 0.95


@pytest.mark.parametrize("extreme", [1e4, 1e8])
def test_a_few_extreme_pixels_do_not_mask_the_rest(extreme):
    spoiled = FIELD.copy()
    spoiled[60:63, 90:93] = extreme
    assert float(valid_pixels(spoiled).mean()) > 0.99


def test_corners_of_weak_noise_are_masked():
    weak = np.where(CORNERS, 1e-3 * white(SHAPE, seed=2), FIELD)
    assert min(masked_share(valid_pixels(weak), CORNERS)) > 0.9


def test_a_blank_half_of_the_field_is_masked():
    empty = X >= 100
    assert min(masked_share(valid_pixels(np.where(empty, 0, FIELD)), empty)) > 0.97


@pytest.mark.parametrize("width", [1, 2, 5, 7])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_constant_strips_thinner_than_a_block_are_masked(width, turns):
    assert width < BLOCK
    plane = np.rot90(FIELD, turns).copy()
    plane[:width] = 4.0
    valid = valid_pixels(plane)
    assert not valid[:width].any()
    assert valid[width:].all()


def test_a_smooth_area_inside_the_field_is_valid():
    inside = (Y - 80) ** 2 + (X - 100) ** 2 < 40**2
    assert valid_pixels(np.where(inside, 0.01 * FIELD, FIELD)).all()


def test_an_area_of_weaker_noise_at_the_edge_is_valid():
    assert valid_pixels(np.where(X > 130, 0.3 * FIELD, FIELD)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_only_values_that_are_not_finite_are_masked(bad):
    spoiled = FIELD.copy()
    spoiled[30:40, 50:60] = bad
    np.testing.assert_array_equal(valid_pixels(spoiled), np.isfinite(spoiled))
    assert not valid_pixels(np.full(SHAPE, bad, dtype=np.float32)).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 3), (15, 15)])
def test_small_images_are_valid_where_they_are_finite(shape):
    plane = white(shape)
    plane[0, 0] = np.nan
    np.testing.assert_array_equal(valid_pixels(plane), np.isfinite(plane))


def test_a_constant_plane_has_no_valid_pixels():
    assert not valid_pixels(np.full(SHAPE, 5.0, dtype=np.float32)).any()


def test_gain_offset_and_rotations_do_not_change_the_mask():
    plane = np.where(CORNERS, np.float32(0), FIELD)
    valid = valid_pixels(plane)
    np.testing.assert_array_equal(valid_pixels(np.float32(-300) * plane), valid)
    np.testing.assert_array_equal(valid_pixels(plane[::-1]), valid[::-1])
    np.testing.assert_array_equal(valid_pixels(np.ascontiguousarray(plane.T)), valid.T)


@pytest.mark.parametrize("sigma", [0.7, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("level", [3.0, -6.0, 20.0])
@pytest.mark.parametrize("empty", ["corners", "half"])
def test_the_slope_beside_an_empty_area_of_another_level_is_masked(sigma, level, empty):
    blank = CORNERS if empty == "corners" else X >= 100
    plane = ndimage.gaussian_filter(np.where(blank, level, FIELD), sigma).astype(np.float32)
    valid = valid_pixels(plane)
    assert (~valid[blank]).mean() > 0.99
    assert valid[~blank].mean() > 0.95 - 0.07 * sigma
    alone = ndimage.gaussian_filter(FIELD, sigma)
    assert np.abs(plane - alone)[valid].max() < 0.5 * alone.std()


@pytest.mark.parametrize("level", [5.0, -20.0])
def test_thin_empty_areas_around_a_round_field_are_masked(level):
    blank = (Y - 79.5) ** 2 + (X - 99.5) ** 2 > 98**2
    blank |= (Y - 79.5) ** 2 > 78**2
    plane = ndimage.gaussian_filter(np.where(blank, level, FIELD), 1.0)
    valid = valid_pixels(plane)
    assert (~valid[blank]).mean() > 0.9
    assert valid[~blank].mean() > 0.9


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("cut", [0.2, 0.25, 0.3])
def test_ringing_at_the_opposite_edge_is_masked(cut, turns):
    n = 320
    plane = np.random.default_rng(4).standard_normal((n, n)).astype(np.float32)
    plane = ndimage.gaussian_filter(plane, 1.5, mode="wrap")
    plane[:, n // 2 :] = 0
    k = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None])
    filtered = np.fft.irfft2(np.fft.rfft2(plane) * (k < cut), s=(n, n)).astype(np.float32)
    valid = np.rot90(valid_pixels(np.rot90(filtered, turns)), -turns)
    assert not valid[:, n // 2 + 3 * BLOCK :].any()
    assert valid[:, : n // 2].mean() > 0.97


@pytest.mark.parametrize("gap", [2, 4, 8])
def test_two_separate_parts_of_a_field_are_both_valid(gap):
    middle = FIELD.shape[1] // 2
    plane = FIELD.copy()
    plane[:, middle : middle + gap * BLOCK] = 0
    valid = valid_pixels(plane)
    assert valid[:, : middle - BLOCK].mean() > 0.97
    assert valid[:, middle + (gap + 1) * BLOCK :].mean() > 0.97


@pytest.mark.parametrize("level", [1.5, 3.0])
def test_an_empty_corner_without_a_falling_slope_is_masked(level):
    plane = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    plane[:45, :45] = -1
    plane[:42, :42] = 1.3 * level + 0.2 * np.random.default_rng(1).normal(size=(42, 42))
    plane[:40, :40] = level
    valid = valid_pixels(plane)
    assert not valid[:40, :40].any()
    assert valid[48:, 48:].all()
