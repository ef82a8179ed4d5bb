# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore dose`: from the arguments to records, table, picture and preview."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import Sequence

from tomoscore_scipion.commands.arguments.options import check_job
from tomoscore_scipion.images.dose_plot import write_plot
from tomoscore_scipion.images.figure_file import ENDINGS
from tomoscore_scipion.records import dose_csv
from tomoscore_scipion.records.dose_job import DoseJob, read_dose_job
from tomoscore_scipion.records.dose_record import OK, DoseRecord
from tomoscore_scipion.records.dose_source_files import Sources
from tomoscore_scipion.records.dose_table import as_text, make_table, verdict
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.file_names import file_stem
from tomoscore_scipion.records.output_paths import check_outputs
from tomoscore_scipion.records.record import default_ts_id
from tomoscore_scipion.records.record_files import json_line
from tomoscore_scipion.running import stopping
from tomoscore_scipion.running.dose_analysis import DoseAnalysis, SeriesTask
from tomoscore_scipion.running.job_runner import ResultFiles, print_outcome, run_items
from tomoscore_scipion.running.supervisor import Supervisor
from tomoscore_scipion.tilt_metadata.angle_file import has_further_columns

ONE_SERIES = (
    *("xf", "tlt", "doses", "warp_xml", "mdoc", "aln", "tilt_series_star"),
    *("dose_convention", "exclude"),
    *("pixel_size", "thickness", "plot", "preview", "ts_id", "weights", "device"),
)
"""Arguments that say something of one series, and that a job says itself."""
RESULTS = ("output", "csv", "plot", "preview")


def main(args: Namespace) -> int:
    """Analyse the doses of tilt series.

    Returns:
        Exit status.

    Raises:
        StartError: nothing can be analysed, or results cannot be written.
    """
    check_arguments(args)
    job = read_dose_job(args.job) if args.job else _job_of(args)
    if job.preview_dir is not None and not os.path.isdir(job.preview_dir):
        raise StartError(f"preview_dir {job.preview_dir}: no such folder: make it first")
    outputs = [getattr(args, name) for name in RESULTS]
    inputs = [path for sources in job.series for path in sources.paths]
    check_outputs(outputs, [*inputs, args.job, job.weights])
    work, tasks = DoseAnalysis(bool(args.flip_phases)), _tasks(args, job)
    with stopping.as_interrupt():
        supervisor = Supervisor(
            work, job.weights, job.device, args.threads, args.timeout, args.debug
        )
        outcome = run_items(supervisor, tasks, _result_files(args, job), verdict, args.quiet)
        if args.plot and outcome.records and outcome.records[0].status == OK:
            write_plot(args.plot, outcome.records[0])
    print_outcome(outcome, make_table if args.job else _curves_text, outputs, args.quiet)
    return outcome.status(is_job=bool(args.job))


def check_arguments(args: Namespace) -> None:
    """Stop with wrong usage (2) where arguments exclude or need one another."""
    if bool(args.job) == bool(args.stack):
        args.wrong_usage("name a tilt series (STACK) or a job (--job), one of the two")
    if args.job:
        check_job(args, ONE_SERIES)
        if args.flip_phases:
            args.wrong_usage("--flip-phases does not go with --job: it is for one series")
    elif not _names_doses(args):
        args.wrong_usage("the doses are needed: --doses, --warp-xml, --tilt-series-star or --mdoc")
    if args.quiet and not any(getattr(args, name) for name in RESULTS):
        args.wrong_usage("--quiet needs a result file: the curve would be shown nowhere")
    if args.plot and not args.plot.lower().endswith(ENDINGS):
        args.wrong_usage(f"--plot: expected a name that ends in {', '.join(ENDINGS)}")
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


def _result_files(args: Namespace, job: DoseJob) -> ResultFiles[DoseRecord]:
    return ResultFiles(
        output=args.output,
        csv=args.csv,
        csv_heading=dose_csv.heading(),
        csv_lines=dose_csv.rows,
        parse=DoseRecord.from_json,
        expected="a record of `tomoscore dose`",
        as_text=json_line if args.job else lambda record: record.to_json(indent=1) + "\n",
        job=job.series if args.job else None,
    )


def _curves_text(records: Sequence[DoseRecord]) -> str:
    """The curves of a single series; no text if it failed."""
    return as_text(records[0]) if records[0].status == OK else ""
