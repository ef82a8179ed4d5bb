# SPDX-License-Identifier: GPL-3.0-or-later
"""From measurements over dose to curves, an optimum and a range.

**Level and shape.** The network knows the absolute level of R in a finished tomogram, but the
tomograms of the first views of a series, of a few degrees of tilt, are unlike any that it was
trained on, and it does not see which views no longer fit the others. How the tomograms of one
series differ is measured instead (`agreement.py`). So R of a step is the measured m times one
factor per band, with which m fits the network's curves of the steps of enough range best (least
squares); the factor is at most 1, as it is the correlation of a reference with the specimen.

**Optimum.** The curve is smoothed over the steps by local quadratics (a step adds a view, and views
come from the left and the right by turns). Its maximum among the steps of enough range is the
optimum.

**Range, by paired bootstrap.** Slices, and tiles in them, are drawn with replacement, the same for
every step; each draw goes the whole way to a smoothed curve. A dose belongs to the range unless in
95 % of the draws its score lies more than 0.1 octave below that of the optimum. Where the maximum
of half of the draws or more is at the last view, the curve is still rising there, and no range is
given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tomoscore_scipion.dose.agreement import correlation
from tomoscore_scipion.engine.bands import tomoscore

WITHIN_OCTAVE = 0.1
CONFIDENCE = 0.95
DRAWS = 300
INDEPENDENT_TILES = 4
"""Half-overlapping tiles: about one in so many is independent."""
SPAN_DEG = 40.0
"""Range of angles from which on a step can be the optimum: the least that training has, +-20."""
NOTHING = 0.1
"""Octaves below which nothing can be told apart at any dose."""
SMOOTH_SHARE = 0.25
"""Share of the steps that a local quadratic spans."""
FEWEST_STEPS = 4

STILL_RISING = "still rising at the last view"
NOTHING_SEEN = "nothing can be distinguished at any dose"
AT_THE_START = "highest at the first dose that can be judged"
TOO_FEW = "too few views: no curve"


@dataclass(frozen=True)
class Measured:
    """What was measured of one kind of curve.

    Attributes:
        units: (3, n_units, n_steps, N_BANDS) from `Agreement.units`.
        slice_of_unit: (n_units,) the slice of each unit, 0 to n_slices - 1.
        network: (n_scored, n_slices, N_BANDS) curves by the network of some steps.
        scored: (n_scored,) which steps these are.
    """

    units: np.ndarray
    slice_of_unit: np.ndarray
    network: np.ndarray
    scored: np.ndarray


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
        step: index of the maximum of the smoothed curve among the steps of enough range.
        steps_within: (first, last) step of the range; None with a reason.
        reason: why there is no range.
    """

    step: int
    steps_within: tuple[int, int] | None
    reason: str | None


def dose_curve(
    measured: Measured, fit: np.ndarray, share: np.ndarray, factor: np.ndarray | None = None
) -> DoseCurve:
    """The curve of one kind of steps, with its bootstrap.

    Args:
        measured: what was measured.
        fit: (n_scored,) bool, the scored steps that the factors are fitted to; at least one.
        share: (N_BANDS,) share of the bands below Nyquist.
        factor: (N_BANDS,) taken instead of fitting one.
    """
    counts, slice_counts = _draw(measured.slice_of_unit, measured.network.shape[1])
    n_steps = measured.units.shape[2]
    smoother = smoothing(n_steps)
    agreements = correlation(measured.units, counts)
    scores = np.empty((len(counts), n_steps))
    for draw, (agreement, weight) in enumerate(zip(agreements, slice_counts)):
        fitted = factor
        if fitted is None:
            level = np.average(measured.network[fit], axis=1, weights=weight)
            fitted = factors(agreement[measured.scored[fit]], level)
        scores[draw] = tomoscore(agreement * fitted, share)
    best = correlation(measured.units)
    if factor is None:
        factor = factors(best[measured.scored[fit]], measured.network[fit].mean(axis=1))
    score = tomoscore(best * factor, share)
    return DoseCurve(score, scores.std(axis=0), smoother @ score, scores @ smoother.T, factor)


def factors(agreement: np.ndarray, level: np.ndarray) -> np.ndarray:
    """The factor per band, 0 to 1, with which agreement (n, N_BANDS) fits the level best."""
    power = (agreement**2).sum(axis=0)
    fitted = (agreement * level).sum(axis=0) / np.where(power > 0, power, 1.0)
    return np.where(power > 0, np.clip(fitted, 0.0, 1.0), 0.0)


def smoothing(n_steps: int) -> np.ndarray:
    """Matrix (n_steps, n_steps) of local quadratic smoothing over the steps, tricube weights."""
    matrix = np.eye(n_steps)
    reach = max(2.5, SMOOTH_SHARE * n_steps / 2)
    places = np.arange(n_steps, dtype=np.float64)
    if n_steps < 2 * FEWEST_STEPS:
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


def find_optimum(curve: DoseCurve, span_deg: np.ndarray) -> Optimum:
    """Optimum and range of a curve.

    Args:
        curve: from `dose_curve`.
        span_deg: (n_steps,) range of angles of each step; the whole series is the last.
    """
    last = len(curve.smooth) - 1
    judged = np.flatnonzero(span_deg >= min(SPAN_DEG, span_deg[-1] * 2 / 3))
    step = int(judged[np.argmax(curve.smooth[judged])])
    if len(judged) < FEWEST_STEPS:
        return Optimum(last, None, TOO_FEW)
    if curve.smooth[step] < NOTHING:
        return Optimum(step, None, NOTHING_SEEN)
    at = judged[np.argmax(curve.draws[:, judged], axis=1)]
    if np.mean(at == last) >= 0.5:
        return Optimum(last, None, STILL_RISING)
    if np.mean(at == judged[0]) >= 0.5:
        return Optimum(step, None, AT_THE_START)
    worse = curve.draws[:, [step]] - curve.draws > WITHIN_OCTAVE
    fine = worse.mean(axis=0) < CONFIDENCE
    first = step
    while first > judged[0] and fine[first - 1]:
        first -= 1
    beyond = step
    while beyond < last and fine[beyond + 1]:
        beyond += 1
    return Optimum(step, (first, beyond), None)


def _draw(slice_of_unit: np.ndarray, n_slices: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each unit, and each slice, counts in each draw: (DRAWS, n_units), (DRAWS, n)."""
    rng = np.random.default_rng(0)
    slices = rng.multinomial(n_slices, np.full(n_slices, 1 / n_slices), size=DRAWS)
    # Mean 1, and the variance that counts of fewer, independent tiles would have.
    tiles = rng.gamma(1 / INDEPENDENT_TILES, INDEPENDENT_TILES, (DRAWS, len(slice_of_unit)))
    return slices[:, slice_of_unit] * tiles, slices.astype(np.float64)
