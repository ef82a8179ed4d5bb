# SPDX-License-Identifier: GPL-3.0-or-later
"""Training samples: statistics of simulated slices with their true curves."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Sequence

import numpy as np
import torch

from tomoscore_scipion.model.inference import MeasuredSlice, measure
from tomoscore_scipion.model.normalisation import canonical_slice
from tomoscore_scipion.model.sampling import ReadPlane, SlicePlan, plan_slice
from tomoscore_scipion.model.tiles import CELL_PX
from tomoscore_scipion.records.bands import N_BANDS, fraction_below_nyquist
from tomoscore_scipion.simulation.acquisition import Acquisition, Microscope
from tomoscore_scipion.simulation.appearance import finish
from tomoscore_scipion.simulation.denoiser import NOISE2NOISE, RESTORED
from tomoscore_scipion.simulation.generator import GENERATOR_VERSION
from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.noise_only import random_noise_volume
from tomoscore_scipion.simulation.phantoms import (
    PhantomRecipe,
    phantom,
    phantom_planes,
    random_phantom_recipe,
    smoothing_nm,
)
from tomoscore_scipion.simulation.picture import as_picture
from tomoscore_scipion.simulation.recipe import (
    Recipe,
    ordinary_recipe,
    random_recipe,
    raw_recipe,
)
from tomoscore_scipion.simulation.specimen import Specimen, random_specimen
from tomoscore_scipion.simulation.truth import plane_density, tile_content, tile_curves
from tomoscore_scipion.simulation.worlds import INGREDIENTS
from tomoscore_scipion.training.fields import Field, random_field

TILT_SERIES, PHANTOM, NOISE_ONLY = "tilt_series", "direct", "null"
"""Kinds of samples, as named in shards and cards."""
SINGLE_SLICE_ODDS = 0.2
"""Fraction of the specimens with a single ingredient, like purified or sparse specimens."""
RECIPE_ODDS = {"random": 0.5, "ordinary": 0.25, "raw": 0.25}
"""Odds of the recipes of tilt series. Random ones are mostly poor; without the others, the scores
of good tomograms that are back-projected and not processed further are too low."""
RAW_PICTURE_ODDS = 0.25
"""Fraction of the raw tomograms that become single pictures."""
RAW_VOXEL_NM = (1.5, 3.0)
"""Range of the voxel size of raw tomograms."""
DENOISED_ICE_ODDS = 0.7
"""Fraction of the empty tomograms that a denoising network has processed, beside those that
`random_recipe` draws."""
JSON_NAMES = {"phantoms": "directs", "noise_stacks": "nulls", "noise_volumes": "nothings"}
"""Names in JSON of some fields of `SampleRecipe`, kept for existing samples and cards."""
MAX_BINNED_VOXEL_NM = 2.0
"""Maximum voxel size for binning by 2; with larger voxels little structure would remain."""


@dataclass(frozen=True)
class Sample:
    """One slice for training.

    Attributes:
        measured: statistics of the slice.
        curves: (tiles, tiles, N_BANDS), signed truth.
        content: (tiles, tiles, N_BANDS), amount of structure, 0 to 1.
        below_nyquist: (N_BANDS,) fraction of each band below Nyquist.
        volume: index of the volume among those of the specimen.
        kind: `TILT_SERIES`, `PHANTOM` or `NOISE_ONLY`.
        correlated: whether it has correlated noise added without tilts.
        contents: ingredients of the specimen, joined by "+".
    """

    measured: MeasuredSlice
    curves: torch.Tensor
    content: torch.Tensor
    below_nyquist: np.ndarray
    volume: int
    kind: str
    correlated: bool = False
    contents: str = ""


@dataclass(frozen=True)
class SampleRecipe:
    """Numbers of samples per specimen.

    Tomograms of the same specimen have similar errors. Few tomograms of many specimens therefore
    teach more than many tomograms of few specimens.

    Attributes:
        field_px: pixels of 1.5 nm across the specimen, a multiple of 32.
        acquisitions: tilt series per specimen; some are noise-free, binned, or cropped along z.
        slices: slices per volume, distributed over its height.
        phantoms: stacks of blurred matter plus noise per specimen.
        noise_stacks: stacks of noise only per specimen.
        noise_volumes: volumes of noise only per noise seed.
        empty_acquisitions: tilt series of a specimen that is ice only per seed of empty ice.
    """

    field_px: int = 320
    acquisitions: int = 2
    slices: int = 3
    phantoms: int = 1
    noise_stacks: int = 0
    noise_volumes: int = 4
    empty_acquisitions: int = 2

    def as_json(self) -> dict[str, int]:
        """The recipe with the names of `JSON_NAMES`."""
        return {JSON_NAMES.get(name, name): value for name, value in asdict(self).items()}


def specimen_samples(seed: int, recipe: SampleRecipe = SampleRecipe()) -> list[Sample]:
    """All samples of one specimen; reproducible for a seed and generator version."""
    rng = np.random.default_rng([GENERATOR_VERSION, seed])
    specimen = random_specimen(rng, Grid(n=recipe.field_px), without=_left_out(rng))
    microscope = Microscope(specimen)
    volumes = []
    for _ in range(recipe.acquisitions):
        drawn = _unusual(rng, _drawn(rng))
        volumes += _acquired(rng, microscope, drawn, recipe.slices)
    for number in range(recipe.phantoms + recipe.noise_stacks):
        noise_only = number >= recipe.phantoms
        volumes.append(_phantom_samples(rng, specimen, recipe, noise_only))
    return _numbered(volumes, "+".join(specimen.contents))


def empty_ice_samples(seed: int, recipe: SampleRecipe = SampleRecipe()) -> list[Sample]:
    """Samples of tomograms of ice without specimen, most of them denoised; their curves are 0.

    A denoising network leaves blobs and streaks in empty ice that resemble a specimen.
    """
    rng = np.random.default_rng([GENERATOR_VERSION, 23, seed])
    microscope = Microscope(random_specimen(rng, Grid(n=recipe.field_px), empty=True))
    volumes = []
    for _ in range(recipe.empty_acquisitions):
        drawn = random_recipe(rng)
        if rng.random() < DENOISED_ICE_ODDS:
            drawn = replace(drawn, post=str(rng.choice([NOISE2NOISE, RESTORED])))
        volumes += _acquired(rng, microscope, drawn, recipe.slices)
    return _numbered(volumes, "")


def _acquired(
    rng: np.random.Generator, microscope: Microscope, recipe: Recipe, n: int
) -> list[list[Sample]]:
    """Samples of one tilt series: one volume, or a volume for each of n pictures."""
    acquisition = microscope.acquire(rng, recipe, float(rng.uniform(1.0, 2.4)))
    if recipe.picture:
        return [[sample] for sample in _pictures(rng, acquisition, n)]
    return [_tilt_series_samples(rng, acquisition, n)]


def _numbered(volumes: list[list[Sample]], contents: str) -> list[Sample]:
    """The samples of all volumes, with the number of their volume."""
    return [
        replace(sample, volume=number, contents=contents)
        for number, part in enumerate(volumes)
        for sample in part
    ]


def noise_only_samples(seed: int, recipe: SampleRecipe = SampleRecipe()) -> list[Sample]:
    """Samples of noise-only volumes; their true curves are 0."""
    rng = np.random.default_rng([GENERATOR_VERSION, 17, seed])
    grid = Grid(n=recipe.field_px)
    tiles = grid.n // CELL_PX - 1
    curves = torch.zeros((tiles, tiles, N_BANDS))
    samples = []
    for volume in range(recipe.noise_volumes):
        stack, voxel_nm = random_noise_volume(rng, grid.width_nm)
        field = random_field(rng, grid.n)
        for z in _spread_out(rng, len(stack), 2):
            plan = plan_slice(int(z), len(stack), voxel_nm)
            sample = _sample(field, plan, stack.__getitem__, curves, curves, voxel_nm, NOISE_ONLY)
            samples.append(replace(sample, volume=volume, correlated=True))
    return samples


def _left_out(rng: np.random.Generator) -> tuple[str, ...]:
    """Draw the ingredients to leave out of a specimen: none, or all but one."""
    if rng.random() >= SINGLE_SLICE_ODDS:
        return ()
    single = str(rng.choice(INGREDIENTS))
    return tuple(name for name in INGREDIENTS if name != single)


def _spread_out(rng: np.random.Generator, n_z: int, n: int) -> np.ndarray:
    """Draw at most n planes, one in each of n equal parts of the height."""
    positions = (np.arange(n) + rng.random(n)) * n_z / n
    return np.unique(np.minimum(positions.astype(int), n_z - 1))


def _drawn(rng: np.random.Generator) -> Recipe:
    """Draw a recipe: random, of an ordinary session, or of a raw tomogram, see `RECIPE_ODDS`."""
    kind = str(rng.choice(list(RECIPE_ODDS), p=list(RECIPE_ODDS.values())))
    if kind == "random":
        return random_recipe(rng)
    if kind == "ordinary":
        return ordinary_recipe(rng)
    voxel_nm = float(rng.uniform(*RAW_VOXEL_NM))
    picture = bool(rng.random() < RAW_PICTURE_ODDS)
    return replace(raw_recipe(rng), voxel_nm=voxel_nm, picture=picture)


def _unusual(rng: np.random.Generator, recipe: Recipe) -> Recipe:
    """Give some tilt series almost no noise, and bin some tomograms."""
    if rng.random() < 0.06:
        recipe = replace(recipe, total_dose=float(10 ** rng.uniform(3, 7)), damage=False)
    if rng.random() < 0.3 and recipe.voxel_nm <= MAX_BINNED_VOXEL_NM:
        recipe = replace(recipe, binning=2)
    return recipe


def _tilt_series_samples(
    rng: np.random.Generator, acquisition: Acquisition, n: int
) -> list[Sample]:
    voxel = acquisition.voxel_nm
    kind = TILT_SERIES if acquisition.specimen.contents else NOISE_ONLY
    first, n_z = _cropped(rng, acquisition)
    plans = [plan_slice(int(z), n_z, voxel) for z in _spread_out(rng, n_z, n)]
    planes = sorted({z for plan in plans for z in plan.planes})
    raw = acquisition.planes([first + z for z in planes])
    curves = [acquisition.truth(raw[planes.index(plan.z)], first + plan.z) for plan in plans]
    written = finish(rng, raw, acquisition.recipe, voxel)
    read = _reader(written, planes)
    content = [acquisition.content(first + plan.z) for plan in plans]
    field = random_field(rng, acquisition.specimen.grid.n)
    return [
        _sample(field, plan, read, truth, tile_contents, voxel, kind)
        for plan, truth, tile_contents in zip(plans, curves, content)
    ]


def _pictures(rng: np.random.Generator, acquisition: Acquisition, n: int) -> list[Sample]:
    """Samples of single slices as pictures, each slice as a separate volume."""
    low, high = acquisition.slab_z()
    planes = low + _spread_out(rng, high - low + 1, n)
    raw = acquisition.planes([int(z) for z in planes])
    samples = []
    for z, plane in zip(planes, raw):
        picture, voxel = as_picture(rng, plane, acquisition.voxel_nm)
        truth, content = acquisition.truth(picture, int(z)), acquisition.content(int(z))
        grey = picture if rng.random() < 0.75 else 255 - picture
        kind = TILT_SERIES if acquisition.specimen.contents else NOISE_ONLY
        read, field = _reader(grey[None], [0]), random_field(rng, acquisition.specimen.grid.n)
        plan = plan_slice(0, 1, voxel)
        samples.append(_sample(field, plan, read, truth, content, voxel, kind))
    return samples


def _cropped(rng: np.random.Generator, acquisition: Acquisition) -> tuple[int, int]:
    """Draw first plane and number of planes: usually all, or a few inside the specimen."""
    if rng.random() < 0.85:
        return 0, acquisition.n_z
    low, high = acquisition.slab_z()
    n_z = min(int(np.exp(rng.uniform(np.log(3), np.log(40)))), high - low + 1)
    return int(rng.integers(low, high - n_z + 2)), n_z


def _phantom_samples(
    rng: np.random.Generator, specimen: Specimen, recipe: SampleRecipe, noise_only: bool
) -> list[Sample]:
    """Samples of matter (from the specimen or a phantom) plus noise, or of noise only."""
    grid = specimen.grid
    written = random_recipe(rng)
    phantom_recipe = random_phantom_recipe(rng)
    voxel = grid.width_nm / (2 * round(grid.width_nm / written.voxel_nm / 2))
    n_z = int(rng.choice([1, 3, 15, 40]))
    flat = rng.random() < 0.5 or n_z == 1
    matter = _matter(rng, specimen, 1 if flat else n_z, voxel)
    if noise_only:
        matter = torch.zeros_like(matter)
        phantom_recipe, written = _noise_recipes(rng, phantom_recipe, written)
    raw, stack = phantom_planes(rng, matter, grid, phantom_recipe, written, n_z if flat else None)
    field = random_field(rng, grid.n)
    samples = []
    for z in _spread_out(rng, n_z, 2):
        density = matter[0 if flat else z]
        curves = tile_curves(raw[z], density, grid)
        content = tile_content(density, grid, voxel)
        plan = plan_slice(int(z), n_z, voxel)
        kind = NOISE_ONLY if noise_only else PHANTOM
        sample = _sample(field, plan, _reader(stack, range(n_z)), curves, content, voxel, kind)
        samples.append(replace(sample, correlated=_correlated(phantom_recipe)))
    return samples


def _correlated(phantom_recipe: PhantomRecipe) -> bool:
    return phantom_recipe.spectrum != "white" or phantom_recipe.z_correlation > 0


def _noise_recipes(
    rng: np.random.Generator, phantom_recipe: PhantomRecipe, written: Recipe
) -> tuple[PhantomRecipe, Recipe]:
    """Make some noise-only stacks a pure gradient, and some equally correlated in z and xy."""
    if rng.random() < 0.12:
        return replace(phantom_recipe, noise_to_signal=0.0), replace(
            written, gradient=float(rng.uniform(0.5, 5))
        )
    if phantom_recipe.spectrum == "smoothed" and rng.random() < 0.6:
        return replace(phantom_recipe, z_correlation=smoothing_nm(phantom_recipe)), written
    return phantom_recipe, written


def _matter(rng: np.random.Generator, specimen: Specimen, n_z: int, voxel: float) -> torch.Tensor:
    """Density of consecutive planes of the specimen, or of one phantom, (n_z, n, n)."""
    grid = specimen.grid
    if n_z == 1 and rng.random() < 0.7:
        return phantom(rng, grid)[None]
    half = len(specimen.density) * grid.pixel_nm / 2
    middle = float(rng.uniform(-half, half)) * 0.6
    heights = [middle + (i - (n_z - 1) / 2) * voxel for i in range(n_z)]
    planes = [plane_density(specimen.density, h, voxel, grid.pixel_nm) for h in heights]
    return torch.stack(planes)


def _reader(stack: torch.Tensor, planes: Sequence[int]) -> ReadPlane:
    index_of = {z: i for i, z in enumerate(planes)}
    return lambda z: stack[index_of[z]].numpy()


def _sample(
    field: Field,
    plan: SlicePlan,
    read: ReadPlane,
    curves: torch.Tensor,
    content: torch.Tensor,
    voxel_nm: float,
    kind: str,
) -> Sample:
    canonical = canonical_slice(lambda z: field.of_plane(read(z)), plan, voxel_nm)
    measured = field.expanded(measure(canonical, torch.device("cpu")))
    below_nyquist = fraction_below_nyquist(voxel_nm).astype(np.float32)
    return Sample(measured, field.of_tiles(curves), field.of_tiles(content), below_nyquist, 0, kind)
