# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the engine in Scipion steps, one step per slot; each step processes batches in sequence.

The steps are inserted at the start of the run, independent of the number of batches. A step that is
inserted later has no id at first, but GPUs are booked and jobs of a queue are named by this id.
Each step also costs seconds.
"""

import logging
import queue
from subprocess import CalledProcessError

from pyworkflow.protocol.constants import VOID_GPU

from tomoscore_scipion.plugin import Plugin
from tomoscore_scipion.protocols import exchange

logger = logging.getLogger(__name__)


def number_of_slots(protocol):
    """Number of parallel batches: the threads without the main thread and the generator."""
    workers = max(1, protocol.numberOfThreads.get() - 2)
    gpus = [gpu for gpu in protocol.getGpuList() if gpu != VOID_GPU]
    return min(workers, max(1, len(gpus))) if protocol.usesGpu() else workers


class EngineSlots:
    """A queue of batches, and the slots that work on it.

    Attributes:
        count: number of slots.
    """

    def __init__(self, protocol, command):
        """Begin with an empty queue.

        Args:
            protocol: an EngineProtocol.
            command: the command of the engine, such as "score".
        """
        self.count = number_of_slots(protocol)
        self._protocol = protocol
        self._command = command
        self._waiting = queue.Queue()  # folders of batches; None ends a slot
        self._ended = queue.Queue()  # folders of batches on which an engine has ended

    def submit(self, folder):
        """Add a batch to the queue; the next free slot runs the engine on it."""
        self._waiting.put(folder)

    def close(self):
        """End each slot as soon as no batch is waiting."""
        for _ in range(self.count):
            self._waiting.put(None)

    def newly_ended(self):
        """Folders of the batches on which engines have ended since the last call."""
        ended = []
        while not self._ended.empty():  # this is the only consumer
            ended.append(self._ended.get())
        return ended

    def run_batches(self):
        """Run the engine on batches in sequence, as one Scipion step.

        Failures of items or of the engine do not raise an exception: the protocol would hang until
        the input closes, and queues do not report exit codes. The stream runner finds the outcome
        of a batch in its records.
        """
        folder = self._waiting.get()
        while folder is not None and not self._protocol.isFailed():
            self._run_engine(folder)
            self._ended.put(folder)
            folder = self._waiting.get()

    def _run_engine(self, folder):
        protocol, environ = self._protocol, Plugin.getEnviron()
        if not protocol.usesGpu():
            exchange.set_device(folder, "cpu")
        elif protocol.useQueue():  # the scheduler sets the visible GPUs, Scipion counts them
            exchange.set_device(folder, f"cuda:{self._booked_gpu()}")
        else:
            environ["CUDA_VISIBLE_DEVICES"] = str(self._booked_gpu())
            exchange.set_device(folder, "cuda:0")
        threads = protocol.binThreads.get()
        command = exchange.command(Plugin.getProgram(), folder, threads, self._command)
        try:
            protocol.runJob(command, "", env=environ, numberOfMpi=1)
        except CalledProcessError as error:
            logger.error("The engine ended with exit status %s.", error.returncode)

    def _booked_gpu(self):
        """The GPU that is booked for the step of the current thread."""
        return self._protocol._stepsExecutor.getGpuList()[0]
