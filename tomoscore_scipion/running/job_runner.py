# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a batch or a job: results, resume, progress, stop and exit status.

`tomoscore score` and `tomoscore dose` share this module; they differ in the work and the format of
their results.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Callable, Generic, Iterable, Iterator, Sequence

from tomoscore_scipion.records.dose_source_files import Sources
from tomoscore_scipion.records.exit_status import ExitStatus
from tomoscore_scipion.records.job import Tomogram
from tomoscore_scipion.records.line_file import open_lines
from tomoscore_scipion.records.output_paths import standard_stream
from tomoscore_scipion.records.record import FAILED
from tomoscore_scipion.records.record_files import json_line
from tomoscore_scipion.records.resume import resume_results
from tomoscore_scipion.records.terminal import notify, write_text
from tomoscore_scipion.running import batch, progress
from tomoscore_scipion.running.supervisor import Supervisor
from tomoscore_scipion.running.work import ItemType, RecordType

Write = Callable[[RecordType], None]


@dataclass(frozen=True)
class ResultFiles(Generic[RecordType]):
    """Files to which each record is written as soon as it is finished.

    Attributes:
        output: path of the records; None for no such file.
        csv: path of the CSV file; None for no such file.
        csv_heading: first line of the CSV file.
        csv_lines: function that returns the lines of a record in the CSV file.
        parse: function that parses a line of `output`; raises ValueError if it is not a record.
        expected: description of a valid line of `output`, for messages.
        as_text: function that returns the text of a record in `output`.
        job: entries of the job, to resume from the records in `output`; None without a job.
    """

    output: str | None
    csv: str | None
    csv_heading: str
    csv_lines: Callable[[RecordType], Iterable[str]]
    parse: Callable[[str], RecordType]
    expected: str = "a TomoScore record"
    as_text: Callable[[RecordType], str] = json_line
    job: Sequence[Tomogram | Sources] | None = None

    @contextmanager
    def open(self, made_by: str) -> Iterator[tuple[Write[RecordType], list[RecordType]]]:
        """Open the files.

        Args:
            made_by: SHA-256 of the weights, and of the calibration, in use, see `Score.made_by`.

        Yields:
            A function that writes a record to all files, and the current records of the job.

        Raises:
            StartError: a file cannot be written, or has other content than records.
        """
        current: list[RecordType] = []
        with ExitStack() as stack:
            table = stack.enter_context(open_lines(self.csv)) if self.csv else None
            lines = None
            if self.output and self.job is not None:
                lines, current = resume_results(
                    self.output, self.job, made_by, self.parse, self.expected
                )
                stack.enter_context(lines)
            elif self.output:
                lines = stack.enter_context(open_lines(self.output))
            if table is not None:
                table.write(self.csv_heading, is_row=False)
                for record in current:
                    table.write("".join(self.csv_lines(record)))

            def write(record: RecordType) -> None:
                if lines is not None:
                    lines.write(self.as_text(record))
                if table is not None:
                    table.write("".join(self.csv_lines(record)))

            yield write, current


@dataclass
class Outcome(Generic[ItemType, RecordType]):
    """Results of a batch.

    Attributes:
        items: all items of the batch.
        items_name: plural name of the items, for messages.
        finished: all records, with the records of an earlier run first.
        stopped: whether the user stopped the batch.
    """

    items: Sequence[ItemType]
    items_name: str
    finished: list[RecordType] = field(default_factory=list)
    stopped: bool = False

    @property
    def records(self) -> list[RecordType]:
        """The records in the order of the items."""
        record_of_id = {record.ts_id: record for record in self.finished}
        return [record_of_id[item.ts_id] for item in self.items if item.ts_id in record_of_id]

    def progress_text(self) -> str:
        """Number of items with a record: "3 of 12 tomograms"."""
        return f"{len(self.finished)} of {len(self.items)} {self.items_name}"

    def status(self, is_job: bool) -> ExitStatus:
        """The exit status; failed items of a job do not change it."""
        if self.stopped:
            return ExitStatus.STOPPED
        some_failed = any(record.status == FAILED for record in self.finished)
        return ExitStatus.SOME_FAILED if some_failed and not is_job else ExitStatus.DONE


def run_items(
    supervisor: Supervisor[ItemType, RecordType],
    items: Sequence[ItemType],
    files: ResultFiles[RecordType],
    summary: progress.Summary,
    quiet: bool = False,
) -> Outcome[ItemType, RecordType]:
    """Process the items of a batch that have no current record yet.

    Args:
        supervisor: processes single items; it is started and closed here.
        items: all items of the batch.
        files: output files of the records.
        summary: returns the summary of a record that did not fail, for the progress.
        quiet: print nothing but errors.

    Returns:
        The records, also after a stop by the user.

    Raises:
        StartError: weights or device cannot be used, or results cannot be written.
    """
    outcome: Outcome[ItemType, RecordType] = Outcome(items, supervisor.work.items)
    with supervisor:
        if not quiet:
            notify(*supervisor.notices)
        try:
            with files.open(supervisor.work.made_by(supervisor.model)) as (write, current):
                outcome.finished.extend(current)

                def on_record(record: RecordType) -> None:
                    write(record)
                    outcome.finished.append(record)

                finished_ids = {record.ts_id for record in current}
                if finished_ids and not quiet:
                    notify(f"{outcome.progress_text()} are in {files.output} already")
                remaining = [item for item in items if item.ts_id not in finished_ids]
                progress_ = progress.choose(len(items), len(finished_ids), quiet, summary)
                batch.run(supervisor, remaining, on_record, progress_)
        except KeyboardInterrupt:
            outcome.stopped = True
    return outcome


def print_outcome(
    outcome: Outcome[ItemType, RecordType],
    make_text: Callable[[Sequence[RecordType]], str],
    outputs: Iterable[str | None],
    quiet: bool,
) -> None:
    """Print records on standard output, or on standard error if a result goes to standard output.

    Args:
        outcome: results of the batch.
        make_text: returns the text of the records.
        outputs: paths of the results.
        quiet: print only the reasons of failures and a notice of a stop.
    """
    if quiet:
        notify(*(f"{r.ts_id}: failed: {r.error}" for r in outcome.records if r.error))
    elif outcome.records:
        is_taken = any(path and standard_stream(path) == 1 for path in outputs)
        write_text(sys.stderr if is_taken else sys.stdout, make_text(outcome.records))
    if outcome.stopped:
        notify(f"stopped: {outcome.progress_text()} are done")
