# SPDX-License-Identifier: GPL-3.0-or-later
"""A block in the middle of a tomogram and of its halves, and its Fourier transform.

Checks that need the third dimension, such as those of tilt angles and displacements, use this
block.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import fft

from tomoscore_scipion.reading.volume import Volume
from tomoscore_scipion.tomography import fourier

DEPTH_NM = 120.0
MAX_PLANES = 96
MAX_PIXELS = 256
"""Largest edges of the block, which needs 200 MB with its transforms."""
MIN_PLANES_FOR_ANGLES = 16
"""Tilt angles cannot be resolved in a thinner block."""
FINEST_NM = 4.0
MAX_NYQUIST_FRACTION = 0.9
COARSE_LAG_NM, FINE_LAG_NM = 64.0, 8.0
"""Range of periods from which a displacement is measured."""


@dataclass(frozen=True)
class Block:
    """Position and size of a block.

    Attributes:
        first: (z, y, x) index of its first voxel.
        shape: (z, y, x) number of voxels.
        voxel_nm: voxel size in nm.
    """

    first: tuple[int, int, int]
    shape: tuple[int, int, int]
    voxel_nm: float

    @property
    def is_deep(self) -> bool:
        """Whether tilt angles can be resolved in it."""
        return self.shape[0] >= MIN_PLANES_FOR_ANGLES

    def frequencies(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Frequencies kz (z, 1, 1), ky (1, y, 1) and kx (1, 1, x // 2 + 1) in 1/nm."""
        axes = fourier.numpy_axes(self.shape, self.voxel_nm)
        kz, ky, kx = (axis.astype(np.float32) for axis in axes)
        return kz, ky, kx

    @property
    def max_frequency(self) -> float:
        """Largest frequency that is examined, 1/nm."""
        return min(1 / FINEST_NM, MAX_NYQUIST_FRACTION * 0.5 / self.voxel_nm)


def block_of(shape_zyx: tuple[int, int, int], slab_z: tuple[int, int], voxel_nm: float) -> Block:
    """The block in the middle of a slab.

    Args:
        shape_zyx: shape of the tomogram.
        slab_z: first and last plane of the slab, inclusive.
        voxel_nm: voxel size in nm.
    """
    planes = min(MAX_PLANES, max(1, math.ceil(DEPTH_NM / voxel_nm)))
    middles = ((slab_z[0] + slab_z[1]) // 2, shape_zyx[1] // 2, shape_zyx[2] // 2)
    sizes = [min(n, limit) for n, limit in zip(shape_zyx, (planes, MAX_PIXELS, MAX_PIXELS))]
    first = [
        min(max(middle - size // 2, 0), n - size)
        for middle, size, n in zip(middles, sizes, shape_zyx)
    ]
    return Block((first[0], first[1], first[2]), (sizes[0], sizes[1], sizes[2]), voxel_nm)


def read_block(volume: Volume, block: Block) -> np.ndarray:
    """Read the voxels of a block.

    Args:
        volume: the tomogram or a half, open.
        block: the block.

    Returns:
        (z, y, x) float32; values that are not finite are 0.

    Raises:
        TomogramError: the file cannot be read.
    """
    z, y, x = block.first
    nz, ny, nx = block.shape
    planes = [volume.read_slice(z + i)[y : y + ny, x : x + nx] for i in range(nz)]
    return np.nan_to_num(np.stack(planes), copy=False, nan=0.0, posinf=0.0, neginf=0.0)


def spectrum(values: np.ndarray) -> np.ndarray:
    """Fourier transform of a block with a Hann window, (z, y, x // 2 + 1) complex64."""
    windowed = values - values.mean()
    for axis, n in enumerate(values.shape):
        if n > 1:
            window = np.hanning(n + 2)[1:-1].astype(np.float32)
            windowed *= window.reshape([-1 if i == axis else 1 for i in range(3)])
    return np.asarray(fft.rfftn(windowed))


def correlation(first: np.ndarray, second: np.ndarray, where: np.ndarray | None = None) -> float:
    """Correlation of two spectra.

    Args:
        first: complex, any shape.
        second: complex, the same shape.
        where: bool, the same shape, frequencies to use; all if None.

    Returns:
        -1 to 1; 0 if one of the spectra is 0.
    """
    a, b = (first, second) if where is None else (first[where], second[where])
    power = float((np.abs(a) ** 2).sum(dtype=float) * (np.abs(b) ** 2).sum(dtype=float))
    return float((a * b.conj()).real.sum(dtype=float) / math.sqrt(power)) if power > 0 else 0.0


@dataclass(frozen=True)
class Lag:
    """Displacement of a block relative to another.

    Attributes:
        shift: (z, y, x) displacement of the second block in voxels.
        peak: signed phase correlation at this displacement, in standard deviations of the map.
        at_zero: phase correlation without displacement, in the same unit.
    """

    shift: tuple[int, int, int]
    peak: float
    at_zero: float


def lag_of(first: np.ndarray, second: np.ndarray, block: Block) -> Lag:
    """Measure the displacement of two spectra by phase correlation (Kuglin and Hines, 1975).

    Args:
        first: spectrum of the first block, see `spectrum`.
        second: spectrum of the second block, the same shape.
        block: their block.
    """
    kz, ky, kx = block.frequencies()
    radius = np.sqrt(kz**2 + ky**2 + kx**2)
    max_frequency = min(1 / FINE_LAG_NM, block.max_frequency)
    band = (radius > 1 / COARSE_LAG_NM) & (radius < max_frequency)
    cross = second * first.conj()
    phases = np.where(band, cross / np.maximum(np.abs(cross), 1e-30), 0)
    map_ = fft.irfftn(phases, s=block.shape)
    spread = max(float(map_.std()), 1e-30)
    index = np.unravel_index(int(np.abs(map_).argmax()), map_.shape)
    shift = [int(p) if p <= n // 2 else int(p) - n for p, n in zip(index, map_.shape)]
    peak, at_zero = float(map_[index]) / spread, float(map_[0, 0, 0]) / spread
    return Lag((shift[0], shift[1], shift[2]), peak, at_zero)
