# SPDX-License-Identifier: GPL-3.0-or-later
"""TomoScore against accumulated dose: the curves of one tilt series, and those of a session."""

from textwrap import fill

from tomoscore_scipion.images.dose_plot import RANGE_COLOUR, draw_curves
from tomoscore_scipion.records.bands import N_SCORED, scale_nm
from tomoscore_scipion.records.dose_session import median_curve
from tomoscore_scipion.viewers.colours import ACCEPTED as COLOUR
from tomoscore_scipion.viewers.colours import NEUTRAL as EACH_COLOUR

REASON_WIDTH = 80
"""Maximum length of a line of the reason why there is no range."""
HEADROOM = 0.4
"""Octaves above the highest curve."""


def draw_series(axes, record):
    """Draw the curves of one tilt series with its suggested dose and range.

    Args:
        axes: a matplotlib axes; cleared first.
        record: its DoseRecord, one that did not fail.
    """
    axes.clear()
    draw_curves(axes, record)
    _draw_suggestion(axes, record)
    steps = (*record.steps, *record.steps_weighted, *record.steps_matched)
    _finish(axes, max(step["tomoscore"] for step in steps), record.total_dose())


def _draw_suggestion(axes, record):
    """Draw the best dose and the range; a record without a range has no best dose either."""
    if not record.suggested_range:
        axes.text(
            0.5,
            0.03,
            fill(f"No range: {record.reason}", REASON_WIDTH),
            transform=axes.transAxes,
            ha="center",
            va="bottom",
            fontsize=9,
            bbox={"facecolor": "white", "edgecolor": EACH_COLOUR, "alpha": 0.85},
        )
        return
    name = f"best score: {record.optimum_dose:.0f} e/\u00c5\u00b2"
    axes.axvline(record.optimum_dose, color="black", linewidth=1.0, label=name)
    _draw_range(axes, record.suggested_range, "suggested")


def _draw_range(axes, low_high, name):
    low, high = low_high
    label = f"{name}: {low:.0f} to {high:.0f} e/\u00c5\u00b2"
    axes.axvspan(low, high, color=RANGE_COLOUR, alpha=0.3, linewidth=0, label=label)


def draw_session(axes, records, low_high):
    """Draw the unweighted curves of all tilt series, their median, and the session's range.

    Args:
        axes: a matplotlib axes; cleared first.
        records: DoseRecords that did not fail, at least one.
        low_high: the range of the session in e/A^2; None without a range.
    """
    axes.clear()
    highest = 0.0
    for number, record in enumerate(records):
        steps = sorted(record.steps, key=lambda step: step["dose"])
        scores = [step["tomoscore"] for step in steps]
        highest = max(highest, *scores)
        label = f"{len(records)} tilt series" if number == 0 else None
        doses = [step["dose"] for step in steps]
        axes.plot(doses, scores, color=EACH_COLOUR, linewidth=0.8, label=label)
    for kind, name in (("steps", "median"), ("steps_weighted", "median, dose weighted")):
        curve = median_curve(records, kind)
        line = "-" if kind == "steps" else "--"
        if curve:
            axes.plot(*zip(*curve), line, color=COLOUR, linewidth=2.0, label=name)
    if low_high is not None:
        _draw_range(axes, low_high, "suggested for the session")
    _finish(axes, highest, max(record.total_dose() for record in records))


def _finish(axes, highest, total_dose):
    axes.set_xlim(0, 1.02 * total_dose)
    axes.set_ylim(0, min(N_SCORED, highest + HEADROOM))
    ticks = [tick for tick in range(N_SCORED + 1) if tick <= axes.get_ylim()[1]]
    names = [f"{tick} ({scale_nm(tick):.0f} nm)" if tick else "0" for tick in ticks]
    axes.set_yticks(ticks, names)
    axes.set_xlabel("accumulated dose at the end of the last view (e/\u00c5\u00b2)")
    axes.set_ylabel("TomoScore (octaves), resolvable scale")
    above = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.01), "borderaxespad": 0.0}
    axes.legend(ncol=2, frameon=False, **above)
