# SPDX-License-Identifier: GPL-3.0-or-later
"""Tilt angles and alignments: what no series has is refused, what few series have is a warning.

No image is tilted by more than 90 degrees, or shifted out of its own field.
"""

from __future__ import annotations

import os

import numpy as np

from tomoscore_scipion.reading.text_file import PathLike
from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.exposures import Exposures

STEEPEST_DEG = 90.0
NARROWEST_DEG = 2.0
"""A series whose angles all lie within so many degrees is in radians, or no tilt series."""
MOST_STRETCH = 1.25
"""Alignment stretches an image along one direction by less, relative to the other."""
LARGEST_AXIS_DEG = 360.0
LARGEST_RADIANS = float(np.pi)
SAME_DOSE = 0.6
"""Numbers within so many views' doses of the accumulated dose are those doses."""


def check_angles(path: PathLike, angles_deg: np.ndarray) -> None:
    """Refuse angles that no tilt series has.

    Raises:
        TomogramError: an angle beyond 90 degrees, all of them within 2 degrees, or image numbers.
    """
    wrong = np.flatnonzero(~(np.abs(angles_deg) <= STEEPEST_DEG))
    if wrong.size:
        raise TomogramError(
            f"{path}: view {wrong[0] + 1}: expected a tilt angle from -90 to 90 degrees, got "
            f"{angles_deg[wrong[0]]:g}; is this the file of tilt angles?"
        )
    if angles_deg.size and (
        np.ptp(angles_deg) < NARROWEST_DEG or np.abs(angles_deg).max() < NARROWEST_DEG
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
    """Whether numbers count images: whole, none negative, most one apart, in any order."""
    ranked = np.sort(angles_deg)
    steps = np.diff(ranked)
    whole = bool(np.array_equal(ranked, np.round(ranked)))
    return (
        whole and ranked.size > 2 and ranked[0] >= 0 and steps.min() > 0 and np.median(steps) == 1
    )


def check_axis(path: PathLike, axis_deg: np.ndarray) -> None:
    """Refuse angles of the tilt axis, (n_views,), that nobody writes.

    Raises:
        TomogramError: one beyond 360 degrees.
    """
    wrong = np.flatnonzero(~(np.abs(axis_deg) <= LARGEST_AXIS_DEG))
    if wrong.size:
        raise TomogramError(
            f"{path}: view {wrong[0] + 1}: expected an angle of the tilt axis from -360 to 360 "
            f"degrees, got {axis_deg[wrong[0]]:g}; is the file whole, and that of this series?"
        )


def check_transforms(path: PathLike, transforms: np.ndarray, shape_yx: tuple[int, int]) -> None:
    """Refuse transforms that leave nothing of an image, or cannot be undone.

    Args:
        path: where they are from, for messages.
        transforms: (n_views, 2, 3), in pixels.
        shape_yx: of the images.

    Raises:
        TomogramError: a shift of the whole image or more, or a matrix that is no rotation, or
            mirrors the image.
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
    wrong = np.flatnonzero(~(near_one & (scales[:, 0] < MOST_STRETCH * scales[:, 1])))
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
    """Whether all views of a stack are tilted to one side, (n_views,)."""
    return bool(angles_deg.min() >= -NARROWEST_DEG or angles_deg.max() <= NARROWEST_DEG)


def doubts_of_angles(path: str, angles_deg: np.ndarray, exposures: Exposures) -> tuple[str, ...]:
    """A warning of angles on one side of 0, where accumulated doses are.

    Args:
        path: where the angles are from.
        angles_deg: of the views, (n_views,).
        exposures: of the same views.

    Raises:
        TomogramError: the angles are the accumulated doses.
    """
    apart = np.abs(angles_deg - exposures.middle)
    if (apart <= SAME_DOSE * exposures.of).all():
        raise TomogramError(
            f"{path}: expected tilt angles, got the accumulated doses of the views, from "
            f"{angles_deg.min():g} to {angles_deg.max():g}; give the file of tilt angles"
        )
    return (
        f"{os.path.basename(path)}: all tilt angles are on one side of 0, from "
        f"{angles_deg.min():g} to {angles_deg.max():g} degrees; is it the file of tilt angles, and "
        "not of doses?",
    )


def doubts_of_axis(path: str, transforms: np.ndarray) -> tuple[str, ...]:
    """A warning of a tilt axis near y that may be one in radians.

    Args:
        path: where the alignment is from.
        transforms: rotations in IMOD's form, (n_views, 2, 3).
    """
    axis = np.abs(np.rad2deg(np.arctan2(transforms[:, 1, 0], transforms[:, 0, 0])))
    if not len(axis) or not 0 < axis.max() <= LARGEST_RADIANS:
        return ()
    return (
        f"{os.path.basename(path)}: the tilt axis is within {axis.max():.2f} degrees of y in all "
        "views; is its angle in degrees, and not in radians?",
    )


def doubts_of_shifts(path: str, transforms: np.ndarray, longest_px: int) -> tuple[str, ...]:
    """A warning where views are shifted by more than half of the image.

    Args:
        path: where the alignment is from.
        transforms: (n_views, 2, 3), in pixels.
        longest_px: the longer edge of the images.
    """
    far = int((np.abs(transforms[:, :, 2]).max(axis=1) > longest_px / 2).sum())
    if not far:
        return ()
    return (
        f"{os.path.basename(path)}: {far} of {len(transforms)} views are shifted by more than half "
        "of the image; is it the alignment of a stack of another binning?",
    )
