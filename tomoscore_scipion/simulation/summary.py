# SPDX-License-Identifier: GPL-3.0-or-later
"""The ground truth of a whole tomogram, with the keys of a record."""

from __future__ import annotations

from typing import Any

import numpy as np

from tomoscore_scipion.model.aggregation import specimen_fraction, weighted_curve
from tomoscore_scipion.records.bands import (
    N_BANDS,
    PERIODS_NM,
    curve_as_list,
    fraction_below_nyquist,
    scale_nm,
    tomoscore,
)


def truth_summary(
    curves: np.ndarray, content: np.ndarray, slab_z: tuple[int, int], voxel_size_angstrom: float
) -> dict[str, Any]:
    """The true curve and score of a tomogram, and the true score of every slice of its slab.

    As in `model.aggregation`, the signed curves of all tiles in the slab are averaged with their
    content as weight, and the mean is clipped.

    Args:
        curves: (z, tiles_y, tiles_x, N_BANDS) signed truth of every slice of the tomogram.
        content: (z, tiles_y, tiles_x, N_BANDS) amount of structure, 0 to 1.
        slab_z: first and last slice of the specimen, 0-based, inclusive.
        voxel_size_angstrom: voxel size of the tomogram.

    Returns:
        The keys "curve", "content", "tomoscore", "scale_nm" and "slices" of a record.
    """
    first, last = slab_z
    if curves.ndim != 4 or content.shape != curves.shape or not 0 <= first <= last < len(curves):
        raise ValueError(
            f"expected curves of shape (z, tiles, tiles, bands) with slices {first} to {last} in "
            f"z, got shape {tuple(curves.shape)}"
        )
    below_nyquist = fraction_below_nyquist(voxel_size_angstrom / 10)
    curves_in_slab, content_in_slab = (
        np.asarray(part[first : last + 1], dtype=np.float64).reshape(last + 1 - first, -1, N_BANDS)
        for part in (curves, content)
    )
    by_slice = [weighted_curve(*part) for part in zip(curves_in_slab, content_in_slab)]
    mean = weighted_curve(curves_in_slab.reshape(-1, N_BANDS), content_in_slab.reshape(-1, N_BANDS))
    slices = [
        {"z": z, **_score(curve, below_nyquist)} for z, curve in enumerate(by_slice, start=first)
    ]
    return {
        "curve": {
            "period_nm": [list(edges) for edges in PERIODS_NM],
            "resolvability": curve_as_list(mean.tolist(), below_nyquist),
        },
        "content": round(specimen_fraction(content_in_slab.reshape(-1, N_BANDS)), 4),
        **_score(mean, below_nyquist),
        "slices": slices,
    }


def _score(curve: np.ndarray, below_nyquist: np.ndarray) -> dict[str, Any]:
    """TomoScore and scale of a signed mean curve, from the rounded values as written."""
    written = [np.nan if r is None else r for r in curve_as_list(curve.tolist(), below_nyquist)]
    score = round(float(tomoscore(np.array(written), below_nyquist)), 4)
    scale = scale_nm(score)
    return {"tomoscore": score, "scale_nm": None if scale is None else round(scale, 3)}
