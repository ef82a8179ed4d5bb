# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose the voxel size: the user's takes precedence over the header's."""

from __future__ import annotations

import math
from typing import Optional, Tuple

from tomoscore_scipion.reading.file_kind import TOMOGRAM, FileKind
from tomoscore_scipion.records.errors import TomogramError

MIN_ANGSTROM = 0.1
MAX_ANGSTROM = 1000.0
TOLERANCE = 0.01
"""Relative difference up to which two sizes are equal."""

HeaderSize = Tuple[float, float, Optional[float]]


def check_given_voxel_size(size_angstrom: float, name: str, kind: FileKind = TOMOGRAM) -> float:
    """Check a voxel size that the user gives.

    Args:
        size_angstrom: the size in A.
        name: name of the file, for messages.
        kind: tomogram or stack, for messages.

    Returns:
        The size in A, as a float.

    Raises:
        TomogramError: it is not a finite number from 0.1 to 1000 A.
    """
    try:
        size = float(size_angstrom)
    except (TypeError, ValueError, OverflowError):
        size = math.nan
    if not MIN_ANGSTROM <= size <= MAX_ANGSTROM:
        raise TomogramError(
            f"{name}: expected a {kind.size} of {MIN_ANGSTROM:g} to {MAX_ANGSTROM:g} A, "
            f"was given {size_angstrom!r}"
        )
    return size


def choose_voxel_size(
    header_xyz: HeaderSize, given_angstrom: float | None, name: str, kind: FileKind = TOMOGRAM
) -> tuple[float, tuple[str, ...]]:
    """Choose the voxel size.

    Args:
        header_xyz: sizes of the header in A, unchecked; z is None if it is ignored.
        given_angstrom: a size in A that takes precedence, already checked; None if none is given.
        name: name of the file, for messages.
        kind: tomogram or stack.

    Returns:
        Voxel size in xy in A, and warnings.

    Raises:
        TomogramError: no size is given, and the header has no valid one.
    """
    problem = _problem(header_xyz)
    # The cell size is in single precision, which has six digits.
    in_header = float(f"{(header_xyz[0] + header_xyz[1]) / 2:.6g}")
    if given_angstrom is None:
        if problem:
            raise TomogramError(
                f"{name}: expected a {kind.size} of {MIN_ANGSTROM:g} to "
                f"{MAX_ANGSTROM:g} A in the header, the same along {_axes(kind)}, but it "
                f"{problem}; give {kind.size_option}"
            )
        return in_header, _unknown_size_warnings(in_header, kind)
    if problem or _differ(in_header, given_angstrom):
        header_says = problem or f"is {in_header:g} A"
        return given_angstrom, (
            f"the header's {kind.size} {header_says}; the given {given_angstrom:g} A is used",
        )
    return given_angstrom, ()


def _unknown_size_warnings(size: float, kind: FileKind) -> tuple[str, ...]:
    if size != 1.0:
        return ()
    return (
        f"the header's {kind.size} is exactly 1 A, which many programs write when they do not "
        f"know it; if it is another, give {kind.size_option}",
    )


def _axes(kind: FileKind) -> str:
    return "x and y" if kind.is_stack else "all axes"


def _problem(header_xyz: HeaderSize) -> str | None:
    sizes = [size for size in header_xyz if size is not None]
    listed = ", ".join(f"{size:g}" for size in sizes) + " A"
    if any(not math.isfinite(size) or size <= 0 for size in sizes):
        return f"is unset ({listed})"
    if any(not MIN_ANGSTROM <= size <= MAX_ANGSTROM for size in sizes):
        return f"is not believable ({listed})"
    if any(_differ(size, sizes[0]) for size in sizes[1:]):
        return f"differs between the axes ({listed})"
    return None


def _differ(first: float, second: float) -> bool:
    return abs(first - second) > TOLERANCE * max(first, second)
