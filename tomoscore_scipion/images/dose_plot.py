# SPDX-License-Identifier: GPL-3.0-or-later
"""Plot of the dose curves of a tilt series, with matplotlib and without a display."""

from __future__ import annotations

from textwrap import fill
from typing import Any, Mapping, Sequence

from tomoscore_scipion.images.figure_file import save_figure
from tomoscore_scipion.records.dose_record import DoseRecord

SIZE_INCHES = (7.0, 5.6)
DPI = 110
BLUE, GREEN, PURPLE, GREY = "#0072b2", "#009e73", "#cc79a7", "#777777"
RANGE_COLOUR = "#e69f00"
"""Colours of the same curves in the viewer of Scipion."""
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


def _scores(axes: Any, record: DoseRecord) -> None:
    dose = _column(record.steps, "dose")
    intervals = [step["tomoscore_interval"] for step in record.steps]
    low, high = zip(*intervals)
    axes.fill_between(dose, low, high, color=BLUE, alpha=0.1, lw=0, label="90 % interval")
    axes.plot(
        _column(record.steps_matched, "dose"),
        _column(record.steps_matched, "tomoscore"),
        color=PURPLE,
        ls=":",
        label="as many views over all angles",
    )
    axes.plot(
        _column(record.steps_weighted, "dose"),
        _column(record.steps_weighted, "tomoscore"),
        color=GREEN,
        ls="--",
        label="first views, dose-weighted",
    )
    axes.plot(dose, _column(record.steps, "tomoscore"), color=BLUE, marker=".", label="first views")
    seen = [step for step in record.steps if step["tomoscore_network"] is not None]
    axes.plot(
        _column(seen, "dose"),
        _column(seen, "tomoscore_network"),
        color=GREY,
        ls="",
        marker="x",
        label="network alone",
    )
    if record.suggested_range is not None:
        axes.axvspan(*record.suggested_range, color=RANGE_COLOUR, alpha=0.3, lw=0, label="range")
        axes.axvline(record.optimum_dose, color="black", lw=1, label="best")
    axes.set_xlim(0, 1.02 * max(dose))
    axes.set_ylabel("TomoScore (octaves)")
    axes.set_ylim(0, None)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, loc="lower right")


def _angles(axes: Any, steps: Sequence[Mapping[str, Any]]) -> None:
    low, high = zip(*[step["angle_range"] for step in steps])
    axes.fill_between(_column(steps, "dose"), low, high, color=GREY, alpha=0.3, lw=0)
    axes.set_ylabel("tilts (deg)")
    axes.grid(alpha=0.25)


def _column(steps: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    return [step[key] for step in steps]
