# SPDX-License-Identifier: GPL-3.0-or-later
"""Planes of a tomogram from tilt views: weighted and SIRT-like back-projection in Fourier space.

In sheared coordinates the back-projection of a view on a plane at height z is a displacement by
z tan(tilt), so that any plane is reconstructed on its own:

    slice(k; z) = sum over views of weight(k) P(k) exp(+2 pi i kx z tan(tilt)).
"""

from __future__ import annotations

import math

import torch

from tomoscore_scipion.engine import contrast_transfer, damage

from .grid import Grid, crop_spectrum
from .recipe import Recipe
from .views import Views


def field_size(grid: Grid, voxel_nm: float) -> int:
    """Even number of voxels of about `voxel_nm` across the field."""
    return 2 * round(grid.width_nm / voxel_nm / 2)


def weighted_views(views: Views, grid: Grid, recipe: Recipe) -> torch.Tensor:
    """Views filtered for back-projection, (n_tilts, n_ky, n_kx) complex64.

    The filter of the recipe, its CTF correction and dose weighting, a band limit at the voxel's
    Nyquist, and the attenuation of linear interpolation.
    """
    voxel_nm = grid.width_nm / field_size(grid, recipe.voxel_nm)
    across = grid.kx() / torch.cos(torch.deg2rad(views.scheme.tilts_deg))[:, None]
    weights = radial_filter(across, recipe, voxel_nm, grid.width_nm)
    weights = weights * (across <= 0.5 / voxel_nm)
    if recipe.linear_interpolation:
        weights = weights * torch.sinc(across * voxel_nm) ** 2
    weighted = views.spectra * (weights * _view_scale(views, recipe)[:, None])[:, None, :]
    weighted *= (grid.ky().abs() <= 0.5 / voxel_nm)[None, :, None]
    if recipe.ctf_correction == "phase_flip":
        weighted *= torch.sign(
            contrast_transfer.ctf(views.frequency, recipe.defocus_nm, recipe.amplitude_contrast)
        )
    if recipe.dose_weighting:
        dose = views.scheme.dose_middle[:, None, None]
        weighted *= damage.surviving_amplitude(views.frequency, dose)
    return weighted


def _view_scale(views: Views, recipe: Recipe) -> torch.Tensor:
    """Factor of each view, (n_tilts,), 1 on average: thick ice lets fewer electrons through."""
    power = {"mean": 0.0, "spread": 0.5, "counts": 1.0}[recipe.view_scaling]
    scale = views.counts**power
    return scale / scale.mean()


def reconstruct_planes(
    weighted: torch.Tensor,
    tilts_deg: torch.Tensor,
    grid: Grid,
    voxel_nm: float,
    heights_nm: torch.Tensor,
) -> torch.Tensor:
    """Planes of the tomogram.

    Args:
        weighted: (n_tilts, n_ky, n_kx) from `weighted_views`.
        tilts_deg: (n_tilts,).
        grid: field of the specimen.
        voxel_nm: voxel size wanted.
        heights_nm: (n,) heights in the specimen's frame.

    Returns:
        (n, m, m) float32 with m = `field_size(grid, voxel_nm)`.
    """
    m = field_size(grid, voxel_nm)
    tangent = torch.tan(torch.deg2rad(tilts_deg.double()))
    phase = grid.kx().double()[:, None, None] * heights_nm.double()[:, None] * tangent
    shear = torch.polar(torch.ones_like(phase), 2 * math.pi * phase).to(torch.complex64)
    slices = torch.bmm(shear, weighted.permute(2, 0, 1))
    return torch.fft.irfft2(crop_spectrum(slices.permute(1, 2, 0), m), s=(m, m))


def radial_filter(
    frequency: torch.Tensor, recipe: Recipe, voxel_nm: float, width_nm: float
) -> torch.Tensor:
    """Back-projection filter over |kx'| in 1/nm, any shape; the ramp is |kx'| x 2 voxels.

    "sirt_like" is the ramp that n iterations of SIRT amount to, k (1 - (1 - k0 / k)^n) with k0 one
    period over the field (Gilbert, J. Theor. Biol. 1972; the form that IMOD calls SIRT-like).
    """
    relative = frequency.abs() * 2 * voxel_nm
    if recipe.filter == "ramp":
        return relative
    if recipe.filter == "ramp_rolloff":
        beyond = (relative / 2 - recipe.rolloff).clamp_min(0)
        return relative * torch.exp(-0.5 * (beyond / 0.05) ** 2)
    if recipe.filter == "hamming":
        return relative * (0.54 + 0.46 * torch.cos(math.pi * relative.clamp(0, 1)))
    step = 2 * voxel_nm / width_nm
    ratio = (step / relative.clamp_min(step)).clamp(0, 1)
    return relative.clamp_min(0.3 * step) * (1 - (1 - ratio) ** recipe.sirt_iterations)
