# SPDX-License-Identifier: GPL-3.0-or-later
"""What a record holds of halves, as plain dictionaries; needs neither torch nor files."""

from __future__ import annotations

from typing import Any

import numpy as np

from tomoscore_scipion.records.bands import N_BANDS, PERIODS_NM, fraction_below_nyquist, tomoscore
from tomoscore_scipion.records.record import Score

MEASURED, REFUSED = "measured", "refused"


def refused(half1: str, half2: str, reason: str) -> dict[str, Any]:
    """The note of halves that were refused."""
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
    """The measured score of a tomogram; None where it was not measured."""
    return None if record.halves is None else record.halves["tomoscore"]


def octaves_used(record: Score) -> int:
    """Number of scored octaves that the measured score counts; 0 where there is none."""
    return 0 if record.halves is None else len(record.halves["octaves"])


def predicted_over_the_same(record: Score) -> float | None:
    """The predicted score over the octaves that were measured; None where none was."""
    if record.halves is None or record.curve is None or not record.halves["octaves"]:
        return None
    used = {tuple(period) for period in record.halves["octaves"]}
    below_nyquist = fraction_below_nyquist((record.voxel_size_angstrom or 0.0) / 10)
    below_nyquist = below_nyquist * np.array([period in used for period in PERIODS_NM])
    curve = [np.nan if r is None else r for r in record.curve["resolvability"]]
    return float(tomoscore(np.array(curve[:N_BANDS]), below_nyquist))
