# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore train`: samples, network, calibration, card."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict
from typing import Any

from tomoscore_scipion import __version__
from tomoscore_scipion.model.features import RATIOS
from tomoscore_scipion.model.sampling import INPUT_CONTRACT
from tomoscore_scipion.model.weights import load_weights
from tomoscore_scipion.records.bands import PERIODS_NM, SCORE_DEFINITION
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.simulation.generator import GENERATOR_VERSION
from tomoscore_scipion.training.release import (
    HELD_OUT_SEED,
    SPECIMENS_PER_EMPTY_SEED,
    SPECIMENS_PER_NOISE_SEED,
    train_and_measure,
    write_release,
    write_samples,
)
from tomoscore_scipion.training.samples import SampleRecipe
from tomoscore_scipion.training.train import Trainer, TrainingRecipe


def main(args: Namespace) -> int:
    """Train, and write FOLDER/weights.safetensors; prints the figures of the held-out slices.

    Raises:
        StartError: the weights to start from cannot be used, or --kept is given without --start.
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
    shards, held_out_samples = (
        write_samples(args.folder / part, chosen, sampled, args.processes)
        for part, chosen in (("train", seeds), ("held-out", held_out))
    )
    trainer = Trainer(args.folder, shards, trained, args.start)
    network, figures = train_and_measure(trainer, held_out_samples)
    print(json.dumps(figures, indent=2), flush=True)
    card: dict[str, Any] = {
        "name": args.name,
        "version": args.model_version,
        "licence": "GPL-3.0-or-later",
        "input": INPUT_CONTRACT,
        "statistics": RATIOS,
        "score": SCORE_DEFINITION,
        "period_nm": PERIODS_NM,
        "held_out_volumes": figures,
        "training": {
            "generator_version": GENERATOR_VERSION,
            "engine_version": __version__,
            "seeds": [seeds.start, seeds.stop],
            "held_out_seeds": [held_out.start, held_out.stop],
            "specimens_per_nothing": SPECIMENS_PER_NOISE_SEED,
            "specimens_per_empty_ice": SPECIMENS_PER_EMPTY_SEED,
            "samples": sampled.as_json(),
            **asdict(trainer.recipe),
        },
    }
    specimens = 1 if args.small else args.calibration
    path = args.folder / "weights.safetensors"
    write_release(path, network, card, shards, held_out_samples, specimens)
    print(path)
    return 0


def _sample_recipe(args: Namespace) -> SampleRecipe:
    if args.small:
        return SampleRecipe(
            acquisitions=1,
            slices=2,
            phantoms=1,
            noise_stacks=1,
            noise_volumes=1,
            empty_acquisitions=1,
        )
    return SampleRecipe()
