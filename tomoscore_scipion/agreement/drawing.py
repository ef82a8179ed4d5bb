# SPDX-License-Identifier: GPL-3.0-or-later
"""The plot of an agreement: predicted against measured scores, and the bias per octave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tomoscore_scipion.agreement.figures import PERIODS, Agreement
from tomoscore_scipion.agreement.summary_text import verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, GREY = "#0072b2", "#8a949e"
SIZE = (10.0, 4.6)
"""Width and height of the figure, inches."""


def draw(figure: Figure, agreement: Agreement) -> None:
    """Clear a figure and draw an agreement into it."""
    figure.clear()
    figure.suptitle(verdict(agreement), fontsize=10, wrap=True)
    left, right = figure.subplots(1, 2)
    highest = max(agreement.octaves)
    left.plot([0, highest], [0, highest], color=GREY, linewidth=1)
    left.plot(agreement.measured, agreement.predicted, "o", color=BLUE, markersize=4, clip_on=False)
    left.set(xlim=(0, highest), ylim=(0, highest), aspect="equal")
    octaves = "{:g} to {:g} nm (octaves)".format(*agreement.period_nm)
    left.set(xlabel=f"measured from half maps, {octaves}", ylabel=f"predicted, {octaves}")
    right.axhline(0, color=GREY, linewidth=1)
    for octave, bias in enumerate(agreement.band_bias):
        if bias is not None:
            right.plot((octave, octave), (bias.low, bias.high), color="black", linewidth=2)
            filling = "white" if agreement.upper_limit[octave] else BLUE
            right.plot(octave, bias.value, "D", color=BLUE, markerfacecolor=filling)
    right.set_xticks(range(len(PERIODS)), [f"{coarse:g}-{fine:g}" for coarse, fine in PERIODS])
    limits = "; open: measured R is an upper limit" if any(agreement.upper_limit) else ""
    xlabel = f"feature size (nm){limits}"
    right.set(xlabel=xlabel, ylabel="predicted minus measured R", ylim=(-1, 1))
    figure.subplots_adjust(left=0.08, right=0.97, top=0.88, bottom=0.14, wspace=0.25)
