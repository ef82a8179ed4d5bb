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
    """IMOD's transforms of a stack, (n_views, 2, 3): rows (A11, A12, DX), (A21, A22, DY).

    Args:
        xf: per image A11 A12 A21 A22 DX DY, in pixels of this stack.
        n_views: images of the stack.
        stack: its name, for messages.
        shape_yx: of its images.

    Raises:
        TomogramError: the file cannot be read, has another number of rows, or impossible shifts.
    """
    rows = read_rows(xf, 6, n_views, stack)
    transforms = np.concatenate([rows[:, :4].reshape(-1, 2, 2), rows[:, 4:, None]], axis=2)
    check_transforms(xf, transforms, shape_yx)
    return transforms


def read_angles(tlt: PathLike, n_views: int, stack: PathLike) -> np.ndarray:
    """Tilt angles of a stack in degrees, (n_views,): the first column.

    Raises:
        TomogramError: the file cannot be read, has another number of rows, or impossible angles.
    """
    rows = read_words(tlt)
    angles = as_numbers(tlt, [row[:1] for row in rows], 1)[:, 0]
    check_count(tlt, len(angles), n_views, stack)
    check_angles(tlt, angles)
    return angles
