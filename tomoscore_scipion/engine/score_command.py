# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore score`: from the arguments to records, CSV file, table, and lists of the accepted."""

from __future__ import annotations

import math
import os
import sys
import tempfile
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from contextlib import ExitStack
from dataclasses import replace
from itertools import combinations
from typing import Callable, Sequence

from tomoscore_scipion.engine import output, stopping
from tomoscore_scipion.engine.acceptance import DEFAULT_THRESHOLD, accepted_of, octaves
from tomoscore_scipion.engine.accepted_files import AcceptedFile, files_of
from tomoscore_scipion.engine.errors import StartError
from tomoscore_scipion.engine.job import Job, read_job
from tomoscore_scipion.engine.job_runner import run_items, tell, tell_failures, tell_stop
from tomoscore_scipion.engine.progress import score_in_words
from tomoscore_scipion.engine.record import Score
from tomoscore_scipion.engine.scoring import Scoring
from tomoscore_scipion.engine.sources import WHICH, Source, source_of
from tomoscore_scipion.engine.table import make_table, write_text
from tomoscore_scipion.engine.warp_folder import LIST_SUFFIX

ACCEPTED = ("output_star", "output_list")
"""Options that name a file for the accepted tomograms."""
RESULTS = ("output", "csv", "report", *ACCEPTED)
"""Options that name a file to be written."""

DESCRIPTION = """\
Score tomograms: at which scale can features be readily distinguished? The table goes to standard
output (to standard error when a result goes to /dev/stdout), progress to standard error.

A tomogram's id is its file name without .mrc, .rec, .map (.gz, .bz2). Where files of one name lie
in folders of different names, "-" and the folder's name follow; what is still the same gets -2, -3.

PATH may also be one tomograms.star of RELION 5, or one processing folder of Warp or WarpTools (that
with the folder reconstruction); ids are then the names of the tilt series. --output-star and
--output-list write those of them that are accepted, for the next program.

Exit status: 0 all scored; 3 some tomograms failed, the others are written; 1 could not start, or
could not write; 2 wrong usage; 130 stopped (Ctrl-C, SIGTERM), finished records are written.
With --job 0 also when single tomograms failed: their records say so.
"""


def positive_number(text: str) -> float:
    """A number > 0 of the command line."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ArgumentTypeError(f"expected a number > 0, got {text!r}")
    return value


def positive_integer(text: str) -> int:
    """A whole number > 0 of the command line."""
    if not (text.isdecimal() and 0 < int(text) <= 4096):
        raise ArgumentTypeError(f"expected a whole number from 1 to 4096, got {text!r}")
    return int(text)


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `tomoscore score`."""
    add = parser.add_argument
    add(
        "paths",
        nargs="*",
        metavar="PATH",
        help="tomograms: .mrc, .rec, .map (also .gz, .bz2); or RELION's tomograms.star; or a "
        "processing folder of Warp",
    )
    add(
        "--job",
        metavar="JOB.json",
        help="score what this job file says (paths in it start at the current folder) and append "
        "to --output; scored records already there are kept, failed ones are tried again",
    )
    add(
        "--voxel-size",
        type=positive_number,
        metavar="A",
        help="voxel size in angstrom; wins over the files' headers",
    )
    for option, which in (("--half1", "odd"), ("--half2", "even")):
        add(
            option,
            metavar="FILE",
            help=f"the tomogram of the {which} frames or tilts: the score is also measured from "
            "both halves (one tomogram only; in a job: half1, half2)",
        )
    add("--device", metavar="auto|cpu|cuda:N", help="where to score (default: auto)")
    add("--output", metavar="FILE.jsonl", help="write records (JSON Lines); replaces the file")
    add("--csv", metavar="FILE.csv", help="write one row per tomogram; replaces the file")
    add(
        "--report",
        metavar="FILE.html",
        help="make a report at the end, one HTML file with pictures; replaces the file",
    )
    add(
        "--map",
        metavar="DIR",
        help="write a map of each tomogram, TomoScore per place (.mrc), and a picture of it (.png)",
    )
    add(
        "--thumbnails",
        metavar="DIR",
        help="write pictures of each tomogram's central, best, median and worst slice (JPEG)",
    )
    add(
        "--which",
        choices=WHICH,
        help="which tomograms of a star file or a folder of Warp (default: reconstructed)",
    )
    add(
        "--output-star",
        metavar="FILE.star",
        help="write RELION's star file with the accepted rows only and the columns tomoScore, "
        "tomoScoreLow, tomoScoreHigh; replaces the file",
    )
    add(
        "--output-list",
        metavar="FILE.txt",
        help="write the accepted tilt series of a folder of Warp (.tomostar, one per line) for "
        "--input_data of WarpTools; replaces the file",
    )
    add(
        "--tomostar",
        metavar="DIR",
        help="folder of the .tomostar files (default: found by the metadata, or beside the folder)",
    )
    add(
        "--threshold",
        type=octaves,
        metavar="S",
        help="accepted is a TomoScore of at least so many octaves "
        f"(default: {DEFAULT_THRESHOLD:g})",
    )
    add("--weights", metavar="FILE", help="weights to use (default: those shipped)")
    add("--threads", type=positive_integer, metavar="N", help="threads on the CPU")
    add(
        "--timeout",
        type=positive_number,
        metavar="S",
        help="seconds that one tomogram may take before it counts as failed "
        "(default: 300, and 0.5 per MB of its file)",
    )
    add("--quiet", action="store_true", help="print nothing but errors")
    parser.set_defaults(wrong_usage=parser.error)


def check_arguments(args: Namespace) -> None:
    """Stop with wrong usage (2) where arguments exclude or need one another."""
    if bool(args.job) == bool(args.paths):
        args.wrong_usage("name tomograms (PATH...) or a job (--job), one of the two")
    if args.job:
        for name in ("weights", "device", "voxel_size", "map", "thumbnails", "half1", "half2"):
            if getattr(args, name) is not None:
                args.wrong_usage(f"{_option(name)} does not go with --job: the job file says it")
        for name in ("which", *ACCEPTED):
            if getattr(args, name) is not None:
                args.wrong_usage(
                    f"{_option(name)} does not go with --job: name the star file or folder as PATH"
                )
        if not args.output:
            args.wrong_usage("--job needs --output")
    if args.threshold is not None and not any(getattr(args, name) for name in ACCEPTED):
        args.wrong_usage("--threshold needs --output-star or --output-list")
    if args.tomostar and not args.output_list:
        args.wrong_usage("--tomostar needs --output-list")
    if args.output_list and not args.output_list.lower().endswith(LIST_SUFFIX):
        args.wrong_usage(f"--output-list: WarpTools needs a name that ends with {LIST_SUFFIX}")
    if bool(args.half1) != bool(args.half2):
        args.wrong_usage("--half1 and --half2 go together: name both halves")
    if args.half1 and len(args.paths) != 1:
        args.wrong_usage("--half1 and --half2 are the halves of one tomogram: name one PATH")
    if args.quiet and not (args.output or args.csv or args.report):
        args.wrong_usage(
            "--quiet needs --output, --csv or --report: the scores would be shown nowhere"
        )
    results = [(name, getattr(args, name)) for name in RESULTS if getattr(args, name)]
    for (one, path), (other, same) in combinations(results, 2):
        if _same_file(path, same):
            args.wrong_usage(f"{_option(one)} and {_option(other)} name the same file")


def _option(name: str) -> str:
    """The option that has a name among the arguments."""
    return "--" + name.replace("_", "-")


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
    _protect_inputs(args, job, source)
    if not args.quiet:
        tell(source.notices)
    with ExitStack() as at_the_end:
        if args.report:
            output.check_replaceable(args.report)
            if job.thumbnail_dir is None:
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
    from tomoscore_scipion.report.run import write_report

    folders = [job.thumbnail_dir] if job.thumbnail_dir else []
    maps = [job.map_dir] if job.map_dir else []
    write_report(records, path, folders=folders, maps=maps)


def _same_file(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _protect_inputs(args: Namespace, job: Job, source: Source) -> None:
    """A result must not replace what it is made from."""
    inputs = [tomogram.path for tomogram in job.tomograms] + list(source.inputs)
    inputs += [half for tomogram in job.tomograms for half in tomogram.halves or ()]
    inputs += [path for path in (args.job, job.weights) if path]
    inputs_on_disk = {os.path.realpath(path) for path in inputs}
    for path in (getattr(args, name) for name in RESULTS):
        replaced = path and not output.is_direct(path)
        if replaced and os.path.realpath(path) in inputs_on_disk:
            raise StartError(f"{path} would be replaced, and is an input: name another output")


def _open_results(
    args: Namespace, job: Job, sha256: str, files: ExitStack
) -> tuple[Sequence[Callable[[Score], None]], list[Score]]:
    """The functions that write a record to each file asked for, and the records kept."""
    writers: list[Callable[[Score], None]] = []
    kept: list[Score] = []
    csv_file = files.enter_context(output.open_lines(args.csv)) if args.csv else None
    if args.output:
        if args.job:
            lines, kept = output.resume_lines(args.output, job.tomograms, sha256)
        else:
            lines = output.open_lines(args.output)
        files.enter_context(lines)
        writers.append(lambda record: lines.write(output.json_line(record)))
    if csv_file is not None:
        csv_file.write(output.csv_heading(), is_row=False)
        for record in kept:
            csv_file.write(output.csv_line(record))
        writers.append(lambda record: csv_file.write(output.csv_line(record)))
    return writers, kept


def _print_table(args: Namespace, records: Sequence[Score]) -> None:
    """The table; under --quiet only why some failed."""
    if args.quiet:
        tell_failures(records)
    elif records:
        files = [getattr(args, name) for name in RESULTS]
        taken = any(p and output.standard_stream(p) == 1 for p in files)
        write_text(sys.stderr if taken else sys.stdout, make_table(records))
