# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps from seeds to weights with a calibrated interval."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tomoscore_scipion.benchmark.fresh import compare, fresh_tomograms
from tomoscore_scipion.model.aggregation import Z_90
from tomoscore_scipion.model.network import ResolvabilityNet
from tomoscore_scipion.model.scorer import Scorer
from tomoscore_scipion.model.weights import save_weights
from tomoscore_scipion.training.calibration import UNCALIBRATED, error_by_score, thin_factor
from tomoscore_scipion.training.dataset import Shards
from tomoscore_scipion.training.evaluate import compared_curves, metrics, scores
from tomoscore_scipion.training.samples import SampleRecipe
from tomoscore_scipion.training.shards import write_shards
from tomoscore_scipion.training.train import Trainer

HELD_OUT_SEED = 100000
"""Seeds from here on are never trained on."""


CALIBRATION_SEED = 700000


SPECIMENS_PER_NOISE_SEED = 4
"""One noise-only seed for so many specimens."""


def write_samples(folder: Path, seeds: range, recipe: SampleRecipe, processes: int) -> Shards:
    """Write the missing samples of some specimens and of noise-only volumes; returns all.

    Args:
        folder: folder of the shards.
        seeds: seeds to make.
        recipe: number of samples per specimen.
        processes: number of processes.
    """
    write_shards(folder, seeds, recipe, processes)
    noise_seeds = seeds[: len(seeds) // SPECIMENS_PER_NOISE_SEED]
    write_shards(folder, noise_seeds, recipe, processes, "nothing-")
    return Shards(folder)


def train_and_measure(
    trainer: Trainer, held_out: Shards
) -> tuple[ResolvabilityNet, dict[str, Any]]:
    """Train; returns the network, and its figures on the volumes held out."""
    network = trainer.run()
    return network, metrics(*compared_curves(network, held_out))


def width_factor_of_thin(network: ResolvabilityNet, held_out: Shards) -> float:
    """The factor by which the interval of one slice is wider, measured on volumes held out."""
    predicted, truth = scores(*compared_curves(network, held_out)[:3])
    slices = np.array([len(members) for _, members in held_out.volumes])
    return thin_factor(predicted - truth, slices)


def write_calibrated(
    path: Path,
    network: ResolvabilityNet,
    card: dict[str, Any],
    specimens: int,
    widths: dict[str, float],
) -> None:
    """Write weights with an interval from whole fresh tomograms, three of each specimen.

    Their errors become the interval, which `widths` widen, see `model.aggregation.summarise`. The
    curves stay as they are: factors that suit simulated tomograms best made real ones worse.

    Args:
        path: path of the weights file.
        network: the network.
        card: the card without interval.
        specimens: number of fresh specimens.
        widths: "thin" and "strange" of the interval.
    """
    save_weights(path, network, {**card, "interval": UNCALIBRATED})
    seeds = range(CALIBRATION_SEED, CALIBRATION_SEED + specimens)
    result = compare(Scorer.load(path, "cpu"), fresh_tomograms(seeds, acquisitions=3))
    # One end of an interval may be cut at 0 or at 5, not both.
    half = np.maximum(result.high - result.predicted, result.predicted - result.low)
    interval = error_by_score(result.predicted, result.truth, half / Z_90)
    training = {**card["training"], "calibration_seeds": [seeds.start, seeds.stop]}
    interval = {**interval, **widths}
    save_weights(path, network, {**card, "training": training, "interval": interval})
