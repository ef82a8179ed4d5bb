# SPDX-License-Identifier: GPL-3.0-or-later
"""Training samples: canonical slices as the engine makes them, with their true curves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable

import numpy as np
import torch

from tomoscore_scipion.engine.bands import share_below_nyquist
from tomoscore_scipion.engine.normalisation import canonical_slice
from tomoscore_scipion.engine.sampling import SlicePlan, plan_slice
from tomoscore_scipion.simulation.acquisition import Acquisition, Microscope
from tomoscore_scipion.simulation.appearance import finish
from tomoscore_scipion.simulation.direct import (
    DirectRecipe,
    direct_planes,
    phantom,
    random_direct_recipe,
    smoothing_nm,
)
from tomoscore_scipion.simulation.recipe import Recipe, random_recipe
from tomoscore_scipion.simulation.specimen import Specimen, random_specimen
from tomoscore_scipion.simulation.truth import plane_density, tile_curves, tile_means

GENERATOR_VERSION = 3
"""Raised whenever a seed no longer gives the same samples."""


@dataclass(frozen=True)
class Sample:
    """One slice for training.

    Attributes:
        channels: (3, y, x) float16, as the network gets them.
        curves: (tiles, tiles, N_BANDS) float16, signed truth.
        weight: (tiles, tiles) float16, the share of each tile that carries data.
        share: (N_BANDS,) float32, share of each band below Nyquist.
        kind: "tilt_series", "direct" or "null".
    """

    channels: np.ndarray
    curves: np.ndarray
    weight: np.ndarray
    share: np.ndarray
    kind: str


@dataclass(frozen=True)
class SampleRecipe:
    """What is drawn per specimen.

    Attributes:
        acquisitions: tilt series per specimen.
        slices: slices kept of each.
        directs: stacks of matter plus noise per specimen.
        nulls: stacks of nothing but noise per specimen.
        without: ingredients of specimens left out.
        white_only: stacks without tilt series get white noise only (to hold out correlated noise).
    """

    acquisitions: int = 6
    slices: int = 3
    directs: int = 3
    nulls: int = 2
    without: tuple[str, ...] = ()
    white_only: bool = False


def specimen_samples(seed: int, recipe: SampleRecipe = SampleRecipe()) -> list[Sample]:
    """All samples of one specimen; the same seed and generator version give the same."""
    rng = np.random.default_rng([GENERATOR_VERSION, seed])
    specimen = random_specimen(rng, without=recipe.without)
    microscope = Microscope(specimen)
    samples = []
    for _ in range(recipe.acquisitions):
        acquisition = microscope.acquire(rng, random_recipe(rng), float(rng.uniform(1.1, 2.2)))
        samples += _tilt_series_samples(rng, acquisition, recipe.slices)
    for _ in range(recipe.directs):
        samples.append(_direct_sample(rng, specimen, recipe))
    for _ in range(recipe.nulls):
        samples.append(_direct_sample(rng, specimen, recipe, null=True))
    return samples


def _tilt_series_samples(
    rng: np.random.Generator, acquisition: Acquisition, n: int
) -> list[Sample]:
    voxel = acquisition.voxel_nm
    first, last = acquisition.slab_z()
    inside = rng.integers(first, last + 1, n)
    anywhere = rng.integers(0, acquisition.n_z, n)
    kind = "tilt_series" if acquisition.specimen.contents else "null"
    samples = []
    for z in np.where(rng.random(n) < 0.8, inside, anywhere):
        plan = plan_slice(int(z), acquisition.n_z, voxel)
        used = plan.centre + plan.near + plan.far
        stack = acquisition.raw_planes(min(used), max(used))
        curves = acquisition.truth(stack[int(z) - min(used)], int(z))
        stack = finish(rng, stack, acquisition.recipe, voxel)
        samples.append(_sample(plan, _reader(stack, min(used)), curves, voxel, kind))
    return samples


def _direct_sample(
    rng: np.random.Generator, specimen: Specimen, recipe: SampleRecipe, null: bool = False
) -> Sample:
    """A slice of matter (of the specimen, or a phantom) plus noise, or of noise alone."""
    grid = specimen.grid
    written = random_recipe(rng)
    direct = random_direct_recipe(rng)
    if recipe.white_only:
        direct = type(direct)(direct.blur_nm, direct.noise_to_signal, "white", 0.0)
    voxel = grid.width_nm / (2 * round(grid.width_nm / written.voxel_nm / 2))
    n_z = int(rng.choice([1, 3, 15, 15]))
    z = n_z // 2
    flat = rng.random() < 0.5 or n_z == 1
    matter = _matter(rng, specimen, 1 if flat else n_z, voxel)
    if null:
        matter = torch.zeros_like(matter)
        direct, written = _nothing(rng, direct, written)
    raw, stack = direct_planes(rng, matter, grid, direct, written, n_z if flat else None)
    curves = tile_curves(raw[z], matter[0 if flat else z], grid)
    plan = plan_slice(z, n_z, voxel)
    return _sample(plan, _reader(stack, 0), curves, voxel, "null" if null else "direct")


def _nothing(
    rng: np.random.Generator, direct: DirectRecipe, written: Recipe
) -> tuple[DirectRecipe, Recipe]:
    """Some nulls are nothing but a gradient, and some have noise that is the same in z as in xy."""
    if rng.random() < 0.12:
        return replace(direct, noise_to_signal=0.0), replace(
            written, gradient=float(rng.uniform(0.5, 5))
        )
    if direct.spectrum == "smoothed" and rng.random() < 0.6:
        return replace(direct, z_correlation=smoothing_nm(direct)), written
    return direct, written


def _matter(rng: np.random.Generator, specimen: Specimen, n_z: int, voxel: float) -> torch.Tensor:
    """(n_z, n, n) of consecutive planes of the specimen, or of one phantom."""
    grid = specimen.grid
    if n_z == 1 and rng.random() < 0.7:
        return phantom(rng, grid)[None]
    middle = float(rng.uniform(*specimen.slab_nm)) * 0.6
    heights = [middle + (i - (n_z - 1) / 2) * voxel for i in range(n_z)]
    planes = [plane_density(specimen.density, h, voxel, grid.pixel_nm) for h in heights]
    return torch.stack(planes)


def _reader(stack: torch.Tensor, first: int) -> Callable[[int], np.ndarray]:
    return lambda z: stack[z - first].numpy()


def _sample(
    plan: SlicePlan,
    read: Callable[[int], np.ndarray],
    curves: torch.Tensor,
    voxel_nm: float,
    kind: str,
) -> Sample:
    canonical = canonical_slice(read, plan, voxel_nm)
    return Sample(
        canonical.channels.numpy().astype(np.float16),
        curves.numpy().astype(np.float16),
        tile_means(canonical.valid).numpy().astype(np.float16),
        share_below_nyquist(voxel_nm).astype(np.float32),
        kind,
    )
