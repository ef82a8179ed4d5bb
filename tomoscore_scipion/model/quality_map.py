# SPDX-License-Identifier: GPL-3.0-or-later
"""Quality map: TomoScore per tile and slice, as a volume.

The map has isotropic voxels with an edge of a whole number of tomogram voxels. It starts at the
corner of the tomogram and covers all of it. Scores are interpolated linearly between the centres of
tiles and between scored slices, and extrapolated as constants beyond the outermost ones. The map is
0 outside the specimen slab and where the tomogram holds no data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Sequence

import numpy as np

from tomoscore_scipion.model.aggregation import has_data
from tomoscore_scipion.model.sampling import canonical_shape
from tomoscore_scipion.model.tiles import CELL_PX, tiles_along
from tomoscore_scipion.records.bands import tomoscore

if TYPE_CHECKING:
    from tomoscore_scipion.model.inference import SliceCurves

MAP_VOXEL_NM = 12.0
"""Approximate edge of a voxel of the map: a quarter of the distance between tiles."""


@dataclass(frozen=True)
class QualityMap:
    """A map and its position in the tomogram.

    Attributes:
        scores: (z, y, x) float32, TomoScore in octaves, 0 to 5; 0 outside the slab.
        factor: edge of a voxel of the map in voxels of the tomogram.
        voxel_size_angstrom: edge of a voxel of the map.
        offset_angstrom: distance from the centre of the tomogram's first voxel to the centre of the
            map's first voxel, the same along x, y and z.
    """

    scores: np.ndarray
    factor: int
    voxel_size_angstrom: float
    offset_angstrom: float


def quality_map(
    slices: Sequence[SliceCurves],
    slab_z: tuple[int, int],
    shape_zyx: tuple[int, int, int],
    voxel_size_angstrom: float,
    below_nyquist: np.ndarray,
) -> QualityMap:
    """The map of a tomogram from the curves of its tiles.

    Args:
        slices: at least one, in order of z; curves (tiles_y, tiles_x, N_BANDS), weight
            (tiles_y, tiles_x).
        slab_z: first and last plane of the specimen, inclusive.
        shape_zyx: shape of the tomogram in voxels.
        voxel_size_angstrom: voxel size of the tomogram.
        below_nyquist: (N_BANDS,) fraction of each band below Nyquist.

    Raises:
        ValueError: the tiles do not belong to a tomogram of this shape.
    """
    factor = max(1, round(10 * MAP_VOXEL_NM / voxel_size_angstrom))
    _, n_y, n_x = shape_zyx
    canonical = canonical_shape(n_y, n_x, voxel_size_angstrom / 10)
    tiles = tuple(tiles_along(n) for n in canonical)
    for slice_curves in slices:
        if tuple(slice_curves.weight.shape) != tiles:
            raise ValueError(
                f"expected {tiles} tiles per slice, got {tuple(slice_curves.weight.shape)}"
            )
    to_y, to_x = (
        _weights(_voxel_centres(n, factor), _tile_centres(c, n / c))
        for n, c in zip((n_y, n_x), canonical)
    )
    planes = np.stack([_plane(slice_curves, below_nyquist, to_y, to_x) for slice_curves in slices])
    centres = _voxel_centres(shape_zyx[0], factor)
    to_z = _weights(
        centres, np.array([slice_curves.z for slice_curves in slices], dtype=np.float64)
    )
    scores = np.tensordot(to_z, planes, axes=1)
    scores[~_in_slab(shape_zyx[0], factor, slab_z)] = 0.0
    return QualityMap(
        scores=scores.astype(np.float32),
        factor=factor,
        voxel_size_angstrom=factor * voxel_size_angstrom,
        offset_angstrom=(factor - 1) / 2 * voxel_size_angstrom,
    )


def _tile_centres(canonical_px: int, voxels_per_px: float) -> np.ndarray:
    """Centres of the tiles along an axis, in voxels of the tomogram; voxel i has its centre at i.

    A tile is centred on a corner of four cells; the slice lies in the middle of the cells.
    """
    tiles = tiles_along(canonical_px)
    padding = ((tiles + 1) * CELL_PX - canonical_px) / 2
    corners = CELL_PX * (np.arange(tiles) + 1.0) - padding
    return np.asarray(corners * voxels_per_px - 0.5)


def _voxel_centres(n: int, factor: int) -> np.ndarray:
    """Centres of the map's voxels along an axis of n voxels, in voxels of the tomogram."""
    return (np.arange(math.ceil(n / factor)) + 0.5) * factor - 0.5


def _weights(positions: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Matrix of linear interpolation, (positions, centres); constant beyond the outermost ones."""
    rows = [np.interp(positions, centres, unit) for unit in np.eye(len(centres))]
    return np.stack(rows, axis=1)


def _plane(
    slice_curves: SliceCurves, below_nyquist: np.ndarray, to_y: np.ndarray, to_x: np.ndarray
) -> np.ndarray:
    """Scores of a slice on the map's grid, (y, x); 0 where less than half of a voxel holds data."""
    weight = np.asarray(slice_curves.weight, dtype=np.float64)
    usable = has_data(weight)
    scores = tomoscore(np.asarray(slice_curves.curves), below_nyquist) * usable
    usable_fraction = to_y @ usable.astype(np.float64) @ to_x.T
    summed = to_y @ scores @ to_x.T
    return np.where(usable_fraction >= 0.5, summed / np.maximum(usable_fraction, 0.5), 0.0)


def _in_slab(n_z: int, factor: int, slab_z: tuple[int, int]) -> np.ndarray:
    """Mask of the map's planes with at least half of their thickness in the slab; at least one."""
    layers = np.arange(math.ceil(n_z / factor))
    low = np.maximum(layers * factor, slab_z[0])
    high = np.minimum((layers + 1) * factor - 1, slab_z[1])
    inside = 2 * np.maximum(high - low + 1, 0) >= factor
    if not inside.any():
        inside[(slab_z[0] + slab_z[1]) // 2 // factor] = True
    return np.asarray(inside)
