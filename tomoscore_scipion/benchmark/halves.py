# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated factors that relate half maps of a real tomogram to its resolvability curve.

C of `halves.correlation` is the correlation of the whole tomogram with a noise-free one of the same
views. The noise-free tomogram lacks the missing wedge, so that R, the correlation with the
specimen, is C times the R of a noise-free reconstruction from the same tilt range, which is
simulated here.
Errors that both halves share (misalignment, CTF, beads) do not lower C.

Halves split by tilt sample different angles. Each has streaks where views of the other are
missing, with opposite signs in the two, so that C stays below 1 even without noise; `split_ceiling`
gives the limit. For octaves finer than 16 nm it is too low for halves of views 6 degrees apart.

The effect of the missing wedge depends on the specimen: it is smaller for membranes and large
bodies and larger for the coarse octaves of many small ones. The curve from halves is therefore a
range.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Iterable, Iterator

import numpy as np
import torch

from tomoscore_scipion.halves.correlation import noise_free_correlation, ring_correlation
from tomoscore_scipion.records.bands import N_SCORED
from tomoscore_scipion.simulation.acquisition import Acquisition, Microscope
from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.recipe import Recipe
from tomoscore_scipion.simulation.specimen import random_specimen

NOISE_FREE = Recipe(total_dose=1e7, defocus_nm=1000.0, damage=False, ctf_correction="phase_flip")
PLANES = 5
"""Number of planes in the middle of each simulated specimen that are compared."""


def noise_free_series(
    max_tilt_deg: float, tilt_step_deg: float, seeds: Iterable[int]
) -> Iterator[Acquisition]:
    """Simulate tilt series with almost no noise, one specimen per seed.

    Args:
        max_tilt_deg: largest tilt angle on both sides.
        tilt_step_deg: step between tilts.
        seeds: seeds of the specimens.
    """
    recipe = replace(NOISE_FREE, max_tilt_deg=max_tilt_deg, tilt_step_deg=tilt_step_deg)
    for seed in seeds:
        rng = np.random.default_rng([13, seed])
        specimen = random_specimen(
            rng, Grid(n=256), without=("contamination",), thickness_nm=(100.0, 150.0), empty=False
        )
        yield Microscope(specimen).acquire(rng, recipe, headroom=1.0)


def wedge_factor(series: Acquisition) -> np.ndarray:
    """R of the reconstruction of a noise-free series, (N_BANDS,): the limit for its tilt range."""
    planes = _central(series)
    truths = [series.truth(plane, z) for plane, z in zip(series.planes(planes), planes)]
    return np.stack([truth.numpy() for truth in truths]).mean(axis=(0, 1, 2))


def content_weighted_factor(series: Acquisition) -> np.ndarray:
    """The same of the scored octaves, weighted by content as a score's curve is, (N_SCORED,)."""
    indices = _central(series)
    planes = zip(series.planes(indices), indices)
    truths = np.stack([series.truth(plane, z).numpy() for plane, z in planes])[..., :N_SCORED]
    content = np.stack([series.content(z).numpy() for z in indices])[..., :N_SCORED]
    return np.asarray((content * truths).sum(axis=(0, 1, 2)) / content.sum(axis=(0, 1, 2)))


def split_ceiling(series: Acquisition) -> np.ndarray:
    """C that halves of every other tilt say of a noise-free series, (N_BANDS,), 0 to 1."""
    by_angle = torch.argsort(series.tilts_deg)
    halves = [
        replace(series, filtered=series.filtered[views], tilts_deg=series.tilts_deg[views])
        for views in (by_angle[::2], by_angle[1::2])
    ]
    odd, even = (half.planes(_central(half)).numpy() for half in halves)
    return noise_free_correlation(ring_correlation(odd, even, series.voxel_nm))


def _central(series: Acquisition) -> range:
    first = (series.n_z - PLANES) // 2
    return range(first, first + PLANES)


def measured_curve(
    odd: np.ndarray, even: np.ndarray, voxel_nm: float, factors: np.ndarray
) -> np.ndarray:
    """R per band of the tomogram whose halves these are; NaN beyond Nyquist.

    Args:
        odd: (z, y, x).
        even: the same shape.
        voxel_nm: voxel size in nm.
        factors: (..., N_BANDS), as of `wedge_factor`.

    Returns:
        The shape of the factors.
    """
    ring = ring_correlation(odd, even, voxel_nm)
    return np.where(np.isnan(ring), np.nan, noise_free_correlation(ring) * factors)
