# SPDX-License-Identifier: GPL-3.0-or-later
"""The scale of the score: octave bands, resolvability curve, TomoScore, resolvable scale.

A *resolvability curve* holds, per band of spatial frequency, the expected correlation (-1 to 1)
between a tomogram's xy slice and the noise-free density of the specimen at that depth.
"""

from __future__ import annotations

import math

import numpy as np

PERIODS_NM = ((128.0, 64.0), (64.0, 32.0), (32.0, 16.0), (16.0, 8.0), (8.0, 4.0), (4.0, 3.0))
"""Band edges as (coarse, fine) periods in nm."""

N_BANDS = len(PERIODS_NM)
N_SCORED = 5
"""The bands from 128 to 4 nm are scored; the last one is only reported."""

COARSEST_NM = 128.0
NOTHING_SEEN = 0.15
"""Correlation below which a reader sees no features in a band."""
READILY_SEEN = 0.6
"""Correlation from which a band counts in full; the missing wedge limits a perfect slice to about
this value."""

Z_90 = 1.6449
"""Half width of a 90 % interval in standard deviations of a normal distribution."""

SCORE_DEFINITION = (
    "sum over the octaves from 128 nm to 4 nm of clip((R - 0.15) / (0.6 - 0.15), 0, 1), "
    "R = correlation with the noise-free specimen; octaves, 0 to 5, higher is better"
)


def fraction_below_nyquist(voxel_size_nm: float) -> np.ndarray:
    """Fraction of each band below Nyquist, in log2 of the period.

    Args:
        voxel_size_nm: voxel size in nm, positive.

    Returns:
        Array of shape (N_BANDS,), 0 to 1.
    """
    nyquist_nm = 2.0 * voxel_size_nm
    fractions = []
    for coarse, fine in PERIODS_NM:
        carried = math.log2(coarse) - math.log2(max(fine, nyquist_nm))
        fractions.append(min(max(carried / math.log2(coarse / fine), 0.0), 1.0))
    # A pixel that is nominally at Nyquist (2 nm for 4 nm) must not lose a band to rounding.
    return np.where(np.asarray(fractions) < 1e-6, 0.0, np.asarray(fractions))


def visible_fraction(resolvability: np.ndarray) -> np.ndarray:
    """Visible fraction of a band: 0 for R up to 0.15, 1 from R = 0.6, linear between; NaN for NaN.

    Args:
        resolvability: R, any shape.
    """
    return np.asarray(
        np.clip((resolvability - NOTHING_SEEN) / (READILY_SEEN - NOTHING_SEEN), 0.0, 1.0)
    )


def tomoscore(curve: np.ndarray, below_nyquist: np.ndarray | None = None) -> np.ndarray:
    """TomoScore of resolvability curves: the number of octaves that are readily distinguished.

    Args:
        curve: array of shape (..., N_BANDS), correlation per band; NaN counts as 0.
        below_nyquist: array of shape (N_BANDS,) from `fraction_below_nyquist`; all ones when None.

    Returns:
        Array of shape (...,), octaves, 0 to N_SCORED.
    """
    curve = np.asarray(curve, dtype=np.float64)
    if curve.shape[-1:] != (N_BANDS,):
        raise ValueError(f"expected curves of shape (..., {N_BANDS}), got {curve.shape}")
    visible = np.nan_to_num(visible_fraction(curve), nan=0.0)
    if below_nyquist is not None:
        visible = visible * below_nyquist
    return visible[..., :N_SCORED].sum(axis=-1)


def scale_nm(score: float) -> float | None:
    """The resolvable scale in nm of a TomoScore in octaves; None when coarser than 128 nm."""
    return COARSEST_NM / 2.0**score if score > 0 else None


def readable_scale(scale: float | None) -> str:
    """A resolvable scale as text: "23 nm", or "coarser than 128 nm" for None."""
    return f"{scale:.3g} nm" if scale is not None else f"coarser than {COARSEST_NM:.0f} nm"


def curve_as_list(curve: np.ndarray, below_nyquist: np.ndarray) -> list[float | None]:
    """A curve for the record: clipped to 0 to 1, None in bands that are beyond Nyquist.

    Args:
        curve: (N_BANDS,) R.
        below_nyquist: (N_BANDS,) fraction of each band below Nyquist.
    """
    return [
        round(float(np.clip(r, 0.0, 1.0)), 4) if s > 0 else None
        for r, s in zip(curve, below_nyquist)
    ]
