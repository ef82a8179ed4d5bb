# SPDX-License-Identifier: GPL-3.0-or-later
"""IMOD's text files: transforms (.xf) and tilt angles (.tlt) of a stack."""

from __future__ import annotations

import numpy as np

from tomoscore_scipion.reading.text_file import PathLike
from tomoscore_scipion.tilt_metadata.geometry_checks import check_angles, check_transforms
from tomoscore_scipion.tilt_metadata.number_table import (
    as_numbers,
    check_count,
    read_rows,
    read_words,
)


def read_transforms(
    xf: PathLike, n_views: int, stack: PathLike, shape_yx: tuple[int, int]
) -> np.ndarray:
    """Read the transforms of a stack.

    Args:
        xf: file with A11 A12 A21 A22 DX DY per image, in pixels of this stack.
        n_views: number of images in the stack.
        stack: name of the stack, for messages.
        shape_yx: shape of the images.

    Returns:
        (n_views, 2, 3): rows (A11, A12, DX), (A21, A22, DY).

    Raises:
        TomogramError: the file cannot be read, has another number of rows, or invalid transforms.
    """
    rows = read_rows(xf, 6, n_views, stack)
    transforms = np.concatenate([rows[:, :4].reshape(-1, 2, 2), rows[:, 4:, None]], axis=2)
    check_transforms(xf, transforms, shape_yx)
    return transforms


def read_angles(tlt: PathLike, n_views: int, stack: PathLike) -> np.ndarray:
    """Read the tilt angles of a stack from the first column of a file.

    Args:
        tlt: the file.
        n_views: number of images in the stack.
        stack: name of the stack, for messages.

    Returns:
        Angles in degrees, (n_views,).

    Raises:
        TomogramError: the file cannot be read, has another number of rows, or invalid angles.
    """
    rows = read_words(tlt)
    angles = as_numbers(tlt, [row[:1] for row in rows], 1)[:, 0]
    check_count(tlt, len(angles), n_views, stack)
    check_angles(tlt, angles)
    return angles
