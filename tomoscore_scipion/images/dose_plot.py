# SPDX-License-Identifier: GPL-3.0-or-later
"""Plot of the dose curves of a tilt series, with matplotlib and without a display."""

from __future__ import annotations

from textwrap import fill
from typing import Any, Mapping, Sequence

from tomoscore_scipion.images.figure_file import save_figure
from tomoscore_scipion.records.dose_record import DoseRecord

SIZE_INCHES = (7.0, 5.6)
DPI = 110
BLUE, GREY, RANGE_COLOUR = "#0072b2", "#777777", "#e69f00"
KINDS = (
    ("steps", "all views up to the dose, 90 % interval", BLUE, "-"),
    ("steps_weighted", "the same, dose weighted", "#009e73", "--"),
    ("steps_matched", "thinned views at equal angles", "#cc79a7", ":"),
)
"""Kinds of curves, their names, colours and lines."""
TITLE_WIDTH = 90
"""Characters per line of the title."""


def write_plot(path: str, record: DoseRecord) -> None:
    """Write the plot of a record; an existing file is replaced at the end.

    Args:
        path: path with one of `ENDINGS`, see `save_figure`.
        record: a record with status "ok".

    Raises:
        StartError: the file cannot be written, or its name has another ending.
    """
    save_figure(draw(record), path, DPI)


def draw(record: DoseRecord) -> Any:
    """Figure with scores over dose above, and tilt angles over dose below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _scores(above, record)
    _angles(below, record.steps)
    below.set_xlabel("accumulated dose at the end of the last view used (e/Å$^2$)")
    above.set_title(fill(f"{record.ts_id}: {verdict(record)}", TITLE_WIDTH), fontsize=10)
    return figure


def verdict(record: DoseRecord) -> str:
    """The optimal dose and its range, or why there is none, in one line."""
    if record.suggested_range is None:
        return str(record.reason)
    low, high = record.suggested_range
    return f"best at {record.optimum_dose:.0f} e/Å$^2$; {low:.0f} to {high:.0f} as good within 0.1"


def draw_curves(axes: Any, record: DoseRecord) -> None:
    """Draw the curves of a tilt series, the one of all views with its 90 % interval.

    Args:
        axes: axes of matplotlib.
        record: a record with status "ok".
    """
    for kind, name, colour, line in KINDS:
        steps = _by_dose(getattr(record, kind))
        if steps:
            doses, scores = _column(steps, "dose"), _column(steps, "tomoscore")
            axes.plot(doses, scores, line, color=colour, label=name, marker="o", markersize=4)
    known = [step for step in _by_dose(record.steps) if step.get("tomoscore_interval")]
    if known:
        low, high = zip(*_column(known, "tomoscore_interval"))
        axes.fill_between(_column(known, "dose"), low, high, color=BLUE, alpha=0.15, lw=0)


def _scores(axes: Any, record: DoseRecord) -> None:
    draw_curves(axes, record)
    seen = [step for step in record.steps if step["tomoscore_network"] is not None]
    network = _column(seen, "dose"), _column(seen, "tomoscore_network")
    axes.plot(*network, "x", color=GREY, label="network alone")
    if record.suggested_range is not None:
        axes.axvspan(*record.suggested_range, color=RANGE_COLOUR, alpha=0.3, lw=0, label="range")
        axes.axvline(record.optimum_dose, color="black", lw=1, label="best")
    axes.set_xlim(0, 1.02 * record.total_dose())
    axes.set_ylabel("TomoScore (octaves)")
    axes.set_ylim(0, None)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, loc="lower right")


def _angles(axes: Any, steps: Sequence[Mapping[str, Any]]) -> None:
    low, high = zip(*[step["angle_range"] for step in steps])
    axes.fill_between(_column(steps, "dose"), low, high, color=GREY, alpha=0.3, lw=0)
    axes.set_ylabel("tilts (deg)")
    axes.grid(alpha=0.25)


def _by_dose(steps: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(steps, key=lambda step: step["dose"])


def _column(steps: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
    return [step[key] for step in steps]
