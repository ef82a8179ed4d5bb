# SPDX-License-Identifier: GPL-3.0-or-later
"""Summary of a calibration in sentences."""

from __future__ import annotations

import numpy as np

from tomoscore_scipion.calibration.calibration import Calibration
from tomoscore_scipion.records.bands import N_SCORED, PERIODS_NM

OF_FRAMES = (
    "Octaves finer than 16 nm follow the coarser ones in part, up to the upper limit of halves of "
    "frames, which do not see misalignment and an uncorrected CTF."
)
OF_TILTS = (
    "Octaves finer than 16 nm follow the coarser ones in part: halves of tilts say too little of "
    "them."
)


def sentences(calibration: Calibration) -> list[str]:
    """The errors before and after the calibration, and the corrected octaves, as lines."""
    kinds = ", ".join(f"{number} {kind}" for kind, number in calibration.kinds.items())
    lines = [
        f"Calibrated on {calibration.tomograms} tomograms with measured halves ({kinds}).",
        f"Mean difference of predicted and measured scores: {calibration.error_before:.2f} octave "
        f"before, {calibration.error_after:.2f} after, cross-validated over tomograms.",
        f"Standard deviation of a calibrated score: {calibration.sd:.2f} octave.",
        "An R of 0.4 becomes:",
    ]
    corrected = calibration.corrected(np.full(N_SCORED, 0.4))
    for (coarse, fine), value in zip(PERIODS_NM, corrected):
        lines.append(f"  {coarse:g} to {fine:g} nm: {value:.2f}")
    lines.append(OF_FRAMES if "by-frame" in calibration.kinds else OF_TILTS)
    return lines
