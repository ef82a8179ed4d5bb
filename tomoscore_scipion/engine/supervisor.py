# SPDX-License-Identifier: GPL-3.0-or-later
"""Has tomograms scored by a process beside this one, so that its death costs one tomogram.

It is started once and loads the model once; one that was killed, crashed or hung is replaced.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from typing import Any

from tomoscore_scipion import __version__
from tomoscore_scipion.engine.errors import StartError
from tomoscore_scipion.engine.helper_process import (
    HelperProcess,
    LostProcessError,
    NoAnswerError,
    Patience,
)
from tomoscore_scipion.engine.job import Tomogram
from tomoscore_scipion.engine.products import NOTHING_BESIDE, Products
from tomoscore_scipion.engine.progress import Silent
from tomoscore_scipion.engine.record import Score
from tomoscore_scipion.engine.stopping import Check, no_check, noted

LOAD_S = 1200.0
"""Loading torch and the model takes seconds, on a busy machine or network disk minutes."""
LEAST_S = 300.0
"""A tomogram gets so long, and besides ..."""
SECONDS_PER_BYTE = 0.5e-6
"""... so long per byte of its file: half a second per MB, twenty times what two cores need."""

WORKER = (
    "import sys; sys.path[:] = sys.argv[1:]; "
    "from tomoscore_scipion.engine.worker import main; sys.exit(main())"
)
"""The program of the process.  Python would search the current folder first without the list."""


def command() -> list[str]:
    """The command of the process: this Python, with the modules of this process."""
    return [sys.executable, "-c", WORKER, *sys.path]


class Supervisor:
    """Scores tomograms in a process of their own.  A context manager, which starts and ends it.

    Attributes:
        model: {"name", "version", "sha256"} of the weights.
        device: where it scores, such as "cpu" or "cuda:0".
        notices: what the user should know about the choice of device.
    """

    def __init__(
        self,
        weights: str | None = None,
        device: str = "auto",
        threads: int | None = None,
        timeout_s: float | None = None,
        debug: bool = False,
        products: Products = NOTHING_BESIDE,
    ) -> None:
        """Say how to score; nothing is started yet.

        Args:
            weights: path of a weights file; those that ship in the package when None.
            device: "auto", "cpu" or "cuda:N".
            threads: on the CPU; torch decides when None.
            timeout_s: seconds that a tomogram may take; in proportion to its file when None.
            debug: print tracebacks to standard error.
            products: what is made of each tomogram beside its record.
        """
        self.model: dict[str, str] = {}
        self.device = device
        self.notices: list[str] = []
        self._start: dict[str, Any] = {"weights": weights, "threads": threads, "debug": debug}
        self._start["products"] = asdict(products)
        self._timeout_s = timeout_s
        self._process: HelperProcess | None = None

    def start(self, check: Check = no_check) -> None:
        """Start the process, and wait until the model is loaded.

        Args:
            check: called several times a second; what it raises ends the waiting.

        Raises:
            StartError: weights or device cannot be used, or the process does not come up.
            ModuleNotFoundError: a package that scoring needs is not installed.
        """
        try:
            self._process = HelperProcess(command())
            self._process.send({**self._start, "device": self.device})
            answer = self._process.receive(Patience(LOAD_S), check)
        except LostProcessError as fault:
            raise StartError(
                f"the process that loads the model {fault}; {_way_out(fault)}"
            ) from fault
        except OSError as error:
            raise StartError(
                f"cannot start a process to score in: {error.strerror}; free memory, or raise the "
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

    def score(
        self, tomogram: Tomogram, progress: Silent | None = None, check: Check = no_check
    ) -> Score:
        """The record of a tomogram, scored or failed.

        Args:
            tomogram: what to score.
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
            answer = self._ask(tomogram, progress or Silent(), check)
        except LostProcessError as fault:
            self.close()
            return Score.failed(
                ts_id=tomogram.ts_id,
                path=tomogram.path,
                error=f"{tomogram.path}: the process that scored it {fault}; {_way_out(fault)}",
                model=self.model,
                engine_version=__version__,
                device=self.device,
                seconds=round(time.monotonic() - begin, 3),
            )
        if not answer["sound"]:
            self.close()
        return Score.from_dict(answer["record"])

    def close(self) -> None:
        """End the process; once more does no harm."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def __enter__(self) -> Supervisor:
        try:
            with noted() as check:
                self.start(check)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _ask(self, tomogram: Tomogram, progress: Silent, check: Check) -> dict[str, Any]:
        assert self._process is not None
        patience = Patience(self._timeout_s or LEAST_S)
        self._process.send(asdict(tomogram))
        while True:
            answer = self._process.receive(patience, check)
            if "record" in answer:
                return answer
            if "slices" in answer:
                progress.slices(*answer["slices"])
            elif self._timeout_s is None:
                patience.seconds = LEAST_S + SECONDS_PER_BYTE * answer["bytes"]


def _way_out(fault: LostProcessError) -> str:
    """What the user can do about it."""
    if isinstance(fault, NoAnswerError):
        return "is the disk answering, and the GPU (nvidia-smi)? --timeout gives it longer"
    if "SIGKILL" in str(fault):
        return (
            "most likely the memory ran out: close other programs, ask the scheduler for more "
            "memory, or bin the tomogram"
        )
    return "what was printed before (standard error) says more: please report it"
