# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress of a batch: a bar on a terminal, plain lines in a log, or no output."""

from __future__ import annotations

import sys
from typing import Any, Callable, TextIO

from tomoscore_scipion.records.bands import readable_scale
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.terminal import printable, write_text

Summary = Callable[[Any], str]
"""Function that returns a short summary of a record that did not fail."""


def score_text(record: Score) -> str:
    """Summary of a scored tomogram: "TomoScore 2.41 (24.1 nm)"."""
    return f"TomoScore {record.tomoscore:.2f} ({readable_scale(record.scale_nm)})"


def result_line(number: int, total: int, record: Any, summary: Summary = score_text) -> str:
    """A finished item in a line: "[3/12] TS_03: TomoScore 2.41 (24.1 nm), 2.1 s"."""
    if record.error is not None:
        return printable(f"[{number}/{total}] {record.ts_id}: failed: {record.error}")
    text = f"{summary(record)}, {record.seconds:.1f} s"
    return printable(f"[{number}/{total}] {record.ts_id}: {text}")


class Silent:
    """No progress output; base class of the other kinds of progress."""

    def start(self, ts_id: str) -> None:
        """Called when an item starts."""

    def slices(self, done: int, total: int) -> None:
        """Called with the number of finished slices of the item."""

    def finish(self, record: Any) -> None:
        """Called when the item has finished or failed."""

    def close(self) -> None:
        """Called at the end of the batch, also after a stop."""


class Log(Silent):
    """A line for each finished item."""

    def __init__(
        self, total: int, done: int = 0, stream: TextIO = sys.stderr, summary: Summary = score_text
    ) -> None:
        """Begin a batch.

        Args:
            total: number of items in the batch.
            done: number of items that have a record already.
            stream: output stream.
            summary: returns the summary of a record that did not fail.
        """
        self._total = total
        self._number = done + 1
        self._stream = stream
        self._summary = summary

    def finish(self, record: Any) -> None:
        """Print the item's line."""
        line = result_line(self._number, self._total, record, self._summary)
        write_text(self._stream, line + "\n")
        self._number += 1


class Bar(Log):
    """The lines of `Log`, and below them a bar for the slices of the current item."""

    _bar: Any = None

    def start(self, ts_id: str) -> None:
        """Show a bar of unknown length."""
        from tqdm import tqdm

        label = printable(f"[{self._number}/{self._total}] {ts_id}")
        self._bar = tqdm(desc=label, unit="slice", leave=False, file=self._stream)

    def slices(self, done: int, total: int) -> None:
        """Move the bar."""
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def finish(self, record: Any) -> None:
        """Remove the bar and print the item's line."""
        self.close()
        super().finish(record)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()


def choose(total: int, done: int = 0, quiet: bool = False, summary: Summary = score_text) -> Silent:
    """Progress output for this process: a bar if standard error is a terminal, else lines."""
    if quiet:
        return Silent()
    kind = Bar if sys.stderr.isatty() else Log
    return kind(total, done, sys.stderr, summary)
