# SPDX-License-Identifier: GPL-3.0-or-later
"""How a protocol works through its input with the engine: the generator step, and those beside it.

The generator is the only one that writes outputs, so that it has no rival; the engine's processes
run in steps beside it, one per slot, each of which takes one batch after another.  Their records
are registered as they are written.
"""

import logging
import os
import queue
import sqlite3
import time
from datetime import datetime
from subprocess import CalledProcessError

from pyworkflow.object import Set
from pyworkflow.protocol.constants import STATUS_FAILED, VOID_GPU
from pyworkflow.utils.retry_streaming import retry_on_sqlite_lock

from tomoscore_scipion.plugin import Plugin
from tomoscore_scipion.protocols import exchange, outputs, recovery
from tomoscore_scipion.protocols.batches import Batches
from tomoscore_scipion.protocols.reporting import BATCHES, NoReport

logger = logging.getLogger(__name__)

POLL_S = 1.0
"""Between two looks at the engine's results."""
INPUT_POLL_S = 3.0
"""Between two looks at the input while it grows."""
SHOWN = 3


class NothingScoredError(Exception):
    """All that came in failed; the message says why."""


class TomoScoreEngineRuns:
    """The steps of a protocol that gives its input to the engine, batch by batch.

    The protocol says what an item of its input is to the engine, and what becomes of a record.
    """

    _work = "score"
    """The engine's command."""
    _items = "tomograms"
    """What the input has, for messages."""
    _doneSet = _failedSet = None
    """Names of the output sets of what is done, the last that is written, and of what failed."""

    # --------------------------- what the protocol says ----------------------
    @staticmethod
    def _recordOf(line):
        """The record of one line of what the engine writes; ValueError where it is none."""
        raise NotImplementedError

    def _newItems(self, items, batches):
        """[(id, copy of the item, why it cannot be scored or None)] of those not seen before."""
        raise NotImplementedError

    def _sizeOf(self, item):
        """To what the time that an item takes is in proportion."""
        return 1

    def _jobEntry(self, key, item):
        """What the engine is told of an item."""
        raise NotImplementedError

    def _writeJob(self, entries):
        """Make the folder of the next batch and its job file; returns the folder."""
        raise NotImplementedError

    def _isStillGood(self, record, item):
        """Whether an earlier run's record is what scoring the item would give again."""
        raise NotImplementedError

    def _judge(self, item, key, record):
        """{output set: item that belongs there}, with all that the record says."""
        raise NotImplementedError

    def _refused(self, key, item, reason):
        """An item that failed without a record of the engine, with the reason."""
        raise NotImplementedError

    def _appendAll(self, groups):
        """Append {output set: items}, what is done last."""
        raise NotImplementedError

    def _provenance(self):
        """By what the outputs were made."""
        return {**self._made, **self.getScoringSettings()}

    def _reporter(self):
        """What makes reports beside the scoring."""
        return NoReport()

    # --------------------------- launch --------------------------------------
    def makePathsAndClean(self):
        """Scipion calls it where a run is launched: tell that more is to come when it goes on.

        A protocol that is continued together with this one might see the outputs before the run's
        own process opens them, and take them for complete.
        """
        super().makePathsAndClean()
        if not self.isContinued():
            return
        for name, items in self.iterOutputAttributes(Set):
            if not recovery.is_whole(items.getFileName() or ""):
                continue  # the run makes it again
            try:
                items.setStreamState(Set.STREAM_OPEN)
                items.write()
                items.close()
            except sqlite3.OperationalError as error:  # the run itself does it later
                logger.warning("%s is not opened yet: %s", name, error)

    # --------------------------- steps ---------------------------------------
    def _insertAllSteps(self):
        """The generator, and a step per slot: so many, however many batches there will be.

        They are there from the start, since a step that is inserted later has no id at first, by
        which GPUs are booked and jobs of a queue are named, and since each one costs seconds.
        """
        self._lost = recovery.mend_outputs(self)
        self._openOutputs()  # before anyone who waits for more sees that they are closed
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
        """Score all that comes, and let the steps that score end.

        A report is made beside it, the last one at the end.
        """
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
        records = exchange.Records(self._batchesFolder(), self._recordOf)
        there = {}  # records that no item has claimed yet: an earlier run left them
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

        It fails neither for an item nor for the engine: a step that raises leaves the protocol
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
        program, threads = Plugin.getProgram(), self.binThreads.get()
        command = exchange.command(program, folder, threads, self._work)
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
        return os.path.abspath(self._getExtraPath(BATCHES))

    def _resume(self, batches):
        """Take over what an earlier run has done; it may have been stopped at any point.

        Returns:
            {name: output set} of what is there.
        """
        there = dict(self.iterOutputAttributes())
        if not there:
            return there
        done = there.get(self._doneSet)
        with self._lock:
            known = outputs.known_ids(done, there.get(self._failedSet))
        batches.know(known)
        logger.info("Continuing: %d %s are done.", len(known), self._items)
        if done is not None:
            self._made = {name: outputs.value(done, name) for name in self._provenanceKinds}
        return there

    # --------------------------- input ---------------------------------------
    @retry_on_sqlite_lock(log=logger)
    def _readInput(self, batches):
        """Offer new items; returns whether more may come."""
        items = self._sourcePointer().get()
        with self._lock:
            items.close()  # a set that was opened empty stays so
            items.loadAllProperties()
            # Before the items: what is added in between is seen the next time.
            more_to_come = items.isStreamOpen()
            new = self._newItems(items, batches)
            items.close()
        refused = []
        for key, item, problem in new:
            if problem:
                logger.error("%s: %s", key, problem)
                batches.know([key])
                refused.append(self._refused(key, item, problem))
            else:
                batches.offer(key, item, self._sizeOf(item))
        self._appendAll({self._failedSet: refused})
        return more_to_come

    # --------------------------- batches -------------------------------------
    def _startBatches(self, batches, records):
        items = batches.next()
        while items:
            folder = str(self._writeJob([self._jobEntry(key, i) for key, i in items.items()]))
            records.watch(folder)
            batches.start(folder, items)
            self._todo.put(folder)
            items = batches.next()

    def _newlyEnded(self):
        """The batches whose engines have ended since it was asked the last time."""
        ended = []
        while not self._ended.empty():  # nobody else takes any out
            ended.append(self._ended.get())
        return ended

    def _endBatch(self, batches, batch):
        """What became of items without a record."""
        said, could_not_start = exchange.said_last(batch)
        given_up = batches.end(batch, said, could_not_start)
        reason = f"the engine died over it. It said: {said}"
        for key in given_up:
            logger.error("%s: %s", key, reason)
        refused = [self._refused(key, item, reason) for key, item in given_up.items()]
        self._appendAll({self._failedSet: refused})

    # --------------------------- results -------------------------------------
    def _register(self, batches, there):
        """Put items whose records are there into the outputs."""
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
                for name, made in self._judge(item, key, record).items():
                    groups.setdefault(name, []).append(made)
        self._appendAll(groups)

    def _noteMaking(self, record):
        """Remember by what a record was made, and tell its warnings."""
        for warning in record.warnings:
            logger.warning("%s: %s", record.ts_id, warning)
        if record.model:
            self._made = {
                "_tomoScoreModel": record.model["name"],
                "_tomoScoreModelVersion": record.model["version"],
                outputs.MODEL_SHA256: record.model["sha256"],
                "_tomoScoreEngineVersion": record.engine_version,
                "_tomoScoreDevice": record.device,
            }

    def _finish(self):
        """Close the outputs.

        Raises:
            NothingScoredError: there is nothing to go on with.
        """
        self._completeProvenance(self._provenance())
        with self._lock:
            self._closeOutputSet()
            if getattr(self, self._doneSet, None) is None:
                raise NothingScoredError(self._whyNothing())

    def _whyNothing(self):
        failed = getattr(self, self._failedSet, None)
        if failed is None:
            return f"the input has no {self._items}"
        reasons = outputs.reasons_of(failed)
        first = "; ".join(f"{ts_id}: {reason}" for ts_id, reason in reasons[:SHOWN])
        return f"none of {len(reasons)} {self._items} could be scored. {first}"
