# SPDX-License-Identifier: GPL-3.0-or-later
"""Plot of the scores in the order of the session; drift is visible as a slope."""

from statistics import median

from tomoscore_scipion.records.bands import N_SCORED
from tomoscore_scipion.records.verdict import FAILED, REJECTED, Measured
from tomoscore_scipion.viewers.colours import ACCEPTED, NEUTRAL
from tomoscore_scipion.viewers.colours import REJECTED as REJECTED_COLOUR

MAX_NAMES = 40
"""Maximum number of names below the axis."""
MAX_NAME_LENGTH = 14
PLACE = (0.08, 0.3, 0.9, 0.62)
"""Left, bottom, width and height of the axes, as fractions of the figure."""
MEDIAN_HALF_WIDTH = 4
"""Number of tomograms on either side that the running median includes."""


def draw(figure, rows, threshold=None):
    """Draw the scores with their intervals; accepted as discs, rejected as triangles.

    The markers of borderline tomograms, with the threshold in their interval, are hollow.

    Args:
        figure: an empty matplotlib figure.
        rows: sequence of runs.Row, in the order of the session.
        threshold: threshold in octaves; None for no line.
    """
    axes = figure.add_axes(PLACE)
    for number, row in enumerate(rows, 1):
        if row.score is None:
            axes.plot(number, 0.0, "x", color="black", clip_on=False)
            continue
        if row.low is not None and row.high is not None:
            axes.plot([number, number], [row.low, row.high], color=NEUTRAL, linewidth=1)
        rejected = row.verdict == REJECTED
        colour = REJECTED_COLOUR if rejected else ACCEPTED
        face = "white" if is_borderline(row, threshold) else colour
        mark = "v" if rejected else "o"
        axes.plot(number, row.score, mark, color=colour, markerfacecolor=face, markersize=6)
    _draw_median(axes, [(n, row.score) for n, row in enumerate(rows, 1) if row.score is not None])
    if threshold is not None:
        axes.axhline(threshold, color="black", linewidth=1, linestyle="--")
    axes.set_xlim(0, len(rows) + 1)
    axes.set_ylim(0, N_SCORED)
    step = -(-len(rows) // MAX_NAMES) or 1
    named = range(0, len(rows), step)
    names = [_short(rows[number].ts_id) for number in named]
    axes.set_xticks([number + 1 for number in named], names, rotation=60, ha="right", fontsize=8)
    axes.format_coord = lambda x, y: _under(rows, x)  # shown in the toolbar
    axes.set_title("Scores in the order of the input", fontsize=10)
    axes.set_xlabel("tomogram" + _legend(rows, threshold))
    axes.set_ylabel("TomoScore (octaves)")


def is_borderline(row, threshold):
    """Whether the interval of a row contains the threshold."""
    return Measured(row.score, row.low, row.high).is_borderline(threshold)


def _short(name):
    return name if len(name) <= MAX_NAME_LENGTH else "\u2026" + name[1 - MAX_NAME_LENGTH :]


def _under(rows, x):
    """Id and score of the tomogram at a position x of the axis."""
    number = round(x) - 1
    if not 0 <= number < len(rows):
        return ""
    row = rows[number]
    return f"{row.ts_id}: " + ("failed" if row.score is None else f"{row.score:.2f}")


def _draw_median(axes, points):
    """Draw the running median of nine tomograms, if there are at least nine."""
    if len(points) <= 2 * MEDIAN_HALF_WIDTH:
        return
    scores = [score for _, score in points]
    middle = [
        median(scores[max(0, n - MEDIAN_HALF_WIDTH) : n + MEDIAN_HALF_WIDTH + 1])
        for n in range(len(points))
    ]
    axes.plot([number for number, _ in points], middle, color="black", linewidth=1.5)


def _legend(rows, threshold):
    failed = sum(row.verdict == FAILED for row in rows)
    borderline = sum(is_borderline(row, threshold) for row in rows)
    legend = "\ndisc: accepted, triangle: rejected, bar: 90 % interval, line: median of nine"
    legend += f", hollow: borderline ({borderline})" if borderline else ""
    return legend + (f", x: failed ({failed})" if failed else "")
