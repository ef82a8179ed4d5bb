# SPDX-License-Identifier: GPL-3.0-or-later
"""The curve of a tomogram, measured from its halves in the tiles of the prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable, Sequence

import numpy as np
import torch

from tomoscore_scipion.halves.correlation import noise_free_correlation, without_own_noise
from tomoscore_scipion.halves.files import Halves
from tomoscore_scipion.halves.wedge import WedgeFactor
from tomoscore_scipion.model.aggregation import bootstrap_sd, usable_tiles, weighted_curve
from tomoscore_scipion.model.inference import MeasuredSlice, SliceCurves
from tomoscore_scipion.model.normalisation import CanonicalSlice, normalise
from tomoscore_scipion.model.sampling import CANONICAL_NM, mean_plane, plan_slice
from tomoscore_scipion.model.statistics import MEANS
from tomoscore_scipion.model.tiles import CELL_PX, TILE_CELLS
from tomoscore_scipion.model.validity import valid_pixels
from tomoscore_scipion.records.bands import N_BANDS, N_SCORED, PERIODS_NM, Z_90, tomoscore

Measure = Callable[[CanonicalSlice], MeasuredSlice]

_PRODUCTS = [MEANS.index(name) for name in ("energy_centre", "energy_near", "centre_near")]
_TILE_AREA = (TILE_CELLS * CELL_PX * CANONICAL_NM) ** 2
MODES = np.array(
    [math.pi / 2 * _TILE_AREA * (1 / fine**2 - 1 / coarse**2) for coarse, fine in PERIODS_NM]
)[:N_SCORED]
"""Number of independent Fourier components of each scored octave in a tile (k and -k are one)."""


@dataclass(frozen=True)
class Measured:
    """The score of a tomogram, measured from its halves.

    Attributes:
        curve: (N_BANDS,) R, 0 to 1; NaN in bands that are excluded or cannot be measured.
        score: TomoScore of the octaves used.
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
    band_weights: np.ndarray,
    measure: Measure,
) -> Measured | None:
    """Measure the curve of a tomogram.

    Args:
        halves: both halves, open.
        voxel_nm: voxel size of the tomogram in nm; the headers of the halves are ignored.
        slices: predicted curves and content of the slices of the slab. The content weights tiles.
        factor: factor for the missing wedge.
        band_weights: (N_BANDS,) weight of each band, 0 to 1; 0 for bands that are excluded or
            beyond Nyquist.
        measure: computes the Fourier statistics of a slice, see `Scorer.measure`.

    Returns:
        The measured score; None if the halves are constant in all slices.

    Raises:
        TomogramError: a file cannot be read.
    """
    rings = [ring_of_tiles(halves, voxel_nm, curves.z, measure) for curves in slices]
    tiles = [_tiles(curves, ring) for curves, ring in zip(slices, rings) if ring is not None]
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
        float(tomoscore(curve_with(part), band_weights))
        for part in (factor.low, factor.middle, factor.high)
    )
    weighted = [(_all_bands(part * factor.middle), there) for part, there in by_slice]
    chance = Z_90 * bootstrap_sd(weighted, np.ones(len(weighted)), band_weights)
    interval = (
        max(0.0, middle - math.hypot(middle - low, chance)),
        min(float((band_weights[:N_SCORED] > 0).sum()), middle + math.hypot(high - middle, chance)),
    )
    curve = np.where(band_weights > 0, curve_with(factor.middle), np.nan)
    curve[N_SCORED:] = np.nan
    return Measured(curve, middle, interval)


def ring_of_tiles(
    halves: Halves, voxel_nm: float, z: int, measure: Measure
) -> tuple[np.ndarray, np.ndarray] | None:
    """Fourier ring correlation of a slice per tile, after the whitening of the prediction.

    Args:
        halves: both halves, open.
        voxel_nm: voxel size in nm.
        z: plane in the middle of the slice.
        measure: computes the Fourier statistics of a slice.

    Returns:
        F, (tiles_y, tiles_x, N_SCORED), -1 to 1, coarsest octave first, and the fraction of each
        tile with data, (tiles_y, tiles_x), 0 to 1; None if the slice is constant.
    """
    centre = plan_slice(z, halves[0].shape_zyx[0], voxel_nm).centre
    planes = [mean_plane(half.read_slice, centre.planes, centre.weights) for half in halves]
    valid = valid_pixels(planes[0]) & valid_pixels(planes[1])
    statistics = measure(normalise(z, [*planes, None, None], valid, voxel_nm))
    if statistics.blank:
        return None
    means = np.asarray(statistics.means.numpy(), dtype=float)[:, :, ::-1]
    first, second, both = (means[..., index] for index in _PRODUCTS)
    return both / np.sqrt(np.maximum(first * second, 1e-20)), statistics.weight.numpy()


def _tiles(
    curves: SliceCurves, ring_and_weight: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """F and predicted content of the tiles with data in both halves, (n_tiles, N_BANDS) each."""
    ring, weight = ring_and_weight
    shared = torch.minimum(curves.weight, torch.from_numpy(weight))
    return usable_tiles(
        SliceCurves(curves.z, torch.from_numpy(_all_bands(ring)), curves.content, shared)
    )


def _all_bands(octaves: np.ndarray) -> np.ndarray:
    """Pad (..., N_SCORED) with zeros to (..., N_BANDS)."""
    padding = np.zeros((*octaves.shape[:-1], N_BANDS - N_SCORED))
    return np.concatenate([octaves, padding], axis=-1)
