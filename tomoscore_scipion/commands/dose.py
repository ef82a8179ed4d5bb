# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore dose`: from the arguments to records, table, picture and preview."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from contextlib import ExitStack
from typing import Callable, Sequence

from tomoscore_scipion.images.dose_plot import SUFFIXES, write_plot
from tomoscore_scipion.records import dose_csv
from tomoscore_scipion.records.dose_job import DoseJob, read_dose_job
from tomoscore_scipion.records.dose_record import OK, DoseRecord
from tomoscore_scipion.records.dose_source_files import Sources
from tomoscore_scipion.records.dose_table import as_text, make_table, verdict
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.file_names import file_stem
from tomoscore_scipion.records.line_file import open_lines, write_file
from tomoscore_scipion.records.output_paths import check_outputs, standard_stream
from tomoscore_scipion.records.record import default_ts_id
from tomoscore_scipion.records.record_files import json_line
from tomoscore_scipion.records.resume import resume_results
from tomoscore_scipion.records.table import write_text
from tomoscore_scipion.running import stopping
from tomoscore_scipion.running.dose_analysis import DoseAnalysis, SeriesTask
from tomoscore_scipion.running.job_runner import Writers, run_items, tell_failures, tell_stop
from tomoscore_scipion.tilt_metadata.angle_file import has_further_columns

ONE_SERIES = (
    *("xf", "tlt", "doses", "warp_xml", "mdoc", "aln", "tilt_series_star"),
    *("dose_convention", "exclude"),
    *("pixel_size", "thickness", "plot", "preview", "ts_id", "weights", "device"),
)
"""Arguments that say something of one series, and that a job says itself."""
RESULTS = ("output", "csv", "plot", "preview")
EXPECTED = "a record of `tomoscore dose`"


def main(args: Namespace) -> int:
    """Analyse what the arguments say.

    Returns:
        Exit status.

    Raises:
        StartError: nothing can be analysed, or results cannot be written.
    """
    check_arguments(args)
    job = read_dose_job(args.job) if args.job else _job_of(args)
    if job.preview_dir is not None and not os.path.isdir(job.preview_dir):
        raise StartError(f"preview_dir {job.preview_dir}: no such folder: make it first")
    inputs = [args.job, job.weights, *(path for one in job.series for path in one.paths)]
    check_outputs((getattr(args, name) for name in RESULTS), inputs)
    work, tasks = DoseAnalysis(bool(args.flip_phases)), _tasks(args, job)
    with stopping.as_interrupt():
        outcome = run_items(
            work,
            tasks,
            args,
            job.weights,
            job.device,
            lambda sha256, files: _open_results(args, job, sha256, files),
            verdict,
        )
        records = outcome.in_order(tasks)
        if args.plot and records and records[0].status == OK:
            write_plot(args.plot, records[0])
    _show(args, records)
    tell_stop(outcome, len(tasks), work.items)
    return outcome.status(is_job=bool(args.job))


def check_arguments(args: Namespace) -> None:
    """Stop with wrong usage (2) where arguments exclude or need one another."""
    if bool(args.job) == bool(args.stack):
        args.wrong_usage("name a tilt series (STACK) or a job (--job), one of the two")
    if args.job:
        for name in ONE_SERIES:
            if getattr(args, name) is not None:
                option = "--" + name.replace("_", "-")
                args.wrong_usage(f"{option} does not go with --job: the job file says it")
        if args.flip_phases:
            args.wrong_usage("--flip-phases does not go with --job: it is for one series")
        if not args.output:
            args.wrong_usage("--job needs --output")
    elif not _names_doses(args):
        args.wrong_usage("the doses are needed: --doses, --warp-xml, --tilt-series-star or --mdoc")
    if args.quiet and not any(getattr(args, name) for name in RESULTS):
        args.wrong_usage("--quiet needs a result file: the curve would be shown nowhere")
    if args.plot and not args.plot.lower().endswith(SUFFIXES):
        args.wrong_usage(f"--plot: expected a name that ends in {', '.join(SUFFIXES)}")
    if args.exclude is not None and not all(p.strip().isdecimal() for p in args.exclude.split(",")):
        args.wrong_usage(f"--exclude: expected numbers from 0, such as 0,3,40, got {args.exclude}")


def _names_doses(args: Namespace) -> bool:
    """Whether a file is given that may have the doses."""
    named = args.doses or args.warp_xml or args.tilt_series_star or args.mdoc
    return bool(named) or bool(args.tlt and has_further_columns(args.tlt))


def _job_of(args: Namespace) -> DoseJob:
    excluded = tuple(int(part) for part in (args.exclude or "").split(",") if part.strip())
    sources = Sources(
        ts_id=args.ts_id or default_ts_id(args.stack),
        stack=args.stack,
        xf=args.xf,
        tlt=args.tlt,
        doses=args.doses,
        warp_xml=args.warp_xml,
        mdoc=args.mdoc,
        aln=args.aln,
        star=args.tilt_series_star,
        pixel_angstrom=args.pixel_size,
        convention=args.dose_convention,
        excluded=excluded,
        thickness_nm=args.thickness,
    )
    return DoseJob((sources,), args.weights, args.device or "auto")


def _tasks(args: Namespace, job: DoseJob) -> list[SeriesTask]:
    """The series with the places of their previews."""
    if job.preview_dir is None:
        return [SeriesTask(sources, args.preview) for sources in job.series]
    names = [f"{file_stem(sources.ts_id)}-preview.mrc" for sources in job.series]
    return [
        SeriesTask(sources, os.path.join(job.preview_dir, name))
        for sources, name in zip(job.series, names)
    ]


def _open_results(
    args: Namespace, job: DoseJob, sha256: str, files: ExitStack
) -> tuple[Writers[DoseRecord], list[DoseRecord]]:
    """The functions that write a record to each file asked for, and the records kept."""
    writers: list[Callable[[DoseRecord], None]] = []
    kept: list[DoseRecord] = []
    if args.job:
        lines, kept = resume_results(
            args.output, job.series, sha256, DoseRecord.from_json, EXPECTED
        )
        files.enter_context(lines)
        writers.append(lambda record: lines.write(json_line(record)))
    elif args.output:
        writers.append(lambda record: write_file(args.output, record.to_json(indent=1) + "\n"))
    if args.csv:
        table = files.enter_context(open_lines(args.csv))
        table.write(dose_csv.heading(), is_row=False)

        def write_rows(record: DoseRecord) -> None:
            for row in dose_csv.rows(record):
                table.write(row)

        for record in kept:
            write_rows(record)
        writers.append(write_rows)
    return writers, kept


def _show(args: Namespace, records: Sequence[DoseRecord]) -> None:
    """The curves of a series, the table of a job; under --quiet only why some failed."""
    if args.quiet:
        tell_failures(records)
        return
    files = [getattr(args, name) for name in RESULTS]
    taken = any(path and standard_stream(path) == 1 for path in files)
    shown = sys.stderr if taken else sys.stdout
    if args.job and records:
        write_text(shown, make_table(records))
    elif records and records[0].status == OK:
        write_text(shown, as_text(records[0]))
