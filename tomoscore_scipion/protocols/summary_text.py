# SPDX-License-Identifier: GPL-3.0-or-later
"""Summary and methods of the protocols that score and filter."""

from collections import Counter
from statistics import median

from tomoscore_scipion.protocols.item_attributes import ERROR, decisions_of, scores_of, value
from tomoscore_scipion.protocols.output_sets import (
    ACCEPTED_SET,
    FAILED_SET,
    REJECTED_SET,
    SCORED_SET,
    SET_OF,
)
from tomoscore_scipion.protocols.provenance import (
    CALIBRATION_SHA256,
    MODEL_SHA256,
    OCTAVE_WEIGHTS,
    provenance_of,
)
from tomoscore_scipion.protocols.recovery import readable_output
from tomoscore_scipion.records.bands import readable_scale, scale_nm
from tomoscore_scipion.records.verdict import BY_HAND, BY_SCORE, threshold_text

WORST = 3
FAILURES_SHOWN = 5
SHA256_SHOWN = 12
JUDGED = (ACCEPTED_SET, REJECTED_SET)
PAPER = "Tan et al., 2024, doi:10.1101/2024.11.06.622356"


def summary(protocol):
    """Lines: counts, criterion, median, worst, slab limits, model, device, and failures."""
    lines = _scored_lines(protocol) + _lost_lines(protocol)
    failed = readable_output(protocol, FAILED_SET)
    if failed is not None and not failed.isEmpty():
        first_failed = failed.iterItems(limit=FAILURES_SHOWN)
        lines += [f"*{failed.getSize()} failed*:"]
        lines += [f"  {item.getTsId()}: {value(item, ERROR)}" for item in first_failed]
        failed.close()
    return lines or ["No tomogram is scored yet."]


def _lost_lines(protocol):
    """A line on outputs that cannot be read."""
    names = [name for name, _ in protocol.iterOutputAttributes()]
    lost = [name for name in names if readable_output(protocol, name) is None]
    if not lost:
        return []
    return [f"*Cannot be read: {', '.join(lost)}*. Continue makes them again."]


def _scored_lines(protocol):
    scores = scores_in(protocol)
    if not scores:
        return []
    made = provenance_in(protocol)
    middle = median(scores.values())
    decisions = decisions_in(protocol)
    scored = f"*scored {len(decisions)}*, " if SCORED_SET in protocol._possibleOutputs else ""
    lines = [
        f"Tomograms: {scored}{counts_text(verdict for verdict, _, _ in decisions)}.",
        f"Accepted: {criterion(made)}.",
        *decision_lines(decisions),
        f"Median TomoScore {middle:.2f} octaves ({readable_scale(scale_nm(middle))}).",
    ]
    worst = worst_of(scores)
    if worst:
        named = ", ".join(f"{key} {score:.2f}" for key, score in worst)
        lines.append(f"Worst: {named}.")
    if slab(made):
        lines.append(f"Scored {slab(made)}.")
    return [*lines, f"Model {model(made)}, on {made['_tomoScoreDevice'] or 'an unknown device'}."]


def worst_of(scores):
    """[(tsId, TomoScore)] of up to three of the worst tomograms, without the best one."""
    ranked = sorted(scores.items(), key=lambda pair: pair[1])
    return [pair for pair in ranked[:WORST] if pair[1] < ranked[-1][1]]


def decisions_in(protocol):
    """[(verdict, whether borderline, who decided)] of the tomograms of a protocol.

    They are from the scored set if there is one. This set is written last, so that the numbers are
    consistent also while the protocol runs.
    """
    decisions = []
    for tomograms in judged_sets(protocol):
        decisions += decisions_of(tomograms)
        tomograms.close()
    return decisions


def decision_lines(decisions):
    """Lines on borderline tomograms, and on those that were not decided by their score."""
    lines = []
    borderline = [verdict for verdict, is_borderline, _ in decisions if is_borderline]
    if borderline:
        lines.append(
            f"*Borderline {len(borderline)}* (the 90 % interval contains the threshold): "
            f"{counts_text(borderline)}."
        )
    others = Counter(
        (verdict, decided_by)
        for verdict, _, decided_by in decisions
        if decided_by not in (None, BY_SCORE)
    )
    for (verdict, decided_by), number in sorted(others.items()):
        how = "by hand" if decided_by == BY_HAND else f"regardless of the score: {decided_by}"
        lines.append(f"{verdict.capitalize()} {how}: {number}.")
    return lines


def counts_text(verdicts):
    """The numbers of verdicts, as "*accepted 3*, *rejected 1*"; None is an open verdict."""
    counts = Counter(verdicts)
    names = {**{verdict: verdict for verdict in SET_OF}, None: "not decided yet"}
    return ", ".join(f"*{names[key]} {counts[key]}*" for key in names if counts[key])


def judged_sets(protocol):
    """The sets that together contain each tomogram with a verdict once."""
    names = (SCORED_SET,) if SCORED_SET in protocol._possibleOutputs else JUDGED
    outputs = (readable_output(protocol, name) for name in names)
    return [tomograms for tomograms in outputs if tomograms is not None]


def scores_in(protocol):
    """{tsId: TomoScore} of the tomograms that a protocol scored or filtered."""
    scores = {}
    for tomograms in judged_sets(protocol):
        scores.update(scores_of(tomograms))
        tomograms.close()
    return {key: score for key, score in scores.items() if score is not None}


def provenance_in(protocol):
    """{attribute: value} of the provenance of a protocol's outputs."""
    return provenance_of(judged_sets(protocol)[0])


def size_of(protocol, name):
    """The number of items of an output; 0 if it does not exist."""
    tomograms = readable_output(protocol, name)
    return tomograms.getSize() if tomograms is not None else 0


def criterion(made):
    """The criteria of acceptance, from a set's provenance."""
    criteria = []
    if made["_tomoScoreThreshold"] is not None:
        criteria.append(threshold_text(made["_tomoScoreThreshold"]))
        if made["_tomoScoreAcceptBorderline"] is not None:
            accepted = made["_tomoScoreAcceptBorderline"]
            criteria.append("borderline ones too" if accepted else "without borderline ones")
    if made["_tomoScoreAtMost"]:
        criteria.append(f"at most the best {made['_tomoScoreAtMost']}")
    if made["_tomoScorePercent"] is not None:
        criteria.append(f"the best {made['_tomoScorePercent']:g} %")
    if made[OCTAVE_WEIGHTS]:
        criteria.append(f"by a rule over octaves ({made[OCTAVE_WEIGHTS]})")
    if made["_tomoScoreIds"]:
        criteria.append(f"by the list of ids of {made['_tomoScoreIds']}")
    if made["_tomoScoreRejectFaults"]:
        criteria.append(f"rejected regardless of the score: {made['_tomoScoreRejectFaults']}")
    return "; ".join(criteria)


def slab(made):
    """The limits of the scored slices, from a set's provenance; "" without limits."""
    first, last = made["_tomoScoreSlabFirst"] or 0, made["_tomoScoreSlabLast"]
    last = None if last is None or last < 0 else last
    if first == 0 and last is None:
        return ""
    return f"slices {first} to {'the last' if last is None else last} (counted from 0)"


def model(made):
    """The model's name, version and the beginning of its hash, from a set's provenance."""
    if not made[MODEL_SHA256]:
        return "unknown (subsets and joins do not have it)"
    sha256 = made[MODEL_SHA256][:SHA256_SHOWN]
    calibration = made.get("_tomoScoreCalibration")
    calibrated = f", calibrated by {calibration}" if calibration else ""
    return f"{made['_tomoScoreModel']} {made['_tomoScoreModelVersion']} ({sha256}){calibrated}"


def methods(protocol):
    """A paragraph for a paper; empty before there are results."""
    scores = scores_in(protocol)
    if not scores:
        return []
    made = provenance_in(protocol)
    middle = median(scores.values())
    end = f"{size_of(protocol, REJECTED_SET)} rejected"
    if SCORED_SET in protocol._possibleOutputs:
        end += f", and {size_of(protocol, FAILED_SET)} could not be scored"
    return [
        f"Tomograms (n = {len(scores)}) were rated by TomoScore (independent implementation of "
        f"the idea of {PAPER}; {program(made)}): the number of octaves of feature scale, from "
        "128 nm to 4 nm, that can be readily distinguished in xy slices"
        f"{', of ' + slab(made) if slab(made) else ''}. The median was {middle:.2f} octaves "
        f"({readable_scale(scale_nm(middle))}). {_were(size_of(protocol, ACCEPTED_SET))} "
        f"accepted for further processing ({criterion(made)}), {end}."
    ]


def _were(number):
    return f"{number} tomogram was" if number == 1 else f"{number} tomograms were"


def _calibrated(made):
    """A sentence on the calibration for a paper; "" for uncalibrated scores."""
    if not made.get(CALIBRATION_SHA256):
        return ""
    return f", calibrated on half maps of this session, sha256 {made[CALIBRATION_SHA256]}"


def program(made):
    """Program, model and their versions for a paper, from a set's provenance."""
    if not made[MODEL_SHA256]:
        return "scipion-em-tomoscore; version and model as of the scored set"
    return (
        f"scipion-em-tomoscore {made['_tomoScoreEngineVersion']}, model {made['_tomoScoreModel']} "
        f"{made['_tomoScoreModelVersion']}, sha256 {made[MODEL_SHA256]}{_calibrated(made)}"
    )
