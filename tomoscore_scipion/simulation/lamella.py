# SPDX-License-Identifier: GPL-3.0-or-later
"""The faces of a lamella: a layer damaged by the ion beam, with contamination on it."""

from __future__ import annotations

import numpy as np
import torch

from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.membranes import random_surface

PLATINUM_DENSITY = 6.0
"""Mean density of grains of sputtered platinum and their gaps, protein minus ice = 1."""


def mill(rng: np.random.Generator, density: torch.Tensor) -> None:
    """Reduce the structure of a (z, y, x) density towards both faces, in place."""
    nz = len(density)
    z = torch.arange(nz, dtype=torch.float32)
    for distance in (z, nz - 1 - z):
        depth = min(float(rng.uniform(2, 17)), nz / 4)  # pixels
        density *= (distance / depth).clamp(0, 1)[:, None, None]


def soil(rng: np.random.Generator, scatter: torch.Tensor, grid: Grid) -> None:
    """Add amorphous matter, platinum grains and frost to the faces, in place.

    Args:
        rng: source of randomness.
        scatter: scattering density, (z, y, x), changed in place.
        grid: sampling of the specimen.
    """
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    for upper in (False, True):
        depth = min(max(2, int(rng.uniform(3, 15) / grid.pixel_nm)), len(scatter) // 4)
        face = scatter[-depth:] if upper else scatter[:depth]
        face += float(rng.uniform(0.05, 0.4)) * torch.randn(face.shape, generator=generator)
        if rng.random() < 0.35:
            patches, _ = random_surface(rng, face.shape, grid.pixel_nm, float(rng.uniform(20, 90)))
            face += float(rng.uniform(0.2, 0.8)) * torch.sigmoid(
                6 * (patches - float(rng.uniform(0, 2)))
            )
        if rng.random() < 0.35:
            grains, _ = random_surface(rng, face.shape, grid.pixel_nm, float(rng.uniform(2, 5)))
            amount = PLATINUM_DENSITY * float(rng.uniform(0.1, 1.0))
            face += amount * (grains > float(rng.uniform(1.2, 2.5))).float()
