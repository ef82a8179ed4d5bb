# SPDX-License-Identifier: GPL-3.0-or-later
"""Series of increasingly degraded tomograms of one specimen; their scores must be in order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Iterable

import numpy as np

from tomoscore_scipion.benchmark.figures import MIN_TRUE_DIFFERENCE
from tomoscore_scipion.model.scorer import Scorer
from tomoscore_scipion.simulation.acquisition import Microscope, tomogram
from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.recipe import Recipe
from tomoscore_scipion.simulation.specimen import random_specimen
from tomoscore_scipion.simulation.summary import truth_summary

GOOD = Recipe(total_dose=120.0, defocus_nm=4000.0, misalignment_nm=1.5, voxel_nm=1.8)
LADDERS: dict[str, list[dict[str, Any]]] = {
    "dose": [{"total_dose": dose} for dose in (120.0, 40.0, 12.0, 3.0)],
    "misalignment": [{"misalignment_nm": shift} for shift in (1.5, 5.0, 12.0, 30.0)],
    "motion": [{"motion_blur_nm": blur} for blur in (0.0, 5.0, 12.0, 30.0)],
    "tilt range": [{"max_tilt_deg": tilt} for tilt in (60.0, 42.0, 24.0, 9.0)],
    "tilts": [{"tilt_step_deg": step, "total_dose": 360 / step} for step in (3.0, 9.0, 20.0)],
}
"""Changes of `GOOD` by name, each worse than the one before."""


def ladders(scorer: Scorer, seeds: Iterable[int]) -> dict[str, dict[str, Any]]:
    """Score every series for every specimen.

    Returns:
        Per series: "pairs", the number of neighbouring steps whose truths differ by more than
        `MIN_TRUE_DIFFERENCE`, and "in_order", how many of these pairs have scores in order.
    """
    results: dict[str, dict[str, Any]] = {name: {"pairs": 0, "in_order": 0} for name in LADDERS}
    for seed in seeds:
        rng = np.random.default_rng([11, seed])
        microscope = Microscope(random_specimen(rng, Grid(n=384), without=("contamination",)))
        for name, steps in LADDERS.items():
            scores, truths = zip(*(_step(scorer, microscope, seed, step) for step in steps))
            is_separate = -np.diff(truths) > MIN_TRUE_DIFFERENCE
            results[name]["pairs"] += int(is_separate.sum())
            results[name]["in_order"] += int((np.diff(scores) < 0)[is_separate].sum())
    return results


def _step(
    scorer: Scorer, microscope: Microscope, seed: int, changes: dict[str, Any]
) -> tuple[float, float]:
    """Score and truth of one tomogram; the same seed for all steps of a ladder."""
    rng = np.random.default_rng([12, seed])
    acquisition = microscope.acquire(rng, replace(GOOD, **changes), headroom=1.2)
    stack, curves, content = tomogram(rng, acquisition)
    voxel = 10 * acquisition.voxel_nm
    score = scorer.score(stack.numpy(), voxel).tomoscore
    assert score is not None
    truth = truth_summary(curves.numpy(), content.numpy(), acquisition.slab_z(), voxel)["tomoscore"]
    return score, float(truth)
