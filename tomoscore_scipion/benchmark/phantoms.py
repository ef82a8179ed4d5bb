# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of simple shapes plus noise: all that is special about electrons and tilts taken away.

The shapes are none that training specimens or phantoms are made of: cell walls of a Voronoi
diagram, spirals, and polygons. The noise is white, or correlated in one of three ways.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Iterator

import numpy as np
import torch
from scipy import ndimage
from scipy.spatial import cKDTree

from tomoscore_scipion.model.aggregation import weighted_curve
from tomoscore_scipion.records.bands import fraction_below_nyquist, tomoscore
from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.truth import tile_content, tile_curves

GRID = Grid(n=384, pixel_nm=1.5)
VOXEL_NM = GRID.pixel_nm
PLANES = 12
"""Number of planes of every other phantom, all of the same shapes; the others are one image."""
SHAPES = ("walls", "spirals", "polygons")
CORRELATED = ("smoothed", "pink", "grainy")


@dataclass(frozen=True)
class Phantom:
    """A stack of shapes plus noise.

    Attributes:
        stack: (z, y, x) float32 at `VOXEL_NM`, matter dark.
        noise: "white", or one of `CORRELATED`.
        truth: TomoScore of the middle plane's true curve.
    """

    stack: np.ndarray
    noise: str
    truth: float


def phantoms(seeds: Iterable[int], correlated: bool) -> Iterator[Phantom]:
    """One phantom per seed, over the whole range of quality."""
    for seed in seeds:
        rng = np.random.default_rng([7, seed])
        noise = str(rng.choice(CORRELATED)) if correlated else "white"
        planes = PLANES if seed % 2 else 1
        matter = _SHAPES[str(rng.choice(SHAPES))](rng)
        blur_nm = float(np.exp(rng.uniform(np.log(0.8), np.log(16))))
        blurred = ndimage.gaussian_filter(matter, blur_nm / VOXEL_NM, mode="wrap")
        noise_sd = (
            float(np.exp(rng.uniform(np.log(0.2), np.log(40 if noise == "white" else 8))))
            * blurred.std()
        )
        stack = (noise_sd * _noise(rng, noise, planes) - blurred).astype(np.float32)
        plane, density = torch.from_numpy(stack[planes // 2]), torch.from_numpy(matter)
        curves = tile_curves(plane, density, GRID).flatten(0, 1).numpy()
        content = tile_content(density, GRID, VOXEL_NM).flatten(0, 1).numpy()
        curve = weighted_curve(curves, content)
        yield Phantom(stack, noise, float(tomoscore(curve, fraction_below_nyquist(VOXEL_NM))))


def _noise(rng: np.random.Generator, kind: str, planes: int) -> np.ndarray:
    """Noise of unit variance, (planes, y, x), independent from plane to plane but for "grainy"."""
    noise = rng.standard_normal((planes, GRID.n, GRID.n))
    if kind == "smoothed":
        noise = ndimage.gaussian_filter(noise, (0, *[rng.uniform(0.7, 5)] * 2), mode="wrap")
    elif kind == "pink":
        k = GRID.radius().clamp_min(1 / GRID.width_nm).numpy() ** -float(rng.uniform(0.4, 1.3))
        noise = np.fft.irfft2(np.fft.rfft2(noise) * k, s=noise.shape[1:])
    elif kind == "grainy":
        sigma = float(rng.uniform(0.6, 2.5))
        noise = ndimage.gaussian_filter(noise, (sigma / 2, sigma, sigma), mode="wrap")
        noise = noise / noise.std() + 0.5 * rng.standard_normal(noise.shape)
    return np.asarray(noise / noise.std())


def _coordinates() -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[: GRID.n, : GRID.n] * GRID.pixel_nm
    return y, x


def _walls(rng: np.random.Generator) -> np.ndarray:
    """Walls of 5 nm between the cells of random points, which differ in density."""
    y, x = _coordinates()
    cells = int(np.exp(rng.uniform(np.log(8), np.log(120))))
    points = rng.random((cells, 2)) * GRID.width_nm
    distance, nearest = cKDTree(points).query(np.stack([y.ravel(), x.ravel()], axis=1), k=2)
    wall = np.clip(3 - 0.5 * (distance[:, 1] - distance[:, 0]), 0, 1)
    filled = 0.3 * rng.random(cells)[nearest[:, 0]]
    return np.maximum(wall, filled).reshape(y.shape).astype(np.float32)


def _spirals(rng: np.random.Generator) -> np.ndarray:
    """Arms of spirals, in places."""
    y, x = _coordinates()
    out = np.zeros(y.shape)
    for _ in range(int(rng.integers(4, 16))):
        cy, cx = rng.random(2) * GRID.width_nm
        pitch, reach = np.exp(rng.uniform(np.log(12), np.log(70))), rng.uniform(40, 140)
        radius, angle = np.hypot(y - cy, x - cx), np.arctan2(y - cy, x - cx)
        arm = np.cos(2 * np.pi * radius / pitch - angle) > 0.5
        out[(radius < reach) & arm] = rng.uniform(0.4, 1)
    return ndimage.gaussian_filter(out, 0.7).astype(np.float32)


def _polygons(rng: np.random.Generator) -> np.ndarray:
    """Convex polygons of many sizes, some hollow."""
    y, x = _coordinates()
    out = np.zeros(y.shape)
    for _ in range(int(rng.integers(20, 80))):
        cy, cx = rng.random(2) * GRID.width_nm
        size, sides = np.exp(rng.uniform(np.log(5), np.log(60))), int(rng.integers(3, 7))
        angles = rng.random() * 2 * np.pi + 2 * np.pi * np.arange(sides) / sides
        edge = np.max([(y - cy) * np.sin(a) + (x - cx) * np.cos(a) for a in angles], axis=0)
        hollow = 0.6 * size if rng.random() < 0.4 else -np.inf
        out[(edge < size) & (edge > hollow)] = rng.uniform(0.3, 1)
    return ndimage.gaussian_filter(out, 0.7).astype(np.float32)


_SHAPES = {"walls": _walls, "spirals": _spirals, "polygons": _polygons}
