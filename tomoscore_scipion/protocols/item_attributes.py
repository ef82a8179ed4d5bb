# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes of every scored tomogram: scores, verdict, faults, error, thumbnail.

The first item of a Scipion set fixes the columns of the set. Therefore all attributes are set on
every item in the same order, with or without a value.
"""

from pwem.objects import EMSet
from pyworkflow.object import Boolean, Float, Integer, String

from tomoscore_scipion.records.verdict import ACCEPTED, FAILED, REJECTED, Measured

SCORE = "_tomoScore"
LOW = "_tomoScoreLow"
HIGH = "_tomoScoreHigh"
SCALE = "_tomoScoreScale"
HALVES = "_tomoScoreHalves"  # measured from half maps; None without half maps or if refused
HALVES_LOW = "_tomoScoreHalvesLow"
HALVES_HIGH = "_tomoScoreHalvesHigh"
HALVES_OCTAVES = "_tomoScoreHalvesOctaves"  # number of octaves in the measured score: 5, by tilt 3
VERDICT = "_tomoScoreVerdict"
BORDERLINE = "_tomoScoreBorderline"  # whether its interval contains the threshold
DECIDED_BY = "_tomoScoreDecidedBy"  # score, hand, or the faults for which it is rejected
FAULTS = "_tomoScoreFaults"  # faults that do not depend on the score, with commas between
ERROR = "_tomoScoreError"
THUMBNAIL = "_tomoScoreThumbnail"  # path of a picture of the middle of the specimen
CURVE = "_tomoScoreCurve"  # R of the six octaves, coarsest first, with commas; empty if unknown
ATTRIBUTES = (SCORE, LOW, HIGH, SCALE, HALVES, HALVES_LOW, HALVES_HIGH, HALVES_OCTAVES)
ATTRIBUTES += (VERDICT, BORDERLINE, DECIDED_BY, FAULTS, ERROR, THUMBNAIL, CURVE)
DECISION = (VERDICT, BORDERLINE, DECIDED_BY)

SEPARATOR = ", "
"""Separator of the names of faults."""


def value(holder, name):
    """The value of an attribute of an item or a set; None without the attribute or a value."""
    return holder.getAttributeValue(name)


# --------------------------- one item ---------------------------------------
def annotate(item, record=None, error=None, thumbnail=None, faults=()):
    """Set all attributes of a tomogram; the verdict is open, or "failed" if there is an error.

    Args:
        item: the tomogram.
        record: Score of the tomogram; None without a record.
        error: reason of the failure; None if it did not fail.
        thumbnail: path of the picture.
        faults: names of faults that do not depend on the score.

    Returns:
        The tomogram.
    """
    halves = (record and record.halves) or {}
    low, high = (record and record.tomoscore_interval) or (None, None)
    halves_low, halves_high = halves.get("interval") or (None, None)
    for name, attribute in (
        (SCORE, Float(record.tomoscore if record else None)),
        (LOW, Float(low)),
        (HIGH, Float(high)),
        (SCALE, Float(record.scale_nm if record else None)),
        (HALVES, Float(halves.get("tomoscore"))),
        (HALVES_LOW, Float(halves_low)),
        (HALVES_HIGH, Float(halves_high)),
        (HALVES_OCTAVES, Integer(len(halves.get("octaves", ())))),
        (ERROR, String(error)),
        (THUMBNAIL, String(thumbnail)),
        (FAULTS, String(SEPARATOR.join(faults) or None)),
        (CURVE, String(_curve_text(record.curve if record else None))),
    ):
        setattr(item, name, attribute)
    return set_verdict(item, FAILED if error else None)


def set_verdict(item, verdict, borderline=False, decided_by=None):
    """Set the verdict of a tomogram.

    Args:
        item: the tomogram.
        verdict: "accepted", "rejected" or "failed"; None while it is open.
        borderline: whether its interval contains the threshold.
        decided_by: "score", "hand", or the faults for which it is rejected.

    Returns:
        The tomogram.
    """
    setattr(item, VERDICT, String(verdict))
    setattr(item, BORDERLINE, Boolean(bool(borderline)))
    setattr(item, DECIDED_BY, String(decided_by))
    return item


def apply_criteria(criteria, item, accepted=None):
    """Set the verdict that criteria give to a scored tomogram.

    Args:
        criteria: verdict.Criteria.
        item: the tomogram.
        accepted: whether it is accepted; None if this depends on this tomogram alone.

    Returns:
        The tomogram.
    """
    measured = measured_of(item)
    if accepted is None:
        accepted = criteria.accepts(measured)
    verdict = ACCEPTED if accepted else REJECTED
    borderline = measured.is_borderline(criteria.threshold)
    return set_verdict(item, verdict, borderline, criteria.decided_by(measured))


def add_missing_attributes(item):
    """Add missing attributes, without values, to a tomogram from an earlier version.

    All attributes are then in the same order on every tomogram, the order of the set's columns.
    """
    existing = {name: attribute for name, attribute in item.getAttributes() if name in ATTRIBUTES}
    for name in existing:
        delattr(item, name)
    annotate(item)
    for name, attribute in existing.items():
        setattr(item, name, attribute)
    return item


def decision_of(item):
    """(verdict, whether borderline, who decided) of a tomogram."""
    return tuple(value(item, name) for name in DECISION)


def measured_of(item):
    """The verdict.Measured of a tomogram: its score, interval and faults."""
    score, low, high, faults = (value(item, name) for name in (SCORE, LOW, HIGH, FAULTS))
    return Measured(score, low, high, tuple(faults.split(SEPARATOR)) if faults else ())


def _curve_text(curve):
    """The attribute of the curve of a record; None without a curve."""
    if curve is None:
        return None
    return ",".join("" if r is None else f"{r:g}" for r in curve["resolvability"])


def curve_of(item):
    """R of each octave, coarsest first, None if unknown; None without the attribute."""
    text = value(item, CURVE)
    return [float(r) if r else None for r in text.split(",")] if text else None


# --------------------------- all items of a set -----------------------------
def items_of(tomograms):
    """Copies of all items of a set, with all their attributes."""
    return [item.clone(copyEnable=True) for item in tomograms.iterItems()]


def scores_of(tomograms):
    """{tsId: TomoScore} of a scored set."""
    return {item.getTsId(): value(item, SCORE) for item in tomograms.iterItems()}


def curves_of(tomograms):
    """{tsId: R of each octave} of the scored items of a set; None for items without a curve."""
    scored = (item for item in tomograms.iterItems() if value(item, SCORE) is not None)
    return {item.getTsId(): curve_of(item) for item in scored}


def errors_of(failed):
    """[(tsId, reason)] of a set of failed items."""
    return [(item.getTsId(), value(item, ERROR)) for item in EMSet.iterItems(failed)]


def decisions_of(tomograms):
    """[(verdict, whether borderline, who decided)] of a set, read without making its items."""
    first = tomograms.getFirstItem()
    if first is None:
        return []
    names = [name for name in DECISION if first.hasAttribute(name)]
    columns = tomograms.getUniqueValues(["id", *names])
    empty = [None] * len(columns["id"])
    verdicts, borderline, deciders = (columns.get(name, empty) for name in DECISION)
    return list(zip(verdicts, map(bool, borderline), deciders))
