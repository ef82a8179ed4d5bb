# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute dose curves, the optimal dose and its range from the measurements.

**Scale and shape.** R of the tomogram of all views, the correlation with the specimen, is predicted
by the network. The ratio of R between the tomograms of one series is measured
(`agreement.py`), because the network was not trained on tomograms of the first views, which have a
small tilt range, and cannot detect views that do not match the others. R of a step is thus the
measured m times a factor per band, such that R of the last step is the prediction. The factor is at
most 1, as it is the correlation of a reference with the specimen.

**Optimum.** The curve is smoothed over the steps by local quadratic regression, because successive
views are on alternating sides of the tilt range. The optimum is its maximum.

**Range, by paired bootstrap.** Slices, and tiles in them, are drawn with replacement, the same ones
for all steps, and the smoothed curve of each draw is computed. The range consists of the contiguous
doses around the optimum at which the score is at most 0.1 octave below the optimum in at least half
of the draws.

**Still rising.** No range is given if the maximum is at the last view in at least half of the
draws, or if the optimum is in the last fifth of the dose and no later dose is worse by 0.1 octave:
the curve is then rising or flat.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tomoscore_scipion.dose.agreement import correlation
from tomoscore_scipion.records.bands import tomoscore

WITHIN_OCTAVE = 0.1
MAJORITY = 0.5
DRAWS = 300
TILES_PER_INDEPENDENT = 4
"""Half-overlapping tiles per independent tile."""
MIN_VIEWS = 5
"""Smallest number of views at the optimum."""
MIN_SCORE = 0.1
"""Smallest score at the optimum, octaves; below it nothing can be distinguished."""
SMOOTHING_SPAN = 0.25
"""Fraction of the steps in a local quadratic regression."""
MIN_STEPS = 6
LATE_FRACTION = 0.8
"""Fraction of the total dose from which an optimum needs a worse dose after it."""

STILL_RISING = "still rising at the last view"
NO_FALL = f"{STILL_RISING}, or level: no fall is seen"
NOTHING_SEEN = "nothing can be distinguished at any dose"
AT_THE_START = "highest at the first dose that can be judged"
TOO_FEW = "too few views for a curve"


@dataclass(frozen=True)
class Measured:
    """Measurements for one kind of curve.

    Attributes:
        units: (3, n_units, n_steps, N_BANDS) from `Agreement.units`; the last step has all views.
        slice_of_unit: (n_units,) index of the slice of each unit, 0 to n_slices - 1.
        predicted: (n_slices, N_BANDS) predicted R of the tomogram of all views.
        content: (n_slices, N_BANDS) predicted content, the weight of these slices.
    """

    units: np.ndarray
    slice_of_unit: np.ndarray
    predicted: np.ndarray
    content: np.ndarray


@dataclass(frozen=True)
class DoseCurve:
    """TomoScore over dose.

    Attributes:
        score: (n_steps,) octaves.
        sd: (n_steps,) sampling error by bootstrap, octaves.
        smooth: (n_steps,) smoothed score.
        draws: (n_draws, n_steps) smoothed scores of the paired bootstrap.
        factor: (N_BANDS,) ratio of R to the measured m, 0 to 1.
    """

    score: np.ndarray
    sd: np.ndarray
    smooth: np.ndarray
    draws: np.ndarray
    factor: np.ndarray


@dataclass(frozen=True)
class Optimum:
    """The optimal dose of a curve and its range.

    Attributes:
        step: index of the maximum of the smoothed curve; the last step if the curve is still
            rising.
        steps_within: (first, last) step of the range; None if there is no range.
        reason: why there is no range; None if there is one.
    """

    step: int
    steps_within: tuple[int, int] | None
    reason: str | None


def dose_curve(
    measured: Measured, below_nyquist: np.ndarray, factor: np.ndarray | None = None
) -> DoseCurve:
    """Compute a curve and its bootstrap draws.

    Args:
        measured: the measurements.
        below_nyquist: (N_BANDS,) fraction of each band below Nyquist, 0 to 1.
        factor: (N_BANDS,) ratio of R to m; None to compute it from the last step.
    """
    counts, slice_counts = _draw(measured.slice_of_unit, len(measured.predicted))
    smoother = smoothing(measured.units.shape[2])
    drawn = correlation(measured.units, counts)
    predicted_draws = slice_counts @ (measured.content * measured.predicted)
    predicted_draws /= np.maximum(slice_counts @ measured.content, 1e-9)
    of_draw = factors(drawn[:, -1], predicted_draws) if factor is None else factor
    scores = tomoscore(drawn * of_draw[..., None, :], below_nyquist)
    all_tiles = correlation(measured.units)
    if factor is None:
        predicted = np.average(measured.predicted, axis=0, weights=measured.content)
        factor = factors(all_tiles[-1], predicted)
    score = tomoscore(all_tiles * factor, below_nyquist)
    return DoseCurve(score, scores.std(axis=0), smoother @ score, scores @ smoother.T, factor)


def factors(agreement: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Ratio of the predicted R to the measured m, (..., N_BANDS) each, limited to 0 to 1."""
    positive = agreement > 0
    return np.where(
        positive, np.clip(predicted / np.where(positive, agreement, 1.0), 0.0, 1.0), 0.0
    )


def smoothing(n_steps: int) -> np.ndarray:
    """Matrix of local quadratic regression with tricube weights.

    See Cleveland, J. Am. Stat. Assoc. 74, 829 (1979).

    Returns:
        (n_steps, n_steps), to be multiplied with the scores of the steps.
    """
    matrix = np.eye(n_steps)
    reach = max(2.5, SMOOTHING_SPAN * n_steps / 2)
    steps = np.arange(n_steps, dtype=np.float64)
    if n_steps < MIN_STEPS:
        return matrix
    for step in range(n_steps):
        distance = np.abs(steps - step)
        # Near the ends the span has as many steps as in the middle.
        width = max(reach, np.sort(distance)[min(n_steps - 1, int(2 * reach))])
        weight = np.clip(1 - (distance / (width * 1.001)) ** 3, 0, None) ** 3
        basis = np.vander((steps - step) / width, 3, increasing=True)
        normal = basis.T @ (weight[:, None] * basis)
        matrix[step] = np.linalg.solve(normal, basis.T * weight)[0]
    return matrix


def find_optimum(curve: DoseCurve, n_views: np.ndarray, dose: np.ndarray) -> Optimum:
    """Find the optimum and the range of a curve.

    Args:
        curve: curve from `dose_curve`.
        n_views: (n_steps,) number of views of each step; the last step has all views.
        dose: (n_steps,) accumulated dose of each step, e/A^2.
    """
    last = len(curve.smooth) - 1
    judged = np.flatnonzero(n_views >= MIN_VIEWS)
    if len(judged) < MIN_STEPS:
        return Optimum(last, None, TOO_FEW)
    step = int(judged[np.argmax(curve.smooth[judged])])
    if curve.smooth[step] < MIN_SCORE:
        return Optimum(step, None, NOTHING_SEEN)
    at = judged[np.argmax(curve.draws[:, judged], axis=1)]
    if np.mean(at == last) >= MAJORITY:
        return Optimum(last, None, STILL_RISING)
    if np.mean(at == judged[0]) >= MAJORITY:
        return Optimum(step, None, AT_THE_START)
    worse_by = curve.draws[:, [step]] - curve.draws
    in_range = np.mean(worse_by <= WITHIN_OCTAVE, axis=0) >= MAJORITY
    first, last_in_range = _run_around(step, in_range, int(judged[0]), last)
    if last_in_range == last and dose[step] >= LATE_FRACTION * dose[last]:
        return Optimum(step, None, NO_FALL)
    return Optimum(step, (first, last_in_range), None)


def _run_around(step: int, in_range: np.ndarray, lowest: int, highest: int) -> tuple[int, int]:
    """First and last step of the contiguous steps within the range around `step`."""
    first = last = step
    while first > lowest and in_range[first - 1]:
        first -= 1
    while last < highest and in_range[last + 1]:
        last += 1
    return first, last


def _draw(slice_of_unit: np.ndarray, n_slices: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights of units and of slices in each draw, (DRAWS, n_units) and (DRAWS, n_slices)."""
    rng = np.random.default_rng(0)
    slices = rng.multinomial(n_slices, np.full(n_slices, 1 / n_slices), size=DRAWS)
    # Gamma weights with mean 1 and the variance of counts of the independent tiles.
    tiles = rng.gamma(1 / TILES_PER_INDEPENDENT, TILES_PER_INDEPENDENT, (DRAWS, len(slice_of_unit)))
    return slices[:, slice_of_unit] * tiles, slices.astype(np.float64)
