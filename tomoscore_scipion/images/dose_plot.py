# SPDX-License-Identifier: GPL-3.0-or-later
"""The curves of a series as a picture, drawn with matplotlib without a display."""

from __future__ import annotations

from textwrap import fill
from typing import Any, Mapping, Sequence

from tomoscore_scipion.images.figure_file import save_figure
from tomoscore_scipion.records.dose_record import DoseRecord

SIZE_INCHES = (7.0, 5.6)
DPI = 110
BLUE, GREEN, PURPLE, GREY = "#0072b2", "#009e73", "#cc79a7", "#777777"
RANGE_COLOUR = "#e69f00"
"""The colours that Scipion's viewer gives the same curves."""
TITLE_WIDTH = 90
"""Letters in a line of the title."""


def write_plot(path: str, record: DoseRecord) -> None:
    """Draw a record that is ok; the file is replaced when the new one is whole.

    Raises:
        StartError: it cannot be written, or its name has another ending than `ENDINGS`.
    """
    save_figure(draw(record), path, DPI)


def draw(record: DoseRecord) -> Any:
    """The figure: scores over dose above, angles over dose below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _scores(above, record)
    _angles(below, record.steps)
    below.set_xlabel("accumulated dose at the end of the last view used (e/Å$^2$)")
    above.set_title(fill(f"{record.ts_id}: {verdict(record)}", TITLE_WIDTH), fontsize=10)
    return figure


def verdict(record: DoseRecord) -> str:
    """What the record says, in a line."""
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
