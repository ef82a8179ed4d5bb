# SPDX-License-Identifier: GPL-3.0-or-later
"""The histogram of scores, with a second axis in nm and the line of the threshold."""

from tomoscore_scipion.engine.bands import N_SCORED, scale_nm
from tomoscore_scipion.viewers.colours import ACCEPTED, REJECTED

BINS_PER_OCTAVE = 4


def draw(axes, scores, threshold=None):
    """Draw the histogram.

    Args:
        axes: a matplotlib axes; cleared first.
        scores: TomoScores in octaves, at least one.
        threshold: accepted from here on, in octaves; no line when None.
    """
    axes.clear()
    edges = [number / BINS_PER_OCTAVE for number in range(N_SCORED * BINS_PER_OCTAVE + 1)]
    good = [score for score in scores if threshold is None or score >= threshold]
    bad = [score for score in scores if threshold is not None and score < threshold]
    names = [f"below the threshold ({len(bad)})", f"from it on ({len(good)})"]
    axes.hist([bad, good], bins=edges, stacked=True, color=[REJECTED, ACCEPTED], label=names)
    axes.set_title(f"TomoScore, {len(scores)} scored", fontsize=10)
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
