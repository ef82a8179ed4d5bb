# SPDX-License-Identifier: GPL-3.0-or-later
"""Which planes of a volume are read, and how they become canonical slices.

The network sees slices at one canonical pixel. A *canonical slice* has four channels:

- centre: the slice itself,
- near: the mean of the slices just above and below it,
- far: the mean of the slices about 6 nm above and below it,
- distant: the mean of the slices about 24 nm above and below it.

Noise differs from slice to slice while matter persists, so the neighbours tell one from the other:
the near ones for fine features, the distant ones for coarse features, whose noise persists longer.
Channels whose planes lie outside the volume are absent (2D images, thin volumes). Volumes
finer than the canonical pixel have consecutive planes averaged to about its thickness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import numpy as np
import torch
import torch.nn.functional as F

from tomoscore_scipion.engine.errors import TomogramError

CANONICAL_NM = 1.5
"""Pixel of what the network sees; its Nyquist period, 3 nm, ends the finest band."""
FAR_NM = 6.0
DISTANT_NM = 24.0
"""Distances of neighbours: a quarter of a period of 24 nm, and of 96 nm."""
CHANNELS = 4
LARGEST_PIXELS = 6000 * 6000
"""Pixels of the largest canonical slice, 9 um wide: memory for it stays within about 2 GB."""
MAX_SLICES = 24
"""Slices that are scored per tomogram: the mean changes little beyond."""

INPUT_CONTRACT = (
    "canonical slices v3: 1.5 nm; centre, near, far 6 nm, distant 24 nm; robust spread 1, "
    "logarithm beyond 4"
)
"""What the network is fed; weights name the contract that they were trained for."""

ReadPlane = Callable[[int], np.ndarray]


@dataclass(frozen=True)
class SlicePlan:
    """The planes behind one canonical slice: indices in z, empty where a channel is absent."""

    z: int
    centre: tuple[int, ...]
    near: tuple[int, ...]
    far: tuple[int, ...]
    distant: tuple[int, ...]

    @property
    def neighbours(self) -> tuple[tuple[int, ...], ...]:
        """The planes of the channels beside the centre, in order."""
        return self.near, self.far, self.distant

    @property
    def planes(self) -> tuple[int, ...]:
        """All planes that are read, in order."""
        return tuple(sorted({p for group in (self.centre, *self.neighbours) for p in group}))


def planes_per_slice(voxel_size_nm: float) -> int:
    """How many consecutive planes make a slice of about the canonical thickness.

    Odd, so that a slice has a middle plane and is the same seen from the other side.
    """
    return 2 * max(0, round((CANONICAL_NM / voxel_size_nm - 1) / 2)) + 1


def plan_slice(z: int, n_z: int, voxel_size_nm: float) -> SlicePlan:
    """The planes of the canonical slice centred on plane `z` of `n_z`."""
    n = planes_per_slice(voxel_size_nm)
    far = max(2 * n, round(FAR_NM / voxel_size_nm))
    distant = max(3 * n, round(DISTANT_NM / voxel_size_nm))
    first = min(max(z - (n - 1) // 2, 0), max(n_z - n, 0))
    block = range(first, min(first + n, n_z))

    def shifted(offset: int) -> tuple[int, ...]:
        sides = [[p + s * offset for p in block] for s in (-1, 1)]
        whole = [side for side in sides if side[0] >= 0 and side[-1] < n_z]
        return tuple(p for side in whole for p in side)

    return SlicePlan(z, tuple(block), shifted(n), shifted(far), shifted(distant))


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
        max_slices: at most so many slices.
    """
    first, last = z_range if z_range is not None else (0, n_z - 1)
    span = last - first + 1
    count = max(1, min(max_slices, span // planes_per_slice(voxel_size_nm)))
    if span % 2 == 0:  # no plane lies in the middle: slices come in pairs
        count = max(2, count - count % 2)
    centres = first + (np.arange(count) + 0.5) * span / count - 0.5
    # Half-way positions are rounded towards the middle, so that reversing z gives the same slices.
    middle = first + (span - 1) / 2
    rounded = np.where(centres < middle, np.ceil(centres - 1e-9), np.floor(centres + 1e-9))
    return [plan_slice(int(z), n_z, voxel_size_nm) for z in np.unique(rounded.astype(int))]


def mean_plane(read: ReadPlane, planes: tuple[int, ...]) -> np.ndarray:
    """Mean of some planes, (y, x) float32, one plane in memory at a time besides the sum."""
    total = read(planes[0])
    if len(planes) == 1:
        return total
    total = total.astype(np.float32, copy=True)
    with np.errstate(over="ignore", invalid="ignore"):
        for z in planes[1:]:
            total += read(z)
    total *= np.float32(1.0 / len(planes))
    return total


def canonical_shape(ny: int, nx: int, voxel_size_nm: float) -> tuple[int, int]:
    """Shape (y, x) of a slice of ny x nx voxels at the canonical pixel, at least 1 x 1.

    Raises:
        TomogramError: the field is too wide to be one tomogram: the voxel size must be wrong.
    """
    scale = voxel_size_nm / CANONICAL_NM
    shape = max(1, round(ny * scale)), max(1, round(nx * scale))
    if shape[0] * shape[1] > LARGEST_PIXELS:
        width, height = nx * voxel_size_nm / 1000, ny * voxel_size_nm / 1000
        raise TomogramError(
            f"a voxel of {10 * voxel_size_nm:.4g} A makes slices of {width:.3g} x {height:.3g} um: "
            f"expected at most {LARGEST_PIXELS * CANONICAL_NM**2 / 1e6:.0f} square um; is the "
            "voxel size right? Give the true one"
        )
    return shape


def resample(images: torch.Tensor, shape_yx: tuple[int, int]) -> torch.Tensor:
    """Bicubic resampling with an antialiasing filter.

    Args:
        images: (n, y, x) float32.
        shape_yx: shape of the result.

    Returns:
        (n, *shape_yx) float32; the input itself when the shape stays.
    """
    if tuple(images.shape[-2:]) == tuple(shape_yx):
        return images
    return F.interpolate(
        images[None], size=shape_yx, mode="bicubic", antialias=True, align_corners=False
    )[0]
