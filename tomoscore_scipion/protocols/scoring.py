# SPDX-License-Identifier: GPL-3.0-or-later
"""How ProtTomoScore works through its input: the generator step and the steps that it starts.

The generator is the only one that writes outputs, so that it has no rival; the engine's processes
run in steps beside it, one per slot, each of which takes one batch after another.  Their records
are registered as they are written.
"""

import logging
import math
import os
import queue
import time
from datetime import datetime
from subprocess import CalledProcessError

from pyworkflow.protocol.constants import STATUS_FAILED, VOID_GPU
from pyworkflow.utils.retry_streaming import retry_on_sqlite_lock

import tomoscore_scipion
from tomoscore_scipion.plugin import Plugin
from tomoscore_scipion.protocols import exchange, outputs, reporting
from tomoscore_scipion.protocols.batches import Batches
from tomoscore_scipion.protocols.outputs import (
    ACCEPTED_SET,
    FAILED_SET,
    REJECTED_SET,
    SCORED_SET,
    SET_OF,
    TomoScoreOutputs,
)
from tomoscore_scipion.protocols.verdict import (
    ACCEPTED,
    FAILED,
    REJECTED,
    accepted_by_threshold,
)

logger = logging.getLogger(__name__)

POLL_S = 1.0
"""Between two looks at the engine's results."""
INPUT_POLL_S = 3.0
"""Between two looks at the input while it grows."""
LEAST_BYTES = 2**24
"""A smaller file takes as long as one of this size: the network counts for more than reading."""
SHOWN = 3


class NothingScoredError(Exception):
    """All that came in failed; the message says why."""


class TomoScoreScoring(TomoScoreOutputs):
    """The steps of ProtTomoScore, which adds the form."""

    def _insertAllSteps(self):
        """The generator, and a step per slot: so many, however many batches there will be.

        They are there from the start, since a step that is inserted later has no id at first, by
        which GPUs are booked and jobs of a queue are named, and since each one costs seconds.
        """
        super()._insertAllSteps()
        self._todo = queue.Queue()  # folders of batches; None: there will be no more
        self._ended = queue.Queue()  # those that an engine was told to score, and has ended
        for slot in range(self._slots()):
            self._insertFunctionStep(
                self.scoreBatchesStep,
                slot,
                str(datetime.now()),  # so that Continue does not take it for done
                prerequisites=[],
                needsGPU=self.usesGpu(),
            )

    def stepsGeneratorStep(self):
        """Score all that comes, with a report beside it, and let the steps that score end."""
        try:
            with self._reporter() as self._report:
                self._scoreAll()
        finally:
            for _ in range(self._slots()):
                self._todo.put(None)

    def _scoreAll(self):
        """Watch the input, start batches, register results as they come, until all is done."""
        self._made = {}  # provenance of the outputs
        self._incoming = outputs.NewItems()
        batches = Batches(self._slots())
        records = exchange.Records(self._batchesFolder())
        there = {}  # records that no tomogram has claimed yet: an earlier run left them
        self._resume(batches)
        next_look, more_to_come = 0.0, True
        while not self.isFailed():  # a failed step ends the protocol only when this one leaves
            if more_to_come and time.monotonic() >= next_look:
                more_to_come = self._readInput(batches)
                next_look = time.monotonic() + INPUT_POLL_S
            ended = self._newlyEnded()
            there.update((record.ts_id, record) for record in records.new())
            self._register(batches, there)
            for batch in ended:
                self._endBatch(batches, batch)
            if not more_to_come and not batches.busy:
                self._finish()
                return
            self._startBatches(batches, records)
            self._report.turn()
            time.sleep(POLL_S)

    def scoreBatchesStep(self, slot, started):
        """Have the engine score one batch after another.

        It fails neither for a tomogram nor for the engine: a step that raises leaves the protocol
        hanging until the input closes, and queues do not report exit codes.  The generator sees
        from the records what came of a batch.
        """
        folder = self._todo.get()
        while folder is not None and not self.isFailed():
            self._score(folder)
            self._ended.put(folder)
            folder = self._todo.get()

    def _score(self, folder):
        environ = Plugin.getEnviron()
        if not self.usesGpu():
            exchange.set_device(folder, "cpu")
        elif self.useQueue():  # the scheduler says which GPUs are visible, Scipion counts them
            exchange.set_device(folder, f"cuda:{self._gpuOfStep()}")
        else:
            environ["CUDA_VISIBLE_DEVICES"] = str(self._gpuOfStep())
            exchange.set_device(folder, "cuda:0")
        command = exchange.command(Plugin.getProgram(), folder, self.binThreads.get())
        try:
            self.runJob(command, "", env=environ, numberOfMpi=1)
        except CalledProcessError as error:
            logger.error("The engine ended with exit status %s.", error.returncode)

    # --------------------------- failures ------------------------------------
    def _stepFinished(self, step):
        """Scipion tells that a step ended; returns whether to go on. A failure is told once."""
        if self.lastStatus == STATUS_FAILED:
            return False
        return super()._stepFinished(step)

    def _stepsCheck(self):
        """Called now and then, and last when no step is left.

        The executor does not see a step that fails between its look at those that ended and its
        look at those that are left: the run would be called finished.
        """
        super()._stepsCheck()
        for step in self._steps:
            if step.isFailed():
                self._stepFinished(step)

    # --------------------------- start ---------------------------------------
    def _slots(self):
        """Batches that run at the same time: the main thread and the generator take two threads."""
        workers = max(1, self.numberOfThreads.get() - 2)
        gpus = [gpu for gpu in self.getGpuList() if gpu != VOID_GPU]
        return min(workers, max(1, len(gpus))) if self.usesGpu() else workers

    def _gpuOfStep(self):
        """The GPU that is booked for the step of the current thread."""
        return self._stepsExecutor.getGpuList()[0]

    def _batchesFolder(self):
        return os.path.abspath(self._getExtraPath(reporting.BATCHES))

    def _reporter(self):
        label = self.getRunName().replace(f"{tomoscore_scipion.__name__} - ", "", 1)
        return reporting.Reporter(
            os.path.abspath(self._getExtraPath()),
            Plugin.getProgram(),
            Plugin.getEnviron(),
            threshold=self.getThreshold(),
            title=f"{self.getProject().getShortName()}: {label}",
            maps=self.writeMaps.get(),
        )

    def _resume(self, batches):
        """Take over what an earlier run has done; it may have been stopped at any point."""
        there = dict(self.iterOutputAttributes())
        if not there:
            return
        scored = there.get(SCORED_SET)
        with self._lock:
            known = outputs.known_ids(scored, there.get(FAILED_SET))
        batches.know(known)
        logger.info("Continuing: %d tomograms are done.", len(known))
        self._openOutputs()
        if scored is not None:
            self._made = outputs.provenance_of(scored)
        judged = [there[n] for n in (SCORED_SET, ACCEPTED_SET, REJECTED_SET) if n in there]
        if all(map(self._criteriaHold, judged)):
            return
        logger.info("Other criteria: the verdicts are made again, the scores are kept.")
        if scored is not None and not self.atMost.get():
            self._decide()
            return
        for name in (ACCEPTED_SET, REJECTED_SET):  # until there are verdicts
            self._replace(name, [], self._provenance())

    def _criteria(self):
        return {"_tomoScoreThreshold": self.getThreshold(), "_tomoScoreAtMost": self.atMost.get()}

    def _criteriaHold(self, scored):
        """Whether the set's verdicts were made by the criteria of the form."""
        made = outputs.provenance_of(scored)
        return all(made[name] == value for name, value in self._criteria().items())

    def _provenance(self):
        return {**self._made, **self._criteria(), **self.getScoringSettings()}

    # --------------------------- input ---------------------------------------
    @retry_on_sqlite_lock(log=logger)
    def _readInput(self, batches):
        """Offer new tomograms; returns whether more may come."""
        tomograms = self.inTomograms.get()
        with self._lock:
            tomograms.close()  # a set that was opened empty stays so
            tomograms.loadAllProperties()
            # Before the items: what is added in between is seen the next time.
            more_to_come = tomograms.isStreamOpen()
            new = self._newItems(tomograms, batches)
            tomograms.close()
        refused = []
        for key, item, problem in new:
            if problem:
                logger.error("%s: %s", key, problem)
                self._report.note_failure(key, item.getFileName(), problem)
                batches.know([key])
                refused.append(outputs.annotate(item, None, FAILED, problem))
            else:
                batches.offer(key, item, _size_of(item))
        self._appendAll({FAILED_SET: refused})
        return more_to_come

    def _newItems(self, tomograms, batches):
        """[(id, copy of the item, why it cannot be scored or None)] of those not seen before."""
        return [
            (key, item, problem or self._problemOf(item))
            for key, item, problem in self._incoming.named(self._incoming.of(tomograms))
            if batches.unseen(key)
        ]

    @staticmethod
    def _problemOf(item):
        return None if item.getFileName() else "it has no file"

    # --------------------------- batches -------------------------------------
    def _startBatches(self, batches, records):
        tomograms = batches.next()
        while tomograms:
            job = [self._jobEntry(key, item) for key, item in tomograms.items()]
            folder = str(self._writeJob(job))
            records.watch(folder)
            batches.start(folder, tomograms)
            self._todo.put(folder)
            tomograms = batches.next()

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
        }

    def _newlyEnded(self):
        """The batches whose engines have ended since it was asked the last time."""
        ended = []
        while not self._ended.empty():  # nobody else takes any out
            ended.append(self._ended.get())
        return ended

    def _endBatch(self, batches, batch):
        """What became of tomograms without a record."""
        said, could_not_start = exchange.said_last(batch)
        given_up = batches.end(batch, said, could_not_start)
        reason = f"the engine died over it. It said: {said}"
        for key, item in given_up.items():
            logger.error("%s: %s", key, reason)
            self._report.note_failure(key, item.getFileName(), reason)
        items = [outputs.annotate(i, None, FAILED, reason) for i in given_up.values()]
        self._appendAll({FAILED_SET: items})

    # --------------------------- results -------------------------------------
    def _register(self, batches, there):
        """Put tomograms whose records are there into the outputs."""
        groups = {}
        for key, record in list(there.items()):
            if batches.unseen(key):
                continue
            del there[key]
            if batches.is_waiting(key) and not self._isStillGood(record, batches.waiting(key)):
                continue
            item = batches.land(key)
            if item is not None:
                self._report.ask()
                for name in self._judge(item, key, record):
                    groups.setdefault(name, []).append(item)
        self._appendAll(groups)

    def _isStillGood(self, record, item):
        """Whether an earlier run's record is what scoring the tomogram would give again."""
        if record.error or not record.model:
            return False
        entry = self._jobEntry(record.ts_id, item)
        size = entry["voxel_size_angstrom"]
        return (
            record.path == entry["path"]
            and record.z_range == (entry["z_range"] and tuple(entry["z_range"]))
            and record.model["sha256"] == self.getModelSha256()
            and (size is None or math.isclose(size, record.voxel_size_angstrom, rel_tol=1e-3))
        )

    def _judge(self, item, key, record):
        """Write a record into its tomogram; returns the names of the sets that it belongs to."""
        for warning in record.warnings:
            logger.warning("%s: %s", key, warning)
        if record.model:
            self._made = {
                "_tomoScoreModel": record.model["name"],
                "_tomoScoreModelVersion": record.model["version"],
                outputs.MODEL_SHA256: record.model["sha256"],
                "_tomoScoreEngineVersion": record.engine_version,
                "_tomoScoreDevice": record.device,
            }
        if record.error:
            logger.error("%s: %s", key, record.error)
            outputs.annotate(item, record, FAILED, record.error)
            return [FAILED_SET]
        verdict = None  # open until the end, when only so many are accepted
        if not self.atMost.get():
            verdict = ACCEPTED if record.tomoscore >= self.getThreshold() else REJECTED
        thumbnail = exchange.thumbnail_of(self._getExtraPath(reporting.THUMBNAILS), record)
        outputs.annotate(item, record, verdict, thumbnail=thumbnail)
        logger.info("%s: TomoScore %.2f %s", key, record.tomoscore, verdict or "")
        return [SCORED_SET] if verdict is None else [SET_OF[verdict], SCORED_SET]

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
        scores = {item.getTsId(): outputs.value(item, outputs.SCORE) for item in items}
        good = accepted_by_threshold(scores, self.getThreshold(), self.atMost.get())
        verdicts = {key: ACCEPTED if key in good else REJECTED for key in scores}
        groups = {ACCEPTED_SET: [], REJECTED_SET: []}
        for item in items:
            verdict = verdicts[item.getTsId()]
            getattr(item, outputs.VERDICT).set(verdict)
            groups[SET_OF[verdict]].append(item)
        for name, chosen in groups.items():
            self._replace(name, chosen, self._provenance())
        self._setVerdicts(verdicts, self._provenance())

    def _finish(self):
        """Close the outputs.

        Raises:
            NothingScoredError: there is nothing to go on with.
        """
        scored, failed = getattr(self, SCORED_SET, None), getattr(self, FAILED_SET, None)
        if scored is not None and self.atMost.get():
            self._decide()
        self._completeProvenance(self._provenance())
        with self._lock:
            self._closeOutputSet()
            if scored is None:
                raise NothingScoredError(self._whyNothing(failed))

    @staticmethod
    def _whyNothing(failed):
        if failed is None:
            return "the input has no tomograms"
        items = outputs.items_of(failed)
        reasons = [f"{i.getTsId()}: {outputs.value(i, outputs.ERROR)}" for i in items[:SHOWN]]
        return f"none of {len(items)} tomograms could be scored. " + "; ".join(reasons)


def _size_of(item):
    """To what the time of a tomogram is in proportion: bytes of its file, but not less than some.

    One that is not there counts as small: the engine says what is wrong with it.
    """
    try:
        return max(os.path.getsize(_path_of(item)), LEAST_BYTES)
    except (OSError, ValueError):
        return LEAST_BYTES


def _path_of(item):
    path = item.getFileName()
    return os.path.abspath(path[: -len(":mrc")] if path.endswith(":mrc") else path)
