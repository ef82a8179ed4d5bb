# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of `tomoscore threshold`; help comes at once."""

from __future__ import annotations

from argparse import ArgumentParser

from tomoscore_scipion.commands.arguments.options import add_json, add_results

DESCRIPTION = """\
Find the threshold that agrees best with examples: tomograms that somebody has marked as good and as
bad. At least 3 of each are needed, and 10 in all; more make the threshold surer.

The files of ids have one id per line, as the report saves them ("Save ids of accepted", "Save ids
of rejected").

From 30 examples on, weights of the octaves of the curve are tried as well: where they predict
left-out examples better than the score does, the rule weighs octaves.

Exit status: 0 found; 1 too few examples, or files cannot be read or written; 2 wrong usage.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `tomoscore threshold`."""
    add = parser.add_argument
    add_results(parser)
    add("--good", metavar="FILE", required=True, help="ids of good tomograms, one per line")
    add("--bad", metavar="FILE", required=True, help="ids of bad tomograms, one per line")
    add_json(parser)
    add(
        "--output",
        metavar="FILE.json",
        help="write the rule, which the filter protocol of Scipion takes; replaces the file",
    )
