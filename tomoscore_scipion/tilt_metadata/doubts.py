# SPDX-License-Identifier: GPL-3.0-or-later
"""Angles and alignments that can be right, and are more often something else."""

from __future__ import annotations

import os

import numpy as np

from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.exposures import Exposures
from tomoscore_scipion.tilt_metadata.imod_files import NARROWEST_DEG

LARGEST_RADIANS = float(np.pi)
SAME_DOSE = 0.6
"""Numbers within so many views' doses of the accumulated dose are those doses."""


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
