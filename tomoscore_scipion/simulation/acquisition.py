# SPDX-License-Identifier: GPL-3.0-or-later
"""Imaging of a specimen: planes of its tomogram, and the truth of each plane."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from tomoscore_scipion.simulation import postprocessing
from tomoscore_scipion.simulation.appearance import finish
from tomoscore_scipion.simulation.denoiser import REACH, Denoiser, denoise
from tomoscore_scipion.simulation.noise2noise import train
from tomoscore_scipion.simulation.projection import plane_spectra
from tomoscore_scipion.simulation.recipe import TRAINED, Recipe
from tomoscore_scipion.simulation.reconstruction import (
    field_size,
    filtered_views,
    reconstruct_planes,
)
from tomoscore_scipion.simulation.specimen import Specimen
from tomoscore_scipion.simulation.truth import plane_density, tile_content, tile_curves
from tomoscore_scipion.simulation.views import split_noise, take_views


@dataclass(frozen=True)
class Acquisition:
    """A recorded tilt series, from which any plane of the tomogram can be reconstructed.

    Attributes:
        specimen: the imaged specimen.
        recipe: parameters of imaging and reconstruction.
        filtered: tilt images from `reconstruction.filtered_views`.
        tilts_deg: tilt angles of these images.
        n_z: planes of the tomogram; plane (n_z - 1) / 2 is the middle of the specimen.
        split: noise; `filtered` plus and minus this noise are the two halves. None if not needed.
        denoiser: denoiser adapted to these halves, or None.
    """

    specimen: Specimen
    recipe: Recipe
    filtered: torch.Tensor
    tilts_deg: torch.Tensor
    n_z: int
    split: torch.Tensor | None = None
    denoiser: Denoiser | None = None

    @property
    def voxel_nm(self) -> float:
        """Exact voxel size of the tomogram in nm, after binning."""
        grid, binning = self.specimen.grid, self.recipe.binning
        return binning * grid.width_nm / field_size(grid, self.recipe.voxel_nm, binning)

    def heights_nm(self, planes: torch.Tensor) -> torch.Tensor:
        """Heights of plane indices, 0 in the middle of the specimen."""
        return (planes - (self.n_z - 1) / 2) * self.voxel_nm

    def slab_z(self) -> tuple[int, int]:
        """First and last plane inside the specimen's slab."""
        low, high = ((self.n_z - 1) / 2 + h / self.voxel_nm for h in self.specimen.slab_nm)
        first, last = max(0, int(np.ceil(low))), min(self.n_z - 1, int(high))
        return first, max(first, last)

    def planes(self, indices: Sequence[int] | range) -> torch.Tensor:
        """Some planes, in increasing order, with the recipe's post-processing, (z, y, x).

        The post-processing includes the planes within its reach, so that separate planes are the
        same as in the whole tomogram.
        """
        recipe, binning = self.recipe, self.recipe.binning
        fine = binning * np.asarray(indices)[:, None] + np.arange(binning)
        trained = self.denoiser is not None
        reach = REACH if trained else postprocessing.reach(recipe.post, recipe.strength)
        used = np.unique(fine[..., None] + np.arange(-reach, reach + 1))
        heights = torch.from_numpy(used - (binning * self.n_z - 1) / 2)
        stack = reconstruct_planes(self.filtered, self.tilts_deg, heights)
        if self.denoiser is not None:
            wanted_planes = torch.from_numpy(np.isin(used, fine))
            stack, used = denoise(self.denoiser, stack, wanted_planes), used[wanted_planes.numpy()]
        else:
            stack = postprocessing.apply(stack, recipe)
        if binning == 1:
            return stack[np.searchsorted(used, fine[:, 0])]
        blocks = stack[np.searchsorted(used, fine)].mean(dim=1)
        return F.avg_pool2d(blocks[None], binning)[0]

    def halves(self, heights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Planes at heights in voxels (0 in the middle) of both halves, (z, y, x) each."""
        if self.split is None:
            raise ValueError("expected an acquisition with halves, got one without")
        planes = reconstruct_planes(self.filtered, self.tilts_deg, heights)
        noise = reconstruct_planes(self.split, self.tilts_deg, heights)
        return planes + noise, planes - noise

    def halves_by_tilt(self, heights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Planes at heights in voxels of the tomograms from even and odd tilts, (z, y, x) each."""
        by_angle = torch.argsort(self.tilts_deg)
        one, other = (
            reconstruct_planes(self.filtered[views], self.tilts_deg[views], heights)
            for views in (by_angle[::2], by_angle[1::2])
        )
        return one, other

    def truth(self, plane: torch.Tensor, z: int) -> torch.Tensor:
        """Signed curves per tile, (tiles, tiles, N_BANDS), of plane z from `planes`.

        The truth does not depend on the appearance (contrast, gradient, empty border).
        """
        return tile_curves(plane, self._density(z), self.specimen.grid)

    def content(self, z: int) -> torch.Tensor:
        """Amount of structure per tile and band at plane z, (tiles, tiles, N_BANDS)."""
        return tile_content(self._density(z), self.specimen.grid, self.voxel_nm)

    def _density(self, z: int) -> torch.Tensor:
        height = float(self.heights_nm(torch.tensor(z)))
        pixel_nm = self.specimen.grid.pixel_nm
        return plane_density(self.specimen.density, height, self.voxel_nm, pixel_nm)


class Microscope:
    """Images one specimen several times; the spectra of its planes are computed once."""

    def __init__(self, specimen: Specimen) -> None:
        self.specimen = specimen
        self._spectra = plane_spectra(specimen.scatter)

    def acquire(
        self, rng: np.random.Generator, recipe: Recipe, headroom: float = 1.5, halves: bool = False
    ) -> Acquisition:
        """Record a tilt series.

        Args:
            rng: source of randomness.
            recipe: parameters of imaging and reconstruction.
            headroom: ratio of the height of the tomogram to the height of the specimen.
            halves: whether to compute the split into two halves of the electrons.
        """
        views = take_views(rng, self.specimen, self._spectra, recipe)
        voxel_nm = recipe.binning * recipe.voxel_nm
        nz = self.specimen.density.shape[0] * self.specimen.grid.pixel_nm / voxel_nm
        filtered = filtered_views(views, self.specimen.grid, recipe)
        tilts = views.scheme.tilts_deg
        acquisition = Acquisition(
            self.specimen, recipe, filtered, tilts, max(4, int(nz * headroom))
        )
        trained = recipe.post == TRAINED
        if not (trained or halves):
            return acquisition
        noise = split_noise(rng, views, self.specimen.grid, recipe)
        split = filtered_views(noise, self.specimen.grid, recipe)
        acquisition = replace(acquisition, split=split)
        return _with_denoiser(acquisition, int(rng.integers(2**62))) if trained else acquisition


def _with_denoiser(acquisition: Acquisition, seed: int) -> Acquisition:
    """Adapt a denoiser at three heights of the specimen."""
    low, high = (h / acquisition.voxel_nm for h in acquisition.specimen.slab_nm)
    heights = acquisition.recipe.binning * torch.tensor([0.25, 0.5, 0.75]) * (high - low)
    heights += acquisition.recipe.binning * low
    network = train(acquisition.halves, heights, acquisition.recipe.strength, seed)
    return replace(acquisition, denoiser=network)


def tomogram(
    rng: np.random.Generator, acquisition: Acquisition
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The whole tomogram and its truth.

    Returns:
        Planes (z, y, x) float32 as written, signed curves (z, tiles, tiles, N_BANDS), and content
        of the same shape.
    """
    raw = acquisition.planes(range(acquisition.n_z))
    curves = [acquisition.truth(plane, z) for z, plane in enumerate(raw)]
    content = [acquisition.content(z) for z in range(acquisition.n_z)]
    written = finish(rng, raw, acquisition.recipe, acquisition.voxel_nm)
    return written, torch.stack(curves), torch.stack(content)
