# SPDX-License-Identifier: GPL-3.0-or-later
"""Combine the curves of tiles into the result of a tomogram: slab, curve, score, interval.

Tiles are weighted by their content, independent of their position, so that a sharp cell in empty
ice gives a high score. A tomogram without structure scores near 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

import numpy as np

from tomoscore_scipion.model.inference import SliceCurves
from tomoscore_scipion.model.interval import interval, own_error
from tomoscore_scipion.records.bands import N_BANDS, N_SCORED, tomoscore

CONTENT_FLOOR = 0.01
"""Added to the content of each tile; a content below it means practically no structure."""
SLAB_FADE = (0.25, 0.75)
"""The weight of a slice at the ends of the slab rises from 0 to 1 between these fractions of the
best slice's visible structure. With a gradual end, a small change of a tomogram changes its score
only a little."""
SLAB_FLOOR = 0.02
"""If the best slice has less visible structure than this, the slab is the whole volume."""
SPECIMEN_CONTENT = 0.5
"""A tile holds specimen if its content in any octave down to 8 nm is at least this."""
DRAWS = 300
USABLE_WEIGHT = 0.5
"""Tiles with less data than this are left out, unless all tiles of the slice have less."""


@dataclass(frozen=True)
class TomogramScore:
    """Results of a tomogram.

    Attributes:
        score: TomoScore, octaves.
        interval: 90 % interval (low, high), octaves.
        curve: (N_BANDS,) resolvability over the slab, weighted by content, signed.
        content: fraction of the slab's tiles that hold specimen, 0 to 1.
        slab_z: (first, last) plane of the slab, inclusive.
        slice_z: (n,) planes of the scored slices.
        slice_scores: (n,) TomoScore of each slice.
    """

    score: float
    interval: tuple[float, float]
    curve: np.ndarray
    content: float
    slab_z: tuple[int, int]
    slice_z: np.ndarray
    slice_scores: np.ndarray


def summarise(
    slices: Sequence[SliceCurves],
    planes: tuple[int, int],
    below_nyquist: np.ndarray,
    calibration: dict[str, Any],
    out_of_distribution: float = 0.0,
    small: float = 0.0,
) -> TomogramScore:
    """Combine the slices of a tomogram into its score.

    Args:
        slices: at least one, in order of z.
        planes: (first, last) plane, inclusive, that the slices were sampled from.
        below_nyquist: (N_BANDS,) from `fraction_below_nyquist`.
        calibration: "interval" of the card, see `interval.own_error`.
        out_of_distribution: distance of the volume from the training volumes, see
            `inference.Predictor.out_of_distribution`.
        small: see `interval.smallness`.
    """
    tiles = [usable_tiles(curves) for curves in slices]
    curves = np.stack([weighted_curve(*part) for part in tiles])
    z = np.array([s.z for s in slices])
    weights = slab_weights(tiles, below_nyquist)
    first, last = slab_ends(weights)
    curve = slab_curve(tiles, weights)
    score = float(tomoscore(curve, below_nyquist))
    own = own_error(score, calibration, len(slices), out_of_distribution, small)
    low, high = interval(score, own, bootstrap_sd(tiles, weights, below_nyquist))
    return TomogramScore(
        score=score,
        interval=(float(low), float(high)),
        curve=curve,
        content=specimen_fraction(np.concatenate([part[1] for part in tiles[first : last + 1]])),
        slab_z=slab_planes(z, first, last, planes),
        slice_z=z,
        slice_scores=tomoscore(curves, below_nyquist),
    )


def has_data(weight: np.ndarray) -> np.ndarray:
    """Which tiles of a slice hold enough data; if none does, those that hold most.

    Args:
        weight: any shape, fraction of each tile that holds data.

    Returns:
        The same shape, bool; all False if no tile holds data.
    """
    return np.asarray((weight >= min(USABLE_WEIGHT, float(weight.max()))) & (weight > 0))


def usable_tiles(slice_curves: SliceCurves) -> tuple[np.ndarray, np.ndarray]:
    """Curves and content of the tiles of a slice that carry data, (n, N_BANDS) each, n >= 1."""
    usable = has_data(slice_curves.weight.numpy())
    if not usable.any():
        return np.zeros((1, N_BANDS)), np.zeros((1, N_BANDS))
    curves, content = (
        np.asarray(x.numpy()[usable], float) for x in (slice_curves.curves, slice_curves.content)
    )
    return curves, content


def weighted_curve(
    curves: np.ndarray, content: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Mean curve of tiles weighted by content, (N_BANDS,), signed.

    sum(w o R) / (sum(w o) + 0.01 sum(w))

    Args:
        curves: (n, N_BANDS), R.
        content: (n, N_BANDS), o.
        weights: (n,), w; 1 for all tiles when None.
    """
    w = np.ones(len(curves)) if weights is None else weights
    amount = w[:, None] * content
    return np.asarray(
        (amount * curves).sum(axis=0) / (amount.sum(axis=0) + CONTENT_FLOOR * w.sum())
    )


def slice_curve(slice_curves: SliceCurves) -> np.ndarray:
    """Curve of a slice, (N_BANDS,), signed; see `weighted_curve`."""
    return weighted_curve(*usable_tiles(slice_curves))


def slice_content(slice_curves: SliceCurves) -> np.ndarray:
    """Mean content of the tiles of a slice plus `CONTENT_FLOOR`, (N_BANDS,)."""
    return np.asarray(usable_tiles(slice_curves)[1].mean(axis=0) + CONTENT_FLOOR)


def specimen_fraction(content: np.ndarray) -> float:
    """Fraction of tiles that hold specimen, from their content (n, N_BANDS)."""
    return float((content[:, : N_SCORED - 1].max(axis=1) >= SPECIMEN_CONTENT).mean())


def visible_structure(tiles: tuple[np.ndarray, np.ndarray], below_nyquist: np.ndarray) -> float:
    """Visible structure of a slice: mean of content times R over its tiles and scored bands."""
    curves, content = tiles
    return float((np.clip(curves, 0, 1) * content * below_nyquist)[:, :N_SCORED].mean())


def slab_weights(
    slices: Sequence[tuple[np.ndarray, np.ndarray]], below_nyquist: np.ndarray
) -> np.ndarray:
    """Weights of slices in the curve of a tomogram, (n,): 0 outside the slab, 1 inside.

    At the ends of the slab the weight rises with the visible structure of the slices, see
    `SLAB_FADE`. A slice between two others has at least the lower one of their weights. A median
    over three slices removes single outliers and keeps edges sharp.

    Args:
        slices: (curves, content) of each slice from `usable_tiles`.
        below_nyquist: (N_BANDS,) fraction of each band below Nyquist.
    """
    visible = np.array([visible_structure(part, below_nyquist) for part in slices])
    if len(visible) > 2:
        padded = np.pad(visible, 1, mode="reflect")
        visible = np.median([padded[:-2], padded[1:-1], padded[2:]], axis=0)
    best = float(visible.max())
    if best < SLAB_FLOOR:
        return np.ones(len(visible))
    low, high = SLAB_FADE
    weights = np.clip((visible / best - low) / (high - low), 0, 1)
    from_start, from_end = (np.maximum.accumulate(part) for part in (weights, weights[::-1]))
    return np.asarray(np.minimum(from_start, from_end[::-1]))


def slab_ends(weights: np.ndarray) -> tuple[int, int]:
    """First and last slice, inclusive, with a weight of at least a half.

    Args:
        weights: (n,) from `slab_weights`.
    """
    inside = np.flatnonzero(weights >= 0.5)
    return int(inside[0]), int(inside[-1])


def slab_curve(slices: Sequence[tuple[np.ndarray, np.ndarray]], weights: np.ndarray) -> np.ndarray:
    """Curve of a tomogram, (N_BANDS,), signed: `weighted_curve` of all tiles of the slab.

    Args:
        slices: (curves, content) of each slice from `usable_tiles`.
        weights: (n,) from `slab_weights`.
    """
    curves, content = (np.concatenate(part) for part in zip(*slices))
    return weighted_curve(curves, content, np.repeat(weights, [len(part) for part, _ in slices]))


def slab_planes(z: np.ndarray, first: int, last: int, planes: tuple[int, int]) -> tuple[int, int]:
    """Planes of the volume that belong to the slab, (first, last) inclusive.

    The slab ends half-way to the next slice outside it, or at the end of the sampled planes.

    Args:
        z: (n,) planes of the slices.
        first: index of the first slice of the slab.
        last: index of the last slice of the slab.
        planes: (first, last) plane, inclusive, that the slices were sampled from.
    """
    low = planes[0] if first == 0 else int((z[first - 1] + z[first] + 1) // 2)
    high = planes[1] if last == len(z) - 1 else int((z[last] + z[last + 1]) // 2)
    return low, high


def bootstrap_sd(
    slices: Sequence[tuple[np.ndarray, np.ndarray]],
    weights: np.ndarray,
    below_nyquist: np.ndarray,
) -> float:
    """Standard deviation of the score in octaves by bootstrap over slices and tiles.

    The seed is fixed, so that the same tomogram always gives the same interval.

    Args:
        slices: (curves, content) of each slice from `usable_tiles`.
        weights: (n,) from `slab_weights`; slices of weight 0 are not drawn.
        below_nyquist: (N_BANDS,) fraction of each band below Nyquist.
    """
    rng = np.random.default_rng(0)
    # Neighbouring tiles overlap in most of their pixels; about one tile in nine is independent.
    sums = []
    drawn_from = np.flatnonzero(weights)
    for index in drawn_from:
        curves, content = slices[index]
        n = len(curves)
        drawn = rng.integers(0, n, (DRAWS, max(1, n // 9)))
        scale = weights[index] / drawn.shape[1]
        product = (content * curves)[drawn].sum(axis=1) * scale
        amount = content[drawn].sum(axis=1) * scale + CONTENT_FLOOR * weights[index]
        sums.append((product, amount))
    products, amounts = (np.stack(part) for part in zip(*sums))
    chosen = rng.integers(0, len(drawn_from), (DRAWS, len(drawn_from)))
    draw = np.arange(DRAWS)[:, None]
    product, amount = products[chosen, draw].mean(axis=1), amounts[chosen, draw].mean(axis=1)
    return float(tomoscore(product / amount, below_nyquist).std())
