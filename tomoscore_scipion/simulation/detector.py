# SPDX-License-Identifier: GPL-3.0-or-later
"""Counting electrons: shot noise of tilt images in sheared coordinates."""

from __future__ import annotations

import torch

ANGSTROM2_PER_NM2 = 100.0


def electrons_per_pixel(
    dose_per_angstrom_squared: torch.Tensor, pixel_nm: float, tilts_deg: torch.Tensor
) -> torch.Tensor:
    """Expected electrons per pixel of a sheared image, for each tilt.

    A pixel of the sheared image covers pixel_nm * cos(tilt) along x' on the detector, so the number
    of electrons is dose x pixel area x cos(tilt).

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
    """Shot noise of images with mean 1, (n_tilts, y, x).

    This is the Gaussian limit of Poisson noise, with variance 1 / counts.

    Args:
        counts: (n_tilts,) electrons per pixel.
        shape_yx: shape of the images.
        generator: source of randomness.
    """
    noise = torch.randn((len(counts), *shape_yx), generator=generator)
    return noise / counts.clamp_min(1e-6).sqrt()[:, None, None]
