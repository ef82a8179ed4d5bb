# SPDX-License-Identifier: GPL-3.0-or-later
"""A process beside this one that is asked and answers in lines of JSON; it may die or hang."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
from typing import Any, Sequence

from tomoscore_scipion.running.stopping import Check, held_back

POLL_S = 0.2
"""Between two looks at whether a stop was asked for."""
END_S = 10.0
"""A process that does not end so soon after SIGKILL hangs in the system, and is left there."""


class LostProcessError(Exception):
    """The process is lost; the message goes on after "the process": "was killed (SIGKILL)"."""


class ProcessEndedError(LostProcessError):
    """It ended, by itself or not."""


class NoAnswerError(LostProcessError):
    """It did not answer in time."""


class Patience:
    """Seconds to wait for answers, counted while this process runs: a stopped one waits on.

    They are steps of a monotonic clock: setting the clock changes nothing.

    Attributes:
        seconds: how long it lasts in all.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._spent = 0.0

    def spend(self, seconds: float) -> None:
        """Count one step of waiting.

        Raises:
            NoAnswerError: it is at an end.
        """
        self._spent += min(seconds, 2 * POLL_S)
        if self._spent >= self.seconds:
            raise NoAnswerError(f"gave no answer within {self.seconds:g} s")


class HelperProcess:
    """A process that reads lines of JSON from its standard input and answers on its output."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start it.  Ctrl-C and the like never reach it; it ends when `close` is called.

        Raises:
            OSError: it cannot be started.
        """
        with held_back():
            self._process = subprocess.Popen(
                list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._received = b""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def send(self, message: dict[str, Any]) -> None:
        """Send a message.

        Raises:
            ProcessEndedError: nobody is there to read it.
        """
        try:
            self._stdin.write(json.dumps(message).encode("ascii") + b"\n")
            self._stdin.flush()
        except BrokenPipeError:
            raise ProcessEndedError(self._how_it_ended()) from None

    def receive(self, patience: Patience, check: Check) -> dict[str, Any]:
        """The next answer.

        Args:
            patience: how long to wait.
            check: called several times a second; what it raises ends the waiting.

        Raises:
            ProcessEndedError: it is gone; half an answer is none.
            NoAnswerError: the patience is at an end.
        """
        while b"\n" not in self._received:
            check()
            begin = time.monotonic()
            if self._selector.select(POLL_S):
                chunk = os.read(self._stdout.fileno(), 2**16)
                if not chunk:
                    raise ProcessEndedError(self._how_it_ended())
                self._received += chunk
            patience.spend(time.monotonic() - begin)
        line, _, self._received = self._received.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process, whatever it is doing; once more does no harm."""
        if self.is_alive:
            self._process.kill()
        self._wait()
        self._selector.close()
        self._stdout.close()
        try:
            self._stdin.close()
        except BrokenPipeError:
            return  # a request was left that nobody will read

    def _wait(self) -> int | None:
        """Its exit status; None when it does not end."""
        try:
            return self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            return None

    def _how_it_ended(self) -> str:
        status = self._wait()
        if status is None:
            return "closed its output and hangs"
        if status >= 0:
            return f"ended with exit status {status}"
        name = signal.Signals(-status).name
        return f"was killed ({name})" if name in ("SIGKILL", "SIGTERM") else f"crashed ({name})"
