# SPDX-License-Identifier: GPL-3.0-or-later
"""From the Fourier ring correlation of two halves to the correlation of the whole tomogram.

Halves have the same signal and independent noise. With F their correlation, C = sqrt(2 F / (1 + F))
is the correlation of the whole tomogram with a noise-free one of the same views (Rosenthal and
Henderson, J. Mol. Biol. 333, 721 (2003)).
"""

from __future__ import annotations

import numpy as np

from tomoscore_scipion.records.bands import N_BANDS
from tomoscore_scipion.tomography import fourier


def ring_correlation(odd: np.ndarray, even: np.ndarray, voxel_nm: float) -> np.ndarray:
    """Fourier ring correlation of two half tomograms per band, over all their xy slices.

    Args:
        odd: (z, y, x).
        even: the same shape.
        voxel_nm: voxel size in nm.

    Raises:
        ValueError: two shapes.

    Returns:
        (N_BANDS,) -1 to 1, NaN where no frequency lies in a band.
    """
    if odd.shape != even.shape or odd.ndim != 3:
        raise ValueError(f"expected halves (z, y, x) of one shape, got {odd.shape}, {even.shape}")
    one, other = np.fft.rfft2(odd), np.fft.rfft2(even)
    radius = fourier.numpy_radius(odd.shape[1:], voxel_nm)
    found = np.full(N_BANDS, np.nan)
    for band, ring in enumerate(fourier.band_masks(radius)):
        power = (np.abs(one[:, ring]) ** 2).sum() * (np.abs(other[:, ring]) ** 2).sum()
        if ring.any() and power > 0:
            found[band] = (one[:, ring] * other[:, ring].conj()).sum().real / np.sqrt(power)
    return found


def noise_free_correlation(ring: np.ndarray) -> np.ndarray:
    """C of F, see above, the same shape; 0 where F is not positive."""
    positive = np.maximum(ring, 0.0)
    return np.asarray(np.sqrt(2 * positive / (1 + positive)))


def without_own_noise(ring: np.ndarray, content: np.ndarray, modes: np.ndarray) -> np.ndarray:
    """F of tiles drawn towards their mean as far as they differ by chance alone.

    A tile holds few Fourier components of a coarse octave, so that its F scatters about the true
    one with a variance of about (1 - F^2)^2 / n (Fisher, Metron 1, 3 (1921)). C bends downwards:
    without this the mean of C over tiles would be too small, and that of noise too large.

    Args:
        ring: (tiles, octaves) F of each tile.
        content: the same shape, weights of the tiles.
        modes: (octaves,) independent components of a tile.

    Returns:
        The same shape: with the mean of `ring`, and the variance that is not chance.
    """
    total = np.maximum(content.sum(axis=0), 1e-9)
    mean = (content * ring).sum(axis=0) / total
    variance = (content * (ring - mean) ** 2).sum(axis=0) / total
    chance = (1 - np.minimum(mean**2, 1)) ** 2 / modes
    kept = np.sqrt(np.clip(1 - chance / np.maximum(variance, 1e-12), 0, 1))
    return np.asarray(mean + kept * (ring - mean))
