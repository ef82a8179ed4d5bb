# SPDX-License-Identifier: GPL-3.0-or-later
"""What the protocols say about their results: summary and methods."""

from statistics import median

from tomoscore_scipion.engine.bands import readable_scale, scale_nm
from tomoscore_scipion.protocols.outputs import (
    ACCEPTED_SET,
    ERROR,
    FAILED_SET,
    MODEL_SHA256,
    REJECTED_SET,
    SCORED_SET,
    provenance_of,
    scores_of,
    value,
)
from tomoscore_scipion.protocols.verdict import in_words

WORST = 3
SHA256_SHOWN = 12
JUDGED = (ACCEPTED_SET, REJECTED_SET)


def summary(protocol):
    """Counts, criterion, median, the worst, the failed, slab limits, model and device.

    Args:
        protocol: one with the output sets as attributes.

    Returns:
        A list of lines.
    """
    lines = _scored_lines(protocol)
    failed = getattr(protocol, FAILED_SET, None)
    if failed is not None and not failed.isEmpty():
        lines += [f"*{failed.getSize()} failed*:"]
        lines += [f"  {i.getTsId()}: {value(i, ERROR)}" for i in failed.iterItems(limit=WORST)]
    return lines or ["No tomogram is scored yet."]


def _scored_lines(protocol):
    scores = scores_in(protocol)
    if not scores:
        return []
    made = provenance_in(protocol)
    middle = median(scores.values())
    worst = sorted(scores.items(), key=lambda pair: pair[1])[:-1][:WORST]  # never the best
    lines = [
        f"Tomograms: {counts(protocol)}.",
        f"Accepted {criterion(made)}.",
        f"Median TomoScore {middle:.2f} octaves ({readable_scale(scale_nm(middle))}).",
    ]
    if worst:
        lines.append("Worst: " + ", ".join(f"{key} {score:.2f}" for key, score in worst) + ".")
    if slab(made):
        lines.append(f"Scored {slab(made)}.")
    return [*lines, f"Model {model(made)}, on {made['_tomoScoreDevice'] or 'an unknown device'}."]


def scores_in(protocol):
    """{tsId: TomoScore} of the tomograms that a protocol scored, or split."""
    scored = getattr(protocol, SCORED_SET, None)
    sets = [scored] if scored is not None else [getattr(protocol, n, None) for n in JUDGED]
    found = {}
    for tomograms in sets:
        found.update(scores_of(tomograms) if tomograms is not None else {})
    return {key: score for key, score in found.items() if score is not None}


def provenance_in(protocol):
    """{name: value} of what the outputs of a protocol say of their making."""
    there = (getattr(protocol, name, None) for name in (SCORED_SET, *JUDGED))
    return provenance_of(next(tomograms for tomograms in there if tomograms is not None))


def counts(protocol):
    """How many tomograms were scored, accepted, rejected; those that there are."""
    words = ("scored", SCORED_SET), ("accepted", ACCEPTED_SET), ("rejected", REJECTED_SET)
    sizes = [(word, size_of(protocol, name)) for word, name in words]
    return ", ".join(f"*{word} {size}*" for word, size in sizes if size)


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


def slab(made):
    """The slices that were scored, from a set's provenance; "" where there were no limits."""
    first, last = made["_tomoScoreSlabFirst"] or 0, made["_tomoScoreSlabLast"]
    last = None if last is None or last < 0 else last
    if first == 0 and last is None:
        return ""
    return f"slices {first} to {'the last' if last is None else last} (counted from 0)"


def model(made):
    """The model's name, version and the beginning of its hash, from a set's provenance."""
    if not made[MODEL_SHA256]:
        return "unknown (subsets and joins do not tell it)"
    sha256 = made[MODEL_SHA256][:SHA256_SHOWN]
    return f"{made['_tomoScoreModel']} {made['_tomoScoreModelVersion']} ({sha256})"


def methods(protocol):
    """A paragraph that is ready for a paper; nothing before there are results."""
    scores = scores_in(protocol)
    if not scores:
        return []
    made = provenance_in(protocol)
    middle = median(scores.values())
    end = f"{size_of(protocol, REJECTED_SET)} rejected"
    if hasattr(protocol, SCORED_SET):
        end += f", and {size_of(protocol, FAILED_SET)} could not be scored"
    return [
        f"Tomograms (n = {len(scores)}) were rated by TomoScore (independent implementation of "
        f"the idea of [Tan2024]; {program(made)}): the number of octaves of feature scale, from "
        "128 nm to 4 nm, that can be readily distinguished in xy slices"
        f"{', of ' + slab(made) if slab(made) else ''}. The median was {middle:.2f} octaves "
        f"({readable_scale(scale_nm(middle))}). {size_of(protocol, ACCEPTED_SET)} tomograms were "
        f"accepted for further processing ({criterion(made)}), {end}."
    ]


def program(made):
    """Program and model with what a reader needs to find them, from a set's provenance."""
    if not made[MODEL_SHA256]:
        return "scipion-em-tomoscore; version and model as of the scored set"
    return (
        f"scipion-em-tomoscore {made['_tomoScoreEngineVersion']}, model {made['_tomoScoreModel']} "
        f"{made['_tomoScoreModelVersion']}, sha256 {made[MODEL_SHA256]}"
    )
