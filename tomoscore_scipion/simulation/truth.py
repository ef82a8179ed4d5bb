# SPDX-License-Identifier: GPL-3.0-or-later
"""Ground truth: correlation of planes with the noise-free specimen, per band and tile."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tomoscore_scipion.model.tiles import CELL_PX, TILE_CELLS
from tomoscore_scipion.records.bands import PERIODS_NM
from tomoscore_scipion.simulation.grid import Grid, crop_spectrum
from tomoscore_scipion.tomography import fourier

SPECIMEN_FLOOR = 3e-4
"""Added to the specimen's variance in a band, so that R is 0 without structure."""
CONTENT_HALF = 3e-3
"""Variance of the specimen's density in a band and tile at which the content is 0.5."""


def band_masks(grid: Grid, voxel_nm: float) -> torch.Tensor:
    """(N_BANDS, n_ky, n_kx) of 0 and 1: the annulus of each band below the Nyquist of a voxel."""
    radius = grid.radius()
    masks = torch.stack(fourier.band_masks(radius))
    masks[-1] |= radius == 1 / PERIODS_NM[-1][1]
    return (masks & (radius <= 0.5 / voxel_nm + 1e-9)).float()


def tile_means(products: torch.Tensor) -> torch.Tensor:
    """Means over tiles: (..., y, x) to (..., y / 32 - 1, x / 32 - 1); tiles at edges are cut.

    The tiles are the same as in `model.tiles`: 4 x 4 cells of 32 pixels (192 nm at 1.5 nm) around
    every inner corner of the grid of cells.
    """
    flat = products.reshape(-1, 1, *products.shape[-2:])
    cells = F.avg_pool2d(flat, CELL_PX)
    tiles = F.avg_pool2d(cells, TILE_CELLS, 1, padding=1, count_include_pad=False)
    return tiles.reshape(*products.shape[:-2], *tiles.shape[-2:])


def tile_curves(
    plane: torch.Tensor, density: torch.Tensor, grid: Grid, dark_matter: bool = True
) -> torch.Tensor:
    """Signed resolvability per tile of one plane.

    Args:
        plane: (m, m) plane of the tomogram, covering the field of the grid with any m.
        density: (n, n) density of the specimen at the same height, protein minus ice = 1.
        grid: n and pixel; n is a multiple of 32.
        dark_matter: whether dense matter has low values in the plane.

    Returns:
        (n / 32 - 1, n / 32 - 1, N_BANDS), -1 to 1.
    """
    m = plane.shape[-1]
    masks = band_masks(grid, grid.width_nm / m)
    image = crop_spectrum(torch.fft.rfft2(plane), grid.n) * masks
    matter = torch.fft.rfft2(density) * masks
    image, matter = (torch.fft.irfft2(f, s=(grid.n, grid.n)) for f in (image, matter))
    cross, power, variance = (tile_means(p) for p in (image * matter, image**2, matter**2))
    scale = power.amax(dim=(1, 2), keepdim=True).clamp_min(1e-30)
    curves = cross / (power.clamp_min(1e-9 * scale) * (variance + SPECIMEN_FLOOR)).sqrt()
    curves = curves.clamp(-1, 1).permute(1, 2, 0)
    return -curves if dark_matter else curves


def tile_content(density: torch.Tensor, grid: Grid, voxel_nm: float) -> torch.Tensor:
    """Amount of structure per tile and band of a plane of the specimen.

    Args:
        density: (n, n) density of the specimen, protein minus ice = 1.
        grid: n and pixel; n is a multiple of 32.
        voxel_nm: voxel size of the tomogram; frequencies above its Nyquist are ignored.

    Returns:
        (n / 32 - 1, n / 32 - 1, N_BANDS), 0 (no structure of this scale) to 1 (plenty).
    """
    matter = torch.fft.rfft2(density) * band_masks(grid, voxel_nm)
    variance = tile_means(torch.fft.irfft2(matter, s=(grid.n, grid.n)) ** 2)
    return (variance / (variance + CONTENT_HALF)).permute(1, 2, 0)


def plane_density(
    density: torch.Tensor, height_nm: float, thickness_nm: float, pixel_nm: float
) -> torch.Tensor:
    """Mean density within thickness / 2 of a height, (y, x); ice (0) outside the volume.

    Args:
        density: (z, y, x) density.
        height_nm: height of the plane in nm, 0 in the middle of the density.
        thickness_nm: thickness in nm, at least one pixel.
        pixel_nm: pixel size in nm.
    """
    nz = density.shape[0]
    centre = height_nm / pixel_nm + (nz - 1) / 2
    half = max(thickness_nm / pixel_nm, 1.0) / 2
    planes = torch.arange(nz, dtype=torch.float32)
    overlap = torch.minimum(planes + 0.5, torch.tensor(centre + half)) - torch.maximum(
        planes - 0.5, torch.tensor(centre - half)
    )
    weights = overlap.clamp_min(0) / (2 * half)
    used = weights > 0
    return torch.einsum("z,zyx->yx", weights[used], density[used])
