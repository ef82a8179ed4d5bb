# SPDX-License-Identifier: GPL-3.0-or-later
"""The tilt range of a tomogram's views, (lowest, highest) angle in degrees, as the user gave it."""

from __future__ import annotations

from typing import Any, Tuple

from tomoscore_scipion.records.fields import is_number

TiltRange = Tuple[float, float]
LARGEST_DEG = 90.0


def check_tilt_range(value: Any) -> TiltRange | None:
    """A tilt range from JSON or a caller, (low, high) as list or tuple; None if it is not given.

    Raises:
        ValueError: it is not a tilt range; the message has what was expected and what was given.
    """
    if value is None:
        return None
    pair = isinstance(value, (list, tuple)) and len(value) == 2
    if pair and all(is_number(v, -LARGEST_DEG, LARGEST_DEG) for v in value) and value[0] < value[1]:
        return float(value[0]), float(value[1])
    raise ValueError(
        "expected [lowest, highest] tilt angle in degrees, -90 to 90, lowest < highest, or null "
        f"where it is not known, got {value!r}"
    )


def half_of(tilt_range_deg: TiltRange) -> float:
    """Half of the range, degrees: the largest tilt of a symmetric series."""
    low, high = tilt_range_deg
    return (high - low) / 2
