# SPDX-License-Identifier: GPL-3.0-or-later
"""Has items worked on by a process beside this one, so that its death costs one of them.

It is started once and loads the model once; one that was killed, crashed or hung is replaced.
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
    Patience,
)
from tomoscore_scipion.running.progress import Silent
from tomoscore_scipion.running.stopping import Check, no_check, noted
from tomoscore_scipion.running.work import AnyItem, AnyRecord, Work

LOAD_S = 1200.0
"""Loading torch and the model takes seconds, on a busy machine or network disk minutes."""

WORKER = (
    "import sys; sys.path[:] = sys.argv[1:]; "
    "from tomoscore_scipion.running.worker import main; sys.exit(main())"
)
"""The program of the process.  Python would search the current folder first without the list."""


def command() -> list[str]:
    """The command of the process: this Python, with the modules of this process."""
    return [sys.executable, "-c", WORKER, *sys.path]


class Supervisor(Generic[AnyItem, AnyRecord]):
    """Does a work in a process of its own.  A context manager, which starts and ends it.

    Attributes:
        work: what is done with each item.
        model: {"name", "version", "sha256"} of the weights.
        device: where it works, such as "cpu" or "cuda:0".
        notices: what the user should know about the choice of device.
    """

    def __init__(
        self,
        work: Work[AnyItem, AnyRecord],
        weights: str | None = None,
        device: str = "auto",
        threads: int | None = None,
        timeout_s: float | None = None,
        debug: bool = False,
    ) -> None:
        """Say what to do; nothing is started yet.

        Args:
            work: what is done with each item.
            weights: path of a weights file; those that ship in the package when None.
            device: "auto", "cpu" or "cuda:N".
            threads: on the CPU; torch decides when None.
            timeout_s: seconds that an item may take; in proportion to its file when None.
            debug: print tracebacks to standard error.
        """
        self.work = work
        self.model: dict[str, str] = {}
        self.device = device
        self.notices: list[str] = []
        self._start: dict[str, Any] = {"weights": weights, "threads": threads, "debug": debug}
        self._start["work"] = work.told()
        self._timeout_s = timeout_s
        self._process: HelperProcess | None = None

    def start(self, check: Check = no_check) -> None:
        """Start the process, and wait until the model is loaded.

        Args:
            check: called several times a second; what it raises ends the waiting.

        Raises:
            StartError: weights or device cannot be used, or the process does not come up.
            ModuleNotFoundError: a package that the work needs is not installed.
        """
        try:
            self._process = HelperProcess(command())
            self._process.send({**self._start, "device": self.device})
            answer = self._process.receive(Patience(LOAD_S), check)
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

    def do(
        self, item: AnyItem, progress: Silent | None = None, check: Check = no_check
    ) -> AnyRecord:
        """The record of an item, also of one that failed.

        Args:
            item: what to work on.
            progress: shows how far it is.
            check: called several times a second; what it raises ends the waiting.

        Raises:
            StartError: the process had to be replaced, and the new one does not come up.
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
        if not answer["sound"]:
            self.close()
        return self.work.record_of(answer["record"])

    def close(self) -> None:
        """End the process; once more does no harm."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def __enter__(self) -> Supervisor[AnyItem, AnyRecord]:
        try:
            with noted() as check:
                self.start(check)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _ask(self, item: AnyItem, progress: Silent, check: Check) -> dict[str, Any]:
        assert self._process is not None
        work = self.work
        patience = Patience(self._timeout_s or work.least_s)
        self._process.send(asdict(item))  # type: ignore[call-overload]
        while True:
            answer = self._process.receive(patience, check)
            if "record" in answer:
                return answer
            if "slices" in answer:
                progress.slices(*answer["slices"])
            elif self._timeout_s is None:
                patience.seconds = work.least_s + work.seconds_per_byte * answer["bytes"]

    def _way_out(self, fault: LostProcessError) -> str:
        """What the user can do about it."""
        if isinstance(fault, NoAnswerError):
            return "is the disk answering, and the GPU (nvidia-smi)? --timeout gives it longer"
        if "SIGKILL" in str(fault):
            return (
                "most likely the memory ran out: close other programs, ask the scheduler for more "
                f"memory, or bin the {self.work.kind.name}"
            )
        return "what was printed before (standard error) says more: please report it"
