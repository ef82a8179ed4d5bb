# SPDX-License-Identifier: GPL-3.0-or-later
"""Alignment files of AreTomo (.aln): angles and transforms of the aligned views.

The column SEC is the index of an image in the stack, from 0 in AreTomo 1 and 2, from 1 in AreTomo
3. A dark image has no row; the file lists its position in the order of angles and its section,
which is counted as SEC is, or in some versions from the other number. Shifts are in pixels of the
aligned images, whose size (RawSize) may differ from that of the stack. Local alignment is not used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tomoscore_scipion.reading.text_file import read_text
from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.geometry import transforms_about_axis
from tomoscore_scipion.tilt_metadata.geometry_checks import check_angles, check_transforms
from tomoscore_scipion.tilt_metadata.number_table import number

COLUMNS = 10
"""SEC ROT GMAG TX TY SMEAN SFIT SCALE BASE TILT."""
MAGNIFICATION_TOLERANCE = 1e-3
"""Largest difference of GMAG from 1, less than a pixel at the edge. AreTomo writes 1."""
SIZE_TOLERANCE_PX = 2.0
"""Largest difference of sizes: binning rounds them, and some programs make them even."""


@dataclass(frozen=True)
class AlnSeries:
    """The alignment of the views.

    Attributes:
        views: index of each aligned image in the stack, from 0, (n_aligned,); without dark images.
        angles_deg: tilt angles in degrees, (n_aligned,).
        transforms: transforms in the form of IMOD, (n_aligned, 2, 3), in pixels of the stack.
        warnings: warnings for the user.
    """

    views: np.ndarray
    angles_deg: np.ndarray
    transforms: np.ndarray
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Content:
    """Unchecked content: raw size (x, y, views), rows, and dark images (position, section)."""

    raw: tuple[int, int, int]
    rows: np.ndarray
    dark: np.ndarray


def read_aln(path: str, stack_shape_zyx: tuple[int, int, int]) -> AlnSeries:
    """Read the global alignment of a stack.

    Args:
        path: the file.
        stack_shape_zyx: shape of the stack: views, height, width.

    Raises:
        TomogramError: the file cannot be read, or is the alignment of another stack.
    """
    content = _parse(path)
    n_views, n_y, n_x = stack_shape_zyx
    n_rows, n_dark, n_raw = len(content.rows), len(content.dark), content.raw[2]
    if n_raw != n_views or n_rows + n_dark != n_views:
        raise TomogramError(
            f"{path}: expected the alignment of the {n_views} images of this stack, got "
            f"{n_rows} aligned and {n_dark} dark ones of {n_raw}; give the stack that was "
            "aligned, with all its images"
        )
    _check_magnification(path, content.rows)
    scale, warnings = _scale(path, content.raw[:2], (n_x, n_y))
    sections, axis, shifts = content.rows[:, 0], content.rows[:, 1], content.rows[:, 3:5]
    transforms = transforms_about_axis(axis, shifts * scale)
    angles = content.rows[:, 9]
    check_angles(path, angles)
    check_transforms(path, transforms, (n_y, n_x))
    views = _images(path, sections.astype(int), content.dark, n_views)
    return AlnSeries(views, angles, transforms, warnings)


def _parse(path: str) -> _Content:
    raw: tuple[int, int, int] | None = None
    rows: list[list[float]] = []
    dark: list[list[int]] = []
    for at, line in enumerate(read_text(path, "AreTomo's .aln alignment").splitlines(), start=1):
        words = line.replace("#", "# ").replace("=", " = ").split()
        try:
            if not words:
                continue
            if words[0] != "#":
                rows.append(_row(words))
            elif "RawSize" in words:
                x, y, z = (_whole_number(word) for word in words[words.index("=") + 1 :][:3])
                raw = _one_size(path, raw, (x, y, z))
            elif "DarkFrame" in words:
                dark.append([_whole_number(word) for word in words[words.index("=") + 1 :][:2]])
                if len(dark[-1]) != 2:
                    raise ValueError
            elif "Local" in words:
                break
        except ValueError:
            raise TomogramError(
                f"{path}: expected AreTomo's .aln alignment, got {line.strip()[:80]!r} in line {at}"
            ) from None
    if raw is None or min(raw) < 1 or not rows:
        missing = "rows of its alignment" if raw is not None and min(raw) > 0 else "# RawSize"
        raise TomogramError(
            f"{path}: expected AreTomo's .aln alignment with {missing}, which is not there; give "
            "the .aln of the run that aligned this stack"
        )
    return _Content(raw, np.array(rows), np.array(dark, dtype=int).reshape(-1, 2))


def _one_size(
    path: str, before: tuple[int, int, int] | None, here: tuple[int, int, int]
) -> tuple[int, int, int]:
    """Check that a repeated RawSize is the same.

    Raises:
        TomogramError: the sizes differ.
    """
    if before not in (None, here):
        raise TomogramError(
            f"{path}: expected one RawSize, got {before} and {here}; are two files in one? Give "
            "the .aln of the run that aligned this stack"
        )
    return here


def _check_magnification(path: str, rows: np.ndarray) -> None:
    """Refuse magnifications: AreTomo does not write any, so that their convention is unknown.

    Raises:
        TomogramError: GMAG is not 1.
    """
    wrong = np.flatnonzero(np.abs(rows[:, 2] - 1) > MAGNIFICATION_TOLERANCE)
    if wrong.size:
        raise TomogramError(
            f"{path}: SEC {rows[wrong[0], 0]:g}: expected a GMAG of 1, as AreTomo writes it, got "
            f"{rows[wrong[0], 2]:g}: magnifications are not applied; give the alignment with its "
            "magnification in IMOD's form (--xf, --tlt)"
        )


def _row(words: list[str]) -> list[float]:
    """Parse the row of a view.

    Raises:
        ValueError: the row is invalid.
    """
    values = [number(word) for word in words]
    if len(values) != COLUMNS or values[0] != _whole_number(words[0]) or abs(values[1]) > 360.0:
        raise ValueError("expected the ten columns of AreTomo")
    return values


def _whole_number(word: str) -> int:
    """Parse a whole number of images or pixels.

    Raises:
        ValueError: the word is not a whole number.
    """
    if not (word.isascii() and word.isdecimal() and len(word) < 8):
        raise ValueError(f"expected a whole number, got {word!r}")
    return int(word)


def _scale(
    path: str, raw_xy: tuple[int, int], stack_xy: tuple[int, int]
) -> tuple[float, tuple[str, ...]]:
    """Pixels of the stack per pixel of the aligned images, and a warning if it is not 1."""
    if raw_xy == stack_xy:
        return 1.0, ()
    scale = float(np.sqrt(stack_xy[0] * stack_xy[1] / (raw_xy[0] * raw_xy[1])))
    largest = SIZE_TOLERANCE_PX * max(1.0, scale)
    if any(abs(raw * scale - here) > largest for raw, here in zip(raw_xy, stack_xy)):
        raise TomogramError(
            f"{path}: expected the alignment of images of {stack_xy[0]} x {stack_xy[1]} pixels, or "
            f"of the same field, got RawSize {raw_xy[0]} x {raw_xy[1]}; give the stack that was "
            "aligned"
        )
    return scale, (
        f"the alignment is that of images of {raw_xy[0]} x {raw_xy[1]} pixels: its shifts are "
        f"taken times {scale:.4g}, for those of the stack have {stack_xy[0]} x {stack_xy[1]}",
    )


def _images(path: str, sections: np.ndarray, dark: np.ndarray, n_views: int) -> np.ndarray:
    """Index of the image of each row in the stack, from 0, if rows and dark images cover it.

    Raises:
        TomogramError: no way of counting, or more than one, gives each image once.
    """
    all_images = set(range(n_views))
    countings = {
        tuple((sections - first).tolist())
        for first in (0, 1)
        for dark_first in (0, 1)
        if len(dark) or dark_first == first
        if _image_set(sections - first, dark[:, 1] - dark_first) == all_images
    }
    if not countings and len(dark):
        countings = _counted_without_dark(sections, dark, n_views)
    if len(countings) != 1:
        listed = ", ".join(str(section) for section in sorted(sections.tolist())[:8])
        raise TomogramError(
            f"{path}: expected each of {n_views} images once, counted from 0 (AreTomo 1 and 2) or "
            f"from 1 (AreTomo 3), in the column SEC or as DarkFrame, got SEC {listed}, ... and "
            f"{len(dark)} dark ones that "
            + ("do not fit" if not countings else "fit more than one way of counting")
            + "; align the stack without its dark images, and give that stack"
        )
    return np.array(countings.pop(), dtype=int)


def _image_set(sections: np.ndarray, dark: np.ndarray) -> set[int]:
    """The set of images; empty if an image occurs twice."""
    images = [*sections.tolist(), *dark.tolist()]
    return set(images) if len(set(images)) == len(images) else set()


def _counted_without_dark(
    sections: np.ndarray, dark: np.ndarray, n_views: int
) -> set[tuple[int, ...]]:
    """Images if sections are counted without dark images, as in some versions."""
    first = int(sections.min())
    if first > 1 or sorted((sections - first).tolist()) != list(range(len(sections))):
        return set()
    # If both numbers of all dark images agree, or differ by one, the first is the section.
    positions, numbers = dark[:, 0], dark[:, 1]
    is_section = np.array_equal(numbers, positions) or np.array_equal(numbers, positions + 1)
    dark_images = set((positions if is_section else numbers - first).tolist())
    not_dark = np.array([view for view in range(n_views) if view not in dark_images], dtype=int)
    return {tuple(not_dark[sections - first].tolist())} if len(not_dark) == len(sections) else set()
