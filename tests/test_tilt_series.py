# SPDX-License-Identifier: GPL-3.0-or-later
"""Tilt series: IMOD's files and transforms, binning, reconstruction."""

import mrcfile
import numpy as np
import pytest
import torch

from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tomography.tilt_series import (
    aligned_views,
    apply_transform,
    fourier_crop,
    random_shifts,
    read_imod_series,
    reconstruct,
)

ANGLES = np.arange(-60.0, 61.0, 6.0)
SHAPE_YX = (48, 64)
PIXEL_ANGSTROM = 10.0


def rotation(degrees):
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[cosine, -sine], [sine, cosine]])


def blob(place_xy, shape_yx=SHAPE_YX, sigma=2.0):
    """A Gaussian blob at a position relative to the centre."""
    y, x = np.ogrid[: shape_yx[0], : shape_yx[1]]
    y, x = y - (shape_yx[0] - 1) / 2, x - (shape_yx[1] - 1) / 2
    return np.exp(-((x - place_xy[0]) ** 2 + (y - place_xy[1]) ** 2) / (2 * sigma**2))


def as_tensor(image):
    return torch.from_numpy(image.astype(np.float32))


def place(image):
    """(x, y) of the blob in an image, from its centre."""
    image = np.asarray(image, dtype=np.float64)
    y, x = np.ogrid[: image.shape[0], : image.shape[1]]
    centre = np.array([(image * x).sum(), (image * y).sum()]) / image.sum()
    return centre - (np.array(image.shape[::-1]) - 1) / 2


def transform_of(matrix, shift_xy):
    return np.column_stack([matrix, shift_xy])


@pytest.fixture
def series_files(tmp_path):
    """A rotated and shifted stack with a point at (z, y, x) = (60, -40, 80) A."""
    shifts = random_shifts(ANGLES.size, 2.0, seed=1)
    matrix = rotation(7.0)
    images = []
    for angle, shift in zip(np.deg2rad(ANGLES), shifts):
        aligned = np.array([8 * np.cos(angle) + 6 * np.sin(angle), -4.0])
        # A constant that differs from view to view, as counts do.
        images.append(100 + angle + 50 * blob(np.linalg.inv(matrix) @ (aligned - shift)))
    stack, xf, tlt = (tmp_path / f"series.{suffix}" for suffix in ("mrc", "xf", "tlt"))
    mrcfile.write(stack, np.stack(images).astype(np.float32), voxel_size=PIXEL_ANGSTROM)
    rows = [(*matrix.ravel(), *shift) for shift in shifts]
    xf.write_text("".join("".join(f"{value:12.7f}" for value in row) + "\n" for row in rows))
    tlt.write_text("".join(f"{angle:7.2f}\n" for angle in ANGLES) + "\n")
    return stack, xf, tlt


@pytest.fixture
def series(series_files):
    return read_imod_series(*series_files)


@pytest.mark.parametrize(
    ("matrix", "shift_xy", "expected_xy"),
    [
        (np.eye(2), (3.25, -5.5), (13.25, -1.5)),
        (rotation(90), (0, 0), (-4, 10)),
        (rotation(90), (2, 1), (-2, 11)),
        (1.2 * np.eye(2), (-1, 0), (11, 4.8)),
        ([[1, 0.5], [0, 1]], (0, 0), (12, 4)),
    ],
)
@pytest.mark.parametrize("shape_yx", [SHAPE_YX, (60, 70), (61, 71)])
def test_a_point_moves_by_the_transform(matrix, shift_xy, expected_xy, shape_yx):
    image = as_tensor(blob((10, 4)))
    moved = apply_transform(image, transform_of(matrix, shift_xy), shape_yx)
    assert moved.shape == shape_yx
    # The bicubic kernel itself is off by up to 0.05 pixel for fractional shifts.
    np.testing.assert_allclose(place(moved), expected_xy, atol=0.06)


def test_the_identity_does_not_change_the_image():
    image = as_tensor(np.random.default_rng(0).normal(size=SHAPE_YX))
    same = apply_transform(image, transform_of(np.eye(2), (0, 0)), SHAPE_YX)
    torch.testing.assert_close(same, image, atol=1e-3, rtol=0)


def test_outside_the_image_is_zero():
    shifted = apply_transform(torch.ones(SHAPE_YX), transform_of(np.eye(2), (20, 0)), SHAPE_YX)
    assert torch.all(shifted[:, :17] == 0)
    assert torch.all(shifted[:, 23:] > 0.9)


def test_a_transform_without_an_inverse_is_refused():
    with pytest.raises(TomogramError, match="inverted"):
        apply_transform(torch.ones(SHAPE_YX), np.zeros((2, 3)), SHAPE_YX)


@pytest.mark.parametrize("shape_yx", [(24, 32), (32, 40), (21, 33), SHAPE_YX])
def test_binning_keeps_position_and_density(shape_yx):
    small = fourier_crop(as_tensor(blob((10, 4), sigma=3.0)), shape_yx)
    binning = np.array(SHAPE_YX[::-1]) / np.array(shape_yx[::-1])
    assert small.shape == shape_yx
    np.testing.assert_allclose(place(small) * binning, (10, 4), atol=0.02)
    assert small.sum().item() * binning.prod() == pytest.approx(2 * np.pi * 9, rel=0.01)


def test_binning_removes_frequencies_beyond_nyquist():
    x = np.arange(64)
    fine = np.cos(2 * np.pi * 0.3 * x)[None] * np.hanning(64)[None] * np.ones((48, 1))
    assert fourier_crop(as_tensor(fine), (24, 32)).abs().max() < 0.02


def test_binning_to_more_pixels_is_refused():
    with pytest.raises(ValueError, match="within"):
        fourier_crop(torch.zeros(SHAPE_YX), (48, 65))


def test_series_is_read_from_the_files_of_imod(series):
    assert series.pixel_angstrom == pytest.approx(PIXEL_ANGSTROM)
    np.testing.assert_allclose(series.angles_deg, ANGLES)
    np.testing.assert_allclose(series.transforms[3, :, :2], rotation(7.0), atol=1e-6)
    np.testing.assert_allclose(series.transforms[:, :, 2], random_shifts(21, 2.0, 1), atol=1e-6)


def test_a_given_pixel_size_is_used(series_files):
    assert read_imod_series(*series_files, pixel_angstrom=8.0).pixel_angstrom == 8.0


@pytest.mark.parametrize("pixel_angstrom", [10.0, 13.0, 20.0])
def test_aligned_views_show_the_specimen_from_their_angles(series, pixel_angstrom):
    views = aligned_views(series, pixel_angstrom)
    scale = PIXEL_ANGSTROM / pixel_angstrom
    assert views.shape == (21, round(48 * scale), round(64 * scale))
    for view, angle in zip(views, np.deg2rad(ANGLES)):
        expected = np.array([8 * np.cos(angle) + 6 * np.sin(angle), -4.0]) * scale
        peak = np.unravel_index(view.numpy().argmax(), view.shape)[::-1]
        found = np.array(peak) - (np.array(view.shape[::-1]) - 1) / 2
        np.testing.assert_allclose(found, expected, atol=0.75)


def test_aligned_views_have_mean_zero_and_keep_their_contrast(series):
    views = aligned_views(series, PIXEL_ANGSTROM)
    assert abs(views.mean().item()) < 0.2
    np.testing.assert_allclose(views.amax(dim=(1, 2)).numpy(), 50, atol=3)


def test_a_pixel_finer_than_the_stack_is_refused(series):
    with pytest.raises(TomogramError, match="at least the stack's 10 A, got 5 A"):
        aligned_views(series, 5.0)


@pytest.mark.parametrize("voxel_size_angstrom", [10.0, 16.0])
def test_reconstruction_has_the_point_at_its_position(series, voxel_size_angstrom):
    tomogram = reconstruct(series, voxel_size_angstrom, 320.0)
    assert tomogram.dtype == np.float32
    assert tomogram.shape[0] == round(320 / voxel_size_angstrom)
    peak = np.unravel_index(tomogram.argmax(), tomogram.shape)
    found = (np.array(peak) - (np.array(tomogram.shape) - 1) / 2) * voxel_size_angstrom
    np.testing.assert_allclose(found, (60, -40, 80), atol=0.75 * voxel_size_angstrom)


def test_selected_views_keep_their_own_angle_image_and_alignment(series):
    views = aligned_views(series, 20.0)
    chosen = series.select(slice(1, None, 4))
    np.testing.assert_allclose(chosen.angles_deg, ANGLES[1::4])
    torch.testing.assert_close(aligned_views(chosen, 20.0), views[1::4])
    again = chosen.select([2, 0])
    torch.testing.assert_close(aligned_views(again, 20.0), views[[9, 1]])


def test_shifts_move_the_aligned_images(series):
    shifts = np.tile([30.0, -20.0], (21, 1))
    moved = aligned_views(series.shifted(shifts), PIXEL_ANGSTROM)
    views = aligned_views(series, PIXEL_ANGSTROM)
    torch.testing.assert_close(moved[:, 10:30, 20:50], views[:, 12:32, 17:47], atol=0.05, rtol=0)


def test_without_shifts_only_the_rotation_is_left(series):
    bare = series.without_shifts()
    assert np.all(bare.transforms[:, :, 2] == 0)
    np.testing.assert_array_equal(bare.transforms[:, :, :2], series.transforms[:, :, :2])


def test_random_shifts_have_their_sigma_and_one_pattern_per_seed():
    assert random_shifts(2000, 50.0).std() == pytest.approx(50.0, rel=0.05)
    np.testing.assert_allclose(random_shifts(9, 100.0, 3), 2 * random_shifts(9, 50.0, 3))
    assert not np.allclose(random_shifts(9, 50.0, 3), random_shifts(9, 50.0, 4))


def test_files_with_different_numbers_of_views_are_refused(series_files):
    stack, xf, tlt = series_files
    tlt.write_text("".join(tlt.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(TomogramError, match=r"series\.tlt: expected 21 rows.*got 20"):
        read_imod_series(stack, xf, tlt)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 0 0 1 0\n", "expected 6 finite numbers in row 1"),
        ("1 0 0 1 0 nan\n", "expected 6 finite numbers in row 1"),
        ("1 0 0 1 zero 0\n", "expected a text file of numbers"),
        ("1 0 0 1 0 0\xb5\n", "expected a text file of numbers"),
    ],
)
def test_a_damaged_alignment_file_is_named(series_files, text, message):
    stack, xf, tlt = series_files
    xf.write_text(text, encoding="latin-1")
    with pytest.raises(TomogramError, match=rf"series\.xf: {message}"):
        read_imod_series(stack, xf, tlt)


def test_a_missing_file_is_named(series_files, tmp_path):
    stack, xf, _ = series_files
    with pytest.raises(TomogramError, match=r"none\.tlt"):
        read_imod_series(stack, xf, tmp_path / "none.tlt")


def test_arrays_of_different_numbers_of_views_are_refused(series):
    with pytest.raises(ValueError, match=r"expected angles of shape \(21,\)"):
        type(series)(series.path, 10.0, series.angles_deg[1:], series.transforms, series.views)
    with pytest.raises(ValueError, match=r"expected shifts of shape \(21, 2\)"):
        series.shifted(np.zeros((20, 2)))
