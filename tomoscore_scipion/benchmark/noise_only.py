# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes of noise only, which must score near 0."""

from __future__ import annotations

from typing import Iterator

import numpy as np

from tomoscore_scipion.simulation.acquisition import Microscope, tomogram
from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.recipe import FILTERS, Recipe
from tomoscore_scipion.simulation.specimen import random_specimen
from tomoscore_scipion.tomography import fourier

SHAPE_ZYX = (40, 400, 400)


def noise_volumes(seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Names and volumes (z, y, x): noise of several textures, gradients, constants."""
    from scipy.ndimage import gaussian_filter, median_filter

    rng = np.random.default_rng([5, seed])
    white = rng.standard_normal(SHAPE_ZYX).astype(np.float32)
    ramp = np.linspace(0, 30, SHAPE_ZYX[2], dtype=np.float32)
    yield "white noise", white
    yield "correlated noise", gaussian_filter(white, 1.0)
    yield "noise, correlated in xy", gaussian_filter(white, (0.0, 2.0, 2.0))
    yield "denoised noise (Gaussian)", gaussian_filter(white, 2.0)
    yield "denoised noise (median)", median_filter(white, 3)
    yield "pink noise", pink(white)
    yield "gradient", np.broadcast_to(ramp, SHAPE_ZYX).copy()
    yield "gradient and noise", white + ramp
    yield "constant", np.full(SHAPE_ZYX, 7, dtype=np.float32)
    yield "near-constant", (1e6 + 1e-3 * white).astype(np.float32)
    yield "int8 noise", rng.integers(-128, 128, SHAPE_ZYX).astype(np.int8)


def reconstructed_noise(seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Names and tomograms (z, y, x) at 15 A of vitreous ice, by every reconstruction filter."""
    rng = np.random.default_rng([6, seed])
    ice = Microscope(random_specimen(rng, Grid(n=256), without=("contamination",), empty=True))
    for name in FILTERS:
        recipe = Recipe(total_dose=100.0, defocus_nm=5000.0, filter=name, voxel_nm=1.5)
        yield f"ice, {name}", tomogram(rng, ice.acquire(rng, recipe, 1.2))[0].numpy()


def pink(white: np.ndarray) -> np.ndarray:
    """Noise whose power falls as 1 / k^2, of the shape of white noise (z, y, x)."""
    k = np.sqrt(sum(axis**2 for axis in fourier.numpy_axes(white.shape)))
    spectrum = np.fft.rfftn(white) / np.maximum(k, 0.5 / white.shape[2])
    return np.asarray(np.fft.irfftn(spectrum, s=white.shape), dtype=np.float32)
