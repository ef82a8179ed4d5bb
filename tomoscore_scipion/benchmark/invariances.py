# SPDX-License-Identifier: GPL-3.0-or-later
"""Change of a score under transformations of a tomogram that must not change it."""

from __future__ import annotations

from typing import Callable, Iterable

import numpy as np

from tomoscore_scipion.benchmark.fresh import Case
from tomoscore_scipion.model.scorer import Scorer
from tomoscore_scipion.records.bands import N_SCORED
from tomoscore_scipion.tomography import fourier

Change = Callable[[np.ndarray], np.ndarray]


def radial(stack: np.ndarray, power: float) -> np.ndarray:
    """Planes of a (z, y, x) stack whose frequencies k are multiplied by k^power."""
    k = fourier.numpy_radius(stack.shape[1:])
    k[0, 0] = k[0, 1]
    return fourier.numpy_filtered(stack, k**power)


def smoothed(stack: np.ndarray, sigma_px: float = 1.0) -> np.ndarray:
    """Planes after a Gaussian filter with periodic boundaries."""
    k = fourier.numpy_radius(stack.shape[1:])
    return fourier.numpy_filtered(stack, np.exp(-2 * (np.pi * sigma_px * k) ** 2))


def sloped(stack: np.ndarray) -> np.ndarray:
    """A linear background as wide as the contrast on top."""
    y, x = (np.linspace(-1, 1, size, dtype=np.float32) for size in stack.shape[1:])
    return stack + 2 * stack.std() * (y[:, None] + x[None, :])


def bordered(stack: np.ndarray) -> np.ndarray:
    """An empty border of zeros around the planes, then a Gaussian: no longer constant."""
    width = [size // 8 for size in stack.shape[1:]]
    centred = stack - stack.mean()
    padded = np.pad(centred, ((0, 0), (width[0],) * 2, (width[1],) * 2))
    return smoothed(padded, 0.7)


CHANGES: dict[str, Change] = {
    "contrast sign": lambda v: -v,
    "scale": lambda v: 1e-3 * v,
    "offset": lambda v: v + 30 * v.std(),
    "flip y": lambda v: v[:, ::-1],
    "flip x": lambda v: v[:, :, ::-1],
    "quarter turn": lambda v: np.rot90(v, axes=(1, 2)),
    "reversed z": lambda v: v[::-1],
    "radial filter 1/k": lambda v: radial(v, -1.0),
    "radial filter k^0.5": lambda v: radial(v, 0.5),
    "Gaussian low-pass": smoothed,
    "linear background": sloped,
    "empty border, filtered": bordered,
}
"""Changes of a (z, y, x) stack that must not change its score."""
REBINNED = "re-binned by 2"
BINNED_VOXEL = 20.0
"""Largest voxel in angstrom of a tomogram that is binned by 2, to 4 nm, which carries 8 nm."""
FINEST_SEEN = 0.15
"""A tomogram is binned only if its resolvability below 8 nm is less than this: no loss then."""


def deviations(scorer: Scorer, cases: Iterable[Case]) -> dict[str, list[float]]:
    """Absolute changes of the score in octaves, per kind of change."""
    results: dict[str, list[float]] = {name: [] for name in (*CHANGES, REBINNED)}
    for case in cases:
        voxel = case.voxel_size_angstrom
        original = scorer.score(case.stack, voxel).tomoscore
        assert original is not None
        for name, change in CHANGES.items():
            changed = scorer.score(np.ascontiguousarray(change(case.stack)), voxel).tomoscore
            assert changed is not None
            results[name].append(abs(changed - original))
        finest = case.truth["curve"]["resolvability"][N_SCORED - 1] or 0.0
        if voxel <= BINNED_VOXEL and finest < FINEST_SEEN:
            changed = scorer.score(binned(case.stack), 2 * voxel).tomoscore
            assert changed is not None
            results[REBINNED].append(abs(changed - original))
    return results


def binned(stack: np.ndarray) -> np.ndarray:
    """Means over 2 x 2 x 2 voxels; an odd last plane, row or column is left out."""
    z, y, x = (size // 2 for size in stack.shape)
    part = stack[: 2 * z, : 2 * y, : 2 * x].reshape(z, 2, y, 2, x, 2)
    return np.asarray(part.mean(axis=(1, 3, 5), dtype=np.float32))


def figures_of_deviations(results: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Number, median and largest deviation in octaves per kind of change that was tried."""
    return {
        name: {
            "tomograms": len(values),
            "median": round(float(np.median(values)), 4),
            "largest": round(max(values), 4),
        }
        for name, values in results.items()
        if values
    }
