# SPDX-License-Identifier: GPL-3.0-or-later
"""The measured curve of a tomogram: from its halves, over the tiles of its prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable, Sequence

import numpy as np
import torch

from tomoscore_scipion.halves.correlation import noise_free_correlation, without_own_noise
from tomoscore_scipion.halves.files import Halves
from tomoscore_scipion.halves.wedge import WedgeFactor
from tomoscore_scipion.model.aggregation import Z_90, bootstrap_sd, usable_tiles, weighted_curve
from tomoscore_scipion.model.inference import MeasuredSlice, SliceCurves
from tomoscore_scipion.model.normalisation import CanonicalSlice, normalise
from tomoscore_scipion.model.sampling import CANONICAL_NM, mean_plane, plan_slice
from tomoscore_scipion.model.statistics import MEANS
from tomoscore_scipion.model.tiles import CELL_PX, TILE_CELLS
from tomoscore_scipion.model.validity import valid_pixels
from tomoscore_scipion.records.bands import N_BANDS, N_SCORED, PERIODS_NM, tomoscore

Measure = Callable[[CanonicalSlice], MeasuredSlice]

_PRODUCTS = [MEANS.index(name) for name in ("energy_centre", "energy_near", "centre_near")]
_TILE_AREA = (TILE_CELLS * CELL_PX * CANONICAL_NM) ** 2
MODES = np.array(
    [math.pi / 2 * _TILE_AREA * (1 / fine**2 - 1 / coarse**2) for coarse, fine in PERIODS_NM]
)[:N_SCORED]
"""Fourier components of each scored octave in a tile, k and -k counted once."""


@dataclass(frozen=True)
class Measured:
    """What halves say of a tomogram.

    Attributes:
        curve: (N_BANDS,) R; NaN in bands that were left out or cannot be measured.
        score: TomoScore over the octaves used.
        interval: 90 % interval (low, high).
    """

    curve: np.ndarray
    score: float
    interval: tuple[float, float]


def measured_curve(
    halves: Halves,
    voxel_nm: float,
    slices: Sequence[SliceCurves],
    factor: WedgeFactor,
    share: np.ndarray,
    measure: Measure,
) -> Measured | None:
    """Measure the curve of a tomogram; None where nothing varies in the halves.

    Args:
        halves: both, open.
        voxel_nm: of the tomogram in nm; what the headers of the halves say does not count.
        slices: curves and content of the slab's slices as predicted; the content weights tiles.
        factor: what the missing wedge leaves.
        share: (N_BANDS,) what counts of each band: 0 where it is left out or beyond Nyquist.
        measure: measures a slice, as the scorer does.

    Raises:
        TomogramError: a file cannot be read any more.
    """
    rings = [ring_of_tiles(halves, voxel_nm, piece.z, measure) for piece in slices]
    tiles = [_tiles(piece, ring) for piece, ring in zip(slices, rings) if ring is not None]
    if not tiles:
        return None
    ring, content = (np.concatenate(part) for part in zip(*tiles))
    correlations = noise_free_correlation(
        without_own_noise(ring[:, :N_SCORED], content[:, :N_SCORED], MODES)
    )
    splits = np.cumsum([len(part) for part, _ in tiles])[:-1]
    by_slice = list(zip(np.split(correlations, splits), np.split(content, splits)))

    def curve_with(factors: np.ndarray) -> np.ndarray:
        return weighted_curve(_all_bands(correlations * factors), content)

    low, middle, high = (
        float(tomoscore(curve_with(part), share))
        for part in (factor.low, factor.middle, factor.high)
    )
    weighted = [(_all_bands(part * factor.middle), there) for part, there in by_slice]
    chance = Z_90 * bootstrap_sd(weighted, share)
    interval = (
        max(0.0, middle - math.hypot(middle - low, chance)),
        min(float((share[:N_SCORED] > 0).sum()), middle + math.hypot(high - middle, chance)),
    )
    curve = np.where(share > 0, curve_with(factor.middle), np.nan)
    curve[N_SCORED:] = np.nan
    return Measured(curve, middle, interval)


def ring_of_tiles(
    halves: Halves, voxel_nm: float, z: int, measure: Measure
) -> tuple[np.ndarray, np.ndarray] | None:
    """Fourier ring correlation of a slice per tile, whitened, as the prediction sees it.

    Args:
        halves: both, open.
        voxel_nm: voxel size in nm.
        z: plane in the middle of the slice.
        measure: measures a slice.

    Returns:
        F (tiles_y, tiles_x, N_SCORED), coarsest octave first, and the share of each tile with data,
        (tiles_y, tiles_x); None where nothing varies.
    """
    centre = plan_slice(z, halves[0].shape_zyx[0], voxel_nm).centre
    planes = [mean_plane(half.read_slice, centre.planes, centre.weights) for half in halves]
    valid = valid_pixels(planes[0]) & valid_pixels(planes[1])
    found = measure(normalise(z, [*planes, None, None], valid, voxel_nm))
    if found.blank:
        return None
    means = np.asarray(found.means.numpy(), dtype=float)[:, :, ::-1]
    first, second, both = (means[..., place] for place in _PRODUCTS)
    return both / np.sqrt(np.maximum(first * second, 1e-20)), found.weight.numpy()


def _tiles(
    piece: SliceCurves, found: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """F and predicted content of the tiles of a slice with data in both, (n, N_BANDS) each."""
    ring, weight = found
    shared = torch.minimum(piece.weight, torch.from_numpy(weight))
    return usable_tiles(
        SliceCurves(piece.z, torch.from_numpy(_all_bands(ring)), piece.content, shared)
    )


def _all_bands(octaves: np.ndarray) -> np.ndarray:
    """(..., N_SCORED) with zeros in the bands that are not scored, (..., N_BANDS)."""
    rest = np.zeros((*octaves.shape[:-1], N_BANDS - N_SCORED))
    return np.concatenate([octaves, rest], axis=-1)
