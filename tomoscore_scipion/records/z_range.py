# SPDX-License-Identifier: GPL-3.0-or-later
"""Requested limits of the slab that is scored: first and last plane.

A z range is (first, last), 0-based and inclusive. A `last` of None means the last plane of the
volume. None instead of a z range means the whole volume.
"""

from __future__ import annotations

from typing import Any, Optional, Tuple

from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.records.fields import is_index

ZRange = Tuple[int, Optional[int]]


def check_z_range(value: Any) -> ZRange | None:
    """Check a z range, (first, last) as list or tuple, and return it as a tuple.

    Raises:
        ValueError: the value is not a z range.
    """
    if value is None:
        return None
    pair = isinstance(value, (list, tuple)) and len(value) == 2
    if pair and is_index(value[0]) and (value[1] is None or is_index(value[1])):
        first, last = value
        if last is None or first <= last:
            return first, last
    raise ValueError(
        "expected [first, last] slice, counted from 0, first <= last, last null for the volume's "
        f"last one, or null for all, got {value!r}"
    )


def planes_within(z_range: ZRange | None, n_z: int) -> tuple[int, int]:
    """First and last plane, inclusive, of a z range in a volume of `n_z` planes.

    Raises:
        TomogramError: the z range is not within the volume.
        ValueError: the value is not a z range.
    """
    first, last = check_z_range(z_range) or (0, None)
    if first >= n_z or (last is not None and last >= n_z):
        raise TomogramError(
            f"slab limits {first} to {'the end' if last is None else last}: expected slices "
            f"within 0 to {n_z - 1}, which the volume has; score it with limits of its own"
        )
    return first, n_z - 1 if last is None else last
