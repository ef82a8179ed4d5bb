# SPDX-License-Identifier: GPL-3.0-or-later
"""What tomograms and sets carry after scoring, and how the output sets are written.

Nothing here opens an image: dimensions come from the input set, and items are appended by
`EMSet.append`.  `SetOfTomograms.append` would read the file of every item (and raise where it is
corrupt), and give every item the sampling rate of its set.
"""

import logging

from pwem.objects import EMSet
from pyworkflow.object import Boolean, Float, Integer, Set, String
from pyworkflow.utils.retry_streaming import retry_on_sqlite_lock
from tomo.objects import SetOfTomograms

from tomoscore_scipion.protocols import recovery
from tomoscore_scipion.records.verdict import ACCEPTED, FAILED, REJECTED, Measured

logger = logging.getLogger(__name__)

SCORED_SET = "scoredTomograms"
ACCEPTED_SET = "acceptedTomograms"
REJECTED_SET = "rejectedTomograms"
FAILED_SET = "failedTomograms"
SET_OF = {ACCEPTED: ACCEPTED_SET, REJECTED: REJECTED_SET, FAILED: FAILED_SET}

SCORE = "_tomoScore"
LOW = "_tomoScoreLow"
HIGH = "_tomoScoreHigh"
SCALE = "_tomoScoreScale"
HALVES = "_tomoScoreHalves"  # measured from half maps; None without any, or where refused
HALVES_LOW = "_tomoScoreHalvesLow"
HALVES_HIGH = "_tomoScoreHalvesHigh"
HALVES_OCTAVES = "_tomoScoreHalvesOctaves"  # how many octaves it counts: 5, of halves by tilt 3
VERDICT = "_tomoScoreVerdict"
BORDERLINE = "_tomoScoreBorderline"  # whether its interval contains the threshold
DECIDED_BY = "_tomoScoreDecidedBy"  # score, hand, or the faults for which it is rejected
FAULTS = "_tomoScoreFaults"  # what is wrong with it whatever its score, with commas between
ERROR = "_tomoScoreError"
THUMBNAIL = "_tomoScoreThumbnail"  # path of a picture of the middle of the specimen
ATTRIBUTES = (SCORE, LOW, HIGH, SCALE, HALVES, HALVES_LOW, HALVES_HIGH, HALVES_OCTAVES)
ATTRIBUTES += (VERDICT, BORDERLINE, DECIDED_BY, FAULTS, ERROR, THUMBNAIL)

MODEL_SHA256 = "_tomoScoreModelSha256"
PROVENANCE = {
    "_tomoScoreModel": String,
    "_tomoScoreModelVersion": String,
    MODEL_SHA256: String,
    "_tomoScoreEngineVersion": String,
    "_tomoScoreDevice": String,
    "_tomoScoreVoxelSize": Float,  # the one that was used instead of the items' own; 0: none
    "_tomoScoreSlabFirst": Integer,  # the first slice that was scored, from 0
    "_tomoScoreSlabLast": Integer,  # the last one; -1: the tomogram's last
    "_tomoScoreThreshold": Float,
    "_tomoScoreAtMost": Integer,  # so many at most were accepted; 0: all
    "_tomoScorePercent": Float,  # this share of the best was accepted
    "_tomoScoreAcceptBorderline": Boolean,  # whether borderline ones were accepted
    "_tomoScoreRejectFaults": String,  # faults for which tomograms were rejected, with commas
    "_tomoScoreIds": String,  # where the list of ids comes from that decided
}
"""Attributes of the sets, and their classes."""

SEPARATOR = ", "
"""Between the names of faults."""

NO_TS_ID = "it has no tsId that can be printed: give it one where it is imported or reconstructed"
SAME_TS_ID = "another tomogram of the input has the same tsId: tsIds must be unique"

FROM_INPUT = ("_firstDim", "_isHeterogeneous", "_hasOddEven", "_ctfCorrected")
"""What tomo's own append would find out again from each image."""


def annotate(item, record=None, error=None, thumbnail=None, faults=()):
    """Put all attributes on a tomogram: columns of a set are fixed by its first item.

    Args:
        item: the tomogram.
        record: its Score; None where there is none.
        error: why it failed.
        thumbnail: path of its picture.
        faults: names of what is wrong with it whatever its score.
    """
    low, high = (record and record.tomoscore_interval) or (None, None)
    setattr(item, SCORE, Float(record.tomoscore if record else None))
    setattr(item, LOW, Float(low))
    setattr(item, HIGH, Float(high))
    setattr(item, SCALE, Float(record.scale_nm if record else None))
    halves = (record and record.halves) or {}
    low, high = halves.get("interval") or (None, None)
    octaves = len(halves.get("octaves", ()))
    setattr(item, HALVES, Float(halves.get("tomoscore")))
    setattr(item, HALVES_LOW, Float(low))
    setattr(item, HALVES_HIGH, Float(high))
    setattr(item, HALVES_OCTAVES, Integer(octaves))
    setattr(item, ERROR, String(error))
    setattr(item, THUMBNAIL, String(thumbnail))
    setattr(item, FAULTS, String(SEPARATOR.join(faults) or None))
    return decide(item, FAILED if error else None)


def decide(item, verdict, borderline=False, decided_by=None):
    """Put a verdict on a tomogram.

    Args:
        item: the tomogram.
        verdict: one of verdict.py, None while it is open.
        borderline: whether its interval contains the threshold.
        decided_by: the score, a hand, or the faults for which it is rejected.
    """
    setattr(item, VERDICT, String(verdict))
    setattr(item, BORDERLINE, Boolean(bool(borderline)))
    setattr(item, DECIDED_BY, String(decided_by))
    return item


def decide_by(criteria, item, accepted=None):
    """Put the verdict that criteria give on a scored tomogram.

    Args:
        criteria: verdict.Criteria.
        item: the tomogram.
        accepted: whether it is accepted; None where that depends on itself alone.
    """
    measured = measured_of(item)
    if accepted is None:
        accepted = criteria.accepts(measured)
    verdict = ACCEPTED if accepted else REJECTED
    borderline = measured.is_borderline(criteria.threshold)
    return decide(item, verdict, borderline, criteria.decided_by(measured))


def decision_of(item):
    """What `decide` has put on a tomogram."""
    return tuple(value(item, name) for name in (VERDICT, BORDERLINE, DECIDED_BY))


def decisions_of(tomograms):
    """[(verdict, whether borderline, who decided)] of a set's items, without making the items."""
    first = tomograms.getFirstItem()
    if first is None:
        return []
    names = [name for name in (VERDICT, BORDERLINE, DECIDED_BY) if first.hasAttribute(name)]
    columns = tomograms.getUniqueValues(["id", *names])
    nothing = [None] * len(columns["id"])
    found = [columns.get(name, nothing) for name in (VERDICT, BORDERLINE, DECIDED_BY)]
    return [(verdict, bool(borderline), who) for verdict, borderline, who in zip(*found)]


def told_of(criteria):
    """{attribute of the sets: value} of verdict.Criteria."""
    has_threshold = criteria.threshold is not None
    return {
        "_tomoScoreThreshold": criteria.threshold,
        "_tomoScoreAtMost": criteria.at_most,
        "_tomoScoreAcceptBorderline": criteria.accept_borderline if has_threshold else None,
        "_tomoScoreRejectFaults": SEPARATOR.join(sorted(criteria.faults)) or None,
    }


def complete(item):
    """Give a tomogram of an earlier version the attributes that it lacks, without values.

    They are in the same order on every tomogram then: that is the order of the columns of a set.
    """
    kept = {name: attribute for name, attribute in item.getAttributes() if name in ATTRIBUTES}
    for name in kept:
        delattr(item, name)
    annotate(item)
    for name, attribute in kept.items():
        setattr(item, name, attribute)
    return item


def measured_of(item):
    """What a verdict on a tomogram depends on, as it carries it."""
    score, low, high, faults = (value(item, name) for name in (SCORE, LOW, HIGH, FAULTS))
    return Measured(score, low, high, tuple(faults.split(SEPARATOR)) if faults else ())


def value(holder, name):
    """The value of an attribute of an item or a set, None when it has none."""
    return holder.getAttributeValue(name)


def items_of(tomograms):
    """Copies of all items of a set, with all that they carry."""
    return [item.clone(copyEnable=True) for item in tomograms.iterItems()]


def identities_of(tomograms, first=None, last=None):
    """{(tsId, object id)} of a set's items; none for None.

    Two columns are read, and no item is made: a set of thousands is asked after every batch.

    Args:
        tomograms: the set.
        first: only of items whose object ids are not below this.
        last: only of items whose object ids are not above this.
    """
    if tomograms is None or not tomograms._getMapper().count():
        return set()
    limits = [f"id>={first}"] if first is not None else []
    limits += [f"id<={last}"] if last is not None else []
    columns = tomograms.getUniqueValues(["_tsId", "id"], " AND ".join(limits) or None)
    return set(zip(columns["_tsId"], columns["id"]))


def identities_among(tomograms, items):
    """The same, but only those with object ids between the smallest and the largest of items."""
    numbers = [item.getObjId() for item in items if item.getObjId() is not None]
    return identities_of(tomograms, min(numbers), max(numbers)) if numbers else set()


class NewItems:
    """What is new in a set that grows, under the ids by which records will be known."""

    def __init__(self):
        self._taken = set()
        self._named = set()  # (tsId, object id)
        self._last = 0  # the largest object id among them

    def of(self, tomograms):
        """Copies of the items that have not been named, with all that they carry."""
        new = identities_of(tomograms, first=self._last + 1)
        if len(self._named) + len(new) != tomograms._getMapper().count():
            new = identities_of(tomograms) - self._named  # ids need not come in their order
        if not new:
            return []
        first = min(number for _, number in new)
        items = tomograms.iterItems(where=f"id>={first}")
        return [
            item.clone(copyEnable=True)
            for item in items
            if (item.getTsId(), item.getObjId()) in new
        ]

    def named(self, items):
        """Give each item the id by which its record will be known.

        Yields:
            (id, item, problem): the item's tsId and None; another id and what is wrong with the
            tsId where it has none that can be used, or an item before it has the same.
        """
        for item in items:
            ts_id = item.getTsId()
            self._named.add((ts_id, item.getObjId()))
            self._last = max(self._last, item.getObjId())
            if not ts_id or not ts_id.isprintable():
                yield f"#{item.getObjId()}", item, NO_TS_ID
            elif ts_id in self._taken:
                yield f"{ts_id}#{item.getObjId()}", item, SAME_TS_ID
            else:
                self._taken.add(ts_id)
                yield ts_id, item, None


def known_ids(scored, failed):
    """The ids (see `named`) of what two output sets, each may be None, have already."""
    known = {ts_id for ts_id, _ in identities_of(scored)}
    for item in EMSet.iterItems(failed) if failed is not None else ():
        known.add(f"{item.getTsId() or ''}#{item.getObjId()}")
        if value(item, ERROR) != SAME_TS_ID:
            known.add(item.getTsId())
    return known


def reasons_of(failed):
    """[(tsId, why it failed)] of a set of what failed."""
    return [(item.getTsId(), value(item, ERROR)) for item in EMSet.iterItems(failed)]


def scores_of(tomograms):
    """{tsId: TomoScore} of a scored set."""
    return {item.getTsId(): value(item, SCORE) for item in tomograms.iterItems()}


def provenance_of(tomograms):
    """{name: value} of what a scored set says of its making."""
    return {name: value(tomograms, name) for name in PROVENANCE}


class TomoScoreOutputs:
    """The four output sets of a protocol, made when their first item is there.

    An empty set cannot be published (it has no tables), so that an output without items is not
    created.  One that loses all its items, when verdicts change, stays as an empty set.
    """

    _possibleOutputs = dict.fromkeys(
        (ACCEPTED_SET, REJECTED_SET, SCORED_SET, FAILED_SET), SetOfTomograms
    )  # a dictionary: an Enum would merge outputs of one class
    _provenanceKinds = PROVENANCE

    def iterOutputAttributes(self, outputClass=None, includePossible=False):  # noqa: N803
        """All outputs; one whose path the database has lost has it again.

        Scipion's windows, Stop and Continue go through the outputs by this.
        """
        for name, output in super().iterOutputAttributes(outputClass, includePossible):
            if isinstance(output, Set) and not recovery.has_path(output):
                recovery.readable_output(self, name)
            yield name, output

    def _append(self, name, items, provenance):
        """Append those of the items that are not in the set yet; make the set if needed."""
        with self._lock:
            tomograms = getattr(self, name, None)
            if tomograms is not None:
                tomograms.close()  # after a failed attempt: back to what is on the disk
            there = identities_among(tomograms, items)
            new = [item for item in items if (item.getTsId(), item.getObjId()) not in there]
            if not new:
                return
            if tomograms is None or tomograms.isEmpty():
                self._make(name, new, provenance)
                return
            tomograms.enableAppend()
            self._fill(tomograms, new, provenance)
            self._save(tomograms)

    def _replace(self, name, items, provenance):
        """Let a set have these items only."""
        with self._lock:
            tomograms = getattr(self, name, None)
            if items:
                self._make(name, items, provenance)
            elif tomograms is not None:
                tomograms._getMapper().deleteAll()
                tomograms._size.set(0)
                self._fill(tomograms, [], provenance)
                self._save(tomograms)

    def _make(self, name, items, provenance):
        """Publish a new set with these items, or let the old one have these only.

        The old one keeps its file: who has it open would go on reading a deleted one.
        """
        tomograms = getattr(self, name, None)
        if tomograms is not None:
            tomograms._getMapper()
            tomograms.clear()
            self._fill(tomograms, items, provenance)
            self._save(tomograms)
            return
        source = self._sourcePointer()
        tomograms = self._possibleOutputs[name].create(self._getPath(), suffix=name)
        tomograms.copyInfo(source.get())
        tomograms.setStreamState(Set.STREAM_OPEN)
        self._fill(tomograms, items, provenance)
        tomograms.write()
        self._defineOutputs(**{name: tomograms})
        self._sortOutputs()
        self._defineSourceRelation(source, tomograms)
        self._store(tomograms)
        tomograms.close()

    def _sortOutputs(self):
        """Let windows list the outputs in the order in which a user wants them."""
        order = list(self._possibleOutputs)  # windows may have added others
        self._outputs.sort(key=lambda name: order.index(name) if name in order else len(order))
        self._store(self._outputs)

    def _fill(self, tomograms, items, provenance):
        self._describe(tomograms)
        for name, kind in self._provenanceKinds.items():
            setattr(tomograms, name, kind(provenance.get(name)))
        taken = {number for _, number in identities_among(tomograms, items)}
        for item in items:
            if item.getObjId() in taken:
                item.setObjId(None)  # another tomogram's, from before the input was made again
            self._put(tomograms, item)

    def _describe(self, tomograms):
        """Let a set tell of its items what the input does."""
        tomograms.copyAttributes(self._sourcePointer().get(), *FROM_INPUT)

    def _put(self, tomograms, item):
        """Append one item."""
        EMSet.append(tomograms, item)

    def _save(self, tomograms):
        tomograms.setStreamState(Set.STREAM_OPEN)
        tomograms.write()
        self._store(tomograms)
        tomograms.close()

    def _updateItems(self, items, provenance):
        """Write items of the scored set again that have changed, and by what that was made."""
        with self._lock:
            tomograms = getattr(self, SCORED_SET)
            for item in items:
                tomograms.update(item)
            self._fill(tomograms, [], provenance)
            self._save(tomograms)

    def _openOutputs(self):
        """Let consumers wait for more: a run that ended has left its sets closed."""
        with self._lock:
            for _, tomograms in self.iterOutputAttributes():
                self._save(tomograms)

    @retry_on_sqlite_lock(log=logger)
    def _completeProvenance(self, provenance):
        """Let all outputs tell the same: failed tomograms may have come before any was scored."""
        with self._lock:
            for _, tomograms in self.iterOutputAttributes():
                kinds = self._provenanceKinds
                if any(value(tomograms, name) != provenance.get(name) for name in kinds):
                    self._fill(tomograms, [], provenance)
                    self._save(tomograms)

    def _sourcePointer(self):
        """The pointer to the input set."""
        raise NotImplementedError
