# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore train`: samples, network, calibration, card."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tomoscore_scipion import __version__
from tomoscore_scipion.benchmark.fresh import compare, fresh_tomograms
from tomoscore_scipion.engine.bands import PERIODS_NM, SCORE_DEFINITION
from tomoscore_scipion.engine.errors import StartError
from tomoscore_scipion.engine.network import ResolvabilityNet
from tomoscore_scipion.engine.sampling import INPUT_CONTRACT
from tomoscore_scipion.engine.scorer import Scorer
from tomoscore_scipion.engine.tomogram import Z_90
from tomoscore_scipion.engine.weights import load_weights, save_weights

from .calibration import (
    STRANGE_WIDTH,
    UNCALIBRATED,
    error_by_score,
    learn_the_usual,
    thin_factor,
)
from .dataset import Shards
from .evaluate import compared_curves, metrics, scores
from .samples import GENERATOR_VERSION, SampleRecipe
from .shards import write_shards
from .train import Trainer, TrainingRecipe

HELD_OUT_SEED = 100000
"""Seeds from here on are never trained on."""
CALIBRATION_SEED = 700000
SPECIMENS_PER_NOTHING = 4
"""One seed of nothing for so many specimens."""


def main(args: Namespace) -> int:
    """Train, and write FOLDER/weights.safetensors; prints the figures of the held-out slices.

    Raises:
        StartError: the weights to start from cannot be used, or a share of none is to be kept.
        ValueError: FOLDER holds samples or a checkpoint of another recipe.
    """
    if args.kept and args.start is None:
        raise StartError("--kept: expected --start WEIGHTS beside it, of which a share is kept")
    if args.start is not None:
        load_weights(args.start)  # they are refused before hours of simulation, not after
    sampled = _sample_recipe(args)
    trained = TrainingRecipe(
        steps=args.steps, learning_rate=args.learning_rate, seed=args.seed, kept=args.kept
    )
    seeds = range(args.first_seed, args.first_seed + args.specimens)
    held_out = range(HELD_OUT_SEED, HELD_OUT_SEED + args.held_out)
    print(f"{args.folder}: samples of {len(seeds)} specimens", flush=True)
    shards, kept = (
        write_samples(args.folder / part, chosen, sampled, args.processes)
        for part, chosen in (("train", seeds), ("held-out", held_out))
    )
    trainer = Trainer(args.folder, shards, trained, args.start)
    network, figures = train_and_measure(trainer, kept)
    learn_the_usual(network, shards, kept)
    widths = {"thin": _thin_factor(network, kept), "strange": STRANGE_WIDTH}
    print(json.dumps(figures, indent=2), flush=True)
    card: dict[str, Any] = {
        "name": args.name,
        "version": args.model_version,
        "licence": "GPL-3.0-or-later",
        "input": INPUT_CONTRACT,
        "score": SCORE_DEFINITION,
        "period_nm": PERIODS_NM,
        "held_out_volumes": figures,
        "training": {
            "generator_version": GENERATOR_VERSION,
            "engine_version": __version__,
            "seeds": [seeds.start, seeds.stop],
            "held_out_seeds": [held_out.start, held_out.stop],
            "specimens_per_nothing": SPECIMENS_PER_NOTHING,
            "samples": asdict(sampled),
            **asdict(trainer.recipe),
        },
    }
    specimens = 1 if args.small else args.calibration
    path = args.folder / "weights.safetensors"
    write_calibrated(path, network, card, specimens, widths)
    print(path)
    return 0


def write_samples(folder: Path, seeds: range, recipe: SampleRecipe, processes: int) -> Shards:
    """Make what is missing of the samples of some specimens, and of nothing beside them."""
    write_shards(folder, seeds, recipe, processes)
    nothing = seeds[: len(seeds) // SPECIMENS_PER_NOTHING]
    write_shards(folder, nothing, recipe, processes, "nothing-")
    return Shards(folder)


def train_and_measure(
    trainer: Trainer, held_out: Shards
) -> tuple[ResolvabilityNet, dict[str, Any]]:
    """Train; returns the network, and its figures on the volumes held out."""
    network = trainer.run()
    return network, metrics(*compared_curves(network, held_out))


def _thin_factor(network: ResolvabilityNet, held_out: Shards) -> float:
    found, truth = scores(*compared_curves(network, held_out)[:3])
    slices = np.array([len(members) for _, members in held_out.volumes])
    return thin_factor(found - truth, slices)


def write_calibrated(
    path: Path,
    network: ResolvabilityNet,
    card: dict[str, Any],
    specimens: int,
    widths: dict[str, float],
) -> None:
    """Write weights with an interval from whole fresh tomograms, three of each specimen.

    Their errors become the interval, which `widths` widen, see `engine.tomogram.summarise`. The
    curves stay as they are: factors that suit simulated tomograms best made real ones worse.
    """
    save_weights(path, network, {**card, "interval": UNCALIBRATED})
    seeds = range(CALIBRATION_SEED, CALIBRATION_SEED + specimens)
    result = compare(Scorer.load(path, "cpu"), fresh_tomograms(seeds, acquisitions=3))
    # One end of an interval may be cut at 0 or at 5, not both.
    half = np.maximum(result.high - result.found, result.found - result.low)
    interval = error_by_score(result.found, result.truth, half / Z_90)
    training = {
        **card["training"],
        "calibration_seeds": [seeds.start, seeds.stop],
    }
    interval = {**interval, **widths}
    save_weights(path, network, {**card, "training": training, "interval": interval})


def _sample_recipe(args: Namespace) -> SampleRecipe:
    if args.small:
        return SampleRecipe(acquisitions=1, slices=2, directs=1, nulls=1, nothings=1)
    return SampleRecipe()
