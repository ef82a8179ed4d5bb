# SPDX-License-Identifier: GPL-3.0-or-later
"""What the protocols say about their results: summary and methods."""

from statistics import median

from tomoscore_scipion.engine.bands import readable_scale, scale_nm
from tomoscore_scipion.protocols.outputs import (
    ACCEPTED_SET,
    ERROR,
    FAILED_SET,
    REJECTED_SET,
    SCORED_SET,
    provenance_of,
    scores_of,
    value,
)
from tomoscore_scipion.protocols.verdict import in_words

WORST = 5
SHA256_SHOWN = 12


def summary(protocol):
    """Counts, median, the worst, the failed, model and device.

    Args:
        protocol: one with the output sets as attributes.

    Returns:
        A list of lines.
    """
    lines = []
    scored = getattr(protocol, SCORED_SET, None) or getattr(protocol, ACCEPTED_SET, None)
    scored = scored or getattr(protocol, REJECTED_SET, None)
    if scored is not None and not scored.isEmpty():
        lines += _scored_lines(protocol, scored)
    failed = getattr(protocol, FAILED_SET, None)
    if failed is not None and not failed.isEmpty():
        lines += [f"*{failed.getSize()} failed*:"]
        lines += [f"  {i.getTsId()}: {value(i, ERROR)}" for i in failed.iterItems(limit=WORST)]
    return lines or ["No tomogram is scored yet."]


def _scored_lines(protocol, scored):
    made = provenance_of(scored)
    counts = ", ".join(
        f"*{word} {size_of(protocol, name)}*"
        for word, name in (
            ("scored", SCORED_SET),
            ("accepted", ACCEPTED_SET),
            ("rejected", REJECTED_SET),
        )
        if size_of(protocol, name)
    )
    lines = [f"Tomograms: {counts}.", f"Accepted {criterion(made)}."]
    if hasattr(protocol, SCORED_SET):
        scores = scores_of(scored)
        middle = median(scores.values())
        lines.append(f"Median TomoScore {middle:.2f} octaves ({readable_scale(scale_nm(middle))}).")
        worst = sorted(scores.items(), key=lambda pair: pair[1])[:WORST]
        lines.append("Worst: " + ", ".join(f"{key} {score:.2f}" for key, score in worst) + ".")
    return [*lines, f"Model {model(made)}, on {made['_tomoScoreDevice']}."]


def size_of(protocol, name):
    """The number of items of an output, 0 where it is not there."""
    tomograms = getattr(protocol, name, None)
    return tomograms.getSize() if tomograms is not None else 0


def criterion(made):
    """By what tomograms were accepted, from a set's provenance."""
    at_most = made["_tomoScoreAtMost"]
    words = []
    if made["_tomoScoreThreshold"] is not None:
        words.append(f"from {in_words(made['_tomoScoreThreshold'])} on")
    if at_most:
        words.append(f"the best {at_most} at most")
    if made["_tomoScorePercent"] is not None:
        words.append(f"the best {made['_tomoScorePercent']:g} %")
    return ", ".join(words)


def model(made):
    """The model's name, version and the beginning of its hash, from a set's provenance."""
    sha256 = (made["_tomoScoreModelSha256"] or "")[:SHA256_SHOWN]
    return f"{made['_tomoScoreModel']} {made['_tomoScoreModelVersion']} ({sha256})"


def methods(protocol):
    """A paragraph that is ready for a paper; nothing before there are results."""
    scored = getattr(protocol, SCORED_SET, None)
    if scored is None or scored.isEmpty():
        return []
    made = provenance_of(scored)
    scores = list(scores_of(scored).values())
    return [
        f"Tomograms (n = {len(scores)}) were rated by TomoScore (independent "
        f"implementation of the idea of [Tan2024]; scipion-em-tomoscore "
        f"{made['_tomoScoreEngineVersion']}, model {made['_tomoScoreModel']} "
        f"{made['_tomoScoreModelVersion']}, sha256 {made['_tomoScoreModelSha256']}): the number of "
        "octaves of feature scale, from 128 nm to 4 nm, that can be readily distinguished in xy "
        f"slices. The median was {median(scores):.2f} octaves "
        f"({readable_scale(scale_nm(median(scores)))}). {size_of(protocol, ACCEPTED_SET)} "
        f"tomograms were accepted for further processing ({criterion(made)}), "
        f"{size_of(protocol, REJECTED_SET)} rejected, and {size_of(protocol, FAILED_SET)} could "
        "not be scored."
    ]
