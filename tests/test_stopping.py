# SPDX-License-Identifier: GPL-3.0-or-later
"""A signal stops a batch between two records; a second signal stops it at once."""

import os
import signal
import subprocess
import sys

import pytest

from tomoscore_scipion.running import stopping

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def send(signum):
    os.kill(os.getpid(), signum)


@pytest.mark.parametrize("signum", SIGNALS)
def test_every_signal_raises_a_keyboard_interrupt(signum):
    with pytest.raises(KeyboardInterrupt), stopping.as_interrupt():
        send(signum)


@pytest.mark.parametrize("signum", SIGNALS)
def test_a_deferred_signal_is_raised_at_the_next_check(signum):
    done = []
    with pytest.raises(KeyboardInterrupt), stopping.deferred() as check:
        check()
        send(signum)
        done.append("the line is written")
        check()
        done.append("never")
    assert done == ["the line is written"]


def test_a_deferred_signal_without_a_check_is_raised_at_the_end():
    with pytest.raises(KeyboardInterrupt), stopping.deferred():
        send(signal.SIGTERM)


def test_a_second_signal_stops_at_once():
    done = []
    with pytest.raises(KeyboardInterrupt), stopping.deferred():
        send(signal.SIGTERM)
        done.append("first")
        send(signal.SIGINT)
        done.append("never")
    assert done == ["first"]


def test_signal_handlers_are_restored():
    before = [signal.getsignal(signum) for signum in SIGNALS]
    with stopping.as_interrupt():
        outer = [signal.getsignal(signum) for signum in SIGNALS]
        with stopping.deferred():
            assert [signal.getsignal(signum) for signum in SIGNALS] != outer
        assert [signal.getsignal(signum) for signum in SIGNALS] == outer
    assert [signal.getsignal(signum) for signum in SIGNALS] == before


def test_an_ignored_signal_stays_ignored_as_under_nohup(monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping.as_interrupt(), stopping.deferred() as check:
            send(signal.SIGHUP)
            check()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_process_started_while_signals_are_blocked_ignores_them():
    program = "import os, signal; [os.kill(os.getpid(), s) for s in (2, 15, 1)]; print('lives')"
    with stopping.blocked():
        started = subprocess.run(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, check=True, text=True
        )
    assert started.stdout == "lives\n"
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & set(SIGNALS)
