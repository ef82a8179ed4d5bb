# SPDX-License-Identifier: GPL-3.0-or-later
"""Which views make the tomogram of each point of a curve, and with which weights.

- *Cumulative*: the first n views in the order of acquisition. Dose grows, and with it the range of
  angles, or their density, as the tilt scheme has it.
- *Matched*: n views spread evenly over the range of angles of the whole series, from all doses. It
  has as many views as the cumulative step beside it, and always the full range: where it is better
  than that step, the step lacked angles rather than electrons.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tomoscore_scipion.tilt_metadata.exposures import Exposures
from tomoscore_scipion.tomography.backprojection import view_weights

FEWEST_VIEWS = 3
"""Fewer views make no tomogram worth a score."""


@dataclass(frozen=True)
class Subset:
    """Views of a series that are reconstructed together.

    Attributes:
        views: which, indices into the series, in increasing order.
        weights: of all views of the series in the back-projection, radians, 0 for those left out.
        dose: accumulated at the end of the last view's exposure, e/A^2; of a matched subset: the
            dose of the cumulative step with as many views.
        angle_range: lowest and highest angle, degrees.
        angle_step: median distance of neighbouring angles, degrees.
    """

    views: np.ndarray
    weights: np.ndarray
    dose: float
    angle_range: tuple[float, float]
    angle_step: float


def cumulative(angles_deg: np.ndarray, exposures: Exposures, most: int) -> list[Subset]:
    """The first n views in the order of acquisition, for growing n up to all.

    Args:
        angles_deg: of all views, shape (n_views,).
        exposures: of all views.
        most: at most so many subsets, spread evenly; the last one has all views.
    """
    n_views = len(angles_deg)
    first = min(FEWEST_VIEWS, n_views)
    counts = np.unique(np.round(np.linspace(first, n_views, min(most, n_views - first + 1))))
    subsets = []
    for count in counts.astype(int):
        views = exposures.order[:count]
        if np.ptp(angles_deg[views]) > 0:
            dose = float(exposures.end[views].max())
            subsets.append(subset_of(views, angles_deg, dose))
    return subsets


def matched(angles_deg: np.ndarray, steps: list[Subset]) -> list[Subset]:
    """For each cumulative step as many views, spread evenly over all angles."""
    by_angle = np.argsort(angles_deg, kind="stable")
    subsets = []
    for step in steps:
        places = np.round(np.linspace(0, len(by_angle) - 1, len(step.views))).astype(int)
        subsets.append(subset_of(by_angle[places], angles_deg, step.dose))
    return subsets


def spread(n_steps: int, most: int) -> np.ndarray:
    """Indices of at most so many steps, evenly spread, the last one among them."""
    places = np.round(np.linspace(0, n_steps - 1, min(most, n_steps)))
    return np.unique(places).astype(int)


def subset_of(views: np.ndarray, angles_deg: np.ndarray, dose: float) -> Subset:
    """A subset of some views, weighted by their share of the angles."""
    views = np.sort(views)
    angles = angles_deg[views]
    weights = np.zeros(len(angles_deg))
    weights[views] = view_weights(angles)
    gaps = np.diff(np.sort(angles))
    return Subset(
        views=views,
        weights=weights,
        dose=dose,
        angle_range=(float(angles.min()), float(angles.max())),
        angle_step=float(np.median(gaps)),
    )
