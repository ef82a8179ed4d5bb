# SPDX-License-Identifier: GPL-3.0-or-later
"""The tilt range of a tomogram's views from the user, (lowest, highest) angle in degrees."""

from __future__ import annotations

from typing import Any, Tuple

from tomoscore_scipion.records.fields import is_number

TiltRange = Tuple[float, float]
MAX_TILT_DEG = 90.0


def check_tilt_range(value: Any) -> TiltRange | None:
    """Check a tilt range, (low, high) as list or tuple, and return it as a tuple; None stays None.

    Raises:
        ValueError: the value is not a tilt range.
    """
    if value is None:
        return None
    pair = isinstance(value, (list, tuple)) and len(value) == 2
    if (
        pair
        and all(is_number(v, -MAX_TILT_DEG, MAX_TILT_DEG) for v in value)
        and value[0] < value[1]
    ):
        return float(value[0]), float(value[1])
    raise ValueError(
        "expected [lowest, highest] tilt angle in degrees, -90 to 90, lowest < highest, or null "
        f"where it is not known, got {value!r}"
    )


def half_of(tilt_range_deg: TiltRange) -> float:
    """Half of the range in degrees, which is the maximum tilt of a symmetric series."""
    low, high = tilt_range_deg
    return (high - low) / 2
