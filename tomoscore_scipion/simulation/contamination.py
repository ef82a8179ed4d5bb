# SPDX-License-Identifier: GPL-3.0-or-later
"""Scatterers that are not annotated: gold beads, ice crystals, carbon film, solvent noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.membranes import random_surface

GOLD_DENSITY = 10.0
"""Ratio of the mean inner potentials of gold (25 V) and of protein minus ice (2.5 V)."""


@dataclass(frozen=True)
class Bead:
    """A gold bead: (z, y, x) of its centre in nm, z = 0 in the middle, and its radius in nm."""

    centre_nm: tuple[float, float, float]
    radius_nm: float


def add_contamination(
    rng: np.random.Generator, scatter: torch.Tensor, grid: Grid, hole_odds: float = 0.0
) -> tuple[Bead, ...]:
    """Add a random selection of contaminants to a (z, y, x) volume in place; returns the beads.

    Args:
        rng: source of randomness.
        scatter: scattering density, (z, y, x), changed in place.
        grid: sampling of the specimen.
        hole_odds: probability of the edge of a hole in the carbon film.
    """
    beads: tuple[Bead, ...] = ()
    if rng.random() < 0.4:
        beads = add_beads(rng, scatter, grid, int(rng.integers(1, 40)))
    if rng.random() < 0.12:
        add_ice_crystals(rng, scatter, grid)
    if rng.random() < 0.06:
        add_carbon_edge(rng, scatter, grid)
    if hole_odds and rng.random() < hole_odds:
        add_hole_edge(rng, scatter, grid)
    solvent = float(rng.choice([0.0, 0.03, 0.1, 0.2]))
    if solvent:
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        scatter += solvent * torch.randn(scatter.shape, generator=generator)
    return beads


def add_beads(
    rng: np.random.Generator, scatter: torch.Tensor, grid: Grid, n: int
) -> tuple[Bead, ...]:
    """Add gold spheres of 5 to 15 nm at one face or throughout the slab.

    Args:
        rng: source of randomness.
        scatter: scattering density, (z, y, x), changed in place.
        grid: sampling of the specimen.
        n: number of beads.

    Returns:
        The beads.
    """
    nz = scatter.shape[0]
    px = grid.pixel_nm
    radius = float(rng.choice([2.5, 5.0, 5.0, 7.5]))
    at_face = rng.random() < 0.6
    beads = []
    for _ in range(n):
        z = radius if at_face else float(rng.uniform(0, nz * px))
        y, x = rng.random(2) * grid.width_nm
        _add_ball(scatter, (z / px, y / px, x / px), radius / px, GOLD_DENSITY)
        beads.append(Bead((z - (nz - 1) / 2 * px, float(y), float(x)), radius))
    return tuple(beads)


def _add_ball(
    volume: torch.Tensor, centre_px: tuple[float, float, float], radius_px: float, density: float
) -> None:
    reach = int(np.ceil(radius_px)) + 1
    z, y, x = (torch.arange(int(c) - reach, int(c) + reach + 1) for c in centre_px)
    z = z[(z >= 0) & (z < volume.shape[0])]
    dz, dy, dx = ((a - c) ** 2 for a, c in zip((z, y, x), centre_px))
    distance = (dz[:, None, None] + dy[:, None] + dx).sqrt()
    ball = density * (radius_px - distance + 0.5).clamp(0, 1)
    index = (z[:, None, None], y[:, None] % volume.shape[1], x % volume.shape[2])
    volume.index_put_(index, ball.to(volume.dtype), accumulate=True)


def add_ice_crystals(rng: np.random.Generator, scatter: torch.Tensor, grid: Grid) -> None:
    """Add lumps of crystalline ice on the first or the last planes.

    Args:
        rng: source of randomness.
        scatter: scattering density, (z, y, x), changed in place.
        grid: sampling of the specimen.
    """
    depth = max(2, int(rng.uniform(0.05, 0.3) * scatter.shape[0]))
    planes = scatter[:depth] if rng.random() < 0.5 else scatter[-depth:]
    lumps, _ = random_surface(rng, planes.shape, grid.pixel_nm, float(rng.uniform(30, 90)))
    planes += float(rng.uniform(0.2, 1.0)) * torch.sigmoid(8 * (lumps - rng.uniform(1.0, 2.0)))


def add_carbon_edge(rng: np.random.Generator, scatter: torch.Tensor, grid: Grid) -> None:
    """Add a film of amorphous carbon, 8 to 20 nm thick, over part of one face.

    Args:
        rng: source of randomness.
        scatter: scattering density, (z, y, x), changed in place.
        grid: sampling of the specimen.
    """
    thickness = max(2, int(rng.uniform(8, 20) / grid.pixel_nm))
    outline, _ = random_surface(rng, (1, grid.n, grid.n), grid.pixel_nm, 150.0)
    film = (outline[0] > rng.uniform(-0.5, 1.0)).float() * float(rng.uniform(0.8, 2.0))
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    grain = 1 + 0.2 * torch.randn((thickness, grid.n, grid.n), generator=generator)
    scatter[:thickness] += film * grain[: min(thickness, scatter.shape[0])]


def add_hole_edge(rng: np.random.Generator, scatter: torch.Tensor, grid: Grid) -> None:
    """Add a carbon film, 10 to 30 nm thick, outside a round hole with a diameter of 1 to 3 um.

    The film covers a corner or two sides of the field; it is periodic in y and x.

    Args:
        rng: source of randomness.
        scatter: scattering density, (z, y, x), changed in place.
        grid: sampling of the specimen.
    """
    n, width = grid.n, grid.width_nm
    thickness = min(max(2, int(rng.uniform(10, 30) / grid.pixel_nm)), len(scatter))
    line = (torch.arange(n) - n / 2) * grid.pixel_nm
    distance = torch.hypot(line[:, None], line[None, :])
    if rng.random() < 0.5:  # a wide hole has a nearly straight edge
        distance = line.abs()[:, None] + 40 * torch.sin(2 * np.pi * line / width)
        distance = distance if rng.random() < 0.5 else distance.T
    edge = float(rng.uniform(0.3, 0.6)) * width
    film = torch.sigmoid((distance - edge) / float(rng.uniform(1, 6)))
    film = film.roll([int(s) for s in rng.integers(0, n, 2)], (0, 1))
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    grain = 1 + 0.25 * torch.randn((thickness, n, n), generator=generator)
    first = int(rng.integers(0, len(scatter) - thickness + 1))
    scatter[first : first + thickness] += float(rng.uniform(1.0, 2.2)) * film * grain
