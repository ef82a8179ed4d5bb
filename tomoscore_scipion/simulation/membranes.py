# SPDX-License-Identifier: GPL-3.0-or-later
"""Lipid bilayers: random level sets, stacked cisternae and closed vesicles."""

from __future__ import annotations

from typing import Sequence

import numpy as np
import torch

LEAFLET_SEPARATION_NM = 4.0
"""Distance between the two layers of head groups of a bilayer."""
LEAFLET_SIGMA_NM = 0.9
TAIL_DENSITY = 0.15
"""Density between the leaflets, protein minus ice = 1."""


def bilayer(distance_nm: torch.Tensor, density: float) -> torch.Tensor:
    """Density of a bilayer at signed distances (nm) from its mid-surface; leaflets at +-2 nm."""
    d = distance_nm.abs()
    leaflet = torch.exp(-0.5 * ((d - LEAFLET_SEPARATION_NM / 2) / LEAFLET_SIGMA_NM) ** 2)
    tails = TAIL_DENSITY * (d < LEAFLET_SEPARATION_NM / 2)
    return density * torch.maximum(leaflet, tails)


def add_bilayer(volume: torch.Tensor, distance_nm: torch.Tensor, density: float) -> None:
    """Add a bilayer to a volume in place; only the voxels near it are computed.

    Args:
        volume: (z, y, x) density, changed in place.
        distance_nm: (z, y, x), signed distance in nm from the mid-surface.
        density: density of the leaflets.
    """
    near = (distance_nm.abs() < LEAFLET_SEPARATION_NM + LEAFLET_SIGMA_NM).flatten().nonzero()[:, 0]
    values = bilayer(distance_nm.flatten()[near], density)
    volume.view(-1).index_add_(0, near, values)


def random_surface(
    rng: np.random.Generator, shape_zyx: tuple[int, ...], pixel_nm: float, length_nm: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """A smooth Gaussian random field of unit variance, periodic in y and x, and its slope.

    Args:
        rng: source of randomness.
        shape_zyx: shape of the results; y and x are multiples of 8.
        pixel_nm: pixel size of the results in nm.
        length_nm: correlation length (sigma of the Gaussian that smooths white noise).

    Returns:
        The field, and the magnitude of its gradient per nm, both of shape `shape_zyx`.
    """
    coarse = 8 if length_nm > 16 * pixel_nm else 4
    nz, ny, nx = shape_zyx
    step = coarse * pixel_nm
    mz = -(-nz // coarse) + 3 + int(4 * length_nm / step)
    noise = rng.standard_normal((mz, ny // coarse, nx // coarse), dtype=np.float32)
    kz, ky, kx = (torch.fft.fftfreq(size, step) for size in noise.shape)
    kx = kx[: noise.shape[2] // 2 + 1].abs()
    k2 = kz[:, None, None] ** 2 + ky[:, None] ** 2 + kx**2
    smooth = torch.exp(-2 * (np.pi * length_nm) ** 2 * k2)
    field = torch.fft.irfftn(torch.fft.rfftn(torch.from_numpy(noise)) * smooth, s=noise.shape)
    field = (field - field.mean()) / field.std().clamp_min(1e-12)
    slopes = torch.gradient(field, spacing=step)
    slope = (slopes[0] ** 2 + slopes[1] ** 2 + slopes[2] ** 2).sqrt()
    slope = slope.clamp_min(0.25 * float(slope.mean()))
    # Upsampling is periodic in z and mixes the first and last planes, which are cut off.
    used = -(-nz // coarse) + 2
    inner = slice(coarse, coarse + nz)
    return _upsample_periodic(field[:used], coarse)[inner], _upsample_periodic(
        slope[:used], coarse
    )[inner]


def _upsample_periodic(field: torch.Tensor, factor: int) -> torch.Tensor:
    """Periodic trilinear upsampling, (z, y, x), with one matrix product per axis."""
    mz, my, mx = field.shape
    rows = torch.matmul(_interpolation(my, factor), field)
    planes = torch.matmul(rows, _interpolation(mx, factor).T)
    stack = _interpolation(mz, factor) @ planes.reshape(mz, -1)
    return stack.reshape(mz * factor, my * factor, mx * factor)


def _interpolation(m: int, factor: int) -> torch.Tensor:
    """Matrix (m * factor, m) of periodic linear interpolation."""
    position = (torch.arange(m * factor) + 0.5) / factor - 0.5
    below = position.floor()
    weight = (position - below)[:, None]
    rows = torch.arange(m)[None, :]
    lower = (rows == (below % m)[:, None]).float()
    upper = (rows == ((below + 1) % m)[:, None]).float()
    return lower * (1 - weight) + upper * weight


def add_ellipsoid(
    volume: torch.Tensor,
    centre_px: np.ndarray,
    radii_nm: np.ndarray,
    pixel_nm: float,
    density: float,
    lumen: float,
    remaining: float = 1.0,
) -> None:
    """Add one closed vesicle to a (z, y, x) volume in place, periodic in y and x.

    Args:
        volume: density to add to.
        centre_px: (z, y, x) in pixels.
        radii_nm: (z, y, x) semi-axes in nm.
        pixel_nm: pixel size of the volume in nm.
        density: density of the leaflets.
        lumen: density that is added inside.
        remaining: factor for the density that was inside before.
    """
    inside = ellipsoid_distance(volume.shape, centre_px, radii_nm, pixel_nm)
    if inside is None:
        return
    index, distance = inside
    body = bilayer(distance, density) + lumen * (distance < -LEAFLET_SEPARATION_NM / 2)
    if remaining < 1:
        before = volume[index]
        volume[index] = torch.where(distance < LEAFLET_SEPARATION_NM, remaining * before, before)
    volume.index_put_(index, body.to(volume.dtype), accumulate=True)


def ellipsoid_distance(
    shape_zyx: Sequence[int], centre_px: np.ndarray, radii_nm: np.ndarray, pixel_nm: float
) -> tuple[tuple[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor] | None:
    """Signed distance in nm (negative inside) from an ellipsoid's surface, in its bounding box.

    Args:
        shape_zyx: shape of the volume.
        centre_px: (z, y, x) in pixels.
        radii_nm: (z, y, x) semi-axes in nm.
        pixel_nm: pixel size in nm.

    Returns:
        Index of the bounding box in a volume of `shape_zyx`, periodic in y and x, and the distances
        in it; None if the ellipsoid lies outside the volume.
    """
    reach = np.ceil((radii_nm + LEAFLET_SEPARATION_NM) / pixel_nm).astype(int)
    lo = np.floor(centre_px).astype(int) - reach
    axes = [torch.arange(int(s), int(s) + 2 * int(r) + 2) for s, r in zip(lo, reach)]
    axes[0] = axes[0][(axes[0] >= 0) & (axes[0] < shape_zyx[0])]
    if not len(axes[0]):
        return None
    z, y, x = ((axis - float(c)) * pixel_nm for axis, c in zip(axes, centre_px))
    rz, ry, rx = (float(r) for r in radii_nm)
    relative = ((z / rz)[:, None, None] ** 2 + (y / ry)[:, None] ** 2 + (x / rx) ** 2).sqrt_()
    slope = ((z / rz**2)[:, None, None] ** 2 + (y / ry**2)[:, None] ** 2 + (x / rx**2) ** 2).sqrt_()
    tiny = 1e-6  # avoids 0 / 0 in the centre, where relative / slope is the radius
    distance = (relative - 1) * (relative + tiny) / (slope + tiny / min(rz, ry, rx))
    index = (axes[0][:, None, None], axes[1][:, None] % shape_zyx[1], axes[2] % shape_zyx[2])
    return index, distance
