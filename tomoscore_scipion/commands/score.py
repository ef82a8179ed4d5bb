# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore score`: from the arguments to records, CSV file, table, and lists of the accepted."""

from __future__ import annotations

import tempfile
from argparse import Namespace
from contextlib import ExitStack
from dataclasses import replace
from typing import Sequence

from tomoscore_scipion.calibration.calibration import read_calibration
from tomoscore_scipion.commands.arguments.score import RESULTS, check_arguments
from tomoscore_scipion.pipelines.accepted_files import AcceptedFile, files_of
from tomoscore_scipion.pipelines.sources import Source, source_of
from tomoscore_scipion.records.acceptance import DEFAULT_THRESHOLD, accepted_of
from tomoscore_scipion.records.csv_lines import csv_heading, csv_line
from tomoscore_scipion.records.job import Job, read_job
from tomoscore_scipion.records.output_paths import check_outputs
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.table import make_table
from tomoscore_scipion.records.terminal import notify
from tomoscore_scipion.running import stopping
from tomoscore_scipion.running.job_runner import ResultFiles, print_outcome, run_items
from tomoscore_scipion.running.progress import score_text
from tomoscore_scipion.running.scoring import Scoring
from tomoscore_scipion.running.supervisor import Supervisor


def main(args: Namespace) -> int:
    """Score tomograms.

    Returns:
        Exit status.

    Raises:
        StartError: nothing can be scored, or results cannot be written.
    """
    check_arguments(args)
    source = Source(()) if args.job else source_of(args.paths, args.voxel_size, args.which)
    job = read_job(args.job) if args.job else _job_of(args, source)
    accepted_files = files_of(source, args.output_star, args.output_list, args.tomostar)
    outputs = [getattr(args, name) for name in RESULTS]
    inputs = [path for tomogram in job.tomograms for path in tomogram.paths]
    check_outputs(outputs, [*inputs, *source.inputs, args.job, job.weights, job.calibration])
    if not args.quiet:
        notify(*source.notices)
    with ExitStack() as at_the_end:
        if args.report and job.thumbnail_dir is None:
            folder = tempfile.TemporaryDirectory(prefix="tomoscore-thumbnails-")
            job = replace(job, thumbnail_dir=at_the_end.enter_context(folder))
        calibration = read_calibration(job.calibration) if job.calibration else None
        work = Scoring(job.thumbnail_dir, job.map_dir, calibration)
        work.products.prepare()
        at_the_end.enter_context(stopping.as_interrupt())
        supervisor = Supervisor(
            work, job.weights, job.device, args.threads, args.timeout, args.debug
        )
        files = _result_files(args, job)
        outcome = run_items(supervisor, job.tomograms, files, score_text, args.quiet)
        if args.report and outcome.records:
            _write_report(args.report, job, outcome.records)
        _write_accepted(accepted_files, args, outcome.records, outcome.stopped)
    print_outcome(outcome, make_table, outputs, args.quiet)
    return outcome.status(is_job=bool(args.job))


def _job_of(args: Namespace, source: Source) -> Job:
    tomograms = source.tomograms
    if args.no_halves:
        tomograms = tuple(replace(t, half1=None, half2=None) for t in tomograms)
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
        calibration=args.calibration,
    )


def _write_accepted(
    files: Sequence[AcceptedFile], args: Namespace, records: Sequence[Score], stopped: bool
) -> None:
    """Write the files of accepted tomograms, unless a stop left tomograms without a score."""
    threshold = DEFAULT_THRESHOLD if args.threshold is None else args.threshold
    accepted = accepted_of(records, threshold)
    lines = []
    for file in files:
        if stopped:
            lines.append(f"{file.path}: not written, since not all tomograms are scored")
        else:
            count = f"{file.write(accepted)} of {len(records)} tomograms"
            lines.append(f"{file.path}: {count}, TomoScore >= {threshold:g}")
    if not args.quiet:
        notify(*lines)


def _write_report(path: str, job: Job, records: Sequence[Score]) -> None:
    """Write the report of the finished tomograms."""
    from tomoscore_scipion.report.writing import write_report

    folders = [job.thumbnail_dir] if job.thumbnail_dir else []
    maps = [job.map_dir] if job.map_dir else []
    write_report(records, path, folders=folders, maps=maps)


def _result_files(args: Namespace, job: Job) -> ResultFiles[Score]:
    return ResultFiles(
        output=args.output,
        csv=args.csv,
        csv_heading=csv_heading(),
        csv_lines=lambda record: [csv_line(record)],
        parse=Score.from_json,
        job=job.tomograms if args.job else None,
    )
