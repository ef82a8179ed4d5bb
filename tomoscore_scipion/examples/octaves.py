# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights of the octaves of the curve that separate examples better than the score.

The score is the sum of the visible fractions of the octaves. A user who needs membranes, or
ribosomes, may weigh octaves differently. A logistic regression on the octaves, with a penalty on
differences between weights, is used if it predicts left-out examples better than the score, beyond
chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

import numpy as np

from tomoscore_scipion.examples.fit import INTERCEPT_RIDGE, RIDGE, logistic
from tomoscore_scipion.records.bands import N_SCORED

MIN_EXAMPLES = 30
"""Smallest number of examples for a fit of weights of octaves."""
FOLDS = 10
"""Number of folds of the cross-validation."""
DIFFERENCE_PENALTY = 0.5
"""Penalty on the squared differences between weights of octaves."""
MIN_STANDARD_ERRORS = 1.6449
"""Number of standard errors by which the cross-validated loss must be lower."""


@dataclass(frozen=True)
class OctaveWeights:
    """Weights of octaves.

    Attributes:
        weights: (N_SCORED,) weight of the visible fraction of each octave, coarsest first.
        intercept: a tomogram is accepted if the weighted sum plus the intercept is 0 or more.
        agreement: fraction of the examples that are classified as marked, 0 to 1.
        agreement_left_out: the same for left-out examples, cross-validated.
    """

    weights: tuple[float, ...]
    intercept: float
    agreement: float
    agreement_left_out: float


def octave_weights(
    good: Mapping[str, np.ndarray], bad: Mapping[str, np.ndarray]
) -> OctaveWeights | None:
    """Fit weights of octaves.

    Args:
        good: {id: (N_SCORED,) visible fraction of each octave, 0 to 1} of the good examples.
        bad: the same for the bad examples.

    Returns:
        The weights; None with fewer than `MIN_EXAMPLES` examples, or if the score separates them
        as well.
    """
    if len(good) + len(bad) < MIN_EXAMPLES:
        return None
    visible = np.array([*good.values(), *bad.values()])
    is_good = np.repeat([1.0, 0.0], [len(good), len(bad)])
    by_score, by_octaves = (_left_out(visible, is_good, free) for free in (False, True))
    gain = _loss(by_score, is_good) - _loss(by_octaves, is_good)
    if gain.mean() <= MIN_STANDARD_ERRORS * gain.std(ddof=1) / np.sqrt(len(gain)):
        return None
    weights, intercept = _fit(visible, is_good, free=True)
    return OctaveWeights(
        weights=tuple(map(float, weights)),
        intercept=intercept,
        agreement=float((((visible @ weights + intercept) >= 0) == is_good).mean()),
        agreement_left_out=float(((by_octaves >= 0) == is_good).mean()),
    )


def _fit(visible: np.ndarray, is_good: np.ndarray, free: bool) -> tuple[np.ndarray, float]:
    """Weights of octaves and intercept; equal weights unless they are free."""
    if not free:
        scores = visible.sum(axis=1, keepdims=True)
        slope, intercept = _fit_columns(scores, is_good, np.zeros((1, 1)))
        return np.repeat(slope, N_SCORED), float(intercept)
    differences = np.eye(N_SCORED) - 1 / N_SCORED
    weights, intercept = _fit_columns(visible, is_good, DIFFERENCE_PENALTY * differences)
    return weights, float(intercept)


def _fit_columns(
    columns: np.ndarray, is_good: np.ndarray, penalty: np.ndarray
) -> tuple[np.ndarray, float]:
    n, m = columns.shape
    full_penalty = np.zeros((m + 1, m + 1))
    full_penalty[:m, :m] = penalty + RIDGE * np.eye(m)
    full_penalty[m, m] = INTERCEPT_RIDGE
    centre = columns.mean(axis=0)
    coefficients = logistic(np.hstack([columns - centre, np.ones((n, 1))]), is_good, full_penalty)
    return coefficients[:m], float(coefficients[m] - coefficients[:m] @ centre)


def _left_out(visible: np.ndarray, is_good: np.ndarray, free: bool) -> np.ndarray:
    """Logarithm of the odds of each example from a fit without it, (n,)."""
    log_odds = np.zeros(len(visible))
    fold = np.arange(len(visible)) % FOLDS
    for left_out in range(FOLDS):
        weights, intercept = _fit(visible[fold != left_out], is_good[fold != left_out], free)
        log_odds[fold == left_out] = visible[fold == left_out] @ weights + intercept
    return log_odds


def _loss(log_odds: np.ndarray, is_good: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, np.where(is_good == 1, -log_odds, log_odds))
