# SPDX-License-Identifier: GPL-3.0-or-later
"""Process items in a child process, so that a crash affects a single item only.

The process loads the model once. It is replaced if it was killed, crashed or hangs.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from typing import Any, Generic

from tomoscore_scipion import __version__
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.running.helper_process import (
    HelperProcess,
    LostProcessError,
    NoAnswerError,
    TimeLimit,
)
from tomoscore_scipion.running.progress import Silent
from tomoscore_scipion.running.stopping import Check, deferred, no_check
from tomoscore_scipion.running.work import ItemType, RecordType, Work

LOAD_S = 1200.0
"""Time limit for loading torch and the model, which takes seconds, or minutes on a busy machine or
a network disk."""

WORKER = (
    "import sys; sys.path[:] = sys.argv[1:]; "
    "from tomoscore_scipion.running.worker import main; sys.exit(main())"
)
"""Program of the child process. Setting sys.path keeps Python from searching the current folder."""


def command() -> list[str]:
    """Command of the child process: the same Python with the same modules."""
    return [sys.executable, "-c", WORKER, *sys.path]


class Supervisor(Generic[ItemType, RecordType]):
    """Processes items in a child process. A context manager that starts and ends the process.

    Attributes:
        work: work to do with each item.
        model: {"name", "version", "sha256"} of the weights.
        device: device in use, such as "cpu" or "cuda:0".
        notices: messages for the user about the choice of device.
    """

    def __init__(
        self,
        work: Work[ItemType, RecordType],
        weights: str | None = None,
        device: str = "auto",
        threads: int | None = None,
        timeout_s: float | None = None,
        debug: bool = False,
    ) -> None:
        """Set up the supervisor; the process is started later.

        Args:
            work: work to do with each item.
            weights: path of a weights file; None for the shipped weights.
            device: "auto", "cpu" or "cuda:N".
            threads: number of CPU threads; None for the default of torch.
            timeout_s: time limit of an item in seconds; None for a limit that depends on file size.
            debug: print tracebacks to standard error.
        """
        self.work = work
        self.model: dict[str, str] = {}
        self.device = device
        self.notices: list[str] = []
        self._start: dict[str, Any] = {"weights": weights, "threads": threads, "debug": debug}
        self._start["work"] = work.as_request()
        self._timeout_s = timeout_s
        self._process: HelperProcess | None = None

    def start(self, check: Check = no_check) -> None:
        """Start the process, and wait until the model is loaded.

        Args:
            check: called several times a second; an exception that it raises ends the waiting.

        Raises:
            StartError: weights or device cannot be used, or the process does not start.
            ModuleNotFoundError: a package that the work needs is not installed.
        """
        try:
            self._process = HelperProcess(command())
            self._process.send({**self._start, "device": self.device})
            answer = self._process.receive(TimeLimit(LOAD_S), check)
        except LostProcessError as fault:
            raise StartError(
                f"the process that loads the model {fault}; {self._way_out(fault)}"
            ) from fault
        except OSError as error:
            raise StartError(
                f"cannot start a process to work in: {error.strerror}; free memory, or raise the "
                "limit on processes (ulimit -u)"
            ) from error
        if "refused" in answer:
            raise StartError(answer["refused"])
        if "missing_package" in answer:
            name = answer["missing_package"]
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        ready = answer["ready"]
        self.model, self.notices = ready["model"], ready["notices"]
        self.device = ready["device"]  # also of a process that replaces this one

    def process(
        self, item: ItemType, progress: Silent | None = None, check: Check = no_check
    ) -> RecordType:
        """Process an item.

        Args:
            item: a tomogram or a tilt series.
            progress: shows the progress within the item.
            check: called several times a second; an exception that it raises ends the waiting.

        Returns:
            The record, also if the item failed.

        Raises:
            StartError: the process had to be replaced, and the new one does not start.
        """
        if self._process is None or not self._process.is_alive:
            self.close()
            self.start(check)
        begin = time.monotonic()
        try:
            answer = self._ask(item, progress or Silent(), check)
        except LostProcessError as fault:
            self.close()
            return self.work.failed(
                item,
                f"{item.path}: the process that {self.work.kind.used} it {fault}; "
                f"{self._way_out(fault)}",
                model=self.model,
                engine_version=__version__,
                device=self.device,
                seconds=round(time.monotonic() - begin, 3),
            )
        if not answer["reusable"]:
            self.close()
        return self.work.record_of(answer["record"])

    def close(self) -> None:
        """End the process; does nothing if it has ended."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def __enter__(self) -> Supervisor[ItemType, RecordType]:
        try:
            with deferred() as check:
                self.start(check)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _ask(self, item: ItemType, progress: Silent, check: Check) -> dict[str, Any]:
        assert self._process is not None
        work = self.work
        limit = TimeLimit(self._timeout_s or work.min_timeout_s)
        self._process.send(asdict(item))  # type: ignore[call-overload]
        while True:
            answer = self._process.receive(limit, check)
            if "record" in answer:
                return answer
            if "slices" in answer:
                progress.slices(*answer["slices"])
            elif self._timeout_s is None:
                limit.seconds = work.min_timeout_s + work.timeout_s_per_byte * answer["bytes"]

    def _way_out(self, fault: LostProcessError) -> str:
        """Advice to the user after the loss of a process."""
        if isinstance(fault, NoAnswerError):
            return "is the disk answering, and the GPU (nvidia-smi)? --timeout gives it longer"
        if "SIGKILL" in str(fault):
            return (
                "most likely the memory ran out: close other programs, ask the scheduler for more "
                f"memory, or bin the {self.work.kind.name}"
            )
        return "what was printed before (standard error) says more: please report it"
