# SPDX-License-Identifier: GPL-3.0-or-later
"""Ctrl-C, SIGTERM (schedulers) and SIGHUP (a closed terminal) stop a batch in the same way.

At first a stop is only noted, so that the record that is being written becomes whole; the batch
asks for it where it can stop.  A second signal stops at once.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import Callable, Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Check = Callable[[], None]


def no_check() -> None:
    """Where nobody asks for a stop."""


@contextmanager
def as_interrupt() -> Iterator[None]:
    """Within it SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does."""

    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    with _handled_by(interrupt):
        yield


@contextmanager
def noted() -> Iterator[Check]:
    """Within it a stop is noted.

    Yields:
        A function that raises KeyboardInterrupt once a stop was asked for.
    """
    asked: list[int] = []

    def note(signum: int, frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(signum)

    def check() -> None:
        if asked:
            raise KeyboardInterrupt

    with _handled_by(note):
        yield check
    check()


@contextmanager
def held_back() -> Iterator[None]:
    """Within it no stop arrives; a process that is started there never sees one at all."""
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
