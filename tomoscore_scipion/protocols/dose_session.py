# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tilt series of a session say together: their median curve and dose range.

Knows nothing of Scipion.
"""

from statistics import median
from typing import NamedTuple, Optional, Tuple


class Session(NamedTuple):
    """A session's tilt series together; doses in e/A^2.

    Attributes:
        curve: [(dose, median TomoScore)] at the doses that at least half of the series reach.
        low_high: medians of the ends of the series' ranges; None where fewer than half have one.
        decided: how many have a range.
        reasons: {reason: how many have none for it}.
    """

    curve: list
    low_high: Optional[Tuple[float, float]]
    decided: int
    reasons: dict


def session_of(records):
    """The session of DoseRecords that did not fail, at least one."""
    ranges = [record.suggested_range for record in records if record.suggested_range]
    reasons = {}
    for record in records:
        if not record.suggested_range:
            reason = record.reason or "no reason given"
            reasons[reason] = reasons.get(reason, 0) + 1
    low_high = None
    if 2 * len(ranges) >= len(records):
        low_high = tuple(median(ends) for ends in zip(*ranges))
    return Session(median_curve(records), low_high, len(ranges), reasons)


def median_curve(records, kind="steps"):
    """[(dose, median TomoScore)] of one kind of curve, where at least half of the series reach."""
    curves = [getattr(record, kind) for record in records if getattr(record, kind)]
    doses = sorted({round(step["dose"], 2) for curve in curves for step in curve})
    found = []
    for dose in doses:
        scores = [score for score in (score_at(c, dose) for c in curves) if score is not None]
        if scores and 2 * len(scores) >= len(curves):
            found.append((dose, median(scores)))
    return found


def score_at(curve, dose):
    """The TomoScore of a curve at a dose, between its steps on a line; None outside of them."""
    points = sorted((round(step["dose"], 2), step["tomoscore"]) for step in curve)
    for (d0, s0), (d1, s1) in zip(points, points[1:]):
        if d0 <= dose <= d1:
            return s0 if d1 == d0 else s0 + (s1 - s0) * (dose - d0) / (d1 - d0)
    return points[0][1] if points and points[0][0] == dose else None
