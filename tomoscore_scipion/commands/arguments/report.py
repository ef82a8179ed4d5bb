# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of `tomoscore report`; help comes at once."""

from __future__ import annotations

from argparse import ArgumentParser

from tomoscore_scipion.commands.arguments.options import add_results, whole_number
from tomoscore_scipion.records.acceptance import DEFAULT_THRESHOLD, octaves
from tomoscore_scipion.records.reasons import FAULTS

DESCRIPTION = """\
Make a report of scored tomograms: one HTML file with table, histogram and threshold, gallery, and
the curve and profile of each tomogram. It opens from a disk in any browser and needs no network.

Results of several runs may be given together; where an id comes more than once, its last record
counts. The session is shown in the order of the results, or in that of --order.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `tomoscore report`."""
    add_results(parser)
    _add_page(parser)
    _add_verdicts(parser)
    _add_comparison(parser)


def _add_page(parser: ArgumentParser) -> None:
    """Options for the page and its pictures."""
    add = parser.add_argument
    add("--output", required=True, metavar="FILE.html", help="the report; replaces the file")
    add("--title", default="TomoScore report", metavar="TEXT", help="title of the page")
    add(
        "--thumbnails",
        action="append",
        default=[],
        metavar="DIR",
        help="folder of pictures, as `tomoscore score --thumbnails` writes them; may be repeated",
    )
    add(
        "--maps",
        action="append",
        default=[],
        metavar="DIR",
        help="folder of quality maps, as `tomoscore score --map` writes them; may be repeated",
    )
    add(
        "--order",
        metavar="FILE.csv",
        help="the order of the session, with lines ts_id,acquired below this heading: the order of "
        "acquisition where all times are given (2024-05-17T09:30:00), else that of the lines",
    )


def _add_verdicts(parser: ArgumentParser) -> None:
    """Options for the verdicts that the page shows at first."""
    add = parser.add_argument
    add(
        "--threshold",
        type=octaves,
        metavar="S",
        default=DEFAULT_THRESHOLD,
        help=f"where the slider stands at first, in octaves (default: {DEFAULT_THRESHOLD:g})",
    )
    add(
        "--borderline",
        choices=("score", "accepted", "rejected"),
        default="score",
        help="verdict on tomograms whose 90 %% interval contains the threshold: that of the score "
        "(default), or always one",
    )
    add(
        "--reject",
        action="append",
        default=[],
        choices=FAULTS,
        metavar="FAULT",
        help="reject tomograms with this fault regardless of their score: one of "
        + ", ".join(FAULTS)
        + "; may be repeated",
    )
    add(
        "--at-most",
        type=whole_number("a number of tomograms from 1 on", 1),
        default=0,
        metavar="N",
        help="accept only the N best of the tomograms that would be accepted (default: all)",
    )


def _add_comparison(parser: ArgumentParser) -> None:
    """Options for the comparison with other sets."""
    add = parser.add_argument
    add(
        "--compare",
        nargs="+",
        default=[],
        metavar="OTHER.jsonl",
        help="compare with these sets of the same tilt series, a file or folder each, in a section "
        "of its own (see `tomoscore compare --help`)",
    )
    add(
        "--names",
        nargs="+",
        metavar="NAME",
        help="names of the compared sets, this one first (default: those of the files)",
    )
