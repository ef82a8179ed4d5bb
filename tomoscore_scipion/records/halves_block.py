# SPDX-License-Identifier: GPL-3.0-or-later
"""The entry of a record on its halves, as plain dictionaries."""

from __future__ import annotations

from typing import Any

import numpy as np

from tomoscore_scipion.records.bands import PERIODS_NM, fraction_below_nyquist, tomoscore
from tomoscore_scipion.records.record import Score

MEASURED, REFUSED = "measured", "refused"
BY_FRAME, BY_TILT, UNKNOWN = "by-frame", "by-tilt", "unknown"
FINEST_MEASURED_NM = 16.0
"""Finest period at which R from halves is a measurement. In finer octaves, R from halves of frames
is an upper limit, because both halves share misalignment and an uncorrected CTF; halves of tilts
differ in finer detail."""
IS_COARSE = np.array([fine >= FINEST_MEASURED_NM for _, fine in PERIODS_NM])
"""(N_BANDS,) whether an octave is a measurement with halves of either kind."""


def refused(half1: str, half2: str, reason: str) -> dict[str, Any]:
    """The entry of a record for refused halves.

    Args:
        half1: path of the first half.
        half2: path of the second half.
        reason: reason of the refusal.
    """
    nothing = dict.fromkeys(("tomoscore", "interval", "curve", "kind", "max_tilt_deg"))
    return {
        "half1": half1,
        "half2": half2,
        "status": REFUSED,
        "error": reason,
        **nothing,
        "octaves": (),
        "warnings": (),
    }


def measured_score(record: Score) -> float | None:
    """The measured score of a tomogram; None if there is no measurement."""
    return None if record.halves is None else record.halves["tomoscore"]


def is_measured(record: Score) -> np.ndarray:
    """Mask (N_BANDS,) of bands with a measured R, which may raise or lower a prediction."""
    return _is_used(record) & IS_COARSE


def is_upper_limit(record: Score) -> np.ndarray:
    """Mask (N_BANDS,) of bands with an upper limit of R, which may only lower a prediction."""
    by_frame = record.halves is not None and record.halves["kind"] == BY_FRAME
    return _is_used(record) & ~IS_COARSE & by_frame


def _is_used(record: Score) -> np.ndarray:
    used = set() if record.halves is None else set(map(tuple, record.halves["octaves"]))
    return np.array([period in used for period in PERIODS_NM])


def scores_over_measured(record: Score) -> tuple[float, float] | None:
    """Predicted and measured score over the measured octaves; None without measured octaves."""
    octaves = is_measured(record)
    if record.curve is None or record.halves is None or not octaves.any():
        return None
    weights = fraction_below_nyquist((record.voxel_size_angstrom or 0.0) / 10) * octaves
    predicted, measured = (
        float(tomoscore(np.array(curve["resolvability"], dtype=float), weights))
        for curve in (record.curve, record.halves["curve"])
    )
    return predicted, measured
