# SPDX-License-Identifier: GPL-3.0-or-later
"""Planes of a tomogram from tilt views: the engine's back-projection, in sheared coordinates.

There a view shows a plane at height z merely displaced by z tan(tilt), so that any plane can be
reconstructed on its own, and a periodic field stays periodic.
"""

from __future__ import annotations

import math

import torch

from tomoscore_scipion.simulation.grid import Grid, crop_spectrum
from tomoscore_scipion.simulation.recipe import Recipe
from tomoscore_scipion.simulation.view_filters import interpolation_transfer, recipe_transfer
from tomoscore_scipion.simulation.views import Views
from tomoscore_scipion.tomography import radiation_damage
from tomoscore_scipion.tomography.backprojection import RadialFilter, Sheared, slabs_at

COLUMNS_PER_VOXEL = 2
"""Views are sampled so finely that the engine's interpolation between columns hardly matters."""
SART_STEPS = 8
"""Iterations of SIRT that one of SART, which corrects after a subset of views, is worth."""
RAMP_AT_ZERO = 2 / math.pi**2
"""Of the first step of the ramp: what is left at 0 of one whose kernel ends with the field."""


def field_size(grid: Grid, voxel_nm: float, binning: int = 1) -> int:
    """How many voxels of about `voxel_nm` lie across the field: even, and so when binned.

    Args:
        grid: sampling of the specimen.
        voxel_nm: wanted voxel size in nm, before binning.
        binning: binning factor of the tomogram.
    """
    multiple = 2 * binning
    return multiple * round(grid.width_nm / voxel_nm / multiple)


def filtered_views(views: Views, grid: Grid, recipe: Recipe) -> torch.Tensor:
    """Views ready to be back-projected at the voxel size of a recipe.

    The filter of the recipe, its CTF correction and dose weighting, a band limit at the voxel's
    Nyquist, and the attenuation of linear interpolation between the pixels of the detector, which
    are further apart than those of a sheared view.

    Returns:
        (n_tilts, columns, m) float32, transposed as the engine wants them: m = `field_size` voxels
        along y, `COLUMNS_PER_VOXEL` times as many columns along x.

    Args:
        views: aligned tilt images.
        grid: sampling of the specimen.
        recipe: filter, weights and interpolation.

    Returns:
        (n_tilts, columns, m) float32, for `reconstruct_planes`.
    """
    m = field_size(grid, recipe.voxel_nm, recipe.binning)
    voxel_nm = grid.width_nm / m
    across = grid.kx() / torch.cos(torch.deg2rad(views.scheme.tilts_deg))[:, None]
    minimum = RAMP_AT_ZERO / grid.width_nm
    weights = 2 * radial_filter(recipe).at(across.clamp_min(minimum) * voxel_nm)
    weights = weights * (across <= 0.5 / voxel_nm)
    if recipe.linear_interpolation:
        weights = weights * torch.sinc(across * voxel_nm) ** 2
    weighted = views.spectra * (weights * _view_scale(views, recipe)[:, None])[:, None, :]
    weighted *= (grid.ky().abs() <= 0.5 / voxel_nm)[None, :, None]
    if recipe.alignment_interpolation != "none":
        kind = recipe.alignment_interpolation
        weighted *= interpolation_transfer(across, voxel_nm, kind)[:, None, :]
        weighted *= interpolation_transfer(grid.ky(), voxel_nm, kind)[None, :, None]
    transfer = recipe_transfer(views.frequency, recipe)
    if transfer is not None:
        weighted *= transfer
    if recipe.dose_weighting:
        dose = views.scheme.dose_middle[:, None, None]
        weighted *= radiation_damage.surviving_amplitude(views.frequency, dose)
    images = torch.fft.irfft2(crop_spectrum(weighted, m), s=(m, COLUMNS_PER_VOXEL * m))
    return images.transpose(1, 2).contiguous() * COLUMNS_PER_VOXEL


def _view_scale(views: Views, recipe: Recipe) -> torch.Tensor:
    """Factor of each view, (n_tilts,), 1 on average: thick ice lets fewer electrons through."""
    power = {"mean": 0.0, "spread": 0.5, "counts": 1.0}[recipe.view_scaling]
    scale = views.counts**power
    return scale / scale.mean()


def reconstruct_planes(
    filtered: torch.Tensor, tilts_deg: torch.Tensor, heights: torch.Tensor
) -> torch.Tensor:
    """Planes of the tomogram.

    Args:
        filtered: (n_tilts, columns, m) from `filtered_views`.
        tilts_deg: (n_tilts,).
        heights: (n,) in voxels, 0 in the middle of the specimen.

    Returns:
        (n, m, m) float32, (z, y, x).
    """
    planes = slabs_at(filtered, Sheared(tilts_deg.numpy()), heights.numpy(), filtered.shape[2])
    return torch.cat(list(planes))


def radial_filter(recipe: Recipe) -> RadialFilter:
    """The filter of a recipe, in cycles per voxel."""
    everything = math.sqrt(0.5)
    if recipe.filter == "ramp_rolloff":
        return RadialFilter(cutoff=recipe.rolloff, falloff=recipe.falloff)
    if recipe.filter == "hamming":
        return RadialFilter(shape="hamming")
    steps = {"sirt_like": 1, "sart_like": SART_STEPS}.get(recipe.filter, 0)
    iterations = steps * recipe.sirt_iterations
    return RadialFilter(cutoff=everything, sirt_iterations=iterations)
