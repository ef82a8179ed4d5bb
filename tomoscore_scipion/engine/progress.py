# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user sees while a batch runs: a bar on a terminal, plain lines in a log, or nothing."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from tomoscore_scipion.engine.bands import readable_scale
from tomoscore_scipion.engine.record import Score
from tomoscore_scipion.engine.table import printable, write_text


def result_line(number: int, total: int, record: Score) -> str:
    """A finished tomogram in a line: "[3/12] TS_03: TomoScore 2.41 (24.1 nm), 2.1 s"."""
    if record.tomoscore is None:
        return printable(f"[{number}/{total}] {record.ts_id}: failed: {record.error}")
    score = f"TomoScore {record.tomoscore:.2f} ({readable_scale(record.scale_nm)})"
    return printable(f"[{number}/{total}] {record.ts_id}: {score}, {record.seconds:.1f} s")


class Silent:
    """Shows nothing.  Also the interface of the others."""

    def start(self, ts_id: str) -> None:
        """A tomogram is begun."""

    def slices(self, done: int, total: int) -> None:
        """Some of the tomogram's slices are scored."""

    def finish(self, record: Score) -> None:
        """The tomogram is done, scored or failed."""

    def close(self) -> None:
        """The batch has ended, finished or not."""


class Log(Silent):
    """A line for each finished tomogram."""

    def __init__(self, total: int, done: int = 0, stream: TextIO = sys.stderr) -> None:
        """Begin a batch.

        Args:
            total: tomograms in the batch.
            done: how many of them are there already.
            stream: where the lines go.
        """
        self._total = total
        self._number = done + 1
        self._stream = stream

    def finish(self, record: Score) -> None:
        """Print the tomogram's line."""
        write_text(self._stream, result_line(self._number, self._total, record) + "\n")
        self._number += 1


class Bar(Log):
    """The lines of `Log`, and below them a bar over the slices of the tomogram in work."""

    _bar: Any = None

    def start(self, ts_id: str) -> None:
        """Show a bar; how long it is is not known yet."""
        from tqdm import tqdm

        label = printable(f"[{self._number}/{self._total}] {ts_id}")
        self._bar = tqdm(desc=label, unit="slice", leave=False, file=self._stream)

    def slices(self, done: int, total: int) -> None:
        """Move the bar."""
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def finish(self, record: Score) -> None:
        """Take the bar away and print the tomogram's line."""
        self.close()
        super().finish(record)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()


def choose(total: int, done: int = 0, quiet: bool = False) -> Silent:
    """The progress for this process: a bar where standard error is a terminal, else lines."""
    if quiet:
        return Silent()
    kind = Bar if sys.stderr.isatty() else Log
    return kind(total, done, sys.stderr)
