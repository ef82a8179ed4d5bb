# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of `tomoscore benchmark`; importing this loads nothing heavy."""

from __future__ import annotations

from argparse import ArgumentParser

from tomoscore_scipion.commands.arguments.options import add_model_options

DESCRIPTION = """\
Score fresh simulated tomograms, on which no model was trained, and compare with their truth: rank
correlation, error in octaves beside that of a constant predictor, pairs in order, interval. Then
the same specimens imaged without gross faults, volumes with nothing in them, foreign phantoms,
changes that change nothing, and degradations.
"""
PARTS = ("ordinary", "old_world", "nulls", "phantoms", "invariances", "degradations")


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `tomoscore benchmark`."""
    add = parser.add_argument
    add("--specimens", type=int, default=40, help="fresh specimens (default: %(default)s)")
    add("--acquisitions", type=int, default=3, help="tomograms of each (default: %(default)s)")
    add("--phantoms", type=int, default=60, help="of each kind of noise (default: %(default)s)")
    add("--ladders", type=int, default=4, help="specimens to degrade (default: %(default)s)")
    add("--parts", nargs="*", choices=PARTS, default=PARTS, help="what to do besides (all)")
    add("--seed", type=int, default=500000, help="seed of the first one (default: %(default)s)")
    weights = "weights to measure (default: those shipped)"
    add_model_options(parser, "where to score", device="auto", weights_help=weights)
    add("--json", metavar="FILE", help="also write the figures as JSON")
    add("--plot", metavar="FILE", help="also draw scores against truths (.png, .pdf, .svg)")
