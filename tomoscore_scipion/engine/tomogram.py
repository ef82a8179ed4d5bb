# SPDX-License-Identifier: GPL-3.0-or-later
"""From the curves of tiles to one tomogram: slab, curve, score, interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

import numpy as np

from tomoscore_scipion.engine.bands import N_BANDS, N_SCORED, tomoscore
from tomoscore_scipion.engine.inference import SliceCurves

SLAB_LEVEL = 0.5
"""The slab is where slices reach this share of the best one."""
NOTHING = 0.05
"""Below this mean correlation of the best slice there is no slab to be found."""
DRAWS = 300
Z_90 = 1.6449
"""Half width of a 90 % interval in standard deviations of a normal distribution."""
USABLE_WEIGHT = 0.5
"""Tiles with less data than this are left out, unless a slice has no better ones."""


@dataclass(frozen=True)
class TomogramScore:
    """What is known of a tomogram.

    Attributes:
        score: TomoScore, octaves.
        interval: 90 % interval (low, high), octaves.
        curve: (N_BANDS,) mean resolvability over the slab, signed.
        slab_z: (first, last) plane of the slab, inclusive.
        slice_z: (n,) planes of the scored slices.
        slice_scores: (n,) TomoScore of each.
    """

    score: float
    interval: tuple[float, float]
    curve: np.ndarray
    slab_z: tuple[int, int]
    slice_z: np.ndarray
    slice_scores: np.ndarray


def summarise(
    slices: Sequence[SliceCurves],
    planes: tuple[int, int],
    share: np.ndarray,
    calibration: dict[str, Any],
) -> TomogramScore:
    """Summarise the slices of a tomogram.

    Args:
        slices: at least one, in order of z.
        planes: (first, last) plane, inclusive, that the slices were sampled from.
        share: (N_BANDS,) from `share_below_nyquist`.
        calibration: the card's "interval": {"score": [...], "sd": [...]}, the standard deviation
            in octaves of the model's own error at a score, interpolated between.
    """
    curves = np.stack([slice_curve(s) for s in slices])
    z = np.array([s.z for s in slices])
    first, last = slab(curves, share)
    inside = slices[first : last + 1]
    curve = curves[first : last + 1].mean(axis=0)
    score = float(tomoscore(curve, share))
    own = float(np.interp(score, calibration["score"], calibration["sd"]))
    sampling = bootstrap_sd(inside, share)
    half = Z_90 * float(np.hypot(own, sampling))
    interval = (max(0.0, score - half), min(float(N_SCORED), score + half))
    slab_z = slab_planes(z, first, last, planes)
    return TomogramScore(score, interval, curve, slab_z, z, tomoscore(curves, share))


def usable_tiles(piece: SliceCurves) -> np.ndarray:
    """Curves of the tiles of a slice that carry data, (n, N_BANDS), n at least 1."""
    weight = piece.weight.numpy()
    curves = piece.curves.numpy()
    best = float(weight.max())
    if best == 0:
        return np.zeros((1, N_BANDS))
    return np.asarray(curves[weight >= min(USABLE_WEIGHT, best)], dtype=np.float64)


def slice_curve(piece: SliceCurves) -> np.ndarray:
    """Mean curve of a slice's tiles, (N_BANDS,), signed."""
    return np.asarray(usable_tiles(piece).mean(axis=0))


def slab(curves: np.ndarray, share: np.ndarray) -> tuple[int, int]:
    """First and last slice, inclusive, of the specimen among scored slices.

    A slice belongs to the slab from the first to the last that reaches half of what the best one
    reaches, by the mean over the scored bands of R, as the median of three slices: single odd
    slices do not count, and the edges of the slab stay sharp.

    Args:
        curves: (n, N_BANDS) per slice.
        share: (N_BANDS,) share of the bands below Nyquist.
    """
    level = (np.clip(curves, 0, 1) * share)[:, :N_SCORED].mean(axis=1)
    if len(level) > 2:
        padded = np.pad(level, 1, mode="reflect")
        level = np.median([padded[:-2], padded[1:-1], padded[2:]], axis=0)
    best = float(level.max())
    if best < NOTHING:
        return 0, len(level) - 1
    good = np.flatnonzero(level >= SLAB_LEVEL * best)
    return int(good[0]), int(good[-1])


def slab_planes(z: np.ndarray, first: int, last: int, planes: tuple[int, int]) -> tuple[int, int]:
    """Planes of the volume from half-way before slice `first` to half-way after slice `last`.

    Where there is no slice before or after it they end where `planes`, those sampled from, do.
    """
    low = planes[0] if first == 0 else int((z[first - 1] + z[first] + 1) // 2)
    high = planes[1] if last == len(z) - 1 else int((z[last] + z[last + 1]) // 2)
    return low, high


def bootstrap_sd(slices: Sequence[SliceCurves], share: np.ndarray) -> float:
    """Standard deviation of the score over slices and tiles drawn with replacement, octaves.

    The draws have a fixed seed: the same tomogram gives the same interval.
    """
    rng = np.random.default_rng(0)
    tiles = [usable_tiles(piece) for piece in slices]
    means = np.stack([part.mean(axis=0) for part in tiles])
    # Neighbouring tiles share most of their pixels: about one in nine is independent.
    spread = np.stack([part.std(axis=0) / np.sqrt(max(1.0, len(part) / 9)) for part in tiles])
    drawn = rng.integers(0, len(tiles), (DRAWS, len(tiles)))
    noise = rng.standard_normal((DRAWS, len(tiles), 1))
    curves = (means[drawn] + spread[drawn] * noise).mean(axis=1)
    return float(tomoscore(curves, share).std())
