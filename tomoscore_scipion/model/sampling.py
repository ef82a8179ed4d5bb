# SPDX-License-Identifier: GPL-3.0-or-later
"""Select the planes of a volume that make up a slice, at fixed distances in nanometres.

A slice has four channels, each a mean of planes over about `THICKNESS_NM` (at least one voxel):

- centre: around the slice's own plane,
- near: one thickness above and below it,
- far: 6 nm above and below it,
- distant: 24 nm above and below it.

Noise differs from slice to slice but matter continues in z, so a comparison with the neighbours
separates the two. The near neighbours serve fine features; the distant neighbours serve coarse
features, because coarse noise stays correlated over more planes.
Channels whose planes lie outside the volume are absent (2D images, thin volumes).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable, Sequence

import numpy as np

from tomoscore_scipion.records.errors import TomogramError

CANONICAL_NM = 1.5
"""Pixel of the finest measured octave; its Nyquist period is 3 nm, the end of the finest band."""
THICKNESS_NM = 2.0
"""Thickness of a slice in z; planes closer together than this are averaged."""
FAR_NM = 6.0
DISTANT_NM = 24.0
"""Distances of the far and distant neighbours: a quarter of the periods 24 nm and 96 nm."""
CHANNEL_NAMES = ("centre", "near", "far", "distant")
CHANNELS = len(CHANNEL_NAMES)
NEGLIGIBLE = 0.15
"""Planes that overlap a slice by less than this fraction of a plane are not read."""
MAX_SLICE_PIXELS = 6000 * 6000
"""Maximum number of pixels of a slice at 1.5 nm (9 um wide), which needs about 2 GB of memory."""
MAX_SLICES = 12
"""Maximum number of slices per tomogram; more slices hardly change the mean."""

INPUT_CONTRACT = (
    "octaves v5: slices of 2 nm, neighbours at 2, 6 and 24 nm; whitened; octaves from 128 to 4 nm "
    "apart, robust spread 1 each, logarithm beyond 4"
)
"""Contract of the network's input; a weights file states the contract of its training."""

ReadPlane = Callable[[int], np.ndarray]


@dataclass(frozen=True)
class PlaneMean:
    """A weighted mean of planes: indices in z and weights that sum to 1; empty if absent."""

    planes: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.planes)


@dataclass(frozen=True)
class SlicePlan:
    """The planes behind the channels of one slice."""

    z: int
    centre: PlaneMean
    near: PlaneMean
    far: PlaneMean
    distant: PlaneMean

    @property
    def channels(self) -> tuple[PlaneMean, ...]:
        """All channels in order, the centre first."""
        return self.centre, self.near, self.far, self.distant

    @property
    def planes(self) -> tuple[int, ...]:
        """All planes that are read, in order."""
        return tuple(sorted({z for channel in self.channels for z in channel.planes}))


def plan_slice(z: int, n_z: int, voxel_size_nm: float) -> SlicePlan:
    """The planes of the slice centred on plane `z` of `n_z`.

    Args:
        z: index of the centre plane.
        n_z: number of planes of the volume.
        voxel_size_nm: voxel size in nm.
    """
    width = max(1.0, THICKNESS_NM / voxel_size_nm)
    middle = min(max(float(z), (width - 1) / 2), max(n_z - 1 - (width - 1) / 2, (n_z - 1) / 2))
    distances = [max(nm / voxel_size_nm, minimum * width) for nm, minimum in _NEIGHBOURS]
    neighbours = [_both_sides(middle, distance, width, n_z) for distance in distances]
    return SlicePlan(z, _window(middle, width, n_z), *neighbours)


_NEIGHBOURS = ((THICKNESS_NM, 1.0), (FAR_NM, 2.0), (DISTANT_NM, 3.0))
"""Distance of each neighbour in nm, and its minimum distance in thicknesses of a slice."""


def _window(middle: float, width: float, n_z: int) -> PlaneMean:
    """Mean over `width` planes around a position in z, without planes outside the volume."""
    first, last = math.floor(middle - width / 2), math.ceil(middle + width / 2)
    overlap = {
        i: min(i + 0.5, middle + width / 2) - max(i - 0.5, middle - width / 2)
        for i in range(max(first, 0), min(last, n_z - 1) + 1)
    }
    weights = {i: weight for i, weight in overlap.items() if weight >= NEGLIGIBLE}
    return _normalised(weights)


def _both_sides(middle: float, distance: float, width: float, n_z: int) -> PlaneMean:
    """Mean of the windows at a distance below and above that lie inside the volume."""
    total: dict[int, float] = {}
    for centre in (middle - distance, middle + distance):
        if centre - (width - 1) / 2 >= -1e-6 and centre + (width - 1) / 2 <= n_z - 1 + 1e-6:
            window = _window(centre, width, n_z)
            for plane, weight in zip(window.planes, window.weights):
                total[plane] = total.get(plane, 0.0) + weight
    return _normalised(total)


def _normalised(weights: dict[int, float]) -> PlaneMean:
    planes = tuple(sorted(weights))
    total = sum(weights.values())
    return PlaneMean(planes, tuple(weights[plane] / total for plane in planes))


def plan_slices(
    n_z: int,
    voxel_size_nm: float,
    z_range: tuple[int, int] | None = None,
    max_slices: int = MAX_SLICES,
) -> list[SlicePlan]:
    """Slices spread evenly over a volume, symmetric about its middle.

    Args:
        n_z: number of planes, at least 1.
        voxel_size_nm: voxel size in nm.
        z_range: (first, last) plane to sample, inclusive; the whole volume when None.
        max_slices: maximum number of slices.
    """
    first, last = z_range if z_range is not None else (0, n_z - 1)
    span = last - first + 1
    count = max(1, min(max_slices, int(span * voxel_size_nm / max(THICKNESS_NM, voxel_size_nm))))
    if span % 2 == 0:  # no plane lies in the middle, so the number of slices is even
        count = max(2, count - count % 2)
    centres = first + (np.arange(count) + 0.5) * span / count - 0.5
    # Half-way positions are rounded towards the middle, so that reversing z gives the same slices.
    middle = first + (span - 1) / 2
    rounded = np.where(centres < middle, np.ceil(centres - 1e-9), np.floor(centres + 1e-9))
    return [plan_slice(int(z), n_z, voxel_size_nm) for z in np.unique(rounded.astype(int))]


def mean_plane(
    read: ReadPlane, planes: Sequence[int], weights: Sequence[float] | None = None
) -> np.ndarray:
    """Mean of some planes, (y, x) float32; holds one plane and the sum in memory at a time.

    Args:
        read: function of z that returns this plane, (y, x).
        planes: indices in z, at least one.
        weights: one for each plane, with sum 1; equal weights when None.
    """
    if weights is None:
        weights = [1.0 / len(planes)] * len(planes)
    if len(planes) == 1:
        return read(planes[0])
    total: np.ndarray | None = None
    with np.errstate(over="ignore", invalid="ignore"):
        for z, weight in zip(planes, weights):
            plane = read(z).astype(np.float32, copy=False) * np.float32(weight)
            total = plane if total is None else np.add(total, plane, out=total)
    assert total is not None
    return total


def canonical_shape(ny: int, nx: int, voxel_size_nm: float) -> tuple[int, int]:
    """Shape (y, x) of a slice of ny x nx voxels at the canonical pixel, at least 1 x 1.

    Args:
        ny: voxels along y.
        nx: voxels along x.
        voxel_size_nm: voxel size in nm.

    Raises:
        TomogramError: the slice exceeds `MAX_SLICE_PIXELS`, which suggests a wrong voxel size.
    """
    scale = voxel_size_nm / CANONICAL_NM
    shape = max(1, round(ny * scale)), max(1, round(nx * scale))
    if shape[0] * shape[1] > MAX_SLICE_PIXELS:
        width, height = nx * voxel_size_nm / 1000, ny * voxel_size_nm / 1000
        raise TomogramError(
            f"a voxel of {10 * voxel_size_nm:.4g} A makes slices of {width:.3g} x {height:.3g} um: "
            f"expected at most {MAX_SLICE_PIXELS * CANONICAL_NM**2 / 1e6:.0f} square um; is the "
            "voxel size right? Give the true one"
        )
    return shape
