# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs of noise that two halves share, or that depends on the specimen."""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

from tomoscore_scipion.halves.block import MAX_NYQUIST_FRACTION, Block, correlation
from tomoscore_scipion.tomography import fourier

MAX_PLANES = 12
"""Number of planes that are examined, to save time."""


def finest_correlation(odd: np.ndarray, even: np.ndarray, block: Block) -> float:
    """Correlation of two spectra at 0.8 to 1 of the Nyquist frequency, where noise dominates.

    Args:
        odd: spectrum of the first half.
        even: spectrum of the second half, the same shape.
        block: their block.

    Returns:
        -1 to 1.
    """
    kz, ky, kx = block.frequencies()
    flat = np.hypot(ky, kx) * 2 * block.voxel_nm
    where = (flat > 0.8) & (flat < 1.0) & (np.abs(kz) < 0.5 * np.hypot(ky, kx))
    return correlation(odd, even, where)


def noise_follows_features(odd: np.ndarray, even: np.ndarray, voxel_nm: float) -> float:
    """Correlation of the local noise level with the local signal.

    A denoiser removes noise between features more than at features; the noise of a reconstruction
    is the same everywhere. The local energies of the difference (noise) and of the sum (signal) of
    the halves are compared per octave from 32 to 4 nm.

    Args:
        odd: (z, y, x) values of the first half.
        even: (z, y, x) values of the second half.
        voxel_nm: voxel size in nm.

    Returns:
        Correlation of the logarithms of both energies, 0 to 1: the largest of all octaves.
    """
    step = max(1, len(odd) // MAX_PLANES)
    gains = [max(float(values.std()), 1e-30) for values in (odd, even)]
    spectra = [fft.rfft2(values[::step] / gain) for values, gain in zip((odd, even), gains)]
    shape = odd.shape[1:]
    flat = fourier.numpy_radius(shape, voxel_nm)
    top = MAX_NYQUIST_FRACTION * 0.5 / voxel_nm
    correlations = [0.0]
    for coarse in (32.0, 16.0, 8.0):
        if top < 1.3 / coarse:
            continue
        octave = (flat > 1 / coarse) & (flat < min(2 / coarse, top))
        logs = [
            np.log(_local_energy(fft.irfft2(values * octave, s=shape), 0.75 * coarse / voxel_nm))
            for values in (spectra[0] - spectra[1], spectra[0] + spectra[1])
        ]
        if min(float(log.std()) for log in logs) > 0:
            correlations.append(float(np.corrcoef(logs[0].ravel(), logs[1].ravel())[0, 1]))
    return max(correlations)


def _local_energy(images: np.ndarray, sigma_px: float) -> np.ndarray:
    """Local mean square of images (z, y, x) at every fourth pixel, without the edges."""
    n_y, n_x = images.shape[1:]
    smooth = ndimage.gaussian_filter(images**2, (0, sigma_px, sigma_px))
    inner = smooth[:, n_y // 8 : n_y - n_y // 8 : 4, n_x // 8 : n_x - n_x // 8 : 4]
    return np.asarray(inner + 1e-30)
