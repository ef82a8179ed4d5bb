# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of `tomoscore compare`; help comes at once."""

from __future__ import annotations

from argparse import ArgumentParser

from tomoscore_scipion.commands.arguments.options import add_json, add_plot, add_results

DESCRIPTION = """\
Compare scores of the same tilt series, made in two ways or more (aligners, denoisers,
reconstructions, binnings): which one scores higher, and by how much.

Results are joined by their ids, and each tilt series is compared with itself. The mean difference
comes with the interval of a paired bootstrap over tilt series. All sets must be scored by the same
model. Only the tilt series that every set has a score of are compared; the others are named.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `tomoscore compare`."""
    add = parser.add_argument
    add_results(parser, "records of one set")
    add(
        "--names", nargs="+", metavar="NAME", help="names of the sets (default: those of the files)"
    )
    add("--csv", metavar="FILE.csv", help="write the scores side by side; replaces the file")
    add_plot(parser)
    add_json(parser)
    parser.set_defaults(wrong_usage=parser.error)
