# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply a calibration to a record: curve, score, scale, slices and interval."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Mapping

import numpy as np

from tomoscore_scipion.calibration.calibration import Calibration
from tomoscore_scipion.records.bands import (
    N_SCORED,
    Z_90,
    curve_as_list,
    fraction_below_nyquist,
    scale_nm,
    tomoscore,
)
from tomoscore_scipion.records.record import Score

DIGITS = 4


def calibrated(
    record: Score, slice_curves: Mapping[int, np.ndarray], calibration: Calibration
) -> Score:
    """The record of a tomogram with calibrated scores.

    Args:
        record: uncalibrated record.
        slice_curves: {z: (N_BANDS,) R} of the scored slices.
        calibration: calibration of the session.
    """
    assert record.curve is not None and record.voxel_size_angstrom is not None
    below_nyquist = fraction_below_nyquist(record.voxel_size_angstrom / 10)
    before = record.curve["resolvability"]
    resolvability = np.array([np.nan if r is None else r for r in before])
    corrected = curve_as_list(calibration.corrected(resolvability), below_nyquist)
    curve = [None if old is None else new for old, new in zip(before, corrected)]
    written = np.array([np.nan if r is None else r for r in curve])
    score = round(float(tomoscore(written, below_nyquist)), DIGITS)
    slices = [
        {"z": z, **_value(float(tomoscore(calibration.corrected(slice_curve), below_nyquist)))}
        for z, slice_curve in slice_curves.items()
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
    """The 90 % interval of the session, widened if that of the prediction is wider than average."""
    low, high = record.tomoscore_interval or (0.0, 0.0)
    mean_half_width = calibration.half_width or 1.0
    half = Z_90 * calibration.sd * max(1.0, (high - low) / 2 / mean_half_width)
    return round(max(0.0, score - half), DIGITS), round(min(float(N_SCORED), score + half), DIGITS)
