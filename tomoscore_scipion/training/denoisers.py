# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the denoisers of the simulation; see `simulation/denoiser.py`.

Examples are adjacent planes of both halves of simulated tomograms without post-processing. Every
tenth specimen is held out.
"""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass, replace
from functools import partial
from typing import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F

from tomoscore_scipion.simulation.acquisition import Acquisition, Microscope
from tomoscore_scipion.simulation.denoiser import NOISE2NOISE, REACH, RESTORED, Denoiser
from tomoscore_scipion.simulation.grid import Grid, crop_spectrum
from tomoscore_scipion.simulation.recipe import random_recipe
from tomoscore_scipion.simulation.specimen import random_specimen
from tomoscore_scipion.simulation.truth import plane_density

ACQUISITIONS, HEIGHTS = 3, 3
"""Tilt series of a specimen, and heights of a tomogram."""
HELD_OUT_EVERY = 10
PATCH, BATCH = 64, 8
FULL_DATA = 0.8
"""Fraction of the examples of `RESTORED` with the mean of the halves as input; the others have one
half."""
WARM_UP = 100
"""Steps until the learning rate is reached; it then falls to 0 (cosine)."""


@dataclass(frozen=True)
class DenoiserRecipe:
    """Settings of a training.

    Attributes:
        specimens: number of specimens, from seed 0 on.
        steps: number of batches.
        rate: maximum learning rate.
    """

    specimens: int
    steps: int
    rate: float


RECIPES = {
    NOISE2NOISE: DenoiserRecipe(60, 3000, 2e-3),
    RESTORED: DenoiserRecipe(200, 4000, 1.5e-3),
}


@dataclass(frozen=True)
class Example:
    """Adjacent planes of a simulated tomogram.

    Attributes:
        halves: (2, 2 REACH + 1, m, m) of both halves, mean 0 and variance 1.
        density: (m, m) density of the specimen in the middle plane, mean 0 and variance 1, dark
            where dense; 0 without a specimen.
    """

    halves: torch.Tensor
    density: torch.Tensor


def specimen_examples(seed: int, pixels: int = 320) -> list[Example]:
    """Examples of one specimen; `pixels` of 1.5 nm across."""
    torch.set_num_threads(1)
    rng = np.random.default_rng([77, seed])
    specimen = random_specimen(rng, Grid(n=pixels), empty=False)
    microscope, examples = Microscope(specimen), []
    for _ in range(ACQUISITIONS):
        recipe = replace(random_recipe(rng), post="none", binning=1)
        acquisition = microscope.acquire(rng, recipe, 1.2, halves=True)
        low, high = (height / acquisition.voxel_nm for height in specimen.slab_nm)
        for fraction in rng.uniform(0.1, 0.9, HEIGHTS):
            examples.append(_example(acquisition, low + float(fraction) * (high - low)))
    return examples


def _example(acquisition: Acquisition, height: float) -> Example:
    halves = torch.stack(acquisition.halves(height + torch.arange(-REACH, REACH + 1)))
    specimen, voxel_nm = acquisition.specimen, acquisition.voxel_nm
    pixel_nm = specimen.grid.pixel_nm
    density = plane_density(specimen.density, height * voxel_nm, voxel_nm, pixel_nm)
    m = halves.shape[-1]
    density = torch.fft.irfft2(crop_spectrum(torch.fft.rfft2(density), m), s=(m, m))
    return Example(_standardised(halves).half(), _standardised(-density).half())


def _standardised(values: torch.Tensor) -> torch.Tensor:
    centred = values - values.mean()
    spread = centred.std()
    return centred / spread if spread > 1e-6 else torch.zeros_like(values)


Pair = Callable[[Example, np.random.Generator], "tuple[torch.Tensor, torch.Tensor]"]
"""Function that draws the input (CONTEXT, m, m) and the target (m, m) of an example."""


def half_from_half(example: Example, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """One half as input and the other as target."""
    i = int(rng.integers(2))
    return example.halves[i].float(), example.halves[1 - i, REACH].float()


def density_from_data(
    example: Example, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """The data as input and the density as target."""
    full = rng.random() < FULL_DATA
    data = example.halves.float().mean(dim=0) if full else example.halves[0].float()
    return data / data.std().clamp_min(1e-6), example.density.float()


PAIRS: dict[str, Pair] = {NOISE2NOISE: half_from_half, RESTORED: density_from_data}


def train(name: str, processes: int = 2) -> tuple[Denoiser, float]:
    """Train a denoiser from random weights.

    Args:
        name: `NOISE2NOISE` or `RESTORED`.
        processes: number of processes that make examples.

    Returns:
        The network, and its mean squared error on examples of the held-out specimens.
    """
    recipe = RECIPES[name]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        by_specimen = pool.map(specimen_examples, range(recipe.specimens), 1)
    held_out = [e for part in by_specimen[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY] for e in part]
    used = [
        example
        for seed, part in enumerate(by_specimen)
        if seed % HELD_OUT_EVERY != HELD_OUT_EVERY - 1
        for example in part
    ]
    network = fit(used, PAIRS[name], recipe)
    with torch.no_grad():
        x, y = batch(held_out, PAIRS[name], np.random.default_rng(9), 8 * BATCH)
        return network, float(F.mse_loss(network(x), y))


def fit(examples: Sequence[Example], pair: Pair, recipe: DenoiserRecipe) -> Denoiser:
    """Train a network on examples; reproducible for a number of threads."""
    torch.manual_seed(3)
    rng = np.random.default_rng(1)
    network = Denoiser()
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, partial(_rate, steps=recipe.steps))
    for _ in range(recipe.steps):
        x, y = batch(examples, pair, rng, BATCH)
        optimiser.zero_grad()
        F.mse_loss(network(x), y).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return network.eval()


def _rate(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + float(np.cos(np.pi * step / steps)))


def batch(
    examples: Sequence[Example], pair: Pair, rng: np.random.Generator, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Random patches, mirrored along any axis: inputs (n, CONTEXT, y, x) and targets (n, y, x)."""
    inputs, targets = [], []
    for _ in range(size):
        x, y = pair(examples[int(rng.integers(len(examples)))], rng)
        top, left = rng.integers(0, x.shape[-1] - PATCH + 1, 2)
        rows, columns = slice(top, top + PATCH), slice(left, left + PATCH)
        x, y = x[:, rows, columns], y[None, rows, columns]
        for axis in np.flatnonzero(rng.random(3) < 0.5):
            x, y = x.flip(int(axis)), y.flip(int(axis))
        inputs.append(x)
        targets.append(y[0])
    return torch.stack(inputs), torch.stack(targets)
