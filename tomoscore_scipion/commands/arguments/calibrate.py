# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of `tomoscore calibrate`; help comes at once."""

from __future__ import annotations

from argparse import ArgumentParser

from tomoscore_scipion.commands.arguments.options import add_results

DESCRIPTION = """\
Learn from tomograms with measured halves how the predicted scores of a session are to be corrected,
and write the correction to a file for `tomoscore score --calibration`.

At least 6 tomograms with measured halves are needed (tomoscore score --half1 F --half2 F, or half1
and half2 in a job), 10 are better; all of one microscope and one way to reconstruct. The correction
is refused where it does not lower the cross-validated error beyond chance. Octaves finer than 16 nm
follow the coarser ones in part.

Exit status: 0 calibrated; 1 refused, or files cannot be read or written; 2 wrong usage.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `tomoscore calibrate`."""
    add_results(parser)
    parser.add_argument(
        "--output",
        required=True,
        metavar="FILE.json",
        help="write the calibration; replaces the file",
    )
