# SPDX-License-Identifier: GPL-3.0-or-later
"""Residual shifts of aligned tilt images, without the part that shifts the whole volume."""

from __future__ import annotations

import numpy as np
import torch

from tomoscore_scipion.simulation.recipe import Recipe


def residual_shifts(
    rng: np.random.Generator, tilts_deg: torch.Tensor, recipe: Recipe
) -> torch.Tensor:
    """Shifts on the detector in nm, shape (n_tilts, 2) as (y, x'), the tilt axis along y.

    The shifts are the sum of random shifts per view, a drift proportional to the angle, and a
    random walk as in unaligned series. A constant along the tilt axis, and a cos(tilt) + b
    sin(tilt) across it, shift the volume as a whole; both are projected out.

    Args:
        rng: source of randomness.
        tilts_deg: (n_tilts,) tilt angles in degrees.
        recipe: how the specimen is imaged and reconstructed.
    """
    n = len(tilts_deg)
    shifts = recipe.misalignment_nm * rng.standard_normal((n, 2))
    ramp = np.linspace(-1, 1, n)[:, None]
    direction = rng.standard_normal((1, 2))
    shifts += recipe.drift_nm * direction * (ramp**2 if rng.random() < 0.5 else ramp * np.abs(ramp))
    walk = np.cumsum(rng.standard_normal((n, 2)), axis=0)
    shifts += recipe.unaligned_nm * walk / max(walk.std(), 1e-9)
    return torch.from_numpy(remove_translation(shifts, tilts_deg.numpy())).float()


def remove_translation(shifts: np.ndarray, tilts_deg: np.ndarray) -> np.ndarray:
    """Remove by least squares the part of (n, 2) shifts that shifts the whole volume."""
    angle = np.deg2rad(tilts_deg.astype(np.float64))
    across = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    out = shifts.astype(np.float64).copy()
    out[:, 0] -= out[:, 0].mean()
    solution, *_ = np.linalg.lstsq(across, out[:, 1], rcond=None)
    out[:, 1] -= across @ solution
    return out
