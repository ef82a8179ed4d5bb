# SPDX-License-Identifier: GPL-3.0-or-later
"""What a calibration says, in sentences."""

from __future__ import annotations

import numpy as np

from tomoscore_scipion.calibration.calibration import Calibration
from tomoscore_scipion.records.bands import N_SCORED, PERIODS_NM

OF_FRAMES = (
    "Octaves finer than 16 nm are lowered at most: halves of frames do not see misalignment and an "
    "uncorrected CTF, and are an upper limit there."
)
OF_TILTS = "Octaves finer than 16 nm are not corrected: halves of tilts say too little of them."


def sentences(found: Calibration) -> list[str]:
    """What was learned, and how sure it is, a line each."""
    kinds = ", ".join(f"{number} {kind}" for kind, number in found.kinds.items())
    lines = [
        f"Calibrated on {found.tomograms} tomograms with measured halves ({kinds}).",
        f"Mean difference of predicted and measured scores: {found.error_before:.2f} octave "
        f"before, {found.error_after:.2f} after, cross-validated over tomograms.",
        f"Standard deviation of a calibrated score: {found.sd:.2f} octave.",
        "An R of 0.4 becomes:",
    ]
    corrected = found.corrected(np.full(N_SCORED, 0.4))
    for (coarse, fine), value in zip(PERIODS_NM, corrected):
        lines.append(f"  {coarse:g} to {fine:g} nm: {value:.2f}")
    lines.append(OF_FRAMES if "by-frame" in found.kinds else OF_TILTS)
    return lines
