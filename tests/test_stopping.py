# SPDX-License-Identifier: GPL-3.0-or-later
"""A signal stops a batch between two records; a second one stops it at once."""

import os
import signal
import subprocess
import sys

import pytest

from tomoscore_scipion.running import stopping

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def ask(signum):
    os.kill(os.getpid(), signum)


@pytest.mark.parametrize("signum", SIGNALS)
def test_every_signal_is_an_interrupt(signum):
    with pytest.raises(KeyboardInterrupt), stopping.as_interrupt():
        ask(signum)


@pytest.mark.parametrize("signum", SIGNALS)
def test_a_noted_stop_is_raised_where_it_is_asked_for(signum):
    done = []
    with pytest.raises(KeyboardInterrupt), stopping.deferred() as check:
        check()
        ask(signum)
        done.append("the line is written")
        check()
        done.append("never")
    assert done == ["the line is written"]


def test_a_stop_that_nobody_asked_for_is_raised_at_the_end():
    with pytest.raises(KeyboardInterrupt), stopping.deferred():
        ask(signal.SIGTERM)


def test_a_second_signal_stops_at_once():
    done = []
    with pytest.raises(KeyboardInterrupt), stopping.deferred():
        ask(signal.SIGTERM)
        done.append("first")
        ask(signal.SIGINT)
        done.append("never")
    assert done == ["first"]


def test_what_was_before_comes_back():
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
            ask(signal.SIGHUP)
            check()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_process_that_is_started_while_they_are_held_back_sees_none():
    program = "import os, signal; [os.kill(os.getpid(), s) for s in (2, 15, 1)]; print('lives')"
    with stopping.blocked():
        started = subprocess.run(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, check=True, text=True
        )
    assert started.stdout == "lives\n"
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & set(SIGNALS)
