# SPDX-License-Identifier: GPL-3.0-or-later
"""The 90 % interval of a score.

Errors of the model are skewed: low scores are more often too high than too low. The interval
therefore reaches a different distance below and above the score.
"""

from __future__ import annotations

from typing import Any, Union

import numpy as np

from tomoscore_scipion.model.tiles import TILE_NM
from tomoscore_scipion.records.bands import N_SCORED, Z_90

Octaves = Union[float, np.ndarray]

WIDE_NM = 2 * TILE_NM
"""Width of a field from which a single slice contains enough waves of the coarse octaves."""
DEEP_NM = 24.0
"""Distance in nm from which slices count as independent."""


def smallness(depth_nm: float, width_nm: float) -> float:
    """How small a volume is: 0 if large enough, at most 1.

    Args:
        depth_nm: depth of the planes from which slices are sampled, nm.
        width_nm: the smaller of width and height of the field of view, nm.
    """
    return max(0.0, 1 - width_nm / WIDE_NM * max(1.0, depth_nm / DEEP_NM))


def own_error(
    score: Octaves,
    calibration: dict[str, Any],
    slices: int | None = None,
    out_of_distribution: float = 0.0,
    small: float = 0.0,
) -> tuple[Octaves, Octaves]:
    """Distances from scores to the ends of the 90 % interval of the model's own error.

    Args:
        score: TomoScores in octaves.
        calibration: "interval" of a card, {"score": [...], "below": [...], "above": [...],
            "thin": f, "small": f, "strange": f}. "below" and "above" are the distances in octaves
            at the scores "score", with linear interpolation; "thin" is their factor for volumes of
            one slice; "small" is their relative increase at a `small` of 1, of which and of "thin"
            the larger one counts; "strange" is their relative increase per unit of
            `out_of_distribution` above 1. Older cards have a standard deviation "sd" in place of
            both distances, and no "small".
        slices: number of slices of the volume; None for many.
        out_of_distribution: distance of the volume from the training volumes, see
            `inference.Predictor.out_of_distribution`.
        small: see `smallness`.

    Returns:
        Distances below and above the scores, octaves.
    """
    thin = 0.0 if slices is None else (float(calibration.get("thin", 1.0)) - 1) / slices
    strange = float(calibration.get("strange", 0.0)) * max(0.0, out_of_distribution - 1)
    few_waves = max(thin, float(calibration.get("small", 0.0)) * small)
    factor = (1 + few_waves) * (1 + strange)
    below, above = (
        calibration[side] if side in calibration else Z_90 * np.array(calibration["sd"])
        for side in ("below", "above")
    )
    known = calibration["score"]
    return factor * np.interp(score, known, below), factor * np.interp(score, known, above)


def interval(
    score: Octaves, own: tuple[Octaves, Octaves], sampling_sd: Octaves
) -> tuple[Octaves, Octaves]:
    """Ends of the 90 % interval of scores, within the scale of the TomoScore.

    Args:
        score: TomoScores in octaves.
        own: distances below and above, from `own_error`.
        sampling_sd: standard deviation from the choice of slices and tiles, octaves.
    """
    below, above = (np.hypot(distance, Z_90 * sampling_sd) for distance in own)
    return np.maximum(0.0, score - below), np.minimum(float(N_SCORED), score + above)
