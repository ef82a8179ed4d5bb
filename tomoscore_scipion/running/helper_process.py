# SPDX-License-Identifier: GPL-3.0-or-later
"""A child process that reads and writes lines of JSON, and may die or hang."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
from typing import Any, Sequence

from tomoscore_scipion.running.stopping import Check, blocked

POLL_S = 0.2
"""Interval between two checks for a stop."""
END_S = 10.0
"""Maximum time to wait after SIGKILL; a process that takes longer hangs in the kernel."""


class LostProcessError(Exception):
    """The process is lost. The message completes "the process ...": "was killed (SIGKILL)"."""


class ProcessEndedError(LostProcessError):
    """The process has exited or was killed."""


class NoAnswerError(LostProcessError):
    """The process did not answer in time."""


class TimeLimit:
    """Time limit for answers, on a monotonic clock; excludes time when this process is suspended.

    Attributes:
        seconds: the time limit.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._spent = 0.0

    def spend(self, seconds: float) -> None:
        """Count one step of waiting.

        Raises:
            NoAnswerError: the time limit is exceeded.
        """
        self._spent += min(seconds, 2 * POLL_S)
        if self._spent >= self.seconds:
            raise NoAnswerError(f"gave no answer within {self.seconds:g} s")


class HelperProcess:
    """A process that reads lines of JSON from its standard input and answers on its output."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start the process. It does not receive signals of the terminal; `close` ends it.

        Raises:
            OSError: the process cannot be started.
        """
        with blocked():
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
        """Process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process is running."""
        return self._process.poll() is None

    def send(self, message: dict[str, Any]) -> None:
        """Send a message.

        Raises:
            ProcessEndedError: the process has ended.
        """
        try:
            self._stdin.write(json.dumps(message).encode("ascii") + b"\n")
            self._stdin.flush()
        except BrokenPipeError:
            raise ProcessEndedError(self._how_it_ended()) from None

    def receive(self, limit: TimeLimit, check: Check) -> dict[str, Any]:
        """Wait for the next answer.

        Args:
            limit: time to wait.
            check: called several times a second; an exception that it raises ends the waiting.

        Returns:
            The answer, a JSON object.

        Raises:
            ProcessEndedError: the process ended before the answer was complete.
            NoAnswerError: the time limit is exceeded.
        """
        while b"\n" not in self._received:
            check()
            begin = time.monotonic()
            if self._selector.select(POLL_S):
                chunk = os.read(self._stdout.fileno(), 2**16)
                if not chunk:
                    raise ProcessEndedError(self._how_it_ended())
                self._received += chunk
            limit.spend(time.monotonic() - begin)
        line, _, self._received = self._received.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """Kill the process; does nothing if it is closed already."""
        if self.is_alive:
            self._process.kill()
        self._wait()
        self._selector.close()
        self._stdout.close()
        try:
            self._stdin.close()
        except BrokenPipeError:
            return  # the process had not read a request

    def _wait(self) -> int | None:
        """The exit status; None if the process does not end."""
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
