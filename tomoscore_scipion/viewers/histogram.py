# SPDX-License-Identifier: GPL-3.0-or-later
"""The histogram of scores, with a second axis in nm and the line of the threshold."""

from tomoscore_scipion.records.bands import N_SCORED, scale_nm
from tomoscore_scipion.viewers.colours import ACCEPTED, NEUTRAL, REJECTED

BINS_PER_OCTAVE = 4


def draw(axes, accepted, rejected, undecided=(), threshold=None):
    """Draw the histogram, coloured by verdict as in the report.

    Args:
        axes: a matplotlib axes; cleared first.
        accepted: TomoScores of accepted tomograms, octaves.
        rejected: TomoScores of rejected tomograms.
        undecided: TomoScores of tomograms without a verdict yet.
        threshold: threshold in octaves; None for no line.
    """
    axes.clear()
    edges = [number / BINS_PER_OCTAVE for number in range(N_SCORED * BINS_PER_OCTAVE + 1)]
    groups = [("rejected", rejected, REJECTED), ("accepted", accepted, ACCEPTED)]
    groups += [("not decided yet", undecided, NEUTRAL)] if undecided else []
    axes.hist(
        [scores for _, scores, _ in groups],
        bins=edges,
        stacked=True,
        color=[colour for _, _, colour in groups],
        label=[f"{name} ({len(scores)})" for name, scores, _ in groups],
    )
    count = len(accepted) + len(rejected) + len(undecided)
    axes.set_title(f"TomoScore, {count} scored", fontsize=10)
    if threshold is not None:
        axes.axvline(threshold, color="black", linewidth=1.5, label=f"threshold {threshold:g}")
    axes.legend(fontsize=8)
    ticks = range(N_SCORED + 1)
    names = [f"{tick}\n{scale_nm(tick):.0f} nm" if tick else "0" for tick in ticks]
    axes.set_xticks(list(ticks), names)
    axes.set_xlim(0, N_SCORED)
    axes.set_xlabel("TomoScore (octaves), resolvable scale")
    axes.set_ylabel("tomograms")
    axes.yaxis.get_major_locator().set_params(integer=True)
