# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run, made by the engine beside the scoring: every so often, and at the end.

    <folder>/batches/...          records, see exchange.py
    <folder>/thumbnails/...       pictures, drawn once, when a tomogram is scored
    <folder>/order.csv            the tomograms in the order of the input, see report/order.py
    <folder>/report.html          the report
    <folder>/report.log           what the engine printed over the last one
    <folder>/report-failed.log    the same where the last one failed

It runs in a process of its own.  Nothing that becomes of it holds up or fails the scoring: a report
that fails is a warning in the log and in the summary.  Knows nothing of Scipion.
"""

import logging
import os
import signal
import subprocess
import time
from pathlib import Path

from tomoscore_scipion.protocols.exchange import last_words, note_failure
from tomoscore_scipion.records.atomic_write import write_atomically
from tomoscore_scipion.records.session_order import order_text, read_order
from tomoscore_scipion.records.verdict import ACCEPTED, REJECTED

logger = logging.getLogger(__name__)

BATCHES, THUMBNAILS, MAPS = "batches", "thumbnails", "maps"
REPORT, LOG, PROBLEM = "report.html", "report.log", "report-failed.log"
ORDER = "order.csv"

EVERY_S = 60.0
"""From the beginning of a report to that of the next one, at least."""
PAUSE = 20.0
"""A pause is at least so many times as long as the last report took: large ones are rarer."""
LIMIT_S = 300.0
"""For what never happens: a report of 300 tomograms takes seconds."""
POLL_S = 0.1


class Reporter:
    """Keeps the report of a run up to date; the end of its `with` statement makes the last one."""

    def __init__(self, folder, program, environ, criteria, title, maps=False):
        """Begin without a report; one that an earlier run left stays until there is a new one.

        Args:
            folder: where all of it lies.
            program: the engine's program for a shell, its activation included.
            environ: its environment variables.
            criteria: by what tomograms are accepted, verdict.Criteria with a threshold.
            title: of the report; any text.
            maps: whether quality maps are written.
        """
        self._folder = Path(folder)
        self._command = command(program, folder, criteria, title, maps)
        self._folders = (THUMBNAILS, MAPS) if maps else (THUMBNAILS,)
        self._environ = environ
        self._asked = any((self._folder / BATCHES).rglob("*.jsonl"))
        self._process = None
        self._started = self._next = 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Make the last report, of everything."""
        self._carefully(self._last)

    def ask(self):
        """There is something new to report."""
        self._asked = True

    def note_failure(self, key, path, reason):
        """Let the report tell of a tomogram for which no engine wrote a record."""
        self._carefully(lambda: note_failure(self._folder / BATCHES, key, path, reason))
        self.ask()

    def note_order(self, order):
        """Let the report show the session in this order, {ts_id: when it was acquired or None}."""
        self._carefully(lambda: write_order(self._folder, order))

    def turn(self):
        """See what became of the last report, and start another where it is time; never waits."""
        self._carefully(self._another)

    @staticmethod
    def _carefully(work):
        try:
            work()
        except OSError as error:  # a full disk, no more processes
            logger.warning("The report could not be made: %s", error)

    def _another(self):
        if self._has_ended() and self._asked and time.monotonic() >= self._next:
            self._start()

    def _last(self):
        self._wait()
        if self._asked:
            self._start()
            self._wait()

    def _start(self):
        self._asked = False
        self._next = time.monotonic() + EVERY_S  # also where it does not start
        for name in self._folders:
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        if not (self._folder / ORDER).exists():
            write_order(self._folder, {})
        self._started = time.monotonic()
        with open(self._folder / LOG, "wb") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that all of it can be ended
            )

    def _has_ended(self):
        """Whether no report is being made."""
        if self._process is None:
            return True
        seconds = time.monotonic() - self._started
        status = self._process.poll()
        if status is None and seconds > LIMIT_S:
            os.killpg(self._process.pid, signal.SIGKILL)
            status = self._process.wait()
        if status is None:
            return False
        self._process = None
        self._next = self._started + max(EVERY_S, PAUSE * seconds)
        self._note(status)
        return True

    def _note(self, status):
        log, problem = self._folder / LOG, self._folder / PROBLEM
        if status == 0:
            problem.unlink() if problem.exists() else None
            return
        os.replace(log, problem) if log.exists() else problem.touch()
        logger.warning("The report could not be made: %s", last_words(problem)[0])

    def _wait(self):
        while not self._has_ended():
            time.sleep(POLL_S)


class NoReport:
    """In the place of a Reporter, where there is nothing to report."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def ask(self):
        """Nothing is made."""

    def note_order(self, order):
        """Nothing is made."""

    def turn(self):
        """Nothing is made."""


def command(program, folder, criteria, title, maps=False):
    """The words of the command that makes the report.

    The program's activation wants a shell.  What is the user's (paths, the title) is handed to it
    as arguments, and is no part of its text.
    """
    paths = {name: str(Path(folder) / name) for name in (BATCHES, THUMBNAILS, MAPS, REPORT)}
    words = ["report", paths[BATCHES], "--output", paths[REPORT]]
    words += ["--thumbnails", paths[THUMBNAILS], *_told(criteria)]
    words += ["--order", str(Path(folder) / ORDER)]
    words += ["--maps", paths[MAPS]] if maps else []
    return ["/bin/sh", "-c", f'( {program} "$@" )', "sh", *words, f"--title={title}"]


def _told(criteria):
    """The words that tell the report by what tomograms are accepted."""
    borderline = ACCEPTED if criteria.accept_borderline else REJECTED
    words = ["--threshold", f"{criteria.threshold:g}", "--borderline", borderline]
    for fault in sorted(criteria.faults):
        words += ["--reject", fault]
    return words + (["--at-most", str(criteria.at_most)] if criteria.at_most else [])


def write_order(folder, order):
    """Write the order of a session, {ts_id: when it was acquired, None where it is not known}."""
    write_atomically(Path(folder) / ORDER, order_text(order).encode("utf-8"))


def order_in(folder):
    """The order of a session as it was written last; {} where there is none yet."""
    path = Path(folder) / ORDER
    return read_order(path) if path.exists() else {}


def summary(folder):
    """What the summary says of the report, a list of lines.

    Args:
        folder: where all of it lies.
    """
    folder = Path(folder)
    lines = []
    if (folder / REPORT).exists():
        lines.append(f"Report: {folder / REPORT}")
    if (folder / PROBLEM).exists():
        reason = last_words(folder / PROBLEM)[0]
        lines.append(f"*The last report could not be made*: {reason} (see {folder / PROBLEM})")
    return lines
