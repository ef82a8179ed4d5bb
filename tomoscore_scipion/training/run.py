# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore train`: samples, network, calibration, card."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict
from typing import Any

from tomoscore_scipion import __version__
from tomoscore_scipion.engine.bands import PERIODS_NM, SCORE_DEFINITION
from tomoscore_scipion.engine.sampling import INPUT_CONTRACT
from tomoscore_scipion.engine.weights import save_weights

from .calibration import error_by_score
from .dataset import Shards
from .evaluate import metrics, scores, slice_curves
from .samples import GENERATOR_VERSION, SampleRecipe
from .shards import write_shards
from .train import Trainer, TrainingRecipe

HELD_OUT_SEED = 100000
"""Seeds from here on are never trained on."""


def main(args: Namespace) -> int:
    """Train, and write FOLDER/weights.safetensors; prints the figures of the held-out slices."""
    sampled = _sample_recipe(args)
    trained = TrainingRecipe(steps=args.steps, seed=args.seed)
    seeds = range(args.first_seed, args.first_seed + args.specimens)
    held_out = range(HELD_OUT_SEED, HELD_OUT_SEED + args.held_out)
    print(f"{args.folder}: samples of {len(seeds)} specimens", flush=True)
    write_shards(args.folder / "train", seeds, sampled, args.processes)
    write_shards(args.folder / "held-out", held_out, sampled, args.processes)
    network = Trainer(args.folder, Shards(args.folder / "train"), trained).run()
    curves = slice_curves(network, Shards(args.folder / "held-out"))
    figures = metrics(*curves)
    print(json.dumps(figures, indent=2))
    card: dict[str, Any] = {
        "name": args.name,
        "version": args.model_version,
        "licence": "GPL-3.0-or-later",
        "input": INPUT_CONTRACT,
        "score": SCORE_DEFINITION,
        "period_nm": PERIODS_NM,
        "interval": error_by_score(*scores(*curves[:3])),
        "held_out_slices": figures,
        "training": {
            "generator_version": GENERATOR_VERSION,
            "engine_version": __version__,
            "seeds": [seeds.start, seeds.stop],
            "held_out_seeds": [held_out.start, held_out.stop],
            "samples": asdict(sampled),
            **asdict(trained),
        },
    }
    path = args.folder / "weights.safetensors"
    save_weights(path, network, card)
    print(path)
    return 0


def _sample_recipe(args: Namespace) -> SampleRecipe:
    without = tuple(args.without)
    if args.small:
        return SampleRecipe(acquisitions=1, slices=2, directs=1, nulls=1, without=without)
    return SampleRecipe(without=without)
