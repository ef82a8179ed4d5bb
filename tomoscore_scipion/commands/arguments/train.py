# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of `tomoscore train`; importing this loads nothing heavy."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path

DESCRIPTION = """\
Train a model on simulated specimens. Samples and checkpoints are kept in FOLDER: the same command
goes on where it was stopped. docs/model_card.rst tells how the weights that ship were made, how the
default differs, and how long it takes.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `tomoscore train`."""
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="for samples, checkpoint and weights")
    add("--specimens", type=int, default=1600, help="specimens to train on (default: %(default)s)")
    add("--first-seed", type=int, default=0, help="seed of the first one")
    add("--held-out", type=int, default=60, help="specimens to measure slices on")
    add(
        "--calibration",
        type=int,
        default=20,
        help="specimens of each of three kinds, with two tomograms each, to calibrate the interval "
        "on (default: %(default)s)",
    )
    add(
        "--start",
        type=Path,
        metavar="WEIGHTS",
        help="go on from these weights, not from random ones",
    )
    add(
        "--kept",
        type=_share,
        default=0.0,
        metavar="SHARE",
        help="share of the weights of --start in the result, 0 to 1 (default: %(default)s)",
    )
    add("--learning-rate", type=float, default=2e-3, help="highest one (default: %(default)s)")
    add("--steps", type=int, default=12000, help="batches of 48 volumes (default: %(default)s)")
    add("--seed", type=int, default=0, help="of initial weights, order and augmentation")
    add("--processes", type=int, default=2, help="processes that simulate")
    add("--small", action="store_true", help="few samples per specimen: to try it out")
    add("--name", default="tomoscore", help="name of the model in its card")
    add("--model-version", default="0", metavar="V", help="version of the model in its card")


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise ArgumentTypeError(f"expected 0 to 1, got {text}")
    return share
