# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the tomograms of an aligned tilt series: correlation of views, and predicted curves.

Slices are processed one after the other, so that memory holds the views and their back-projections
on the planes of one slice. Large fields of view are cropped to their middle.
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
"""Number of slices that are measured."""
MAX_STEPS = 61
"""Largest number of points of a curve."""
SCORED_STEPS = 8
"""Number of steps that the network scores without dose weighting; with it only the last one."""
MAX_NAMED = 3
"""Largest number of images named in warnings."""
MAX_PIXELS = 26_000_000
"""Largest number of pixels of all views: 41 views of 1.2 x 1.2 um, 0.4 GB per slice."""

Hook = Callable[[SlicePlan, ViewSlices], None]


@dataclass(frozen=True)
class Settings:
    """Settings of the analysis.

    Attributes:
        thickness_nm: thickness of the tomograms in nm, larger than the specimen.
        flip_phases: whether to flip the phases of the CTF; the defocus must be known.
    """

    thickness_nm: float = 200.0
    flip_phases: bool = False


@dataclass(frozen=True)
class Kind:
    """Measurements of unweighted or of dose-weighted tomograms.

    Attributes:
        agreement: products of all views in all slices.
        network: (n_scored, n_slices, N_BANDS) predicted R of some steps; the last one has all
            views.
        content: (n_scored, n_slices, N_BANDS) predicted content of the same slices.
    """

    agreement: Agreement
    network: np.ndarray
    content: np.ndarray


@dataclass(frozen=True)
class Measurements:
    """Measurements of a tilt series.

    Attributes:
        steps: cumulative subsets, ascending, the last one with all views.
        matched: matched subsets of the steps.
        scored: (n_scored,) indices of the steps that the network scores without dose weighting.
        plain: measurements without dose weighting.
        weighted: measurements with dose weighting.
        slice_z: (n_slices,) planes of the slices.
        n_z: number of planes of the tomograms.
        voxel_angstrom: voxel size of the tomograms in A.
        warnings: warnings for the user.
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
    """Reconstruct the slices of all steps, score some of them, and correlate all views.

    Args:
        series: the tilt series.
        scorer: the network, on its device.
        settings: settings of the analysis.
        progress: called with (number of finished slices, number of slices).
        look: called with the plan and the back-projections of each slice, without dose weighting.

    Raises:
        TomogramError: the tilt series cannot be read.
    """
    voxel = max(10 * CANONICAL_NM, series.tilts.pixel_angstrom)
    angles = np.asarray(series.tilts.angles_deg, dtype=np.float64)
    device = torch.device(scorer.device)
    odd: list[str] = []
    images = aligned_images(series, voxel, settings.flip_phases, device, odd.append)
    images, warnings = cropped(images, voxel)
    n_z = max(round(10 * settings.thickness_nm / voxel), 1)
    steps = cumulative(angles, series.exposures, MAX_STEPS)
    scored = spread(len(steps), SCORED_STEPS)
    weighted_images = dose_weighted(images, series.exposures, voxel)
    plain = _Collector(scorer, images, angles, n_z, voxel, [steps[step] for step in scored])
    weighted = _Collector(scorer, weighted_images, angles, n_z, voxel, steps[-1:])
    plans = plan_slices(n_z, voxel / 10, None, SLICES)
    for n_done, plan in enumerate(plans, start=1):
        view_slices = plain.add(plan)
        weighted.add(plan)
        if look is not None:
            look(plan, view_slices)
        if progress is not None:
            progress(n_done, len(plans))
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
    """The first warnings about images, and the number of the others."""
    if len(odd) <= MAX_NAMED:
        return tuple(odd)
    return (*odd[:MAX_NAMED], f"the same of {len(odd) - MAX_NAMED} more images")


class _Collector:
    """Collects the measurements of one kind of tomograms, slice by slice."""

    def __init__(
        self,
        scorer: Scorer,
        images: torch.Tensor,
        angles_deg: np.ndarray,
        n_z: int,
        voxel_angstrom: float,
        scored: Sequence[Subset],
    ) -> None:
        """Filter aligned images; `scored`: subsets for the network, the last one of all views."""
        self._scorer = scorer
        self._filtered = filter_views(images)
        self._angles = angles_deg
        self._shape_zyx = (n_z, images.shape[1], images.shape[2])
        self._voxel_nm = voxel_angstrom / 10
        self._scored = scored
        self._grams: list[np.ndarray] = []
        self._measured: list[list[MeasuredSlice]] = []

    def add(self, plan: SlicePlan) -> ViewSlices:
        """Measure one slice; returns the back-projections of the views on it."""
        view_slices = ViewSlices(self._filtered, self._angles, self._shape_zyx, plan)
        self._grams.append(gram_of(view_slices.centre, self._voxel_nm))
        canonical = view_slices.canonical_slices(self._scored, self._voxel_nm)
        self._measured.append([self._scorer.measure(image) for image in canonical])
        return view_slices

    def kind(self, order: np.ndarray) -> Kind:
        """All measurements, after the last slice. `order`: views in the order of acquisition."""
        curves = [self._scorer.curves(list(slices)) for slices in zip(*self._measured)]
        network = np.stack([np.stack([slice_curve(c) for c in tomogram]) for tomogram in curves])
        content = np.stack([np.stack([slice_content(c) for c in tomogram]) for tomogram in curves])
        all_weights = self._scored[-1].weights
        return Kind(
            Agreement(np.stack(self._grams), all_weights, self._angles, order), network, content
        )


def cropped(images: torch.Tensor, voxel_angstrom: float) -> tuple[torch.Tensor, tuple[str, ...]]:
    """Crop views to their middle if they have more than `MAX_PIXELS`; the views, and a warning."""
    n_views, n_y, n_x = images.shape
    excess = n_views * n_y * n_x / MAX_PIXELS
    if excess <= 1:
        return images, ()
    size = [max(32, int(n / excess**0.5)) for n in (n_y, n_x)]
    first = [(n - m) // 2 for n, m in zip((n_y, n_x), size)]
    middle = images[:, first[0] : first[0] + size[0], first[1] : first[1] + size[1]]
    width, height = (round(n * voxel_angstrom / 10) for n in (size[1], size[0]))
    return middle.contiguous(), (f"only the middle {width} x {height} nm of the field are used",)
