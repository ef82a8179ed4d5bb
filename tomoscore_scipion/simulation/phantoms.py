# SPDX-License-Identifier: GPL-3.0-or-later
"""Phantoms: planes of blurred matter plus stationary noise, or noise only, without tilt series.

Simulated tilt series have noise of few textures. Phantoms have noise of various spectra and
correlations between planes, so that a model cannot rely on one texture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from tomoscore_scipion.simulation import postprocessing
from tomoscore_scipion.simulation.appearance import finish
from tomoscore_scipion.simulation.grid import Grid, crop_spectrum
from tomoscore_scipion.simulation.recipe import Recipe
from tomoscore_scipion.tomography import fourier

SPECTRA = ("white", "power_law", "smoothed", "band", "streaks")


@dataclass(frozen=True)
class PhantomRecipe:
    """Blur of the matter, and the noise on it.

    Attributes:
        blur_nm: sigma of the Gaussian that blurs matter.
        noise_to_signal: ratio of the standard deviations of noise and blurred matter.
        spectrum: one of `SPECTRA`.
        shape: 0 to 1, parameter of the spectrum within its family.
        white: ratio of the standard deviations of additional white noise and of the other noise.
        z_correlation: sigma in nm of the Gaussian that smooths the noise along z.
        dust: fraction of salt-and-pepper noise.
    """

    blur_nm: float
    noise_to_signal: float
    spectrum: str
    shape: float
    z_correlation: float = 0.0
    dust: float = 0.0
    white: float = 0.0

    def __post_init__(self) -> None:
        if self.spectrum not in SPECTRA:
            raise ValueError(f"expected one of {SPECTRA}, got {self.spectrum!r}")


def random_phantom_recipe(rng: np.random.Generator) -> PhantomRecipe:
    """Draw blur and noise."""
    return PhantomRecipe(
        blur_nm=0.0 if rng.random() < 0.3 else float(np.exp(rng.uniform(np.log(0.7), np.log(25)))),
        noise_to_signal=_noise_to_signal(rng),
        spectrum=str(rng.choice(SPECTRA, p=[0.3, 0.25, 0.25, 0.1, 0.1])),
        shape=float(rng.random()),
        z_correlation=float(rng.choice([0.0, 0.0, np.exp(rng.uniform(np.log(0.5), np.log(12)))])),
        dust=0.0 if rng.random() < 0.95 else float(rng.uniform(0, 0.01)),
        white=0.0 if rng.random() < 0.6 else float(np.exp(rng.uniform(np.log(0.1), np.log(2)))),
    )


def _noise_to_signal(rng: np.random.Generator) -> float:
    """Draw a noise-to-signal ratio: high in most cases, near 0 in some."""
    low, high = (1e-3, 0.1) if rng.random() < 0.12 else (0.1, 20)
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def noise_planes(
    generator: torch.Generator, n_planes: int, m: int, recipe: PhantomRecipe, pixel_nm: float
) -> torch.Tensor:
    """Stationary noise of unit variance, (n_planes, m, m).

    Args:
        generator: source of randomness.
        n_planes: number of planes.
        m: pixels along y and along x.
        recipe: spectrum and correlation of the noise.
        pixel_nm: pixel size in nm.
    """
    noise = torch.randn((n_planes, m, m), generator=generator)
    transfer = _noise_transfer(recipe, m, pixel_nm)
    noise = fourier.filtered(noise, transfer)
    if recipe.z_correlation and n_planes > 1:
        offset = torch.arange(n_planes)[:, None] - torch.arange(n_planes)
        kernel = torch.exp(-0.5 * (offset * pixel_nm / recipe.z_correlation) ** 2)
        noise = torch.einsum("ij,jyx->iyx", kernel / kernel.norm(dim=1, keepdim=True), noise)
    if recipe.white:
        white = torch.randn(noise.shape, generator=generator)
        noise = noise / noise.std().clamp_min(1e-12) + recipe.white * white
    return noise / noise.std().clamp_min(1e-12)


def smoothing_nm(recipe: PhantomRecipe) -> float:
    """Sigma in the plane of "smoothed" noise, 1 to 20 nm."""
    return 1 + 19 * recipe.shape**2


def _noise_transfer(recipe: PhantomRecipe, m: int, pixel_nm: float) -> torch.Tensor:
    """Amplitude per frequency, (m, m // 2 + 1)."""
    ky, kx = fourier.axes(m, m, pixel_nm)
    k = torch.hypot(ky, kx)
    if recipe.spectrum == "power_law":
        return k.clamp_min(1 / 400) ** -(2.2 * recipe.shape - 0.4)
    if recipe.spectrum == "smoothed":
        return torch.exp(-2 * (math.pi * smoothing_nm(recipe) * k) ** 2)
    if recipe.spectrum == "band":
        centre = 1 / (6 * 20**recipe.shape)
        return torch.exp(-0.5 * (torch.log(k.clamp_min(1e-4) / centre) / 0.5) ** 2) + 0.05
    if recipe.spectrum == "streaks":
        return torch.exp(-(((ky if recipe.shape < 0.5 else kx) / 0.05) ** 2)) + 0.2
    return torch.ones_like(k)


def phantom_planes(
    rng: np.random.Generator,
    matter: torch.Tensor,
    grid: Grid,
    phantom_recipe: PhantomRecipe,
    recipe: Recipe,
    n_z: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Blurred matter plus noise, with the post-processing and appearance of a recipe.

    Args:
        rng: source of randomness.
        matter: (z, n, n) density; all zero gives noise only.
        grid: sampling of the matter.
        phantom_recipe: blur and noise.
        recipe: voxel size, post-processing and appearance; other parameters are ignored.
        n_z: number of planes if `matter` is a single plane, which is then constant along z.

    Returns:
        Planes before the appearance is applied (matter is dark) and after it, (z, m, m) float32
        each, with m voxels of about recipe.voxel_nm across the field.
    """
    m = 2 * round(grid.width_nm / recipe.voxel_nm / 2)
    pixel = grid.width_nm / m
    blur = torch.exp(-2 * (math.pi * phantom_recipe.blur_nm * grid.radius()) ** 2)
    planes = torch.fft.irfft2(crop_spectrum(torch.fft.rfft2(matter) * blur, m), s=(m, m))
    planes = planes - planes.mean(dim=(1, 2), keepdim=True)
    spread = float(planes.std())
    if n_z is not None:
        planes = planes.expand(n_z, m, m)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    noise = noise_planes(generator, len(planes), m, phantom_recipe, pixel)
    stack = -planes + noise * (phantom_recipe.noise_to_signal * spread if spread > 0 else 1.0)
    if phantom_recipe.dust:
        outliers = torch.rand(stack.shape, generator=generator) < phantom_recipe.dust
        stack = torch.where(outliers, 12 * stack.std() * torch.sign(noise), stack)
    stack = postprocessing.apply(stack, recipe)
    return stack, finish(rng, stack, recipe, pixel)


def phantom(rng: np.random.Generator, grid: Grid) -> torch.Tensor:
    """A plane, (n, n), of discs, rings, lines, grains, patches or leaves of a few sizes."""
    n, px = grid.n, grid.pixel_nm
    y, x = torch.meshgrid(torch.arange(n) * px, torch.arange(n) * px, indexing="ij")
    plane = torch.zeros((n, n))
    kinds = rng.choice(
        ["discs", "rings", "lines", "grains", "patches", "leaves"], size=int(rng.integers(1, 4))
    )
    for kind in kinds:
        size = float(np.exp(rng.uniform(np.log(4), np.log(90))))
        if kind in ("grains", "patches"):
            plane += _grains(rng, grid, size, sharp=kind == "patches")
            continue
        if kind == "leaves":
            plane += _leaves(rng, grid, size)
            continue
        for _ in range(int(np.clip(rng.poisson(3e4 / size**1.6), 2, 120))):
            cy, cx = rng.random(2) * n * px
            radius = size * float(rng.uniform(0.5, 1.5))
            if kind == "lines":
                angle, width = rng.uniform(0, np.pi), rng.uniform(1.5, 0.25 * size + 2)
                distance = ((x - cx) * np.sin(angle) - (y - cy) * np.cos(angle)).abs()
                plane += torch.sigmoid((width / 2 - distance) / 0.7)
                continue
            distance = torch.hypot(x - cx, y - cy) - radius
            edge = distance if kind == "discs" else distance.abs() - float(rng.uniform(1, 4))
            plane += float(rng.uniform(0.3, 1)) * torch.sigmoid(-edge / 0.7)
    return plane.clamp(max=2.0)


def _leaves(rng: np.random.Generator, grid: Grid, size_nm: float) -> torch.Tensor:
    """Overlapping flat ellipses of many sizes, each with a random density.

    This is the dead leaves model of Matheron, with sizes r distributed as r^-3, as in Lee, Mumford
    and Huang, Int. J. Comput. Vision 41, 35 (2001).
    """
    n, px = grid.n, grid.pixel_nm
    y, x = torch.meshgrid(torch.arange(n) * px, torch.arange(n) * px, indexing="ij")
    plane = torch.zeros((n, n))
    for _ in range(int(rng.integers(5, 150))):
        cy, cx = rng.random(2) * n * px
        radius = 0.5 * size_nm * min((1 - float(rng.random())) ** -0.5, 6.0)
        angle, squeeze = float(rng.uniform(0, np.pi)), float(rng.uniform(0.4, 1))
        along = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
        across = ((y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)) / squeeze
        inside = torch.sigmoid((radius - torch.hypot(along, across)) * squeeze / 0.7)
        plane = plane.lerp(torch.full_like(plane, float(rng.uniform(0, 1))), inside)
    return plane


def _grains(
    rng: np.random.Generator, grid: Grid, size_nm: float, sharp: bool = False
) -> torch.Tensor:
    """A random texture of grains of about `size_nm`; sharp grains are flat with sharp edges."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    noise = torch.randn((grid.n, grid.n), generator=generator)
    smooth = torch.exp(-2 * (math.pi * 0.3 * size_nm * grid.radius()) ** 2)
    field = fourier.filtered(noise, smooth)
    field = field / field.std().clamp_min(1e-12)
    above = field - float(rng.uniform(-0.5, 1.5))
    if sharp:
        slope = 4 * size_nm / grid.pixel_nm
        levels = [torch.sigmoid(slope * (above - step)) for step in (0.0, 0.7, 1.4)]
        return torch.stack(levels[: int(rng.integers(1, 4))]).mean(dim=0)
    return F.relu(above).clamp(max=1.5)
