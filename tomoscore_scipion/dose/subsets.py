# SPDX-License-Identifier: GPL-3.0-or-later
"""Views and weights of the tomogram at each point of a curve.

- *Cumulative*: the first n views in the order of acquisition. With the dose, the range or the
  density of tilt angles increases, depending on the tilt scheme.
- *Matched*: as many views as a cumulative step, spaced evenly over the tilt range of the whole
  series, of any dose. If its score is higher than that of the step, the step is limited by its tilt
  angles, not by its dose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tomoscore_scipion.tilt_metadata.exposures import Exposures
from tomoscore_scipion.tomography.backprojection import view_weights

MIN_VIEWS = 3
"""Smallest number of views of a tomogram that is scored."""


@dataclass(frozen=True)
class Subset:
    """Views of a series that are reconstructed together.

    Attributes:
        views: indices of the views in the series, increasing.
        weights: weights of all views of the series in the back-projection, in radians, (n_views,);
            0 for views that are not in the subset.
        dose: accumulated dose at the end of the last view, e/A^2; for a matched subset, that of the
            cumulative step with as many views.
        angle_range: lowest and highest tilt angle, degrees.
        angle_step: median difference of adjacent tilt angles, degrees.
    """

    views: np.ndarray
    weights: np.ndarray
    dose: float
    angle_range: tuple[float, float]
    angle_step: float


def cumulative(angles_deg: np.ndarray, exposures: Exposures, max_subsets: int) -> list[Subset]:
    """Subsets of the first n views in the order of acquisition, with increasing n.

    Args:
        angles_deg: tilt angles of all views in degrees, shape (n_views,).
        exposures: doses of all views.
        max_subsets: largest number of subsets, spaced evenly; the last one has all views.
    """
    n_views = len(angles_deg)
    first = min(MIN_VIEWS, n_views)
    counts = np.unique(np.round(np.linspace(first, n_views, min(max_subsets, n_views - first + 1))))
    subsets = []
    for count in counts.astype(int):
        views = exposures.order[:count]
        if np.ptp(angles_deg[views]) > 0:
            dose = float(exposures.end[views].max())
            subsets.append(subset_of(views, angles_deg, dose))
    return subsets


def matched(angles_deg: np.ndarray, steps: list[Subset]) -> list[Subset]:
    """Matched subsets of cumulative steps, with views spaced evenly over all angles."""
    by_angle = np.argsort(angles_deg, kind="stable")
    subsets = []
    for step in steps:
        places = np.round(np.linspace(0, len(by_angle) - 1, len(step.views))).astype(int)
        subsets.append(subset_of(by_angle[places], angles_deg, step.dose))
    return subsets


def spread(n_steps: int, max_steps: int) -> np.ndarray:
    """Evenly spaced indices of at most `max_steps` steps, including the last one."""
    places = np.round(np.linspace(0, n_steps - 1, min(max_steps, n_steps)))
    return np.unique(places).astype(int)


def subset_of(views: np.ndarray, angles_deg: np.ndarray, dose: float) -> Subset:
    """A subset of views, each weighted by the angle between its neighbours.

    Args:
        views: indices of the views in the series.
        angles_deg: tilt angles of all views of the series in degrees, (n_views,).
        dose: dose of the subset, see `Subset`.
    """
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
