# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore dose`: from the arguments to records, table, picture and preview."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from contextlib import ExitStack
from typing import Callable, Sequence

from tomoscore_scipion.dose import csv_file
from tomoscore_scipion.dose.angle_file import has_further_columns
from tomoscore_scipion.dose.job import DoseJob, read_dose_job
from tomoscore_scipion.dose.plot import SUFFIXES, write_plot
from tomoscore_scipion.dose.record import FAILED, DoseRecord
from tomoscore_scipion.dose.results import resume, write_record
from tomoscore_scipion.dose.series_record import record_of
from tomoscore_scipion.dose.sources import Sources
from tomoscore_scipion.engine import stopping
from tomoscore_scipion.engine.errors import StartError
from tomoscore_scipion.engine.file_names import file_stem
from tomoscore_scipion.engine.output import LineFile, check_replaceable, is_direct, open_lines
from tomoscore_scipion.engine.record import default_ts_id
from tomoscore_scipion.engine.scorer import Scorer
from tomoscore_scipion.engine.table import printable, write_text

EXIT_FAILED = 3
EXIT_STOPPED = 130
ONE_SERIES = (
    *("xf", "tlt", "doses", "warp_xml", "mdoc", "aln", "tilt_series_star"),
    *("dose_convention", "exclude"),
    *("pixel_size", "thickness", "plot", "preview", "ts_id", "weights", "device"),
)
"""Arguments that say something of one series, and that a job says itself."""
INPUTS = (
    *("stack", "xf", "tlt", "doses", "warp_xml", "mdoc", "aln", "tilt_series_star"),
    *("weights", "job"),
)
RESULTS = ("output", "csv", "plot", "preview")


def main(args: Namespace) -> int:
    """Analyse what the arguments say.

    Returns:
        Exit status.

    Raises:
        StartError: nothing can be analysed, or results cannot be written.
    """
    check_arguments(args)
    for name in RESULTS:
        if getattr(args, name):
            check_replaceable(getattr(args, name))
    job = read_dose_job(args.job) if args.job else _job_of(args)
    if job.preview_dir is not None and not os.path.isdir(job.preview_dir):
        raise StartError(f"preview_dir {job.preview_dir}: no such folder: make it first")
    _protect_inputs(args, job)
    with stopping.as_interrupt():
        try:
            scorer = _scorer(args, job)
            return _run_job(args, job, scorer) if args.job else _run_one(args, job, scorer)
        except KeyboardInterrupt:
            write_text(sys.stderr, "tomoscore: stopped: finished records are written\n")
            return EXIT_STOPPED


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
            args.wrong_usage("--flip-phases does not go with --job: a job has no defocus")
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


def _protect_inputs(args: Namespace, job: DoseJob) -> None:
    """A result must not replace what it is made from."""
    inputs = [getattr(args, name) for name in INPUTS] + [job.weights]
    inputs += [path for one in job.series for path in (one.stack, one.xf, one.tlt, one.doses)]
    on_disk = {os.path.realpath(path) for path in inputs if path}
    for path in (getattr(args, name) for name in RESULTS):
        if path and not is_direct(path) and os.path.realpath(path) in on_disk:
            raise StartError(f"{path} would be replaced, and is an input: name another output")


def _scorer(args: Namespace, job: DoseJob) -> Scorer:
    if args.threads:
        import torch

        torch.set_num_threads(args.threads)
    scorer = Scorer.load(job.weights, job.device)
    if not args.quiet:
        for notice in scorer.notices:
            write_text(sys.stderr, f"tomoscore: {printable(notice)}\n")
    return scorer


def _run_one(args: Namespace, job: DoseJob, scorer: Scorer) -> int:
    record = record_of(
        job.series[0], scorer, args.flip_phases, args.preview, _progress(args, job.series[0])
    )
    if args.output:
        write_record(args.output, record)
    if args.csv:
        with open_lines(args.csv) as file:
            _write_csv(file, [record])
    if record.status == FAILED:
        write_text(sys.stderr, printable(f"tomoscore: {record.ts_id}: {record.error}") + "\n")
        return EXIT_FAILED
    if args.plot:
        write_plot(args.plot, record)
    if not args.quiet:
        shown = sys.stderr if args.output == "/dev/stdout" else sys.stdout
        write_text(shown, as_text(record))
    return 0


def _run_job(args: Namespace, job: DoseJob, scorer: Scorer) -> int:
    with ExitStack() as files:
        lines, kept = resume(args.output, job.series, scorer.model["sha256"])
        files.enter_context(lines)
        table = files.enter_context(open_lines(args.csv)) if args.csv else None
        if table is not None:
            _write_csv(table, kept)
        there = {record.ts_id for record in kept}
        if there and not args.quiet:
            note = f"{len(there)} of {len(job.series)} series are in {args.output} already"
            write_text(sys.stderr, f"tomoscore: {printable(note)}\n")
        for sources in job.series:
            if sources.ts_id in there:
                continue
            preview = None
            if job.preview_dir is not None:
                name = f"{file_stem(sources.ts_id)}-preview.mrc"
                preview = os.path.join(job.preview_dir, name)
            record = record_of(sources, scorer, False, preview, _progress(args, sources))
            lines.write(record.to_json() + "\n")
            if table is not None:
                for row in csv_file.rows(record):
                    table.write(row)
            if not args.quiet:
                write_text(sys.stderr, printable(_line(record)) + "\n")
    return 0


def _write_csv(file: LineFile, records: Sequence[DoseRecord]) -> None:
    file.write(csv_file.heading(), is_row=False)
    for record in records:
        for row in csv_file.rows(record):
            file.write(row)


def _progress(args: Namespace, sources: Sources) -> Callable[[int, int], None]:
    """Shows how far a series is, on a terminal."""

    def show(done: int, total: int) -> None:
        if not args.quiet and sys.stderr.isatty():
            end = "\n" if done == total else ""
            write_text(sys.stderr, printable(f"\r{sources.ts_id}: slice {done}/{total}") + end)

    return show


def _line(record: DoseRecord) -> str:
    """A finished series in a line."""
    if record.status == FAILED:
        return f"{record.ts_id}: failed: {record.error}"
    return f"{record.ts_id}: {verdict(record)}"


def verdict(record: DoseRecord) -> str:
    """What a record says, in a line."""
    if record.suggested_range is None:
        return f"no dose suggested: {record.reason}"
    low, high = record.suggested_range
    return (
        f"best at {record.optimum_dose:.1f} e/A^2; {low:.1f} to {high:.1f} e/A^2 as good within "
        "0.1 octave"
    )


def as_text(record: DoseRecord) -> str:
    """The curves as a table for people."""
    head = f"{'dose':>7} {'views':>5} {'angles':>13} {'step':>5}"
    lines = [head + f" {'TomoScore':>9} {'weighted':>8} {'matched':>8}"]
    for step, weighted, thinned in zip(record.steps, record.steps_weighted, record.steps_matched):
        low, high = step["angle_range"]
        lines.append(
            f"{step['dose']:7.1f} {step['n_views']:5d} {low:6.1f} {high:6.1f} "
            f"{step['angle_step']:5.1f} {step['tomoscore']:9.2f} {weighted['tomoscore']:8.2f} "
            f"{thinned['tomoscore']:8.2f}"
        )
    lines += ["", f"{record.ts_id}: {verdict(record)}"]
    lines += [
        f"note: {text}" for text in (*record.warnings, record.convention, *record.assumptions)
    ]
    return "".join(printable(line) + "\n" for line in lines)
