# SPDX-License-Identifier: GPL-3.0-or-later
"""Ctrl-C, SIGTERM (schedulers) and SIGHUP (a closed terminal) stop a batch in the same way.

The first signal is deferred, so that the current record is written completely; the batch checks for
the signal where it can stop. A second signal stops the batch at once.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import Callable, Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Check = Callable[[], None]


def no_check() -> None:
    """A check that never stops."""


@contextmanager
def as_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does."""

    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    with _handled_by(interrupt):
        yield


@contextmanager
def deferred() -> Iterator[Check]:
    """Defer stops: signals are recorded, and a second one raises KeyboardInterrupt.

    Yields:
        A function that raises KeyboardInterrupt after the first signal.
    """
    received: list[int] = []

    def defer(signum: int, frame: object) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(signum)

    def check() -> None:
        if received:
            raise KeyboardInterrupt

    with _handled_by(defer):
        yield check
    check()


@contextmanager
def blocked() -> Iterator[None]:
    """Block the signals, also in processes that are started in this context."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _handled_by(handler: Callable[[int, object], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals
        return
    before = {}
    try:
        for signum in SIGNALS:
            if signal.getsignal(signum) is not signal.SIG_IGN:  # as under nohup
                before[signum] = signal.signal(signum, handler)
        yield
    finally:
        for signum, earlier in before.items():
            signal.signal(signum, earlier)
