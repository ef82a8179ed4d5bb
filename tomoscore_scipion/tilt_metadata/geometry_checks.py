# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of tilt angles and alignments. Impossible ones are refused, unusual ones give warnings."""

from __future__ import annotations

import os

import numpy as np

from tomoscore_scipion.reading.text_file import PathLike
from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.records.tilt_range import MAX_TILT_DEG
from tomoscore_scipion.tilt_metadata.exposures import Exposures

MIN_RANGE_DEG = 2.0
"""Smallest range of the angles of a tilt series; a smaller one may be in radians."""
MAX_STRETCH = 1.25
"""Largest ratio of the magnifications along two perpendicular directions."""
MAX_AXIS_DEG = 360.0
MAX_RADIANS = float(np.pi)
MAX_DOSE_DIFFERENCE = 0.6
"""Numbers that differ by less from the accumulated doses, in doses of a view, are these doses."""


def check_angles(path: PathLike, angles_deg: np.ndarray) -> None:
    """Check tilt angles.

    Args:
        path: file of the angles, for messages.
        angles_deg: angles in degrees, (n_views,).

    Raises:
        TomogramError: an angle is beyond 90 degrees, all are within 2 degrees, or they are image
            numbers.
    """
    wrong = np.flatnonzero(~(np.abs(angles_deg) <= MAX_TILT_DEG))
    if wrong.size:
        raise TomogramError(
            f"{path}: view {wrong[0] + 1}: expected a tilt angle from -90 to 90 degrees, got "
            f"{angles_deg[wrong[0]]:g}; is this the file of tilt angles?"
        )
    if angles_deg.size and (
        np.ptp(angles_deg) < MIN_RANGE_DEG or np.abs(angles_deg).max() < MIN_RANGE_DEG
    ):
        raise TomogramError(
            f"{path}: expected different tilt angles in degrees, got {angles_deg.min():g} to "
            f"{angles_deg.max():g} for all views; are they in radians, or is the file another one?"
        )
    if _are_image_numbers(angles_deg):
        raise TomogramError(
            f"{path}: expected tilt angles, got whole numbers one apart, {angles_deg.min():g} to "
            f"{angles_deg.max():g}; is it a column of image numbers, or of the order of "
            "acquisition? Give the angles in the first column"
        )


def _are_image_numbers(angles_deg: np.ndarray) -> bool:
    """Whether numbers are image numbers: whole, not negative, with a median step of 1."""
    ranked = np.sort(angles_deg)
    steps = np.diff(ranked)
    is_whole = bool(np.array_equal(ranked, np.round(ranked)))
    return (
        is_whole
        and ranked.size > 2
        and ranked[0] >= 0
        and steps.min() > 0
        and np.median(steps) == 1
    )


def check_axis(path: PathLike, axis_deg: np.ndarray) -> None:
    """Check angles of the tilt axis.

    Args:
        path: file of the alignment, for messages.
        axis_deg: angles in degrees, (n_views,).

    Raises:
        TomogramError: an angle is beyond 360 degrees.
    """
    wrong = np.flatnonzero(~(np.abs(axis_deg) <= MAX_AXIS_DEG))
    if wrong.size:
        raise TomogramError(
            f"{path}: view {wrong[0] + 1}: expected an angle of the tilt axis from -360 to 360 "
            f"degrees, got {axis_deg[wrong[0]]:g}; is the file whole, and that of this series?"
        )


def check_transforms(path: PathLike, transforms: np.ndarray, shape_yx: tuple[int, int]) -> None:
    """Check transforms in the form of IMOD.

    Args:
        path: file of the alignment, for messages.
        transforms: (n_views, 2, 3), in pixels.
        shape_yx: shape of the images.

    Raises:
        TomogramError: a shift is as large as the image, or a matrix is not a rotation, or mirrors
            the image.
    """
    n_y, n_x = shape_yx
    beyond = np.abs(transforms[:, :, 2]).max(axis=1) >= max(n_y, n_x)
    if beyond.any():
        view = int(np.flatnonzero(beyond)[0])
        x, y = transforms[view, :, 2]
        raise TomogramError(
            f"{path}: view {view + 1}: expected a shift within the image of {n_x} x {n_y} pixels, "
            f"got ({x:g}, {y:g}) pixels; is it the alignment of a stack of another binning?"
        )
    scales = np.linalg.svd(transforms[:, :, :2], compute_uv=False)
    near_one = (scales > 0.5).all(axis=1) & (scales < 2.0).all(axis=1)
    wrong = np.flatnonzero(~(near_one & (scales[:, 0] < MAX_STRETCH * scales[:, 1])))
    if wrong.size:
        raise TomogramError(
            f"{path}: view {wrong[0] + 1}: expected a rotation, with a magnification near 1, got "
            f"the matrix {transforms[wrong[0], :, :2].tolist()}"
        )
    mirrored = np.flatnonzero(np.linalg.det(transforms[:, :, :2]) < 0)
    if mirrored.size:
        raise TomogramError(
            f"{path}: view {mirrored[0] + 1}: expected a rotation, got the matrix "
            f"{transforms[mirrored[0], :, :2].tolist()}, which mirrors the image, and which IMOD "
            "does not write; align the stack as it is"
        )


def on_one_side(angles_deg: np.ndarray) -> bool:
    """Whether all tilt angles, (n_views,), have one sign."""
    return bool(angles_deg.min() >= -MIN_RANGE_DEG or angles_deg.max() <= MIN_RANGE_DEG)


def check_not_doses(path: str, angles_deg: np.ndarray, exposures: Exposures) -> tuple[str, ...]:
    """Check that angles of one sign are not accumulated doses.

    Args:
        path: file of the angles, for messages.
        angles_deg: angles in degrees, (n_views,), all of one sign.
        exposures: doses of the same views.

    Returns:
        A warning that all angles have one sign.

    Raises:
        TomogramError: the angles are the accumulated doses.
    """
    difference = np.abs(angles_deg - exposures.middle)
    if (difference <= MAX_DOSE_DIFFERENCE * exposures.per_view).all():
        raise TomogramError(
            f"{path}: expected tilt angles, got the accumulated doses of the views, from "
            f"{angles_deg.min():g} to {angles_deg.max():g}; give the file of tilt angles"
        )
    return (
        f"{os.path.basename(path)}: all tilt angles are on one side of 0, from "
        f"{angles_deg.min():g} to {angles_deg.max():g} degrees; is it the file of tilt angles, and "
        "not of doses?",
    )


def check_axis_unit(path: str, transforms: np.ndarray) -> tuple[str, ...]:
    """Check whether the angle of the tilt axis may be in radians.

    Args:
        path: file of the alignment, for messages.
        transforms: transforms in the form of IMOD, (n_views, 2, 3).

    Returns:
        A warning if the axis is within pi degrees of y in all views.
    """
    axis = np.abs(np.rad2deg(np.arctan2(transforms[:, 1, 0], transforms[:, 0, 0])))
    if not len(axis) or not 0 < axis.max() <= MAX_RADIANS:
        return ()
    return (
        f"{os.path.basename(path)}: the tilt axis is within {axis.max():.2f} degrees of y in all "
        "views; is its angle in degrees, and not in radians?",
    )


def check_large_shifts(path: str, transforms: np.ndarray, longest_px: int) -> tuple[str, ...]:
    """Check whether views are shifted by more than half of the image.

    Args:
        path: file of the alignment, for messages.
        transforms: transforms in the form of IMOD, (n_views, 2, 3), in pixels.
        longest_px: longer edge of the images, in pixels.

    Returns:
        A warning if there are such views.
    """
    far = int((np.abs(transforms[:, :, 2]).max(axis=1) > longest_px / 2).sum())
    if not far:
        return ()
    return (
        f"{os.path.basename(path)}: {far} of {len(transforms)} views are shifted by more than half "
        "of the image; is it the alignment of a stack of another binning?",
    )
