# SPDX-License-Identifier: GPL-3.0-or-later
"""From an aligned series to what is measured of its tomograms: agreement, and network curves.

Slices are taken one after the other, so that memory holds the views, and their back-projections on
the planes of one slice. Fields are cut to their middle where that would be too much.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Sequence

import numpy as np
import torch

from tomoscore_scipion.dose.agreement import Agreement, gram_of
from tomoscore_scipion.dose.series import DoseSeries, aligned_images, dose_weighted
from tomoscore_scipion.dose.slices import ViewSlices
from tomoscore_scipion.dose.subsets import Subset, cumulative, matched, spread
from tomoscore_scipion.engine.backprojection import filter_views
from tomoscore_scipion.engine.sampling import CANONICAL_NM, SlicePlan, plan_slices
from tomoscore_scipion.engine.scorer import Scorer
from tomoscore_scipion.engine.tomogram import slice_curve

SLICES = 12
"""Slices that are looked at."""
MOST_STEPS = 61
"""Points of a curve; series with more views get as many, evenly spread."""
SCORED_STEPS = 8
"""Steps whose tomograms go through the network, without dose weighting; with it the last one."""
LARGEST_PIXELS = 26_000_000
"""Pixels of all views at the pixel of the analysis: 41 views of 1.2 x 1.2 um, 0.4 GB a slice."""

Progress = Callable[[int, int], None]
Hook = Callable[[SlicePlan, ViewSlices], None]


@dataclass(frozen=True)
class Settings:
    """How a series is analysed.

    Attributes:
        thickness_nm: height of the tomograms; the specimen is found in it.
        flip_phases: turn the contrast reversals of the CTF back, where defocus is known.
    """

    thickness_nm: float = 200.0
    flip_phases: bool = False


@dataclass(frozen=True)
class Kind:
    """What is known of one way to make tomograms: plain, or dose-weighted.

    Attributes:
        agreement: of all views, in all slices.
        network: (n_scored, n_slices, N_BANDS) curves by the network of some steps, the last of
            which has all views.
    """

    agreement: Agreement
    network: np.ndarray


@dataclass(frozen=True)
class Measurements:
    """What is measured of a series.

    Attributes:
        steps: cumulative subsets, ascending, the last one with all views.
        matched: subsets of as many views over all angles.
        scored: (n_scored,) which steps the network saw of the plain tomograms.
        plain: without dose weighting.
        weighted: with it.
        slice_z: (n_slices,) planes of the slices.
        n_z: planes of the tomograms.
        voxel_angstrom: their voxel.
        warnings: what the user should know.
    """

    steps: list[Subset]
    matched: list[Subset]
    scored: np.ndarray
    plain: Kind
    weighted: Kind
    slice_z: np.ndarray
    n_z: int
    voxel_angstrom: float
    warnings: tuple[str, ...]


def measure(
    series: DoseSeries,
    scorer: Scorer,
    settings: Settings,
    progress: Progress | None = None,
    look: Hook | None = None,
) -> Measurements:
    """Reconstruct the slices of all steps, score some, and compare all views in them.

    Args:
        series: the tilt series.
        scorer: the network, on its device.
        settings: how.
        progress: called with (slices done, slices in all).
        look: called with the plan and the views' shares of each slice, plain ones.

    Raises:
        TomogramError: the series cannot be read.
    """
    device = torch.device(scorer.device)
    voxel = max(10 * CANONICAL_NM, series.tilts.pixel_angstrom)
    angles = np.asarray(series.tilts.angles_deg, dtype=np.float64)
    images, warnings = cropped(aligned_images(series, voxel, settings.flip_phases, device), voxel)
    filtered = [
        filter_views(images),
        filter_views(dose_weighted(images, series.exposures, voxel)),
    ]
    n_z = max(round(10 * settings.thickness_nm / voxel), 1)
    shape_zyx = (n_z, images.shape[1], images.shape[2])
    steps = cumulative(angles, series.exposures, MOST_STEPS)
    scored = spread(len(steps), SCORED_STEPS)
    plans = plan_slices(n_z, voxel / 10, None, SLICES)
    grams: tuple[list[np.ndarray], ...] = ([], [])
    seen: tuple[list[list], ...] = ([], [])
    for done, plan in enumerate(plans, start=1):
        for views, gram, pieces, some in zip(filtered, grams, seen, (scored, scored[-1:])):
            subsets = [steps[step] for step in some]
            shares = ViewSlices(views, angles, shape_zyx, plan)
            gram.append(gram_of(shares.centre, voxel / 10))
            pieces.append([scorer.measure(p) for p in shares.pieces(subsets, voxel / 10)])
            if look is not None and views is filtered[0]:
                look(plan, shares)
        if progress is not None:
            progress(done, len(plans))
    plain, weighted = (
        Kind(
            Agreement(np.stack(gram), steps[-1].weights, angles, series.exposures.order),
            _curves(scorer, pieces),
        )
        for gram, pieces in zip(grams, seen)
    )
    return Measurements(
        steps=steps,
        matched=matched(angles, steps),
        scored=scored,
        plain=plain,
        weighted=weighted,
        slice_z=np.array([plan.z for plan in plans]),
        n_z=n_z,
        voxel_angstrom=voxel,
        warnings=warnings,
    )


def cropped(images: torch.Tensor, voxel_angstrom: float) -> tuple[torch.Tensor, tuple[str, ...]]:
    """The middle of the views where they are too large for the memory, and a warning then."""
    n_views, n_y, n_x = images.shape
    excess = n_views * n_y * n_x / LARGEST_PIXELS
    if excess <= 1:
        return images, ()
    size = [max(32, int(n / excess**0.5)) for n in (n_y, n_x)]
    first = [(n - m) // 2 for n, m in zip((n_y, n_x), size)]
    middle = images[:, first[0] : first[0] + size[0], first[1] : first[1] + size[1]]
    width, height = (round(n * voxel_angstrom / 10) for n in (size[1], size[0]))
    return middle.contiguous(), (f"only the middle {width} x {height} nm of the field are used",)


def _curves(scorer: Scorer, pieces: Sequence[Sequence]) -> np.ndarray:
    """(n_steps, n_slices, N_BANDS) from measured slices [slice][step]."""
    return np.stack(
        [np.stack([slice_curve(c) for c in scorer.curves(list(step))]) for step in zip(*pieces)]
    )
