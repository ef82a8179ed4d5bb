# SPDX-License-Identifier: GPL-3.0-or-later
"""The plot of a comparison: a line for every tilt series, and the gains of the leader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tomoscore_scipion.comparison.paired import CONFIDENCE, Comparison
from tomoscore_scipion.comparison.summary_text import verdict
from tomoscore_scipion.records.bands import N_SCORED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (10.0, 5.0)
"""Width and height of the figure, inches."""
BETTER, WORSE, EVEN = "#0072b2", "#d55e00", "#8a949e"
MAX_NAME_LENGTH = 18


def draw(figure: Figure, comparison: Comparison) -> None:
    """Clear a figure and draw a comparison into it."""
    figure.clear()
    text = verdict(comparison)
    figure.suptitle(text if len(text) < 110 else text.replace(": ", ":\n", 1), fontsize=10)
    left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": (3, 2)})
    _draw_scores(left, comparison)
    _draw_gains(right, comparison)
    figure.subplots_adjust(left=0.07, right=0.97, top=0.86, bottom=0.16, wspace=0.08)


def _draw_scores(axes: Axes, comparison: Comparison) -> None:
    """A line for each tilt series; with two sets it is blue if the second score is higher."""
    positions = range(len(comparison.names))
    for scores in zip(*comparison.scores):
        rise = scores[-1] - scores[0]
        alike = len(positions) > 2 or abs(rise) < 0.005
        colour = EVEN if alike else BETTER if rise > 0 else WORSE
        axes.plot(positions, scores, "-o", color=colour, linewidth=0.8, markersize=3, alpha=0.6)
    axes.plot(positions, comparison.means, "D", color="black", markersize=8, label="mean")
    axes.set_xticks(list(positions), [_short(name) for name in comparison.names])
    axes.set_xlim(-0.3, len(positions) - 0.7)
    axes.set_ylim(0, N_SCORED)
    axes.set_ylabel("TomoScore (octaves)")
    colours = "\nblue: higher in the second set, orange: lower" if len(positions) == 2 else ""
    count = len(comparison.ts_ids)
    axes.set_xlabel(f"{count} tilt series, a line each; diamonds: means{colours}")


def _draw_gains(axes: Axes, comparison: Comparison) -> None:
    """The gains of the leader over each other set, with intervals."""
    others = [n for n in range(len(comparison.names)) if n != comparison.leader]
    for position, number in enumerate(others):
        gain = comparison.gain_over(number)
        values = [
            a - b for a, b in zip(comparison.scores[comparison.leader], comparison.scores[number])
        ]
        axes.plot(values, [position] * len(values), "|", color=EVEN, markersize=14, alpha=0.6)
        if gain.interval is not None:
            axes.plot(gain.interval, (position, position), "-", color="black", linewidth=3)
        axes.plot(gain.mean, position, "D", color="black", markersize=8)
    axes.axvline(0, color="black", linewidth=1, linestyle=":")
    for position, number in enumerate(others):
        name = f"over {_short(comparison.names[number])}"
        label = axes.text(0.02, position + 0.2, name, transform=axes.get_yaxis_transform())
        label.set_backgroundcolor("white")
    axes.set_yticks([])
    axes.set_ylim(-0.7, len(others) - 0.3)
    leader = _short(comparison.names[comparison.leader])
    axes.set_xlabel(f"{leader} gains (octaves)\nbar: {100 * CONFIDENCE:.0f} % interval")


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME_LENGTH else name[: MAX_NAME_LENGTH - 1] + "\u2026"
