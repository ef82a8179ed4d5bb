# SPDX-License-Identifier: GPL-3.0-or-later
"""Statistics of all tilt series of a session: median curve, dose range, suggested dose."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import Any, Mapping, Sequence

from tomoscore_scipion.records.dose_record import DoseRecord

Curve = Sequence[Mapping[str, Any]]
"""Steps of a curve as in a DoseRecord: each has `dose` in e/A^2 and `tomoscore` in octaves."""


@dataclass(frozen=True)
class SessionStatistics:
    """Statistics of the tilt series of a session; doses in e/A^2, scores in octaves.

    Attributes:
        curve: [(dose, median TomoScore)] at the doses that at least half of the series reach.
        low_high: medians of the lower and upper ends of the series' ranges; None if fewer than half
            of the series have a range.
        decided: number of series with a range.
        reasons: {reason: number of series that have no range for this reason}.
        dose: median suggested dose of the series with a range; None without such series.
        tomoscore: median TomoScore at the suggested doses; None without such series.
    """

    curve: list[tuple[float, float]]
    low_high: tuple[float, float] | None
    decided: int
    reasons: Mapping[str, int]
    dose: float | None = None
    tomoscore: float | None = None


def session_of(records: Sequence[DoseRecord]) -> SessionStatistics:
    """The statistics of a session.

    Args:
        records: at least one, none of them failed.
    """
    decided = [record for record in records if record.suggested_range]
    low_high = None
    if decided and 2 * len(decided) >= len(records):
        lows, highs = zip(*(record.suggested_range for record in decided if record.suggested_range))
        low_high = (median(lows), median(highs))
    return SessionStatistics(
        curve=median_curve(records),
        low_high=low_high,
        decided=len(decided),
        reasons=Counter(r.reason or "no reason given" for r in records if not r.suggested_range),
        dose=_median([record.optimum_dose for record in decided]),
        tomoscore=_median([record.best_step()["tomoscore"] for record in decided]),
    )


def _median(values: Sequence[Any]) -> float | None:
    return median(values) if values else None


def median_curve(records: Sequence[DoseRecord], kind: str = "steps") -> list[tuple[float, float]]:
    """The median of the curves of several tilt series.

    Args:
        records: records that did not fail.
        kind: kind of curve: "steps", "steps_weighted" or "steps_matched".

    Returns:
        [(dose, median TomoScore)] at all doses of the curves that at least half of the series
        reach.
    """
    curves = [getattr(record, kind) for record in records if getattr(record, kind)]
    points = []
    for dose in sorted({round(step["dose"], 2) for curve in curves for step in curve}):
        at_dose = (score_at(curve, dose) for curve in curves)
        scores = [score for score in at_dose if score is not None]
        if scores and 2 * len(scores) >= len(curves):
            points.append((dose, median(scores)))
    return points


def score_at(curve: Curve, dose: float) -> float | None:
    """The TomoScore of a curve at a dose by linear interpolation; None outside its range.

    Args:
        curve: the steps, in any order.
        dose: dose in e/A^2.
    """
    points = sorted((round(step["dose"], 2), step["tomoscore"]) for step in curve)
    for (d0, s0), (d1, s1) in zip(points, points[1:]):
        if d0 <= dose <= d1:
            return s0 if d1 == d0 else s0 + (s1 - s0) * (dose - d0) / (d1 - d0)
    return points[0][1] if points and points[0][0] == dose else None
