# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a score moves when a tomogram is changed in ways that change nothing."""

from __future__ import annotations

from typing import Callable, Iterable

import numpy as np

from tomoscore_scipion.engine.scorer import Scorer

from .fresh import Case

Change = Callable[[np.ndarray], np.ndarray]

CHANGES: dict[str, Change] = {
    "contrast sign": lambda v: -v,
    "scale": lambda v: 1e-3 * v,
    "offset": lambda v: v + 30 * v.std(),
    "flip y": lambda v: v[:, ::-1],
    "flip x": lambda v: v[:, :, ::-1],
    "quarter turn": lambda v: np.rot90(v, axes=(1, 2)),
    "reversed z": lambda v: v[::-1],
}
"""Changes of a (z, y, x) stack that no score may notice."""
REBINNED = "re-binned by 2"
BINNED_VOXEL = 20.0
"""Largest voxel in angstrom of a tomogram that is binned by 2, to 4 nm, which carries 8 nm."""
FINEST_SEEN = 0.15
"""A tomogram is binned when it shows no more than this finer than 8 nm, so that nothing is lost."""


def deviations(scorer: Scorer, cases: Iterable[Case]) -> dict[str, list[float]]:
    """Absolute changes of the score in octaves, per kind of change."""
    found: dict[str, list[float]] = {name: [] for name in (*CHANGES, REBINNED)}
    for case in cases:
        voxel = case.voxel_size_angstrom
        original = scorer.score(case.stack, voxel).tomoscore
        assert original is not None
        for name, change in CHANGES.items():
            changed = scorer.score(np.ascontiguousarray(change(case.stack)), voxel).tomoscore
            assert changed is not None
            found[name].append(abs(changed - original))
        finest = case.truth["curve"]["resolvability"][4] or 0.0
        if voxel <= BINNED_VOXEL and finest < FINEST_SEEN:
            changed = scorer.score(binned(case.stack), 2 * voxel).tomoscore
            assert changed is not None
            found[REBINNED].append(abs(changed - original))
    return found


def binned(stack: np.ndarray) -> np.ndarray:
    """Means over 2 x 2 x 2 voxels; an odd last plane, row or column is left out."""
    z, y, x = (size // 2 for size in stack.shape)
    part = stack[: 2 * z, : 2 * y, : 2 * x].reshape(z, 2, y, 2, x, 2)
    return np.asarray(part.mean(axis=(1, 3, 5), dtype=np.float32))


def figures_of_deviations(found: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Number, median and largest deviation in octaves per kind of change that was tried."""
    return {
        name: {
            "tomograms": len(values),
            "median": round(float(np.median(values)), 4),
            "largest": round(max(values), 4),
        }
        for name, values in found.items()
        if values
    }
