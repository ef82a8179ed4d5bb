# SPDX-License-Identifier: GPL-3.0-or-later
"""A record with its curve, score, scale, slices and interval corrected."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Mapping

import numpy as np

from tomoscore_scipion.calibration.calibration import Calibration
from tomoscore_scipion.records.bands import (
    N_SCORED,
    curve_as_list,
    scale_nm,
    share_below_nyquist,
    tomoscore,
)
from tomoscore_scipion.records.record import Score

Z_90 = 1.6449
DIGITS = 4


def calibrated(
    record: Score, slice_curves: Mapping[int, np.ndarray], calibration: Calibration
) -> Score:
    """The record of a tomogram with calibrated scores.

    Args:
        record: uncalibrated.
        slice_curves: {z: (N_BANDS,) R} of its scored slices.
        calibration: of its session.
    """
    assert record.curve is not None and record.voxel_size_angstrom is not None
    share = share_below_nyquist(record.voxel_size_angstrom / 10)
    before = record.curve["resolvability"]
    known = np.array([np.nan if r is None else r for r in before])
    curve = [
        None if old is None else new
        for old, new in zip(before, curve_as_list(calibration.corrected(known), share))
    ]
    written = np.array([np.nan if r is None else r for r in curve])
    score = round(float(tomoscore(written, share)), DIGITS)
    slices = [
        {"z": z, **_value(float(tomoscore(calibration.corrected(one), share)))}
        for z, one in slice_curves.items()
    ]
    return replace(
        record,
        **_value(score),
        tomoscore_interval=_interval(record, score, calibration),
        curve={**record.curve, "resolvability": curve},
        slices=tuple(slices),
        tomoscore_uncalibrated=record.tomoscore,
        calibration=calibration.provenance(),
    )


def _value(score: float) -> dict[str, Any]:
    score = round(score, DIGITS)
    scale = scale_nm(score)
    return {"tomoscore": score, "scale_nm": None if scale is None else round(scale, 3)}


def _interval(record: Score, score: float, calibration: Calibration) -> tuple[float, float]:
    """The 90 % interval: the session's, wider where the prediction is less sure than usual."""
    low, high = record.tomoscore_interval or (0.0, 0.0)
    usual = calibration.half_width or 1.0
    half = Z_90 * calibration.sd * max(1.0, (high - low) / 2 / usual)
    return round(max(0.0, score - half), DIGITS), round(min(float(N_SCORED), score + half), DIGITS)
