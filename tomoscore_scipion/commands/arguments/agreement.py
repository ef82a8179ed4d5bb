# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of `tomoscore agreement`; help comes at once."""

from __future__ import annotations

from argparse import ArgumentParser

from tomoscore_scipion.commands.arguments.options import add_json, add_plot, add_results

DESCRIPTION = """\
Compare the predicted scores of a session with those measured from halves: do they rank the
tomograms alike, and is the prediction too high or too low?

At least 6 tomograms with measured halves are needed (tomoscore score --half1 F --half2 F, or half1
and half2 in a job). Scores are compared over the octaves from 128 to 16 nm. In finer ones,
halves of frames measure an upper limit, and halves of tilts nothing.

Exit status: 0 compared; 1 too few tomograms, or files cannot be read or written; 2 wrong usage.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `tomoscore agreement`."""
    add_results(parser)
    add_plot(parser)
    add_json(parser)
