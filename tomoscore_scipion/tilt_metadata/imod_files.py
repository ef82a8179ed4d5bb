# SPDX-License-Identifier: GPL-3.0-or-later
"""Text files of numbers, as IMOD writes transforms (.xf) and tilt angles (.tlt), and their checks.

Other programs and editors add what IMOD does not: a byte order mark, a typographic minus sign,
comments, further columns. What a number means is checked here too: no image is tilted by more than
90 degrees, or shifted out of its own field.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np

from tomoscore_scipion.reading.text_file import PathLike, read_text
from tomoscore_scipion.records.errors import TomogramError

STEEPEST_DEG = 90.0
NARROWEST_DEG = 2.0
"""A series whose angles all lie within so many degrees is in radians, or no tilt series."""
MOST_STRETCH = 1.25
"""Alignment stretches an image along one direction by less, relative to the other."""
LARGEST_AXIS_DEG = 360.0
MINUS = str.maketrans({"\u2212": "-", "\u2013": "-"})
"""Minus sign and en dash, which documents and web pages put in the place of a hyphen."""


def number(word: str) -> float:
    """A finite number; a typographic minus sign is one too.

    Raises:
        ValueError: it is no number, or not finite.
    """
    value = float(word.translate(MINUS))
    if not np.isfinite(value) or "_" in word:
        raise ValueError(f"expected a finite number, got {word!r}")
    return value


def read_words(path: PathLike) -> list[list[str]]:
    """The words of each line of a table of numbers; empty lines and comments (#) are left out.

    Raises:
        TomogramError: the file cannot be read, holds none, or holds something else than numbers.
    """
    lines = read_text(path, "a text file of numbers").splitlines()
    rows = [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    for at, row in enumerate(rows, start=1):
        for word in row:
            try:
                float(word.translate(MINUS))
            except ValueError:
                shown = word if len(word) <= 40 else word[:40] + "..."
                raise TomogramError(
                    f"{path}: expected a text file of numbers, got {shown!r} in row {at}"
                ) from None
    return rows


def as_numbers(path: PathLike, rows: Sequence[Sequence[str]], n_columns: int) -> np.ndarray:
    """Words as numbers, float64 of shape (n_rows, n_columns).

    Raises:
        TomogramError: a row has another number of columns, or a number that is not finite.
    """
    table = np.empty((len(rows), n_columns))
    for at, row in enumerate(rows):
        try:
            values = [number(word) for word in row]
        except ValueError:
            values = []
        if len(values) != n_columns:
            raise TomogramError(
                f"{path}: expected {n_columns} finite numbers in row {at + 1}, got "
                f"{' '.join(row)[:80]!r}"
            )
        table[at] = values
    return table


def read_rows(path: PathLike, n_columns: int, n_rows: int, stack: PathLike) -> np.ndarray:
    """A table of numbers in a text file, float64 of shape (n_rows, n_columns).

    Raises:
        TomogramError: it cannot be read, or is not such a table.
    """
    table = as_numbers(path, read_words(path), n_columns)
    check_count(path, len(table), n_rows, stack)
    return table


def check_count(path: PathLike, n_found: int, n_views: int, stack: PathLike) -> None:
    """Refuse a table that has not a row for each image.

    Raises:
        TomogramError: the numbers differ.
    """
    if n_found != n_views:
        raise TomogramError(
            f"{path}: expected {n_views} rows, one per image of {stack}, got {n_found}; "
            "images left out of the alignment must be left out of the stack too"
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
