# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run, made by the engine in parallel to the scoring, at intervals and at the end.

    <folder>/batches/...          records, see exchange.py
    <folder>/thumbnails/...       pictures, drawn once, when a tomogram is scored
    <folder>/order.csv            order of the input, see records/session_order.py
    <folder>/report.html          the report
    <folder>/report.log           output of the engine for the last report
    <folder>/report-failed.log    output of the engine if the last report failed

The report is made in a separate process and cannot delay or stop the scoring; a failed report is a
warning in the log and in the summary. This module does not depend on Scipion.
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
"""Minimum time from the start of a report to the start of the next one."""
PAUSE = 20.0
"""Minimum of the same interval, as a multiple of the run time of the last report."""
LIMIT_S = 300.0
"""Time limit of a report in seconds; a report of 300 tomograms takes a few seconds."""
POLL_S = 0.1


class Reporter:
    """Updates the report of a run; a context manager that makes the last report at its end."""

    def __init__(self, folder, program, environ, criteria, title, maps=False):
        """Begin without a report; the report of an earlier run stays until there is a new one.

        Args:
            folder: the folder of the files in the module docstring.
            program: the engine's program for a shell, including its activation.
            environ: environment variables of the program.
            criteria: criteria of acceptance, a verdict.Criteria with a threshold.
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
        """Make the last report, with all results."""
        self._carefully(self._make_last)

    def ask(self):
        """Request a report because there is a new result."""
        self._asked = True

    def note_failure(self, key, path, reason):
        """Add a tomogram without a record from the engine to the report."""
        self._carefully(lambda: note_failure(self._folder / BATCHES, key, path, reason))
        self.ask()

    def note_order(self, order):
        """Set the order of the session in the report, {ts_id: acquisition time or None}."""
        self._carefully(lambda: write_order(self._folder, order))

    def turn(self):
        """Check whether the last report has ended, and start the next report if it is due."""
        self._carefully(self._start_if_due)

    @staticmethod
    def _carefully(work):
        try:
            work()
        except OSError as error:  # a full disk, no more processes
            logger.warning("The report could not be made: %s", error)

    def _start_if_due(self):
        if self._has_ended() and self._asked and time.monotonic() >= self._next:
            self._start()

    def _make_last(self):
        self._wait()
        if self._asked:
            self._start()
            self._wait()

    def _start(self):
        self._asked = False
        self._next = time.monotonic() + EVERY_S  # also if the process does not start
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
                start_new_session=True,  # so that all its processes can be killed
            )

    def _has_ended(self):
        """Whether no report is being made; kills a report that exceeds the time limit."""
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
    """Replacement of the Reporter for protocols without a report."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def ask(self):
        """Do nothing."""

    def turn(self):
        """Do nothing."""


def command(program, folder, criteria, title, maps=False):
    """The arguments of the process that makes the report.

    The activation of the program needs a shell. Paths and title are chosen by users; they are
    passed as arguments of the shell and are not part of its script.

    Args:
        program: the engine's program for a shell, including its activation.
        folder: the folder of the files in the module docstring.
        criteria: criteria of acceptance, a verdict.Criteria with a threshold.
        title: of the report; any text.
        maps: whether quality maps are written.
    """
    paths = {name: str(Path(folder) / name) for name in (BATCHES, THUMBNAILS, MAPS, REPORT)}
    arguments = ["report", paths[BATCHES], "--output", paths[REPORT]]
    arguments += ["--thumbnails", paths[THUMBNAILS], *_criteria_arguments(criteria)]
    arguments += ["--order", str(Path(folder) / ORDER)]
    arguments += ["--maps", paths[MAPS]] if maps else []
    return ["/bin/sh", "-c", f'( {program} "$@" )', "sh", *arguments, f"--title={title}"]


def _criteria_arguments(criteria):
    borderline = ACCEPTED if criteria.accept_borderline else REJECTED
    arguments = ["--threshold", f"{criteria.threshold:g}", "--borderline", borderline]
    for fault in sorted(criteria.faults):
        arguments += ["--reject", fault]
    return arguments + (["--at-most", str(criteria.at_most)] if criteria.at_most else [])


def write_order(folder, order):
    """Write the order of a session, {ts_id: acquisition time or None if unknown}."""
    write_atomically(Path(folder) / ORDER, order_text(order).encode("utf-8"))


def order_in(folder):
    """The last written order of a session; {} if there is none yet."""
    path = Path(folder) / ORDER
    return read_order(path) if path.exists() else {}


def summary(folder):
    """Lines of the summary on the report in a folder."""
    folder = Path(folder)
    lines = []
    if (folder / REPORT).exists():
        lines.append(f"Report: {folder / REPORT}")
    if (folder / PROBLEM).exists():
        reason = last_words(folder / PROBLEM)[0]
        lines.append(f"*The last report could not be made*: {reason} (see {folder / PROBLEM})")
    return lines
