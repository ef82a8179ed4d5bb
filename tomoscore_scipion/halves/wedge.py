# SPDX-License-Identifier: GPL-3.0-or-later
"""The effect of the missing wedge: R of a noise-free tomogram per octave and tilt range.

R, the correlation with the specimen, is C, the correlation with a noise-free tomogram of the same
views, times this factor. The factor depends on the specimen: it is larger for membranes and large
bodies than for the coarse octaves of many small particles. It is therefore a range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tomoscore_scipion.records.bands import N_SCORED

MAX_TILTS_DEG = (40.0, 50.0, 60.0, 70.0)
FACTORS = np.array(
    [
        [
            [0.221, 0.385, 0.515, 0.658, 0.671],
            [0.478, 0.536, 0.608, 0.699, 0.789],
            [0.781, 0.725, 0.751, 0.757, 0.840],
        ],
        [
            [0.268, 0.455, 0.608, 0.741, 0.781],
            [0.569, 0.624, 0.685, 0.778, 0.851],
            [0.803, 0.764, 0.799, 0.819, 0.884],
        ],
        [
            [0.313, 0.529, 0.692, 0.814, 0.833],
            [0.632, 0.702, 0.765, 0.842, 0.892],
            [0.838, 0.822, 0.856, 0.870, 0.916],
        ],
        [
            [0.403, 0.642, 0.779, 0.818, 0.832],
            [0.721, 0.796, 0.842, 0.871, 0.909],
            [0.862, 0.863, 0.898, 0.897, 0.934],
        ],
    ]
)
"""(tilt range, quantile, octave): the 5 %, 50 % and 95 % quantiles over 20 simulated specimens,
weighted by content, printed by `python scripts/wedge_factors.py`."""
UNKNOWN_DEG = (45.0, 55.0, 65.0)
"""Half of an unknown tilt range in degrees: small, usual and large."""


@dataclass(frozen=True)
class WedgeFactor:
    """The factor of each scored octave, coarsest first, (N_SCORED,) each.

    Attributes:
        low: 5 % quantile.
        middle: median.
        high: 95 % quantile.
    """

    low: np.ndarray
    middle: np.ndarray
    high: np.ndarray


def wedge_factor_of(max_tilt_deg: float | None) -> WedgeFactor:
    """The factor of a tilt range.

    Args:
        max_tilt_deg: half of the tilt range in degrees; None if it is unknown. Beyond the simulated
            angles, the nearest one is used.
    """
    angles = UNKNOWN_DEG if max_tilt_deg is None else (max_tilt_deg,) * 3
    low, middle, high = (_at(angle, row) for row, angle in enumerate(angles))
    return WedgeFactor(low, middle, high)


def _at(angle: float, quantile: int) -> np.ndarray:
    rows = FACTORS[:, quantile]
    return np.array([np.interp(angle, MAX_TILTS_DEG, rows[:, i]) for i in range(N_SCORED)])
