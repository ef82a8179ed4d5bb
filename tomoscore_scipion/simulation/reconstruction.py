# SPDX-License-Identifier: GPL-3.0-or-later
"""Planes of a tomogram from tilt views, by `tomography.backprojection` in sheared coordinates.

In sheared coordinates a plane at height z is shifted by z tan(tilt) in a view. Each plane can
therefore be reconstructed separately, and a periodic field stays periodic.
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
"""Columns of the views per voxel; makes the error of interpolation between columns negligible."""
SART_STEPS = 8
"""Iterations of SIRT equivalent to one of SART, which makes corrections after subsets of views."""
RAMP_AT_ZERO = 2 / math.pi**2
"""Value at frequency 0 of a ramp with a kernel as long as the field, in steps of the ramp."""


def field_size(grid: Grid, voxel_nm: float, binning: int = 1) -> int:
    """Number of voxels of about `voxel_nm` across the field, even before and after binning.

    Args:
        grid: sampling of the specimen.
        voxel_nm: approximate voxel size in nm, before binning.
        binning: binning factor of the tomogram.
    """
    multiple = 2 * binning
    return multiple * round(grid.width_nm / voxel_nm / multiple)


def filtered_views(views: Views, grid: Grid, recipe: Recipe) -> torch.Tensor:
    """Filter and weight views for back-projection at the voxel size of a recipe.

    The steps are the filter, CTF correction and dose weighting of the recipe, a band limit at the
    voxel's Nyquist, and the attenuation by linear interpolation between the pixels of the detector,
    which have a larger spacing than the pixels of a sheared view.

    Args:
        views: aligned tilt images.
        grid: sampling of the specimen.
        recipe: filter, weights and interpolation.

    Returns:
        (n_tilts, columns, m) float32, transposed for `reconstruct_planes`: m = `field_size` voxels
        along y, and `COLUMNS_PER_VOXEL` times as many columns along x.
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
    """Factor of each view, (n_tilts,), mean 1: views through thick ice have fewer electrons."""
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
        heights: (n,) heights of the planes in voxels, 0 in the middle of the specimen.

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
