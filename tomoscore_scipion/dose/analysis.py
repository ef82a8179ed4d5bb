# SPDX-License-Identifier: GPL-3.0-or-later
"""From measurements over dose to curves, an optimum and a range.

**Level and shape.** The level of R, the correlation with the specimen, is the network's, as it sees
it in the finished tomogram, the one of all views. How R differs between the tomograms of one series
is measured (`agreement.py`): those of the first views, of a few degrees of tilt, are unlike any
that the network was trained on, and it does not see which views no longer fit the others. So R of a
step is the measured m times one factor per band, the one that makes the last step what the network
says; the factor is at most 1, as it is the correlation of a reference with the specimen.

**Optimum.** The curve is smoothed over the steps by local quadratics (a step adds a view, and views
come from the left and the right by turns). The optimum is the step of its maximum.

**Range, by paired bootstrap.** Slices, and tiles in them, are drawn with replacement, the same for
every step; each draw goes the whole way to a smoothed curve. A dose belongs to the range if in half
of the draws or more its score is at most 0.1 octave below that of the optimum; from the optimum on
to both sides without a gap.

**Still rising**: the maximum of half of the draws or more is at the last view; or the optimum lies
in the last fifth of the dose and no dose after it is worse by 0.1 octave, so that nothing shows a
fall: the curve is rising, or level. No range is given then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tomoscore_scipion.dose.agreement import correlation
from tomoscore_scipion.records.bands import tomoscore

WITHIN_OCTAVE = 0.1
MAJORITY = 0.5
DRAWS = 300
INDEPENDENT_TILES = 4
"""Half-overlapping tiles: about one in so many is independent."""
FEWEST_VIEWS = 5
"""Views of the first step that can be the optimum."""
NOTHING = 0.1
"""Octaves below which nothing can be told apart at any dose."""
SMOOTH_SHARE = 0.25
"""Share of the steps that a local quadratic spans."""
FEWEST_STEPS = 6
LATE = 0.8
"""Share of the whole dose from which on an optimum without a fall after it is none."""

STILL_RISING = "still rising at the last view"
NO_FALL = f"{STILL_RISING}, or level: no fall is seen"
NOTHING_SEEN = "nothing can be distinguished at any dose"
AT_THE_START = "highest at the first dose that can be judged"
TOO_FEW = "too few views for a curve"


@dataclass(frozen=True)
class Measured:
    """What was measured of one kind of curve.

    Attributes:
        units: (3, n_units, n_steps, N_BANDS) from `Agreement.units`; the last step has all views.
        slice_of_unit: (n_units,) the slice of each unit, 0 to n_slices - 1.
        level: (n_slices, N_BANDS) curves by the network of the tomogram of all views.
        content: (n_slices, N_BANDS) by which these slices count.
    """

    units: np.ndarray
    slice_of_unit: np.ndarray
    level: np.ndarray
    content: np.ndarray


@dataclass(frozen=True)
class DoseCurve:
    """TomoScore over dose.

    Attributes:
        score: (n_steps,) octaves.
        sd: (n_steps,) sampling error by bootstrap, octaves.
        smooth: (n_steps,) smoothed score.
        draws: (n_draws, n_steps) smoothed scores of the paired bootstrap.
        factor: (N_BANDS,) by which agreement becomes R.
    """

    score: np.ndarray
    sd: np.ndarray
    smooth: np.ndarray
    draws: np.ndarray
    factor: np.ndarray


@dataclass(frozen=True)
class Optimum:
    """What a curve says.

    Attributes:
        step: index of the maximum of the smoothed curve, or the last step where it is still rising.
        steps_within: (first, last) step of the range; None with a reason.
        reason: why there is no range.
    """

    step: int
    steps_within: tuple[int, int] | None
    reason: str | None


def dose_curve(
    measured: Measured, share: np.ndarray, factor: np.ndarray | None = None
) -> DoseCurve:
    """The curve of one kind of steps, with its bootstrap.

    Args:
        measured: what was measured.
        share: (N_BANDS,) share of the bands below Nyquist.
        factor: (N_BANDS,) taken instead of the one that suits the last step.
    """
    counts, slice_counts = _draw(measured.slice_of_unit, len(measured.level))
    smoother = smoothing(measured.units.shape[2])
    drawn = correlation(measured.units, counts)
    levels = slice_counts @ (measured.content * measured.level)
    levels /= np.maximum(slice_counts @ measured.content, 1e-9)
    of_draw = factors(drawn[:, -1], levels) if factor is None else factor
    scores = tomoscore(drawn * of_draw[..., None, :], share)
    whole = correlation(measured.units)
    if factor is None:
        level = np.average(measured.level, axis=0, weights=measured.content)
        factor = factors(whole[-1], level)
    score = tomoscore(whole * factor, share)
    return DoseCurve(score, scores.std(axis=0), smoother @ score, scores @ smoother.T, factor)


def factors(agreement: np.ndarray, level: np.ndarray) -> np.ndarray:
    """The factor per band, 0 to 1, that makes agreement (..., N_BANDS) the level."""
    positive = agreement > 0
    return np.where(positive, np.clip(level / np.where(positive, agreement, 1.0), 0.0, 1.0), 0.0)


def smoothing(n_steps: int) -> np.ndarray:
    """Matrix (n_steps, n_steps) of local quadratic smoothing over the steps, tricube weights."""
    matrix = np.eye(n_steps)
    reach = max(2.5, SMOOTH_SHARE * n_steps / 2)
    places = np.arange(n_steps, dtype=np.float64)
    if n_steps < FEWEST_STEPS:
        return matrix
    for step in range(n_steps):
        distance = np.abs(places - step)
        # Near an end as many steps are looked at as in the middle.
        width = max(reach, np.sort(distance)[min(n_steps - 1, int(2 * reach))])
        weight = np.clip(1 - (distance / (width * 1.001)) ** 3, 0, None) ** 3
        basis = np.vander((places - step) / width, 3, increasing=True)
        normal = basis.T @ (weight[:, None] * basis)
        matrix[step] = np.linalg.solve(normal, basis.T * weight)[0]
    return matrix


def find_optimum(curve: DoseCurve, n_views: np.ndarray, dose: np.ndarray) -> Optimum:
    """Optimum and range of a curve.

    Args:
        curve: from `dose_curve`.
        n_views: (n_steps,) views of each step; the whole series is the last.
        dose: (n_steps,) of each step.
    """
    last = len(curve.smooth) - 1
    judged = np.flatnonzero(n_views >= FEWEST_VIEWS)
    if len(judged) < FEWEST_STEPS:
        return Optimum(last, None, TOO_FEW)
    step = int(judged[np.argmax(curve.smooth[judged])])
    if curve.smooth[step] < NOTHING:
        return Optimum(step, None, NOTHING_SEEN)
    at = judged[np.argmax(curve.draws[:, judged], axis=1)]
    if np.mean(at == last) >= MAJORITY:
        return Optimum(last, None, STILL_RISING)
    if np.mean(at == judged[0]) >= MAJORITY:
        return Optimum(step, None, AT_THE_START)
    worse_by = curve.draws[:, [step]] - curve.draws
    within = np.mean(worse_by <= WITHIN_OCTAVE, axis=0) >= MAJORITY
    first, beyond = _run_around(step, within, int(judged[0]), last)
    if beyond == last and dose[step] >= LATE * dose[last]:
        return Optimum(step, None, NO_FALL)
    return Optimum(step, (first, beyond), None)


def _run_around(step: int, within: np.ndarray, lowest: int, highest: int) -> tuple[int, int]:
    """First and last step of the run of steps within, the given one among them."""
    first = last = step
    while first > lowest and within[first - 1]:
        first -= 1
    while last < highest and within[last + 1]:
        last += 1
    return first, last


def _draw(slice_of_unit: np.ndarray, n_slices: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each unit, and each slice, counts in each draw: (DRAWS, n_units), (DRAWS, n)."""
    rng = np.random.default_rng(0)
    slices = rng.multinomial(n_slices, np.full(n_slices, 1 / n_slices), size=DRAWS)
    # Mean 1, and the variance that counts of fewer, independent tiles would have.
    tiles = rng.gamma(1 / INDEPENDENT_TILES, INDEPENDENT_TILES, (DRAWS, len(slice_of_unit)))
    return slices[:, slice_of_unit] * tiles, slices.astype(np.float64)
