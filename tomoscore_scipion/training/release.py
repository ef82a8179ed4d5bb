# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of a release: samples, training, and weights with a calibrated interval."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Callable, Iterator

import numpy as np

from tomoscore_scipion.benchmark.fresh import Case, compare, fresh_tomograms
from tomoscore_scipion.model.network import ResolvabilityNet
from tomoscore_scipion.model.scorer import Scorer
from tomoscore_scipion.model.weights import save_weights
from tomoscore_scipion.records.bands import Z_90
from tomoscore_scipion.simulation.recipe import (
    Recipe,
    ordinary_recipe,
    random_recipe,
    raw_recipe,
)
from tomoscore_scipion.training import single_slices
from tomoscore_scipion.training.calibration import (
    OUT_OF_DISTRIBUTION_WIDTH,
    UNCALIBRATED,
    error_by_score,
    fit_out_of_distribution,
)
from tomoscore_scipion.training.dataset import Shards
from tomoscore_scipion.training.evaluate import compared_curves, metrics
from tomoscore_scipion.training.samples import SampleRecipe
from tomoscore_scipion.training.shards import write_shards
from tomoscore_scipion.training.train import Trainer

HELD_OUT_SEED = 100000
"""First held-out seed; seeds from this value on are never used for training."""


CALIBRATION_TOMOGRAMS = 2
"""Tomograms of each specimen of the calibration."""


@dataclass(frozen=True)
class CalibrationKind:
    """A kind of tomograms for the calibration of the interval.

    Attributes:
        seed: seed of the first specimen.
        draw: function that draws the recipe of a tomogram.
        without: what specimens lack, see `random_specimen`.
    """

    seed: int
    draw: Callable[[np.random.Generator], Recipe]
    without: tuple[str, ...] = ()

    def seeds(self, specimens: int) -> range:
        """Seeds of the specimens."""
        return range(self.seed, self.seed + specimens)

    def tomograms(self, specimens: int) -> Iterator[Case]:
        """Two tomograms of each specimen."""
        seeds = self.seeds(specimens)
        return fresh_tomograms(seeds, CALIBRATION_TOMOGRAMS, draw=self.draw, without=self.without)


CALIBRATION_KINDS = {
    "random": CalibrationKind(700000, random_recipe),
    "ordinary": CalibrationKind(710000, ordinary_recipe),
    "raw": CalibrationKind(720000, raw_recipe, ("contamination",)),
}
"""Kinds of tomograms for the calibration. Random ones are mostly poor, and their scores are more
often too high; scores of raw tomograms of clean specimens are more often too low."""


SPECIMENS_PER_NOISE_SEED = 8
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
    write_calibrated(path, network, card, specimens)


def write_calibrated(
    path: Path, network: ResolvabilityNet, card: dict[str, Any], specimens: int
) -> None:
    """Write weights with an interval measured on new tomograms.

    The errors of the tomograms of `CALIBRATION_KINDS` give the interval, those of single slices how
    much wider it is for few slices. The curves are not corrected, because factors fitted to
    simulated tomograms made real ones worse.

    Args:
        path: path of the weights file.
        network: the network.
        card: the card without interval.
        specimens: number of new specimens of each kind.
    """
    save_weights(path, network, {**card, "interval": UNCALIBRATED})
    cases = chain.from_iterable(kind.tomograms(specimens) for kind in CALIBRATION_KINDS.values())
    scorer = Scorer.load(path, "cpu")
    result = compare(scorer, cases)
    # Without calibration the interval is symmetric, and at most one end is clipped, at 0 or at 5.
    half = np.maximum(result.high - result.predicted, result.predicted - result.low)
    interval = error_by_score(result.predicted, result.truth, half / Z_90)
    seeds = {name: kind.seeds(specimens) for name, kind in CALIBRATION_KINDS.items()}
    seeds["single slices"] = single_slices.seeds(specimens)
    calibration_seeds = {name: [part.start, part.stop] for name, part in seeds.items()}
    training = {**card["training"], "calibration_seeds": calibration_seeds}
    interval.update(single_slices.wider_intervals(scorer, interval, specimens))
    interval["strange"] = OUT_OF_DISTRIBUTION_WIDTH
    save_weights(path, network, {**card, "training": training, "interval": interval})
