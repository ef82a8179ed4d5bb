# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of `tomoscore watch`; help comes at once."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path

from tomoscore_scipion.commands.arguments.options import (
    TOMOGRAM_TIMEOUT,
    add_calibration,
    add_engine_options,
    add_map,
    add_voxel_size,
    positive_number,
    whole_number,
)
from tomoscore_scipion.session.files import HALVES

SETTLE_S, POLL_S = 5.0, 10.0
NOWHERE = Path("/nowhere")

DESCRIPTION = """\
Watch a folder in which tomograms are made, and score each as soon as its file is complete: it is as
large as its header says, and nobody has written to it for some seconds.

The folder of --output gets results.jsonl (a record per tomogram), scores.csv, report.html, and the
pictures for it. The same command goes on after a stop: what is scored and was not written again
since is not scored twice; failed tomograms are tried again. AreTomo3's TiltSeries_Metrics.csv is
read where it lies beside the tomograms, and shown with their scores.

Exit status: 0 nothing new came for --idle minutes, also when single tomograms failed; 1 could not
start, or could not write; 2 wrong usage; 130 stopped (Ctrl-C, SIGTERM), finished records are
written.
"""


def pattern(text: str) -> str:
    """A pattern of files below a folder, of the command line."""
    try:
        next(iter(NOWHERE.glob(text)), None)
    except (ValueError, NotImplementedError, IndexError):
        raise ArgumentTypeError(
            f"expected a pattern below the folder, such as '*_Vol.mrc' or '**/*.mrc', got {text!r}"
        ) from None
    return text


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `tomoscore watch`."""
    add = parser.add_argument
    add("folder", metavar="FOLDER", help="where tomograms are made")
    add("--output", required=True, metavar="DIR", help="folder of the results; made if need be")
    add(
        "--pattern",
        type=pattern,
        default="*.mrc",
        metavar="P",
        help="which files below FOLDER are tomograms, such as '*_Vol.mrc' (AreTomo3), "
        "'reconstruction/*.mrc' (Warp), '**/*.mrc' (default: *.mrc)",
    )
    add(
        "--exclude",
        action="append",
        metavar="P",
        help=f"file names to leave out; may be repeated (default: {', '.join(HALVES)})",
    )
    add_voxel_size(parser)
    add_calibration(parser)
    add_map(parser)
    _add_times(parser)
    add(
        "--serve",
        type=whole_number("a port from 1 to 65535", 1, 65535),
        metavar="PORT",
        help="show the report as it grows at http://127.0.0.1:PORT/, on this machine only",
    )
    add_engine_options(parser, "where to score", TOMOGRAM_TIMEOUT, device="auto")


def _add_times(parser: ArgumentParser) -> None:
    """Options for the times of the watch."""
    add = parser.add_argument
    add(
        "--idle",
        type=positive_number,
        metavar="MINUTES",
        help="end when no file came or changed for so long (default: never)",
    )
    add(
        "--settle",
        type=positive_number,
        default=SETTLE_S,
        metavar="S",
        help=f"seconds that a file must stand still (default: {SETTLE_S:g})",
    )
    add(
        "--poll",
        type=positive_number,
        default=POLL_S,
        metavar="S",
        help="look at the folder at least so often, for file systems that send no events, such as "
        f"NFS (default: {POLL_S:g})",
    )
