# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of a release: samples, training, and weights with a calibrated interval."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from tomoscore_scipion.benchmark.fresh import compare, fresh_tomograms
from tomoscore_scipion.model.network import ResolvabilityNet
from tomoscore_scipion.model.scorer import Scorer
from tomoscore_scipion.model.weights import save_weights
from tomoscore_scipion.records.bands import Z_90
from tomoscore_scipion.simulation.recipe import ordinary_recipe
from tomoscore_scipion.training.calibration import (
    OUT_OF_DISTRIBUTION_WIDTH,
    UNCALIBRATED,
    error_by_score,
    fit_out_of_distribution,
    thin_factor,
)
from tomoscore_scipion.training.dataset import Shards
from tomoscore_scipion.training.evaluate import compared_curves, metrics, scores
from tomoscore_scipion.training.samples import SampleRecipe
from tomoscore_scipion.training.shards import write_shards
from tomoscore_scipion.training.train import Trainer

HELD_OUT_SEED = 100000
"""First held-out seed; seeds from this value on are never used for training."""


CALIBRATION_SEED, ORDINARY_SEED = 700000, 710000
"""First seeds of the specimens of the calibration: imaged at random, and in ordinary sessions."""
CALIBRATION_TOMOGRAMS = 2
"""Tomograms of each specimen of the calibration."""

SPECIMENS_PER_NOISE_SEED = 4
"""Number of specimens per noise-only seed."""
SPECIMENS_PER_EMPTY_SEED = 8
"""Number of specimens per seed of empty ice."""


def write_samples(folder: Path, seeds: range, recipe: SampleRecipe, processes: int) -> Shards:
    """Write missing samples of specimens, noise only and empty ice; returns all shards.

    Args:
        folder: folder of the shards.
        seeds: seeds of the specimens.
        recipe: number of samples per specimen.
        processes: number of processes.
    """
    write_shards(folder, seeds, recipe, processes)
    noise_seeds = seeds[: len(seeds) // SPECIMENS_PER_NOISE_SEED]
    write_shards(folder, noise_seeds, recipe, processes, "nothing-")
    empty_seeds = seeds[: len(seeds) // SPECIMENS_PER_EMPTY_SEED]
    write_shards(folder, empty_seeds, recipe, processes, "ice-")
    return Shards(folder)


def train_and_measure(
    trainer: Trainer, held_out: Shards
) -> tuple[ResolvabilityNet, dict[str, Any]]:
    """Train a network; returns the network and its accuracy on the held-out volumes."""
    network = trainer.run()
    return network, metrics(*compared_curves(network, held_out))


def width_factor_of_thin(network: ResolvabilityNet, held_out: Shards) -> float:
    """Factor of the interval of volumes of one slice, measured on held-out volumes."""
    predicted, truth = scores(*compared_curves(network, held_out)[:3])
    slices = np.array([len(members) for _, members in held_out.volumes])
    return thin_factor(predicted - truth, slices)


def write_release(
    path: Path,
    network: ResolvabilityNet,
    card: dict[str, Any],
    shards: Shards,
    held_out: Shards,
    specimens: int,
) -> None:
    """Write weights with the distance from the training volumes and a calibrated interval.

    Args:
        path: path of the weights file.
        network: the network; its reference of the distance is set.
        card: the card without interval.
        shards: training volumes.
        held_out: held-out volumes.
        specimens: number of new specimens of each kind for the interval.
    """
    fit_out_of_distribution(network, shards, held_out)
    widths = {
        "thin": width_factor_of_thin(network, held_out),
        "strange": OUT_OF_DISTRIBUTION_WIDTH,
    }
    write_calibrated(path, network, card, specimens, widths)


def write_calibrated(
    path: Path,
    network: ResolvabilityNet,
    card: dict[str, Any],
    specimens: int,
    widths: dict[str, float],
) -> None:
    """Write weights with an interval measured on new tomograms.

    The errors of these tomograms give the interval; for `widths` see `model.interval.own_error`.
    Half of the tomograms are random, and most of these are poor; the other half are as in ordinary
    sessions. The curves are not corrected, because factors fitted to simulated tomograms made real
    ones worse.

    Args:
        path: path of the weights file.
        network: the network.
        card: the card without interval.
        specimens: number of new specimens of each kind.
        widths: "thin" and "strange" of the interval.
    """
    save_weights(path, network, {**card, "interval": UNCALIBRATED})
    seeds, ordinary_seeds = (
        range(first, first + specimens) for first in (CALIBRATION_SEED, ORDINARY_SEED)
    )
    cases = chain(
        fresh_tomograms(seeds, CALIBRATION_TOMOGRAMS),
        fresh_tomograms(ordinary_seeds, CALIBRATION_TOMOGRAMS, draw=ordinary_recipe),
    )
    result = compare(Scorer.load(path, "cpu"), cases)
    # Without calibration the interval is symmetric, and at most one end is clipped, at 0 or at 5.
    half = np.maximum(result.high - result.predicted, result.predicted - result.low)
    interval = error_by_score(result.predicted, result.truth, half / Z_90)
    training = {
        **card["training"],
        "calibration_seeds": [seeds.start, seeds.stop],
        "ordinary_calibration_seeds": [ordinary_seeds.start, ordinary_seeds.stop],
    }
    interval = {**interval, **widths}
    save_weights(path, network, {**card, "training": training, "interval": interval})
