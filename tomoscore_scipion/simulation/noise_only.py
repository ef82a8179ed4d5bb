# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes of noise only, with many textures, for which the score must be low."""

from __future__ import annotations

import math
from typing import Callable

import numpy as np
import torch
from scipy import ndimage

from tomoscore_scipion.simulation import postprocessing
from tomoscore_scipion.simulation.appearance import finish
from tomoscore_scipion.simulation.recipe import random_recipe
from tomoscore_scipion.tomography import fourier

HEIGHTS = (1, 2, 4, 9, 24, 40, 60)
"""Possible numbers of planes of a volume."""
VOXELS_NM = (0.9, 4.0)


def random_noise_volume(rng: np.random.Generator, width_nm: float) -> tuple[np.ndarray, float]:
    """A volume of noise, with the processing and data types of tomograms.

    Args:
        rng: source of randomness.
        width_nm: width of the square field in nm.

    Returns:
        (z, y, x) float32, and the voxel size in nm.
    """
    n = 2 * round(width_nm / float(np.exp(rng.uniform(*np.log(VOXELS_NM)))) / 2)
    n_z, voxel_nm = int(rng.choice(HEIGHTS)), width_nm / n
    make = _TEXTURES[str(rng.choice(list(_TEXTURES)))]
    noise = make(rng, rng.standard_normal((n_z, n, n), dtype=np.float32))
    stack = torch.from_numpy(np.ascontiguousarray(noise, dtype=np.float32))
    recipe = random_recipe(rng)
    if rng.random() < 0.5:
        stack = postprocessing.apply(stack, recipe)
    return finish(rng, stack, recipe, voxel_nm).numpy(), voxel_nm


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(math.log(low), math.log(high))))


def _white(rng: np.random.Generator, noise: np.ndarray) -> np.ndarray:
    """White noise."""
    return noise


def _smooth(rng: np.random.Generator, noise: np.ndarray) -> np.ndarray:
    """Gaussian smoothing, the same along all axes."""
    return _gaussian(noise, *[_log_uniform(rng, 0.4, 8)] * 2)


def _smooth_in_planes(rng: np.random.Generator, noise: np.ndarray) -> np.ndarray:
    """Gaussian smoothing along y and x only."""
    return _gaussian(noise, 0, _log_uniform(rng, 0.4, 8))


def _smooth_along_z(rng: np.random.Generator, noise: np.ndarray) -> np.ndarray:
    """Gaussian smoothing along z, with less or no smoothing along y and x."""
    sigma = _log_uniform(rng, 0.5, 8)
    return _gaussian(noise, sigma, float(rng.choice([0, 0.5])) * sigma * rng.random())


def _gaussian(noise: np.ndarray, along_z: float, in_plane: float) -> np.ndarray:
    sigma = (along_z, in_plane, in_plane)
    smooth = ndimage.gaussian_filter(noise, sigma, mode="wrap")
    return np.asarray(smooth / max(float(smooth.std()), 1e-12))


def _power_law(rng: np.random.Generator, noise: np.ndarray) -> np.ndarray:
    """Power spectrum of k^-0.5 to k^-3.5, in three dimensions or within the planes."""
    k = fourier.numpy_radius(noise.shape[1:])
    exponent = -rng.uniform(0.25, 1.75)
    if len(noise) == 1 or rng.random() < 0.3:
        floor = 1 / noise.shape[2]
        return np.fft.irfft2(
            np.fft.rfft2(noise) * np.maximum(k, floor) ** exponent, noise.shape[1:]
        )
    k = np.hypot(fourier.numpy_axes(noise.shape)[0], k)
    law = np.maximum(k, 0.5 / noise.shape[2]) ** exponent
    return np.asarray(np.fft.irfftn(np.fft.rfftn(noise) * law, noise.shape, (0, 1, 2)))


def _scales(rng: np.random.Generator, noise: np.ndarray) -> np.ndarray:
    """Sum of smooth noise of several scales."""
    total = np.zeros_like(noise)
    for _ in range(int(rng.integers(2, 5))):
        one = np.roll(noise, rng.integers(0, noise.shape[2], 3), (0, 1, 2))
        sigma = _log_uniform(rng, 0.3, 12)
        total += rng.random() * _gaussian(one, sigma * float(rng.choice([0.3, 1])), sigma)
    return total


def _median(rng: np.random.Generator, noise: np.ndarray) -> np.ndarray:
    """Median over cubes or squares."""
    size = int(rng.choice([3, 3, 5]))
    flat = len(noise) == 1 or rng.random() < 0.3
    return np.asarray(ndimage.median_filter(noise, (1 if flat else 3, size, size), mode="wrap"))


def _heavy(rng: np.random.Generator, noise: np.ndarray) -> np.ndarray:
    """Skewed or heavy-tailed noise, white or smooth."""
    smooth = noise if rng.random() < 0.5 else _smooth(rng, noise)
    return np.asarray(np.exp(rng.uniform(0.2, 0.9) * smooth))


def _bounded(rng: np.random.Generator, noise: np.ndarray) -> np.ndarray:
    """Noise with softly limited values, white or smooth."""
    smooth = noise if rng.random() < 0.3 else _smooth(rng, noise)
    return np.asarray(np.tanh(rng.uniform(0.5, 4) * smooth))


def _dust(rng: np.random.Generator, noise: np.ndarray) -> np.ndarray:
    """A few outlier pixels, single or as small blobs, with faint noise or without."""
    outliers = (noise > rng.uniform(2, 3.5)).astype(np.float32)
    if rng.random() < 0.5:
        outliers = ndimage.maximum_filter(outliers, (1, 3, 3))
    return outliers * 10 + float(rng.choice([0, 1])) * np.roll(noise, 7, axis=2)


_TEXTURES: dict[str, Callable[[np.random.Generator, np.ndarray], np.ndarray]] = {
    "white": _white,
    "smooth": _smooth,
    "smooth in planes": _smooth_in_planes,
    "smooth along z": _smooth_along_z,
    "power law": _power_law,
    "scales": _scales,
    "median": _median,
    "heavy": _heavy,
    "bounded": _bounded,
    "dust": _dust,
}
