# SPDX-License-Identifier: GPL-3.0-or-later
"""Accuracy of a model on a family of specimens, and on a kind of noise, that it was not trained on.

Three small models are trained in the same way: on everything, on specimens without one ingredient,
and with white noise only in all volumes that are not reconstructed from tilts and without
noise-only volumes. All three score fresh tomograms of specimens with the ingredient, and phantoms
with correlated noise. Samples, checkpoints and weights are stored in FOLDER and used again. About
an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Iterable

import numpy as np

from tomoscore_scipion.benchmark.figures import constant_error, rank_correlation
from tomoscore_scipion.benchmark.fresh import fresh_tomograms
from tomoscore_scipion.benchmark.phantoms import VOXEL_NM, phantoms
from tomoscore_scipion.engine import Scorer
from tomoscore_scipion.model.sampling import INPUT_CONTRACT
from tomoscore_scipion.model.weights import save_weights
from tomoscore_scipion.training.calibration import UNCALIBRATED
from tomoscore_scipion.training.dataset import Shards
from tomoscore_scipion.training.release import HELD_OUT_SEED, train_and_measure, write_samples
from tomoscore_scipion.training.samples import TILT_SERIES, SampleRecipe
from tomoscore_scipion.training.train import Trainer, TrainingRecipe

TEST_SEED = 800000
HELD_OUT = 24
POOL = 2.5
"""Number of specimens made per specimen of the training: four in nine lack an ingredient."""
Cases = Iterable[tuple[np.ndarray, float, float]]
"""Volume (z, y, x), voxel size in A, true TomoScore."""


def main(argv: list[str] | None = None) -> int:
    """Train, measure, print; returns the exit status."""
    args = parse(argv)
    variants = ("everything", f"without {args.family}", "white noise only")
    seeds = range(int(POOL * args.specimens))
    held_out = range(HELD_OUT_SEED, HELD_OUT_SEED + HELD_OUT)
    parts = [
        write_samples(args.folder / part, part_seeds, SampleRecipe(), args.processes)
        for part, part_seeds in (("train", seeds), ("held-out", held_out))
    ]
    scorers = {name: trained(args, name, *parts) for name in variants}
    tests: dict[str, Cases] = {
        f"tomograms with {args.family}": family_cases(args),
        "phantoms, correlated noise": noise_cases(args),
    }
    figures = {name: compare(scorers, cases) for name, cases in tests.items()}
    print(summary_text(figures))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="for samples, checkpoints and weights (1 GB)")
    parser.add_argument("--family", default="membranes", help="ingredient to leave out")
    parser.add_argument("--specimens", type=int, default=200, help="to train each model on")
    parser.add_argument("--steps", type=int, default=3000, help="batches of each training")
    parser.add_argument("--processes", type=int, default=2, help="processes that simulate")
    parser.add_argument("--test-specimens", type=int, default=20, help="three tomograms of each")
    parser.add_argument("--phantoms", type=int, default=60)
    parser.add_argument("--json", type=Path, help="also write the figures as JSON")
    return parser.parse_args(argv)


def trained(args: argparse.Namespace, name: str, samples: Shards, held_out: Shards) -> Scorer:
    """The model of a variant, trained unless its weights exist."""
    folder = args.folder / name.replace(" ", "-")
    weights = folder / "weights.safetensors"
    if not weights.exists():
        selected = samples.select(first_specimens(samples, allowed(samples, name), args.specimens))
        trainer = Trainer(folder, selected, TrainingRecipe(steps=args.steps, batch=24))
        network, figures = train_and_measure(trainer, held_out.select(allowed(held_out, name)))
        print(f"{name}: {len(set(selected.specimen))} seeds, {len(selected)} volumes, {figures}")
        card: dict[str, Any] = {"name": name, "version": "0", "licence": "GPL-3.0-or-later"}
        card |= {"input": INPUT_CONTRACT, "interval": UNCALIBRATED}
        save_weights(weights, network, card)
    return Scorer.load(weights, "cpu")


def allowed(samples: Shards, variant: str) -> np.ndarray:
    """Mask of the volumes that a variant is trained on, (n_volumes,) bool."""
    if variant == "white noise only":
        return ~samples.correlated
    if variant.startswith("without "):
        ingredient = variant.removeprefix("without ")
        return np.array([ingredient not in names.split("+") for names in samples.contents])
    return np.ones(len(samples), dtype=bool)


def first_specimens(samples: Shards, is_allowed: np.ndarray, n: int) -> np.ndarray:
    """Mask of the allowed volumes of the first n specimens and n // 4 noise-only seeds.

    Args:
        samples: all samples.
        is_allowed: (n_volumes,) bool, from `allowed`.
        n: number of specimens.

    Returns:
        (n_volumes,) bool.
    """
    selected = np.zeros(len(samples), dtype=bool)
    tilted = np.isin(samples.specimen, samples.specimen[samples.kind == TILT_SERIES])
    for part, count in ((tilted, n), (~tilted, n // 4)):
        first = np.unique(samples.specimen[part & is_allowed])[:count]
        selected |= part & np.isin(samples.specimen, first)
    return selected & is_allowed


def family_cases(args: argparse.Namespace) -> Cases:
    """Fresh tomograms of specimens that have the ingredient."""
    seeds = range(TEST_SEED, TEST_SEED + args.test_specimens)
    for case in fresh_tomograms(seeds, 3, containing=args.family):
        yield case.stack, case.voxel_size_angstrom, case.truth["tomoscore"]


def noise_cases(args: argparse.Namespace) -> Cases:
    """Phantoms, whose noise is correlated."""
    for case in phantoms(range(TEST_SEED, TEST_SEED + args.phantoms), correlated=True):
        yield case.stack, 10 * VOXEL_NM, case.truth


def compare(scorers: dict[str, Scorer], cases: Cases) -> dict[str, dict[str, Any]]:
    """Figures of every model on the same cases."""
    predicted: dict[str, list[float]] = {name: [] for name in scorers}
    truths = []
    for stack, voxel, truth in cases:
        truths.append(truth)
        for name, scorer in scorers.items():
            predicted[name].append(float(scorer.score(stack, voxel).tomoscore or 0.0))
    true = np.array(truths)
    return {
        name: {
            "cases": len(true),
            "rank_correlation": round(rank_correlation(np.array(values), true), 4),
            "mean_absolute_error": round(float(np.abs(np.array(values) - true).mean()), 4),
            "constant_predictor_error": round(constant_error(true), 4),
        }
        for name, values in predicted.items()
    }


def summary_text(figures: dict[str, dict[str, dict[str, Any]]]) -> str:
    """The figures as text."""
    lines = []
    for test, models in figures.items():
        lines += ["", f"{test:30} cases   rank  error  constant predictor's error, octaves"]
        for name, row in models.items():
            cases, *numbers = row.values()
            lines.append(f"  {name:28} {cases:5d}" + "".join(f"{n:7.3f}" for n in numbers))
    return "\n".join(lines).lstrip("\n")


if __name__ == "__main__":
    raise SystemExit(main())
