# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of `tomoscore score`."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from itertools import combinations

from tomoscore_scipion.commands.arguments.options import (
    TOMOGRAM_TIMEOUT,
    add_calibration,
    add_engine_options,
    add_map,
    add_voxel_size,
    check_job,
    option_of,
)
from tomoscore_scipion.pipelines.sources import WHICH
from tomoscore_scipion.pipelines.warp_folder import LIST_SUFFIX
from tomoscore_scipion.records.acceptance import DEFAULT_THRESHOLD, octaves
from tomoscore_scipion.records.tilt_range import check_tilt_range

ACCEPTED = ("output_star", "output_list")
"""Options that name a file for the accepted tomograms."""


RESULTS = ("output", "csv", "report", *ACCEPTED)
"""Options that name a file to be written."""
SAID_BY_JOB = (
    *("weights", "device", "voxel_size", "map", "thumbnails"),
    *("half1", "half2", "no_halves", "tilt_range", "calibration"),
)
"""Options whose values a job file has."""


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


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `tomoscore score`."""
    _add_tomograms(parser)
    _add_results(parser)
    _add_accepted(parser)
    add_engine_options(parser, "where to score (default: auto)", TOMOGRAM_TIMEOUT)
    parser.set_defaults(wrong_usage=parser.error)


def _add_tomograms(parser: ArgumentParser) -> None:
    """Options for the tomograms, their voxel size and their halves."""
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
    add_voxel_size(parser)
    add_calibration(parser)
    add(
        "--which",
        choices=WHICH,
        help="which tomograms of a star file or a folder of Warp (default: reconstructed)",
    )
    for option, which in (("--half1", "odd"), ("--half2", "even")):
        add(
            option,
            metavar="FILE",
            help=f"the tomogram of the {which} frames or tilts: the score is also measured from "
            "both halves (one tomogram only; in a job: half1, half2)",
        )
    add(
        "--no-halves",
        action="store_true",
        default=None,
        help="do not read the halves that a star file or a folder of Warp names: the score is "
        "only predicted, which is faster",
    )
    add(
        "--tilt-range",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="lowest and highest tilt angle in degrees, for the score that is measured from halves "
        "(default: as it shows in them)",
    )


def _add_results(parser: ArgumentParser) -> None:
    """Options for the results of all tomograms."""
    add = parser.add_argument
    add("--output", metavar="FILE.jsonl", help="write records (JSON Lines); replaces the file")
    add("--csv", metavar="FILE.csv", help="write one row per tomogram; replaces the file")
    add(
        "--report",
        metavar="FILE.html",
        help="make a report at the end, one HTML file with pictures; replaces the file",
    )
    add_map(parser)
    add(
        "--thumbnails",
        metavar="DIR",
        help="write pictures of each tomogram's central, best, median and worst slice (JPEG)",
    )


def _add_accepted(parser: ArgumentParser) -> None:
    """Options for the lists of accepted tomograms."""
    add = parser.add_argument
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


def check_arguments(args: Namespace) -> None:
    """Stop with wrong usage (2) where arguments exclude or need one another."""
    if bool(args.job) == bool(args.paths):
        args.wrong_usage("name tomograms (PATH...) or a job (--job), one of the two")
    if args.job:
        check_job(args, SAID_BY_JOB)
        for name in ("which", *ACCEPTED):
            if getattr(args, name) is not None:
                text = "does not go with --job: name the star file or folder as PATH"
                args.wrong_usage(f"{option_of(name)} {text}")
    if args.threshold is not None and not any(getattr(args, name) for name in ACCEPTED):
        args.wrong_usage("--threshold needs --output-star or --output-list")
    if args.tomostar and not args.output_list:
        args.wrong_usage("--tomostar needs --output-list")
    if args.output_list and not args.output_list.lower().endswith(LIST_SUFFIX):
        args.wrong_usage(f"--output-list: WarpTools needs a name that ends with {LIST_SUFFIX}")
    if bool(args.half1) != bool(args.half2):
        args.wrong_usage("--half1 and --half2 go together: name both halves")
    if args.no_halves and (args.half1 or args.tilt_range):
        args.wrong_usage("--no-halves does not go with --half1, --half2 and --tilt-range")
    if args.tilt_range is not None:
        try:
            args.tilt_range = check_tilt_range(args.tilt_range)
        except ValueError as error:
            args.wrong_usage(f"--tilt-range: {error}")
    if args.half1 and len(args.paths) != 1:
        args.wrong_usage("--half1 and --half2 are the halves of one tomogram: name one PATH")
    if args.quiet and not (args.output or args.csv or args.report):
        args.wrong_usage(
            "--quiet needs --output, --csv or --report: the scores would be shown nowhere"
        )
    results = [(name, getattr(args, name)) for name in RESULTS if getattr(args, name)]
    for (one, path), (other, same) in combinations(results, 2):
        if _same_file(path, same):
            args.wrong_usage(f"{option_of(one)} and {option_of(other)} name the same file")


def _same_file(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
