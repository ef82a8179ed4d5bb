# SPDX-License-Identifier: GPL-3.0-or-later
"""The base class of protocols that run the engine on a stream of items.

The class connects Scipion's calls to a StreamRunner. Checks of the form are in engine_checks.py.
"""

import hashlib
import logging
import os
import sqlite3
from datetime import datetime

from pyworkflow.object import Set
from pyworkflow.protocol import ProtStreamingBase
from pyworkflow.protocol.constants import STATUS_FAILED

from tomoscore_scipion.plugin import Plugin
from tomoscore_scipion.protocols import engine_checks, recovery
from tomoscore_scipion.protocols.base import TomoScoreProtocol
from tomoscore_scipion.protocols.stream_runner import StreamRunner

logger = logging.getLogger(__name__)


class EngineProtocol(TomoScoreProtocol, ProtStreamingBase):
    """A protocol with GPU, weights and threads in its form, and a StreamAdapter for its items."""

    _adapterClass = None
    """The StreamAdapter class for the items of the protocol."""
    _settingLabels = ()
    """(attribute of the sets, label in the form) of settings that results depend on."""

    @classmethod
    def worksInStreaming(cls):
        """True: Scipion may start the protocol while its input is still growing."""
        return True

    # --------------------------- form ---------------------------------------
    def getScoringSettings(self):
        """{attribute of the sets: value} of the settings that results depend on."""
        raise NotImplementedError

    def getWeights(self):
        """Path of the weights; None for the weights of the engine."""
        path = (self.weights.get() or "").strip() or Plugin.getModel()
        return os.path.abspath(path) if path else None

    def getModelSha256(self):
        """The hash of the weights, which identifies a model."""
        path = self.getWeights()
        if path is None:
            return Plugin.getEngineInfo()["weights"]["sha256"]
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()

    def getMadeBy(self):
        """Value of `Score.made_by` for the records: the hash of the weights."""
        return self.getModelSha256()

    def _validate(self):
        errors = engine_checks.thread_errors(self)
        path = self.getWeights()
        if path is not None and not os.path.isfile(path):
            return [*errors, f"*Weights*: there is no file {path}"]
        form_errors = self._formErrors()
        errors += form_errors
        if self.usesGpu():
            errors += engine_checks.gpu_errors(self)
        if self.isContinued() and not form_errors:
            errors += engine_checks.continue_errors(self)
        return errors

    def _formErrors(self):
        """Errors of the parameters that are specific to this protocol."""
        return []

    # --------------------------- launch -------------------------------------
    def makePathsAndClean(self):
        """Open the outputs on Continue; Scipion calls this method when a run is launched.

        Otherwise a protocol that is continued together with this one might see the outputs before
        the process of the run opens them, and consider them complete.
        """
        super().makePathsAndClean()
        if not self.isContinued():
            return
        for name, output in self.iterOutputAttributes(Set):
            if not recovery.is_readable(output.getFileName() or ""):
                continue  # the run makes it again
            try:
                output.setStreamState(Set.STREAM_OPEN)
                output.write()
                output.close()
            except sqlite3.OperationalError as error:  # the process of the run opens it later
                logger.warning("%s is not opened yet: %s", name, error)

    # --------------------------- steps --------------------------------------
    def _insertAllSteps(self):
        self._streamRunner = StreamRunner(self, self._adapterClass(self))
        super()._insertAllSteps()
        for slot in range(self._streamRunner.slots.count):
            self._insertFunctionStep(
                self.scoreBatchesStep,
                slot,
                str(datetime.now()),  # a new value, so that Continue runs the step again
                prerequisites=[],
                needsGPU=self.usesGpu(),
            )

    def stepsGeneratorStep(self):
        """Process the input until it is complete."""
        self._streamRunner.run()

    def scoreBatchesStep(self, slot, started):
        """Run the engine on batches in sequence."""
        self._streamRunner.slots.run_batches()

    def _stepFinished(self, step):
        """Handle the end of a step; returns whether to go on. A failure is counted once."""
        if self.lastStatus == STATUS_FAILED:
            return False
        return super()._stepFinished(step)

    def _stepsCheck(self):
        """Check for failed steps; called repeatedly, and a last time when no step is left.

        The executor misses a step that fails between its check of the ended steps and its check of
        the remaining steps; the run would then be reported as finished.
        """
        super()._stepsCheck()
        for step in self._steps:
            if step.isFailed():
                self._stepFinished(step)
