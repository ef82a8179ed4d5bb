# SPDX-License-Identifier: GPL-3.0-or-later
"""Counting electrons: shot noise of tilt images in sheared coordinates."""

from __future__ import annotations

import torch

ANGSTROM2_PER_NM2 = 100.0


def electrons_per_pixel(
    dose_per_angstrom_squared: torch.Tensor, pixel_nm: float, tilts_deg: torch.Tensor
) -> torch.Tensor:
    """Expected counts of a pixel of width `pixel_nm` on the specimen's plane, per tilt.

    A pixel of the sheared image covers pixel_nm * cos(tilt) along x' on the detector, hence
    dose x pixel area x cos(tilt). Shapes (n_tilts,) in and out.

    Args:
        dose_per_angstrom_squared: dose in e/A^2.
        pixel_nm: pixel size in nm.
        tilts_deg: (n_tilts,) tilt angles in degrees.

    Returns:
        (n_tilts,) electrons per pixel.
    """
    return (
        dose_per_angstrom_squared
        * ANGSTROM2_PER_NM2
        * pixel_nm**2
        * torch.cos(torch.deg2rad(tilts_deg))
    )


def shot_noise(
    counts: torch.Tensor, shape_yx: tuple[int, int], generator: torch.Generator
) -> torch.Tensor:
    """Noise of images of mean 1 with `counts` electrons per pixel, (n_tilts, y, x).

    Gaussian limit of Poisson noise, variance 1 / counts; `counts` has shape (n_tilts,).

    Args:
        counts: (n_tilts,) electrons per pixel.
        shape_yx: shape of the images.
        generator: source of randomness.
    """
    noise = torch.randn((len(counts), *shape_yx), generator=generator)
    return noise / counts.clamp_min(1e-6).sqrt()[:, None, None]
