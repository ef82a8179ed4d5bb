# SPDX-License-Identifier: GPL-3.0-or-later
"""What ProtTomoScore tells the engine of tomograms, and what becomes of their scores."""

import logging
import math
import os

from pyworkflow.utils.retry_streaming import retry_on_sqlite_lock

from tomoscore_scipion.plugin import Plugin
from tomoscore_scipion.protocols import exchange, outputs, reporting
from tomoscore_scipion.protocols.engine_runs import TomoScoreEngineRuns
from tomoscore_scipion.protocols.outputs import (
    ACCEPTED_SET,
    FAILED_SET,
    REJECTED_SET,
    SCORED_SET,
    SET_OF,
    TomoScoreOutputs,
)
from tomoscore_scipion.records.failures import cause_first
from tomoscore_scipion.records.reasons import faults_of
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.verdict import accepted_by

logger = logging.getLogger(__name__)

LEAST_BYTES = 2**24
"""A smaller file takes as long as one of this size: the network counts for more than reading."""


class TomoScoreScoring(TomoScoreEngineRuns, TomoScoreOutputs):
    """The steps of ProtTomoScore, which adds the form."""

    _doneSet, _failedSet = SCORED_SET, FAILED_SET
    _recordOf = staticmethod(Score.from_json)

    def _reporter(self):
        self._places = {}  # id: object id in the input, which gives its order
        return reporting.Reporter(
            os.path.abspath(self._getExtraPath()),
            Plugin.getProgram(),
            Plugin.getEnviron(),
            self.getCriteria(),
            title=f"{self.getProject().getShortName()}: {self.getRunName()}",
            maps=self.writeMaps.get(),
        )

    # --------------------------- start ---------------------------------------
    def _resume(self, batches):
        """Take over what an earlier run has done, with verdicts by the criteria of the form."""
        there = super()._resume(batches)
        for name, tomograms in there.items():
            self._completeColumns(name, tomograms)
        judged = [there[n] for n in (SCORED_SET, ACCEPTED_SET, REJECTED_SET) if n in there]
        lost = {ACCEPTED_SET, REJECTED_SET}.intersection(self._lost)
        if not lost and all(map(self._criteriaHold, judged)):
            return
        logger.info("The verdicts are made again, the scores are kept.")
        if SCORED_SET in there and not self.atMost.get():
            self._decide()
            return
        for name in (ACCEPTED_SET, REJECTED_SET):  # until there are verdicts
            self._replace(name, [], self._provenance())

    def _completeColumns(self, name, tomograms):
        """Give an output of an earlier version the columns that it lacks."""
        first = tomograms.getFirstItem()
        if first is None or all(map(first.hasAttribute, outputs.ATTRIBUTES)):
            return
        with self._lock:
            items = [outputs.complete(item) for item in outputs.items_of(tomograms)]
            self._make(name, items, outputs.provenance_of(tomograms))

    def getCriteria(self):
        """By what tomograms are accepted (verdict.Criteria), as the form says."""
        raise NotImplementedError

    def _criteriaHold(self, scored):
        """Whether the set's verdicts were made by the criteria of the form."""
        made = outputs.provenance_of(scored)
        wanted = outputs.told_of(self.getCriteria())
        return all(made[name] == value for name, value in wanted.items())

    def _provenance(self):
        return {**super()._provenance(), **outputs.told_of(self.getCriteria())}

    # --------------------------- input ---------------------------------------
    def _newItems(self, tomograms, batches):
        """[(id, copy of the item, why it cannot be scored or None)] of those not seen before."""
        named = list(self._incoming.named(self._incoming.of(tomograms)))
        if named:
            self._noteOrder(named)
        return [
            (key, item, problem or self._problemOf(item))
            for key, item, problem in named
            if batches.unseen(key)
        ]

    def _noteOrder(self, named):
        """Tell the report the order of the input: workers finish in another one.

        Tomograms of Scipion do not know when they were acquired.
        """
        self._places.update((key, item.getObjId()) for key, item, _ in named)
        self._report.note_order(dict.fromkeys(sorted(self._places, key=self._places.get)))

    @staticmethod
    def _problemOf(item):
        return None if item.getFileName() else "it has no file"

    def _sizeOf(self, item):
        return _size_of(item)

    def _writeJob(self, entries):
        maps = os.path.abspath(self._getExtraPath(reporting.MAPS))
        return exchange.write_job(
            self._batchesFolder(),
            entries,
            self.getWeights(),
            thumbnail_dir=os.path.abspath(self._getExtraPath(reporting.THUMBNAILS)),
            map_dir=maps if self.writeMaps.get() else None,
        )

    def _jobEntry(self, key, item):
        size = self.voxelSize.get() or item.getSamplingRate()
        return {
            "ts_id": key,
            "path": _path_of(item),
            "voxel_size_angstrom": size if size and 0 < size < math.inf else None,
            "z_range": self.getZRange(),
            **(_halves_of(item) if self.measureHalves.get() else {}),
        }

    def _refused(self, key, item, reason):
        """A failed tomogram; the report tells of it, too."""
        self._report.note_failure(key, item.getFileName(), reason)
        return outputs.annotate(item, error=reason)

    # --------------------------- results -------------------------------------
    def _isStillGood(self, record, item):
        """Whether an earlier run's record is what scoring the tomogram would give again."""
        if record.error or not record.model:
            return False
        entry = self._jobEntry(record.ts_id, item)
        size = entry["voxel_size_angstrom"]
        noted = record.halves or {}
        return (
            all(noted.get(half) == entry.get(half) for half in ("half1", "half2"))
            and record.path == entry["path"]
            and record.z_range == (entry["z_range"] and tuple(entry["z_range"]))
            and record.model["sha256"] == self.getModelSha256()
            and (size is None or math.isclose(size, record.voxel_size_angstrom, rel_tol=1e-3))
        )

    def _judge(self, item, key, record):
        """Write a record into its tomogram; {output set: the tomogram} where it belongs."""
        self._noteMaking(record)
        if record.error:
            reason = cause_first(record.error, record.path)
            logger.error("%s: %s", key, reason)
            return {FAILED_SET: outputs.annotate(item, record, error=reason)}
        thumbnail = exchange.thumbnail_of(self._getExtraPath(reporting.THUMBNAILS), record)
        outputs.annotate(item, record, thumbnail=thumbnail, faults=faults_of(record))
        if self.atMost.get():  # its verdict is open until the end
            logger.info("%s: TomoScore %.2f", key, record.tomoscore)
            return {SCORED_SET: item}
        outputs.decide_by(self.getCriteria(), item)
        verdict, who = (outputs.value(item, n) for n in (outputs.VERDICT, outputs.DECIDED_BY))
        logger.info("%s: TomoScore %.2f, %s by %s", key, record.tomoscore, verdict, who)
        return dict.fromkeys((SET_OF[verdict], SCORED_SET), item)

    @retry_on_sqlite_lock(log=logger)
    def _appendAll(self, groups):
        """Append to several sets, the scored one last: what is in there is done."""
        for name in (ACCEPTED_SET, REJECTED_SET, FAILED_SET, SCORED_SET):
            if groups.get(name):
                self._append(name, groups[name], self._provenance())

    @retry_on_sqlite_lock(log=logger)
    def _decide(self):
        """Make all verdicts again; the scored set, which tells the criteria, comes last."""
        items = outputs.items_of(getattr(self, SCORED_SET))
        before = [outputs.decision_of(item) for item in items]
        criteria = self.getCriteria()
        good = accepted_by(criteria, {i.getTsId(): outputs.measured_of(i) for i in items})
        groups = {ACCEPTED_SET: [], REJECTED_SET: []}
        for item in items:
            outputs.decide_by(criteria, item, item.getTsId() in good)
            groups[SET_OF[outputs.value(item, outputs.VERDICT)]].append(item)
        for name, chosen in groups.items():
            self._replace(name, chosen, self._provenance())
        changed = [i for i, was in zip(items, before) if outputs.decision_of(i) != was]
        self._updateItems(changed, self._provenance())

    def _finish(self):
        if self.atMost.get() and getattr(self, SCORED_SET, None) is not None:
            self._decide()
        super()._finish()


def _size_of(item):
    """To what the time of a tomogram is in proportion: bytes of its file, but not less than some.

    One that is not there counts as small: the engine says what is wrong with it.
    """
    try:
        return max(os.path.getsize(_path_of(item)), LEAST_BYTES)
    except (OSError, ValueError):
        return LEAST_BYTES


def _path_of(item):
    return _as_path(item.getFileName())


def _halves_of(item):
    """{"half1", "half2"} of a tomogram's half maps; {} where it has not two."""
    paths = [_as_path(half) for half in item.getHalfMaps(asList=True)]
    return dict(zip(("half1", "half2"), paths)) if len(paths) == 2 else {}


def _as_path(name):
    return os.path.abspath(name[: -len(":mrc")] if name.endswith(":mrc") else name)
