# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore score`: from the arguments to records, CSV file, table, and lists of the accepted."""

from __future__ import annotations

import sys
import tempfile
from argparse import Namespace
from contextlib import ExitStack
from dataclasses import replace
from typing import Callable, Sequence

from tomoscore_scipion.commands.arguments.score import RESULTS, check_arguments
from tomoscore_scipion.pipelines.accepted_files import AcceptedFile, files_of
from tomoscore_scipion.pipelines.sources import Source, source_of
from tomoscore_scipion.records.acceptance import DEFAULT_THRESHOLD, accepted_of
from tomoscore_scipion.records.csv_lines import csv_heading, csv_line
from tomoscore_scipion.records.job import Job, read_job
from tomoscore_scipion.records.line_file import open_lines
from tomoscore_scipion.records.output_paths import check_outputs, standard_stream
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.record_files import json_line
from tomoscore_scipion.records.resume import resume_results
from tomoscore_scipion.records.table import make_table, write_text
from tomoscore_scipion.running import stopping
from tomoscore_scipion.running.job_runner import run_items, tell, tell_failures, tell_stop
from tomoscore_scipion.running.progress import score_in_words
from tomoscore_scipion.running.scoring import Scoring


def main(args: Namespace) -> int:
    """Score what the arguments say.

    Returns:
        Exit status.

    Raises:
        StartError: nothing can be scored, or results cannot be written.
    """
    check_arguments(args)
    source = Source(()) if args.job else source_of(args.paths, args.voxel_size, args.which)
    job = read_job(args.job) if args.job else _job_of(args, source)
    accepted_files = files_of(source, args.output_star, args.output_list, args.tomostar)
    check_outputs((getattr(args, name) for name in RESULTS), _inputs(args, job, source))
    if not args.quiet:
        tell(source.notices)
    with ExitStack() as at_the_end:
        if args.report and job.thumbnail_dir is None:
            folder = tempfile.TemporaryDirectory(prefix="tomoscore-thumbnails-")
            job = replace(job, thumbnail_dir=at_the_end.enter_context(folder))
        work = Scoring(thumbnail_dir=job.thumbnail_dir, map_dir=job.map_dir)
        work.products.prepare()
        at_the_end.enter_context(stopping.as_interrupt())
        outcome = run_items(
            work,
            job.tomograms,
            args,
            job.weights,
            job.device,
            lambda sha256, files: _open_results(args, job, sha256, files),
            score_in_words,
        )
        records = outcome.in_order(job.tomograms)
        if args.report and records:
            _write_report(args.report, job, records)
        _write_accepted(accepted_files, args, records, outcome.stopped)
    _print_table(args, records)
    tell_stop(outcome, len(job.tomograms), work.items)
    return outcome.status(is_job=bool(args.job))


def _job_of(args: Namespace, source: Source) -> Job:
    tomograms = source.tomograms
    if args.tilt_range:
        tomograms = tuple(replace(t, tilt_range_deg=args.tilt_range) for t in tomograms)
    if args.half1:
        if len(tomograms) != 1:
            args.wrong_usage(
                f"--half1 and --half2 are the halves of one tomogram: {args.paths[0]} names "
                f"{len(tomograms)}"
            )
        tomograms = (replace(tomograms[0], half1=args.half1, half2=args.half2),)
    return Job(
        tomograms=tomograms,
        weights=args.weights,
        device=args.device or "auto",
        map_dir=args.map,
        thumbnail_dir=args.thumbnails,
    )


def _write_accepted(
    files: Sequence[AcceptedFile], args: Namespace, records: Sequence[Score], stopped: bool
) -> None:
    """The files of accepted tomograms; none after a stop, since they would lack some."""
    threshold = DEFAULT_THRESHOLD if args.threshold is None else args.threshold
    accepted = accepted_of(records, threshold)
    lines = []
    for file in files:
        if stopped:
            lines.append(f"{file.path}: not written, since not all tomograms are scored")
        else:
            found = f"{file.write(accepted)} of {len(records)} tomograms"
            lines.append(f"{file.path}: {found}, TomoScore >= {threshold:g}")
    if not args.quiet:
        tell(lines)


def _write_report(path: str, job: Job, records: Sequence[Score]) -> None:
    """The report of what is done."""
    from tomoscore_scipion.report.writing import write_report

    folders = [job.thumbnail_dir] if job.thumbnail_dir else []
    maps = [job.map_dir] if job.map_dir else []
    write_report(records, path, folders=folders, maps=maps)


def _inputs(args: Namespace, job: Job, source: Source) -> list[str | None]:
    """Paths of all files that scores are made from."""
    inputs = [path for tomogram in job.tomograms for path in tomogram.paths]
    return [*inputs, *source.inputs, args.job, job.weights]


def _open_results(
    args: Namespace, job: Job, sha256: str, files: ExitStack
) -> tuple[Sequence[Callable[[Score], None]], list[Score]]:
    """The functions that write a record to each file asked for, and the records kept."""
    writers: list[Callable[[Score], None]] = []
    kept: list[Score] = []
    csv_file = files.enter_context(open_lines(args.csv)) if args.csv else None
    if args.output:
        if args.job:
            lines, kept = resume_results(args.output, job.tomograms, sha256, Score.from_json)
        else:
            lines = open_lines(args.output)
        files.enter_context(lines)
        writers.append(lambda record: lines.write(json_line(record)))
    if csv_file is not None:
        csv_file.write(csv_heading(), is_row=False)
        for record in kept:
            csv_file.write(csv_line(record))
        writers.append(lambda record: csv_file.write(csv_line(record)))
    return writers, kept


def _print_table(args: Namespace, records: Sequence[Score]) -> None:
    """The table; under --quiet only why some failed."""
    if args.quiet:
        tell_failures(records)
    elif records:
        files = [getattr(args, name) for name in RESULTS]
        taken = any(p and standard_stream(p) == 1 for p in files)
        write_text(sys.stderr if taken else sys.stdout, make_table(records))
