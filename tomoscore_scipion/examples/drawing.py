# SPDX-License-Identifier: GPL-3.0-or-later
"""The plot of a threshold from examples: scores of good and bad examples, and the ROC curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

from tomoscore_scipion.records.bands import N_SCORED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GOOD_COLOUR, BAD_COLOUR, RANGE_COLOUR, GREY = "#0072b2", "#d55e00", "#e69f00", "#8a949e"
SIZE = (10.0, 4.6)
"""Width and height of the figure, inches."""
BINS_PER_OCTAVE = 4


def draw(
    figure: Figure,
    good: Sequence[float],
    bad: Sequence[float],
    threshold: float,
    interval: tuple[float, float],
    roc: Sequence[tuple[float, float]],
) -> None:
    """Clear a figure and draw a threshold from examples into it.

    Args:
        figure: figure to draw into.
        good: TomoScores of the good examples, octaves.
        bad: TomoScores of the bad examples, octaves.
        threshold: threshold, octaves.
        interval: 90 % interval of the threshold (low, high), octaves.
        roc: points (fraction of bad accepted, fraction of good accepted), as in `Threshold.roc`.
    """
    figure.clear()
    left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": (3, 2)})
    edges = [number / BINS_PER_OCTAVE for number in range(N_SCORED * BINS_PER_OCTAVE + 1)]
    names = [f"good ({len(good)})", f"bad ({len(bad)})"]
    left.hist([good, bad], bins=edges, color=[GOOD_COLOUR, BAD_COLOUR], label=names)
    left.axvspan(*interval, color=RANGE_COLOUR, alpha=0.3, linewidth=0, label="90 % interval")
    left.axvline(threshold, color="black", label=f"threshold {threshold:.2f}")
    left.legend(fontsize=8)
    left.set(xlim=(0, N_SCORED), xlabel="TomoScore (octaves)", ylabel="examples")
    left.yaxis.get_major_locator().set_params(integer=True)
    right.plot([0, 1], [0, 1], color=GREY, linewidth=1)
    right.plot(*zip(*roc), color=GOOD_COLOUR)
    right.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    right.set(xlabel="bad examples accepted (fraction)", ylabel="good examples accepted (fraction)")
    figure.subplots_adjust(left=0.07, right=0.97, top=0.94, bottom=0.14, wspace=0.25)
