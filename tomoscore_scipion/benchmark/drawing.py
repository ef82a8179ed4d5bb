# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of a comparison: scores of tomograms and of slices against their truths."""

from __future__ import annotations

import numpy as np

from tomoscore_scipion.benchmark.fresh import Comparison
from tomoscore_scipion.records.bands import N_SCORED

BLUE, GREY = "#0072B2", "0.6"
LIMITS = (-0.1, N_SCORED + 0.1)


def draw(result: Comparison, path: str) -> None:
    """Write a PNG (or what the path's extension says): left tomograms, right slices.

    Args:
        result: what was found, and the truth, octaves.
        path: of the picture; an earlier one is replaced.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.6, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    tomograms, slices = figure.subplots(1, 2, sharex=True, sharey=True)
    ends = np.stack([result.predicted - result.low, result.high - result.predicted]).clip(min=0)
    bars = {"fmt": "o", "ms": 4, "color": BLUE, "ecolor": GREY, "elinewidth": 0.8}
    tomograms.errorbar(result.truth, result.predicted, yerr=ends, **bars)
    tomograms.set(
        title=f"{len(result.truth)} tomograms, 90 % intervals", ylabel="TomoScore (octaves)"
    )
    slices.plot(result.slice_truth, result.slice_predicted, ".", ms=3, alpha=0.4, color=BLUE, mew=0)
    slices.set_title(f"{len(result.slice_truth)} slices of them")
    for panel in (tomograms, slices):
        panel.plot([0, N_SCORED], [0, N_SCORED], color="k", lw=0.8, zorder=0)
        panel.set(xlabel="truth (octaves)", aspect="equal", xlim=LIMITS, ylim=LIMITS)
    figure.savefig(path, dpi=100)
