# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores one after another, as the session made them: drift shows as a slope."""

from statistics import median

from tomoscore_scipion.engine.bands import N_SCORED
from tomoscore_scipion.protocols.verdict import FAILED, REJECTED
from tomoscore_scipion.viewers.histogram import ACCEPTED_COLOUR

REJECTED_MARK = "#d55e00"
FEW = 25
"""So many names fit below the axis."""
AROUND = 4
"""Tomograms before and after one whose median is drawn with it."""


def draw(axes, rows, threshold=None):
    """Draw the scores with their intervals; accepted as discs, rejected as triangles.

    Args:
        axes: a matplotlib axes; cleared first.
        rows: of runs.Row, in their order.
        threshold: accepted from here on, in octaves; no line when None.
    """
    axes.clear()
    for number, row in enumerate(rows, 1):
        if row.score is None:
            axes.plot(number, 0.0, "x", color="black", clip_on=False)
            continue
        if row.low is not None and row.high is not None:
            axes.plot([number, number], [row.low, row.high], color="#aab4be", linewidth=1)
        rejected = row.verdict == REJECTED
        colour = REJECTED_MARK if rejected else ACCEPTED_COLOUR
        axes.plot(number, row.score, "v" if rejected else "o", color=colour, markersize=6)
    _draw_median(axes, [(n, row.score) for n, row in enumerate(rows, 1) if row.score is not None])
    if threshold is not None:
        axes.axhline(threshold, color="black", linewidth=1, linestyle="--")
    axes.set_xlim(0, len(rows) + 1)
    axes.set_ylim(0, N_SCORED)
    if len(rows) <= FEW:
        names = [row.ts_id for row in rows]
        axes.set_xticks(range(1, len(rows) + 1), names, rotation=60, ha="right")
    axes.set_xlabel("tomogram, in the order of the input" + _legend(rows))
    axes.set_ylabel("TomoScore (octaves)")


def _draw_median(axes, points):
    """The running median of nine, where there are so many."""
    if len(points) <= 2 * AROUND:
        return
    scores = [score for _, score in points]
    middle = [median(scores[max(0, n - AROUND) : n + AROUND + 1]) for n in range(len(points))]
    axes.plot([number for number, _ in points], middle, color="black", linewidth=1.5)


def _legend(rows):
    failed = sum(row.verdict == FAILED for row in rows)
    words = "\ndisc: accepted, triangle: rejected, line: median of nine"
    return words + (f", x: failed ({failed})" if failed else "")
