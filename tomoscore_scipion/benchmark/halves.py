# SPDX-License-Identifier: GPL-3.0-or-later
"""The curve of a real tomogram from its own halves: what a prediction can be held against.

Tomograms of the odd and of the even views have independent noise. With F their Fourier ring
correlation, C = sqrt(2 F / (1 + F)) is the correlation of the whole tomogram with a noise-free one
of the same views (Rosenthal and Henderson, J. Mol. Biol. 333, 721 (2003)). That one lacks the
missing wedge, so that R, the correlation with the specimen, is C times what a noise-free
reconstruction from the same tilt range reaches, which simulation tells. What both halves share -
misalignment, CTF, beads - F does not see.

Halves split by tilt sample different angles. Each has streaks in place of the other's views, which
are opposite in the two, so that even without noise C stays below 1: `split_ceiling` tells how far.
In octaves finer than 16 nm halves of views 6 degrees apart say too little.

What the missing wedge leaves depends on the specimen: more of membranes and large bodies, less of
the coarse octaves of a crowd of small ones. So halves tell the curve of a real one as a range.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Iterable, Iterator

import numpy as np
import torch

from tomoscore_scipion.engine.bands import N_BANDS, PERIODS_NM
from tomoscore_scipion.simulation.acquisition import Acquisition, Microscope
from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.recipe import Recipe
from tomoscore_scipion.simulation.specimen import random_specimen

NOISE_FREE = Recipe(total_dose=1e7, defocus_nm=1000.0, damage=False, ctf_correction="phase_flip")
PLANES = 5
"""Planes in the middle of each simulated specimen that are asked."""


def ring_correlation(odd: np.ndarray, even: np.ndarray, voxel_nm: float) -> np.ndarray:
    """Fourier ring correlation of two half tomograms per band, over all their xy slices.

    Args:
        odd: (z, y, x).
        even: the same shape.
        voxel_nm: voxel size in nm.

    Raises:
        ValueError: two shapes.

    Returns:
        (N_BANDS,) -1 to 1, NaN where no frequency lies in a band.
    """
    if odd.shape != even.shape or odd.ndim != 3:
        raise ValueError(f"expected halves (z, y, x) of one shape, got {odd.shape}, {even.shape}")
    one, other = np.fft.rfft2(odd), np.fft.rfft2(even)
    k_y = np.fft.fftfreq(odd.shape[1], voxel_nm)[:, None]
    radius = np.hypot(k_y, np.fft.rfftfreq(odd.shape[2], voxel_nm)[None, :])
    found = np.full(N_BANDS, np.nan)
    for band, (coarse, fine) in enumerate(PERIODS_NM):
        ring = (radius >= 1 / coarse) & (radius < 1 / fine)
        power = (np.abs(one[:, ring]) ** 2).sum() * (np.abs(other[:, ring]) ** 2).sum()
        if ring.any() and power > 0:
            found[band] = (one[:, ring] * other[:, ring].conj()).sum().real / np.sqrt(power)
    return found


def noise_free_correlation(ring: np.ndarray) -> np.ndarray:
    """C of F, see above; 0 where F is not positive."""
    positive = np.maximum(ring, 0.0)
    return np.sqrt(2 * positive / (1 + positive))


def noise_free_series(
    max_tilt_deg: float, tilt_step_deg: float, seeds: Iterable[int]
) -> Iterator[Acquisition]:
    """Tilt series next to free of noise, one of a simulated specimen per seed.

    Args:
        max_tilt_deg: tilts go from minus to plus this.
        tilt_step_deg: between tilts.
        seeds: of the specimens.
    """
    recipe = replace(NOISE_FREE, max_tilt_deg=max_tilt_deg, tilt_step_deg=tilt_step_deg)
    for seed in seeds:
        rng = np.random.default_rng([13, seed])
        specimen = random_specimen(
            rng, Grid(n=256), without=("contamination",), thickness_nm=(100.0, 150.0), empty=False
        )
        yield Microscope(specimen).acquire(rng, recipe, headroom=1.0)


def wedge_factor(series: Acquisition) -> np.ndarray:
    """R of the reconstruction of a noise-free series, (N_BANDS,): what its tilts reach at best."""
    wanted = _central(series)
    truths = [series.truth(plane, z) for plane, z in zip(series.planes(wanted), wanted)]
    return np.stack([truth.numpy() for truth in truths]).mean(axis=(0, 1, 2))


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
