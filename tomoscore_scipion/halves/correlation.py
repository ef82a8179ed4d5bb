# SPDX-License-Identifier: GPL-3.0-or-later
"""Correlation of a tomogram with a noise-free one, from the Fourier ring correlation of halves.

Halves have the same signal and independent noise. If F is their correlation, the correlation of the
full tomogram with a noise-free one from the same views is C = sqrt(2 F / (1 + F)) (Rosenthal and
Henderson, J. Mol. Biol. 333, 721 (2003)).
"""

from __future__ import annotations

import numpy as np

from tomoscore_scipion.records.bands import N_BANDS
from tomoscore_scipion.tomography import fourier


def ring_correlation(odd: np.ndarray, even: np.ndarray, voxel_nm: float) -> np.ndarray:
    """Fourier ring correlation of two half tomograms per band, over all their xy slices.

    Args:
        odd: first half, (z, y, x).
        even: second half, the same shape.
        voxel_nm: voxel size in nm.

    Returns:
        (N_BANDS,), -1 to 1; NaN for bands without a frequency.

    Raises:
        ValueError: the shapes differ.
    """
    if odd.shape != even.shape or odd.ndim != 3:
        raise ValueError(f"expected halves (z, y, x) of one shape, got {odd.shape}, {even.shape}")
    f_odd, f_even = np.fft.rfft2(odd), np.fft.rfft2(even)
    radius = fourier.numpy_radius(odd.shape[1:], voxel_nm)
    correlations = np.full(N_BANDS, np.nan)
    for band, ring in enumerate(fourier.band_masks(radius)):
        power = (np.abs(f_odd[:, ring]) ** 2).sum() * (np.abs(f_even[:, ring]) ** 2).sum()
        if ring.any() and power > 0:
            correlations[band] = (f_odd[:, ring] * f_even[:, ring].conj()).sum().real / np.sqrt(
                power
            )
    return correlations


def noise_free_correlation(ring: np.ndarray) -> np.ndarray:
    """C for each F (see the module docstring), the same shape, 0 to 1; 0 if F is not positive."""
    positive = np.maximum(ring, 0.0)
    return np.asarray(np.sqrt(2 * positive / (1 + positive)))


def without_own_noise(ring: np.ndarray, content: np.ndarray, modes: np.ndarray) -> np.ndarray:
    """Shrink F of tiles towards their mean to remove the variance of the estimate.

    A tile has few Fourier components in a coarse octave. F of n components has a variance of about
    (1 - F^2)^2 / n (Fisher, Metron 1, 3 (1921)). Since C is a concave function of F, this variance
    would bias the mean of C over tiles: too small for signal, too large for noise.

    Args:
        ring: (n_tiles, n_octaves) F of each tile, -1 to 1.
        content: weights of the tiles, the same shape.
        modes: (n_octaves,) number of independent Fourier components of a tile.

    Returns:
        The same shape, with the mean of `ring` and the remaining variance.
    """
    total = np.maximum(content.sum(axis=0), 1e-9)
    mean = (content * ring).sum(axis=0) / total
    variance = (content * (ring - mean) ** 2).sum(axis=0) / total
    estimate_variance = (1 - np.minimum(mean**2, 1)) ** 2 / modes
    scale = np.sqrt(np.clip(1 - estimate_variance / np.maximum(variance, 1e-12), 0, 1))
    return np.asarray(mean + scale * (ring - mean))
