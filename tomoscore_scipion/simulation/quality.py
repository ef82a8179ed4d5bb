# SPDX-License-Identifier: GPL-3.0-or-later
"""Named qualities: fixed imaging parameters with clearly different true scores.

For well-filled specimens of 60 to 150 nm the true scores are about 3 to 3.7 octaves ("good"), 2
("medium") and below 1 ("poor").
"""

from __future__ import annotations

from tomoscore_scipion.simulation.recipe import Recipe

QUALITIES = {
    "good": Recipe(total_dose=120, defocus_nm=4000, misalignment_nm=2.2, voxel_nm=2.0),
    "medium": Recipe(total_dose=60, defocus_nm=5000, misalignment_nm=7.0, voxel_nm=2.0),
    "poor": Recipe(
        total_dose=12, defocus_nm=8000, misalignment_nm=24.0, max_tilt_deg=50, voxel_nm=2.0
    ),
}
"""Recipe of each quality."""

RANDOM = "random"
"""Name of the quality with a random recipe."""
