# SPDX-License-Identifier: GPL-3.0-or-later
"""Which voxel size holds: the given one wins, else a sound one of the header; never a guess."""

from __future__ import annotations

import math
from typing import Optional, Tuple

from tomoscore_scipion.reading.file_kind import TOMOGRAM, FileKind
from tomoscore_scipion.records.errors import TomogramError

SMALLEST_ANGSTROM = 0.1
LARGEST_ANGSTROM = 1000.0
TOLERANCE = 0.01
"""Sizes that differ by more than this share are different."""

HeaderSize = Tuple[float, float, Optional[float]]


def check_given_voxel_size(size_angstrom: float, name: str, kind: FileKind = TOMOGRAM) -> float:
    """A given voxel size in A as a float.

    Raises:
        TomogramError: not a finite number from 0.1 to 1000 A.
    """
    try:
        size = float(size_angstrom)
    except (TypeError, ValueError, OverflowError):
        size = math.nan
    if not SMALLEST_ANGSTROM <= size <= LARGEST_ANGSTROM:
        raise TomogramError(
            f"{name}: expected a {kind.size} of {SMALLEST_ANGSTROM:g} to {LARGEST_ANGSTROM:g} A, "
            f"was given {size_angstrom!r}"
        )
    return size


def choose_voxel_size(
    header_xyz: HeaderSize, given_angstrom: float | None, name: str, kind: FileKind = TOMOGRAM
) -> tuple[float, tuple[str, ...]]:
    """The voxel size in xy, in A, and warnings.

    Args:
        header_xyz: the header's sizes in A, of any value; z None where it does not matter.
        given_angstrom: a checked size that wins, or None.
        name: the file's name, for messages.
        kind: what it is read as.

    Raises:
        TomogramError: none is given and the header holds none that can be believed.
    """
    problem = _problem(header_xyz)
    # Six digits are what the header's 32-bit cell size can tell.
    in_header = float(f"{(header_xyz[0] + header_xyz[1]) / 2:.6g}")
    if given_angstrom is None:
        if problem:
            raise TomogramError(
                f"{name}: expected a {kind.size} of {SMALLEST_ANGSTROM:g} to "
                f"{LARGEST_ANGSTROM:g} A in the header, the same along {_axes(kind)}, but it "
                f"{problem}; give {kind.size_option}"
            )
        return in_header, _unknown_size_warnings(in_header, kind)
    if problem or _differ(in_header, given_angstrom):
        found = problem or f"is {in_header:g} A"
        return given_angstrom, (
            f"the header's {kind.size} {found}; the given {given_angstrom:g} A is used",
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
    found = ", ".join(f"{size:g}" for size in sizes) + " A"
    if any(not math.isfinite(size) or size <= 0 for size in sizes):
        return f"is unset ({found})"
    if any(not SMALLEST_ANGSTROM <= size <= LARGEST_ANGSTROM for size in sizes):
        return f"is not believable ({found})"
    if any(_differ(size, sizes[0]) for size in sizes[1:]):
        return f"differs between the axes ({found})"
    return None


def _differ(one: float, other: float) -> bool:
    return abs(one - other) > TOLERANCE * max(one, other)
