# SPDX-License-Identifier: GPL-3.0-or-later
"""A work on the items of a command line or a job, with results, progress and exit status.

`tomoscore score` and `tomoscore dose` differ in their work and in what they write, not in how a
batch is isolated, stopped, gone on with, and ended.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Callable, Generic, Sequence

from tomoscore_scipion.records.record import FAILED
from tomoscore_scipion.records.table import printable, write_text
from tomoscore_scipion.running import batch, progress
from tomoscore_scipion.running.supervisor import Supervisor
from tomoscore_scipion.running.work import AnyItem, AnyRecord, Work

EXIT_SOME_FAILED = 3
EXIT_STOPPED = 130

Writers = Sequence[Callable[[AnyRecord], None]]
"""Functions that write a record to each file asked for."""


@dataclass
class Outcome(Generic[AnyRecord]):
    """What came of a batch.

    Attributes:
        records: those that are there, kept ones of an earlier run first.
        stopped: whether the user stopped it.
    """

    records: list[AnyRecord] = field(default_factory=list)
    stopped: bool = False

    def in_order(self, items: Sequence[AnyItem]) -> list[AnyRecord]:
        """The records in the order of the items."""
        done = {record.ts_id: record for record in self.records}
        return [done[item.ts_id] for item in items if item.ts_id in done]

    def status(self, is_job: bool) -> int:
        """The exit status: of a job 0 also where single items failed."""
        if self.stopped:
            return EXIT_STOPPED
        some_failed = any(record.status == FAILED for record in self.records)
        return EXIT_SOME_FAILED if some_failed and not is_job else 0


def run_items(
    work: Work[AnyItem, AnyRecord],
    items: Sequence[AnyItem],
    args: Namespace,
    weights: str | None,
    device: str,
    open_results: Callable[[str, ExitStack], tuple[Writers[AnyRecord], list[AnyRecord]]],
    says: progress.Says,
) -> Outcome[AnyRecord]:
    """Work on the items that are not done yet; each record is written as soon as it is there.

    Args:
        work: what to do.
        items: with what.
        args: threads, timeout, debug, quiet and output of the command line.
        weights: path of the weights; None: those shipped.
        device: "auto", "cpu" or "cuda:N".
        open_results: opens the files, in the stack given, for results by the model of a sha256;
            returns what writes a record, and the records that are there already.
        says: what is said of a record that did not fail.

    Raises:
        StartError: nothing can be done, or results cannot be written.
    """
    outcome: Outcome[AnyRecord] = Outcome()
    with Supervisor(work, weights, device, args.threads, args.timeout, args.debug) as supervisor:
        if not args.quiet:
            tell(supervisor.notices)
        try:
            with ExitStack() as files:
                writers, kept = open_results(supervisor.model["sha256"], files)
                outcome.records.extend(kept)

                def on_record(record: AnyRecord) -> None:
                    for write in writers:
                        write(record)
                    outcome.records.append(record)

                there = {record.ts_id for record in kept}
                if there and not args.quiet:
                    of = f"{len(there)} of {len(items)} {work.items}"
                    tell([f"{of} are in {args.output} already"])
                rest = [item for item in items if item.ts_id not in there]
                shown = progress.choose(len(items), len(there), args.quiet, says)
                batch.run(supervisor, rest, on_record, shown)
        except KeyboardInterrupt:
            outcome.stopped = True
    return outcome


def tell_stop(outcome: Outcome[AnyRecord], total: int, items: str) -> None:
    """Say how far a batch was stopped."""
    if outcome.stopped:
        tell([f"stopped: {len(outcome.records)} of {total} {items} are done"])


def tell_failures(records: Sequence[AnyRecord]) -> None:
    """Say why items failed, where nothing else is shown."""
    tell([f"{r.ts_id}: failed: {r.error}" for r in records if r.error])


def tell(lines: Sequence[str]) -> None:
    """Say lines on standard error."""
    for line in lines:
        write_text(sys.stderr, f"tomoscore: {printable(line)}\n")
