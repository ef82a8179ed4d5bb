# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of `tomoscore threshold`; help comes at once."""

from __future__ import annotations

from argparse import ArgumentParser

from tomoscore_scipion.commands.arguments.options import add_json, add_results

DESCRIPTION = """\
Find the threshold that agrees best with examples: tomograms that somebody has marked as good and as
bad. At least 3 of each are needed, and 10 in all. With more, the threshold is more certain.

The examples are tomograms that were decided by hand in the report (--marked, a file that its button
"Save verdicts" writes), or ids in two files (--good and --bad), separated by commas or newlines.

From 30 examples on, weights of the octaves of the curve are tried as well: where they predict
left-out examples better than the score does, the rule weighs octaves.

Exit status: 0 found; 1 too few examples, or files cannot be read or written; 2 wrong usage.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `tomoscore threshold`."""
    add = parser.add_argument
    add_results(parser)
    add("--marked", metavar="FILE.csv", help="verdicts saved by the report; those by hand count")
    add("--good", metavar="FILE", help="ids of good tomograms")
    add("--bad", metavar="FILE", help="ids of bad tomograms")
    add_json(parser)
    add(
        "--output",
        metavar="FILE.json",
        help="write the rule, which the filter protocol of Scipion takes; replaces the file",
    )
    parser.set_defaults(wrong_usage=parser.error)
