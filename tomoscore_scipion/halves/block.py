# SPDX-License-Identifier: GPL-3.0-or-later
"""A block in the middle of a tomogram and of its halves, in Fourier space.

The block tells what single slices cannot: the angles at which a volume was seen. A tilt image at an
angle fills the plane kz = kx tan(angle), so that a volume has spokes of power in (kz, kx), none
beyond the largest tilt, and none at all near the kz axis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from tomoscore_scipion.reading.volume import Volume
from tomoscore_scipion.tomography import fourier

DEPTH_NM = 120.0
MOST_PLANES = 96
MOST_PIXELS = 256
"""Edges of the block: what fits into 200 MB with its transforms."""
FEWEST_PLANES = 16
"""In a thinner block angles are not told apart."""
FINEST_NM = 4.0
SHARE_OF_NYQUIST = 0.9
AXIS_DEG = 14.0
"""No tilt image reaches the cone of this half angle around the kz axis."""
COARSE_LAG_NM, FINE_LAG_NM = 64.0, 8.0
"""Periods by which a displacement is measured."""


@dataclass(frozen=True)
class Block:
    """Where the block lies.

    Attributes:
        first: (z, y, x) of its first voxel.
        shape: (z, y, x) of its voxels.
        voxel_nm: voxel size in nm.
    """

    first: tuple[int, int, int]
    shape: tuple[int, int, int]
    voxel_nm: float

    @property
    def is_deep(self) -> bool:
        """Whether angles can be told apart in it."""
        return self.shape[0] >= FEWEST_PLANES

    def frequencies(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Frequencies kz (z, 1, 1), ky (1, y, 1) and kx (1, 1, x // 2 + 1) in 1/nm."""
        axes = fourier.numpy_axes(self.shape, self.voxel_nm)
        kz, ky, kx = (axis.astype(np.float32) for axis in axes)
        return kz, ky, kx

    @property
    def finest(self) -> float:
        """The largest frequency that is looked at, 1/nm."""
        return min(1 / FINEST_NM, SHARE_OF_NYQUIST * 0.5 / self.voxel_nm)


def block_of(shape_zyx: tuple[int, int, int], slab_z: tuple[int, int], voxel_nm: float) -> Block:
    """The block in the middle of a slab."""
    planes = min(MOST_PLANES, max(1, math.ceil(DEPTH_NM / voxel_nm)))
    middles = ((slab_z[0] + slab_z[1]) // 2, shape_zyx[1] // 2, shape_zyx[2] // 2)
    sizes = [min(n, most) for n, most in zip(shape_zyx, (planes, MOST_PIXELS, MOST_PIXELS))]
    first = [
        min(max(middle - size // 2, 0), n - size)
        for middle, size, n in zip(middles, sizes, shape_zyx)
    ]
    return Block((first[0], first[1], first[2]), (sizes[0], sizes[1], sizes[2]), voxel_nm)


def read_block(volume: Volume, block: Block) -> np.ndarray:
    """The voxels of a block, (z, y, x) float32; 0 where they are not finite.

    Raises:
        TomogramError: the file cannot be read.
    """
    z, y, x = block.first
    nz, ny, nx = block.shape
    planes = [volume.read_slice(z + i)[y : y + ny, x : x + nx] for i in range(nz)]
    return np.nan_to_num(np.stack(planes), copy=False, nan=0.0, posinf=0.0, neginf=0.0)


def spectrum(values: np.ndarray) -> np.ndarray:
    """Fourier transform of a block that fades out to its faces, (z, y, x // 2 + 1) complex64."""
    faded = values - values.mean()
    for axis, n in enumerate(values.shape):
        if n > 1:
            window = np.hanning(n + 2)[1:-1].astype(np.float32)
            faded *= window.reshape([-1 if i == axis else 1 for i in range(3)])
    return np.asarray(fft.rfftn(faded))


def correlation(one: np.ndarray, other: np.ndarray, where: np.ndarray | None = None) -> float:
    """Correlation of two spectra over some of their frequencies, -1 to 1; 0 where one is empty."""
    a, b = (one, other) if where is None else (one[where], other[where])
    power = float((np.abs(a) ** 2).sum(dtype=float) * (np.abs(b) ** 2).sum(dtype=float))
    return float((a * b.conj()).real.sum(dtype=float) / math.sqrt(power)) if power > 0 else 0.0


@dataclass(frozen=True)
class Lag:
    """How one block lies against another.

    Attributes:
        shift: (z, y, x) voxels by which the second is displaced.
        peak: the cross-correlation there, signed, in standard deviations of the whole.
        at_zero: the same without a displacement.
    """

    shift: tuple[int, int, int]
    peak: float
    at_zero: float


def lag_of(one: np.ndarray, other: np.ndarray, block: Block) -> Lag:
    """The displacement of two spectra of a block by the correlation of their phases."""
    kz, ky, kx = block.frequencies()
    radius = np.sqrt(kz**2 + ky**2 + kx**2)
    finest = min(1 / FINE_LAG_NM, block.finest)
    seen = (radius > 1 / COARSE_LAG_NM) & (radius < finest)
    cross = other * one.conj()
    phases = np.where(seen, cross / np.maximum(np.abs(cross), 1e-30), 0)
    map_ = fft.irfftn(phases, s=block.shape)
    spread = max(float(map_.std()), 1e-30)
    place = np.unravel_index(int(np.abs(map_).argmax()), map_.shape)
    shift = [int(p) if p <= n // 2 else int(p) - n for p, n in zip(place, map_.shape)]
    peak, at_zero = float(map_[place]) / spread, float(map_[0, 0, 0]) / spread
    return Lag((shift[0], shift[1], shift[2]), peak, at_zero)


FAINTEST_SPOKES = 0.15
"""Spread of the logarithm of power along angles below which there are no spokes to compare."""
SMOOTH = (4.0, 2.0)
"""Sigma in pixels of what is not a spoke, along kz and along kx."""


def spokes_in_common(one: np.ndarray, other: np.ndarray, block: Block) -> float | None:
    """Whether two halves were seen at the same angles: correlation of their spokes, -1 to 1.

    None where the block is thin or no spokes are seen.
    """
    if not block.is_deep:
        return None
    axis = _tilt_axis(one, block)
    kz, across = _across(block, axis)
    radius = np.hypot(kz, across)
    seen = (radius > block.finest / 3) & (radius < block.finest)
    seen &= np.abs(across) > block.finest / 5
    logs = [np.log((np.abs(part) ** 2).sum(axis=axis) + 1e-30) for part in (one, other)]
    first, second = ((log - ndimage.gaussian_filter(log, SMOOTH))[seen] for log in logs)
    if min(first.std(), second.std()) < FAINTEST_SPOKES:
        return None
    return float(np.corrcoef(first, second)[0, 1])


def _across(block: Block, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Frequency kz and the one across a tilt axis (1: y, 2: x), of one shape."""
    kz, ky, kx = block.frequencies()
    across = kx[:, 0] if axis == 1 else ky[:, :, 0]
    z, a = np.broadcast_arrays(kz[:, :, 0], across)
    return z, a


def _tilt_axis(one: np.ndarray, block: Block) -> int:
    """1 for y, 2 for x: the axis about which less power lies beyond 75 degrees."""
    beyond = []
    for axis in (1, 2):
        kz, across = _across(block, axis)
        radius = np.hypot(kz, across)
        seen = (radius > block.finest / 3) & (radius < block.finest)
        steep = seen & (np.abs(kz) > math.tan(math.radians(75)) * np.abs(across))
        power = (np.abs(one) ** 2).sum(axis=axis)
        beyond.append(float(power[steep].sum()) / max(float(power[seen].sum()), 1e-30))
    return 1 if beyond[0] <= beyond[1] else 2


def power_in_wedge(one: np.ndarray, block: Block) -> float:
    """Power near the kz axis, of that near the kx-ky plane at the same periods of 16 to 4 nm.

    Next to 0 for a reconstruction and what linear filters make of it; more where something that is
    not linear has filled the missing wedge.
    """
    kz, ky, kx = block.frequencies()
    flat, radius = np.hypot(ky, kx), np.sqrt(kz**2 + ky**2 + kx**2)
    found = []
    for low, high in ((1 / 16, 1 / 8), (1 / 8, 1 / 4)):
        shell = (radius > low) & (radius < min(high, block.finest))
        near_axis = shell & (flat < math.tan(math.radians(AXIS_DEG)) * np.abs(kz))
        near_plane = shell & (np.abs(kz) < 0.5 * flat)
        if near_axis.sum() > 50 and near_plane.any():
            inside, outside = (float((np.abs(one[m]) ** 2).mean()) for m in (near_axis, near_plane))
            found.append(inside / max(outside, 1e-30))
    return max(found, default=0.0)


def finest_correlation(one: np.ndarray, other: np.ndarray, block: Block) -> float:
    """Correlation of two spectra from 0.8 to 1 of Nyquist of the planes, where noise rules."""
    kz, ky, kx = block.frequencies()
    flat = np.hypot(ky, kx) * 2 * block.voxel_nm
    where = (flat > 0.8) & (flat < 1.0) & (np.abs(kz) < 0.5 * np.hypot(ky, kx))
    return correlation(one, other, where)


def noise_follows_features(one: np.ndarray, other: np.ndarray, voxel_nm: float) -> float:
    """Whether what differs between halves is stronger where what they share is, -1 to 1.

    The local energies of difference and sum, per octave from 32 to 4 nm, have correlated logarithms
    where a denoiser has left noise at features and taken it elsewhere. The noise of a
    reconstruction is the same everywhere. The largest of the octaves counts.

    Args:
        one: (z, y, x) values of a half.
        other: the same of the other one.
        voxel_nm: voxel size in nm.
    """
    step = max(1, len(one) // FEW_PLANES)
    gains = [max(float(part.std()), 1e-30) for part in (one, other)]
    spectra = [fft.rfft2(part[::step] / gain) for part, gain in zip((one, other), gains)]
    shape = one.shape[1:]
    flat = fourier.numpy_radius(shape, voxel_nm)
    top = SHARE_OF_NYQUIST * 0.5 / voxel_nm
    found = [0.0]
    for coarse in (32.0, 16.0, 8.0):
        if top < 1.3 / coarse:
            continue
        octave = (flat > 1 / coarse) & (flat < min(2 / coarse, top))
        logs = [
            np.log(_local_energy(fft.irfft2(part * octave, s=shape), 0.75 * coarse / voxel_nm))
            for part in (spectra[0] - spectra[1], spectra[0] + spectra[1])
        ]
        if min(float(log.std()) for log in logs) > 0:
            found.append(float(np.corrcoef(logs[0].ravel(), logs[1].ravel())[0, 1]))
    return max(found)


FEW_PLANES = 12


def _local_energy(images: np.ndarray, sigma_px: float) -> np.ndarray:
    """Mean square around every fourth pixel, away from the edges."""
    n_y, n_x = images.shape[1:]
    smooth = ndimage.gaussian_filter(images**2, (0, sigma_px, sigma_px))
    inner = smooth[:, n_y // 8 : n_y - n_y // 8 : 4, n_x // 8 : n_x - n_x // 8 : 4]
    return np.asarray(inner + 1e-30)


def max_tilt_of(one: np.ndarray, block: Block) -> float | None:
    """Half of the tilt range in degrees, by where the power ends; None where it does not show."""
    if not block.is_deep:
        return None
    axis = _tilt_axis(one, block)
    kz, across = _across(block, axis)
    radius = np.hypot(kz, across)
    seen = (radius > block.finest / 3) & (radius < block.finest) & (across > 0)
    power = (np.abs(one) ** 2).sum(axis=axis)
    return _end_of(power[seen], np.degrees(np.arctan2(kz[seen], across[seen])))


def _end_of(power: np.ndarray, angle: np.ndarray) -> float | None:
    """Half of the range of angles with power; None where all have, or hardly any."""
    edges = np.arange(-90, 91, 3)
    number, _ = np.histogram(angle, edges)
    total, _ = np.histogram(angle, edges, weights=power)
    mean = total / np.maximum(number, 1)
    there = mean > 0.1 * np.median(mean[(edges[:-1] > -31) & (edges[:-1] < 30)])
    first, last = int(there.argmax()), len(there) - int(there[::-1].argmax())
    half = float(edges[last] - edges[first]) / 2
    return half if 20 <= half <= 80 else None
