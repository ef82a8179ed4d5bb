# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of `tomoscore dose`; help comes at once."""

from __future__ import annotations

from argparse import ArgumentParser

from tomoscore_scipion.commands.arguments.options import add_engine_options, positive_number
from tomoscore_scipion.records.dose_job import DOSE_CONVENTIONS

DESCRIPTION = """\
How many electrons are worth it? Reconstructs an aligned tilt series from its first views, in the
order of acquisition, up to all of them, and gives the TomoScore at each accumulated dose: without
and with dose weighting, and beside it that of as many views over the whole range of angles. Says at
which dose the score is highest, and which doses are as good within 0.1 octave.

Angles, alignment and doses are read from IMOD's files (--xf, --tlt) with a text file of doses
(--doses), Warp's XML (--warp-xml), RELION 5's star file of one tilt series (--tilt-series-star),
SerialEM's .mdoc (--mdoc), AreTomo's .aln (--aln), which can be combined: --xf and --tlt win over
what the others say of the same. Angles are compared between them, and rows put in the order of the
stack by them. A .tlt may have the doses in further columns.

Exit status: 0 done; 3 the series failed (its record says why); 1 could not start, or could not
write; 2 wrong usage; 130 stopped. With --job 0 also when single series failed.
"""


DOSE_TIMEOUT = (
    "seconds that one series may take before it counts as failed "
    "(default: 1800, and 1 per MB of its stack)"
)


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `tomoscore dose`."""
    _add_series(parser)
    _add_reconstruction(parser)
    _add_results(parser)
    add_engine_options(parser, "where to compute (default: auto)", DOSE_TIMEOUT)
    parser.set_defaults(wrong_usage=parser.error)


def _add_series(parser: ArgumentParser) -> None:
    """Options for the files of the tilt series."""
    add = parser.add_argument
    add("stack", nargs="?", metavar="STACK", help="images of the tilt series (MRC)")
    add("--job", metavar="JOB.json", help="analyse the series of this file; goes on after a stop")
    add("--ts-id", metavar="ID", help="id of the series (default: the stack's file name)")
    add("--xf", metavar="FILE", help="IMOD's alignment transforms")
    add(
        "--tlt",
        metavar="FILE",
        help="tilt angles in degrees, a line per view; also with order and dose",
    )
    doses = parser.add_mutually_exclusive_group()
    doses.add_argument(
        "--doses",
        metavar="FILE",
        help="a line per view, e/A^2: dose before the view and dose of the view; or one column, "
        "the accumulated dose (see --dose-convention)",
    )
    doses.add_argument("--warp-xml", metavar="FILE", help="Warp's metadata of the tilt series")
    doses.add_argument("--mdoc", metavar="FILE", help="SerialEM's metadata of the tilt series")
    doses.add_argument(
        "--tilt-series-star", metavar="FILE", help="RELION 5's star file of the tilt series"
    )
    add("--aln", metavar="FILE", help="AreTomo's alignment; needs one of the above for the doses")
    add(
        "--dose-convention",
        choices=DOSE_CONVENTIONS,
        help="of which point of a view's exposure accumulated doses are the doses "
        "(default: end; of Warp's and RELION's start)",
    )
    add(
        "--exclude",
        metavar="LIST",
        help="views of the stack to leave out, counted from 0, such as 0,3,40; their dose counts",
    )


def _add_reconstruction(parser: ArgumentParser) -> None:
    """Options for the tomograms."""
    add = parser.add_argument
    add("--pixel-size", type=positive_number, metavar="A", help="pixel size; wins over the header")
    add(
        "--thickness",
        type=positive_number,
        metavar="NM",
        help="height of the tomograms (default: 200); the specimen is found in it",
    )
    add(
        "--flip-phases",
        action="store_true",
        help="correct the CTF by phase flipping, with the defocus of Warp or RELION",
    )


def _add_results(parser: ArgumentParser) -> None:
    """Options for the results."""
    add = parser.add_argument
    add("--output", metavar="FILE", help="the record (JSON); with --job a line per series (JSONL)")
    add("--csv", metavar="FILE", help="a row per point of each curve; replaces the file")
    add("--plot", metavar="FILE.png", help="the curves; also .svg or .pdf; replaces the file")
    add("--preview", metavar="FILE.mrc", help="the tomogram at the suggested dose, 2 nm a voxel")
