# SPDX-License-Identifier: GPL-3.0-or-later
"""The plot of an agreement: predicted against measured scores, and the bias per octave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tomoscore_scipion.agreement.figures import PERIODS, Agreement
from tomoscore_scipion.agreement.summary_text import verdict
from tomoscore_scipion.records.bands import N_SCORED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, GREY = "#0072b2", "#8a949e"
SIZE = (10.0, 4.6)
"""Width and height of the figure, inches."""


def draw(figure: Figure, agreement: Agreement) -> None:
    """Clear a figure and draw an agreement into it."""
    figure.clear()
    figure.suptitle(verdict(agreement), fontsize=10)
    left, right = figure.subplots(1, 2)
    left.plot([0, N_SCORED], [0, N_SCORED], color=GREY, linewidth=1)
    left.plot(agreement.measured, agreement.predicted, "o", color=BLUE, markersize=4)
    left.set(xlim=(0, N_SCORED), ylim=(0, N_SCORED), aspect="equal")
    left.set(xlabel="measured from half maps (octaves)", ylabel="predicted TomoScore (octaves)")
    right.axhline(0, color=GREY, linewidth=1)
    for octave, bias in enumerate(agreement.band_bias):
        if bias is not None:
            right.plot((octave, octave), (bias.low, bias.high), color="black", linewidth=2)
            right.plot(octave, bias.value, "D", color=BLUE)
    right.set_xticks(range(len(PERIODS)), [f"{coarse:g}-{fine:g}" for coarse, fine in PERIODS])
    right.set(xlabel="feature size (nm)", ylabel="predicted minus measured R", ylim=(-1, 1))
    figure.subplots_adjust(left=0.08, right=0.97, top=0.88, bottom=0.14, wspace=0.25)
