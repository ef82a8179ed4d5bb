# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples on disk, one file (shard) per seed, made by several processes; can be resumed.

The seeds of the kinds of samples (`MAKERS`) are independent of each other.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path
from typing import Iterable

import numpy as np
import torch

from tomoscore_scipion.records.atomic_write import atomic_path
from tomoscore_scipion.simulation.generator import GENERATOR_VERSION
from tomoscore_scipion.training.samples import (
    SampleRecipe,
    empty_ice_samples,
    noise_only_samples,
    specimen_samples,
)

MAKERS = {"": specimen_samples, "nothing-": noise_only_samples, "ice-": empty_ice_samples}
"""Functions that make the samples of a seed, by the prefix of the seed in a shard's name."""

KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(8 * 2**30), "MALLOC_TRIM_THRESHOLD_": str(16 * 2**30)}
"""Settings of glibc: reuse memory of large arrays; new pages would take a quarter of the time."""


def shard_path(folder: Path, seed: int, kind: str = "") -> Path:
    """Path of the shard with the samples of a seed.

    Args:
        folder: folder of the shards.
        seed: seed of the samples.
        kind: key of `MAKERS`.
    """
    return folder / f"v{GENERATOR_VERSION}-{kind}{seed:06d}.npz"


def write_shard(folder: Path, seed: int, recipe: SampleRecipe, kind: str = "") -> Path:
    """Make the samples of one seed; an existing complete shard is kept.

    Args:
        folder: folder of the shards.
        seed: seed of the samples.
        recipe: number of samples per specimen.
        kind: key of `MAKERS`.

    Returns:
        Path of the shard.
    """
    path = shard_path(folder, seed, kind)
    if path.exists():
        return path
    samples = [s for s in MAKERS[kind](seed, recipe) if not s.measured.blank]
    measured = [sample.measured for sample in samples]
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(
            file,
            means=np.stack([m.means.flatten(0, 1) for m in measured]).astype(np.float16),
            weight=np.stack([m.weight.flatten() for m in measured]).astype(np.float16),
            level=np.stack([m.log_power for m in measured]).astype(np.float32),
            persistence=np.stack([m.persistence for m in measured]).astype(np.float32),
            curves=np.stack([s.curves.flatten(0, 1) for s in samples]).astype(np.float16),
            content=np.stack([s.content.flatten(0, 1) for s in samples]).astype(np.float16),
            share=np.stack([s.below_nyquist for s in samples]),
            volume=np.array([s.volume for s in samples]),
            kind=np.array([s.kind for s in samples]),
            contents=np.array([s.contents for s in samples]),
            correlated=np.array([s.correlated for s in samples]),
        )
    return path


def write_shards(
    folder: Path, seeds: Iterable[int], recipe: SampleRecipe, processes: int = 2, kind: str = ""
) -> int:
    """Make the missing shards of a kind; returns the number of shards of this kind.

    Args:
        folder: folder of the shards.
        seeds: seeds of the shards.
        recipe: number of samples per specimen.
        processes: number of processes.
        kind: key of `MAKERS`.

    Raises:
        ValueError: the folder has shards of another recipe.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _check_recipe(folder, recipe)
    jobs = [(folder, seed, recipe, kind) for seed in seeds]
    os.environ.update(KEEP_MEMORY)
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return sum(1 for _ in pool.imap_unordered(_write, jobs))


def _write(job: tuple) -> Path:
    return write_shard(*job)


def _check_recipe(folder: Path, recipe: SampleRecipe) -> None:
    stated = json.loads(json.dumps({"generator": GENERATOR_VERSION, **recipe.as_json()}))
    path = folder / "recipe.json"
    if path.exists() and json.loads(path.read_text()) != stated:
        raise ValueError(f"{path} is of another recipe: expected {stated}; use another folder")
    path.write_text(json.dumps(stated))
