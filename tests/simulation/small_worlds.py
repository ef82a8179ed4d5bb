# SPDX-License-Identifier: GPL-3.0-or-later
"""Small specimens and a noise-free recipe for the tests of the simulator."""

import math

import numpy as np
import torch

from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.recipe import Recipe
from tomoscore_scipion.simulation.specimen import Specimen, random_specimen

GRID = Grid(n=128)
PERFECT = Recipe(total_dose=1e9, quantum_efficiency=1.0, damage=False, linear_interpolation=False)
"""Negligible noise and no damage; contrast transfer and the missing wedge remain."""


def specimen_of(density, grid=GRID, ice_nm=0.0):
    """A specimen with a given density and no other matter."""
    half = len(density) * grid.pixel_nm / 2
    return Specimen(density, density.clone(), grid, (-half, half), ice_nm)


def point(index_zyx, nz=41, grid=GRID, sigma_nm=2.0):
    """(nz, n, n): a Gaussian point of mass at an index, in an empty volume."""
    z, y, x = (torch.arange(n).float() - c for n, c in zip((nz, grid.n, grid.n), index_zyx))
    squared = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2
    return torch.exp(-0.5 * squared * (grid.pixel_nm / sigma_nm) ** 2)


def crowded(seed=0, thickness_nm=60.0, grid=GRID):
    """A specimen with matter at every height, and without contamination."""
    without = ("filaments", "granules", "vesicles", "contamination")
    for attempt in range(100):
        rng = np.random.default_rng([seed, attempt])
        specimen = random_specimen(
            rng, grid, without, (thickness_nm, thickness_nm), empty=False, scene="mixture"
        )
        if specimen.density[6:-6].std(dim=(1, 2)).min() > 0.1:
            return specimen
    raise AssertionError("no crowded specimen in 100")


def texture(seed, grid=GRID):
    """(n, n) of random matter that has the same power in every octave."""
    noise = torch.randn((grid.n, grid.n), generator=torch.Generator().manual_seed(seed))
    pink = torch.fft.rfft2(noise) / grid.radius().clamp_min(1 / 200)
    pink[0, 0] = 0
    field = torch.fft.irfft2(pink, s=noise.shape)
    return 0.5 * field / field.std()


def wave(period_nm, amplitude, grid=GRID):
    """(n, n): a plane wave along x; the period must fit the field a whole number of times."""
    x = torch.arange(grid.n) * grid.pixel_nm
    return (amplitude * torch.cos(2 * math.pi * x / period_nm)).expand(grid.n, grid.n).clone()
