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
from tomoscore_scipion.dose.slices import ViewSlices
from tomoscore_scipion.dose.subsets import Subset, cumulative, matched, spread
from tomoscore_scipion.model.aggregation import slice_content, slice_curve
from tomoscore_scipion.model.inference import MeasuredSlice
from tomoscore_scipion.model.sampling import CANONICAL_NM, SlicePlan, plan_slices
from tomoscore_scipion.model.scorer import Progress, Scorer
from tomoscore_scipion.tomography.backprojection import filter_views
from tomoscore_scipion.tomography.dose_series import DoseSeries, aligned_images, dose_weighted

SLICES = 12
"""Slices that are looked at."""
MOST_STEPS = 61
"""Points of a curve; series with more views get as many, evenly spread."""
SCORED_STEPS = 8
"""Steps whose tomograms go through the network, without dose weighting; with it the last one."""
MOST_ODD = 3
"""Images that are named in warnings."""
LARGEST_PIXELS = 26_000_000
"""Pixels of all views at the pixel of the analysis: 41 views of 1.2 x 1.2 um, 0.4 GB a slice."""

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
        content: (n_scored, n_slices, N_BANDS) what there is to distinguish, by the network.
    """

    agreement: Agreement
    network: np.ndarray
    content: np.ndarray


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
    voxel = max(10 * CANONICAL_NM, series.tilts.pixel_angstrom)
    angles = np.asarray(series.tilts.angles_deg, dtype=np.float64)
    device = torch.device(scorer.device)
    odd: list[str] = []
    images = aligned_images(series, voxel, settings.flip_phases, device, odd.append)
    images, warnings = cropped(images, voxel)
    n_z = max(round(10 * settings.thickness_nm / voxel), 1)
    steps = cumulative(angles, series.exposures, MOST_STEPS)
    scored = spread(len(steps), SCORED_STEPS)
    weighted_images = dose_weighted(images, series.exposures, voxel)
    plain = _Collector(scorer, images, angles, n_z, voxel, [steps[step] for step in scored])
    weighted = _Collector(scorer, weighted_images, angles, n_z, voxel, steps[-1:])
    plans = plan_slices(n_z, voxel / 10, None, SLICES)
    for done, plan in enumerate(plans, start=1):
        shares = plain.add(plan)
        weighted.add(plan)
        if look is not None:
            look(plan, shares)
        if progress is not None:
            progress(done, len(plans))
    return Measurements(
        steps=steps,
        matched=matched(angles, steps),
        scored=scored,
        plain=plain.kind(series.exposures.order),
        weighted=weighted.kind(series.exposures.order),
        slice_z=np.array([plan.z for plan in plans]),
        n_z=n_z,
        voxel_angstrom=voxel,
        warnings=(*_few(odd), *warnings),
    )


def _few(odd: list[str]) -> tuple[str, ...]:
    """What is odd about images; of many the first ones, and how many more there are."""
    if len(odd) <= MOST_ODD:
        return tuple(odd)
    return (*odd[:MOST_ODD], f"the same of {len(odd) - MOST_ODD} more images")


class _Collector:
    """Gathers what is measured of tomograms of one kind, slice by slice."""

    def __init__(
        self,
        scorer: Scorer,
        images: torch.Tensor,
        angles_deg: np.ndarray,
        n_z: int,
        voxel_angstrom: float,
        scored: Sequence[Subset],
    ) -> None:
        """Filter aligned images; `scored` are the tomograms for the network, the last the whole."""
        self._scorer = scorer
        self._filtered = filter_views(images)
        self._angles = angles_deg
        self._shape_zyx = (n_z, images.shape[1], images.shape[2])
        self._voxel_nm = voxel_angstrom / 10
        self._scored = scored
        self._grams: list[np.ndarray] = []
        self._measured: list[list[MeasuredSlice]] = []

    def add(self, plan: SlicePlan) -> ViewSlices:
        """Measure one slice; gives the shares of the views in it."""
        shares = ViewSlices(self._filtered, self._angles, self._shape_zyx, plan)
        self._grams.append(gram_of(shares.centre, self._voxel_nm))
        pieces = shares.pieces(self._scored, self._voxel_nm)
        self._measured.append([self._scorer.measure(piece) for piece in pieces])
        return shares

    def kind(self, order: np.ndarray) -> Kind:
        """All that was measured, when all slices are there."""
        curves = [self._scorer.curves(list(slices)) for slices in zip(*self._measured)]
        network = np.stack([np.stack([slice_curve(c) for c in tomogram]) for tomogram in curves])
        content = np.stack([np.stack([slice_content(c) for c in tomogram]) for tomogram in curves])
        whole = self._scored[-1].weights
        return Kind(Agreement(np.stack(self._grams), whole, self._angles, order), network, content)


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
