# SPDX-License-Identifier: GPL-3.0-or-later
"""A threshold from examples: logistic regression on the score, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

import numpy as np

from tomoscore_scipion.records.bands import N_SCORED

MIN_OF_EACH = 3
MIN_EXAMPLES = 10
"""Smallest number of good and of bad examples, and of all examples, for a threshold."""
DRAWS = 300
"""Bootstrap samples of an interval."""
STEPS = 60
"""Largest number of Newton steps."""
INTERCEPT_RIDGE = 1e-6
"""Penalty on the squared intercept, for numerical stability."""
RIDGE = 0.05
"""Penalty on the squared slope, which keeps it finite for examples that a threshold separates."""


@dataclass(frozen=True)
class Threshold:
    """A threshold from examples.

    Attributes:
        threshold: TomoScore at which a tomogram is equally likely good or bad, octaves.
        interval: 90 % interval (low, high) of the threshold, from examples drawn with replacement.
        slope: slope of the logarithm of the odds, per octave.
        auroc: probability that a good example scores higher than a bad one.
        auroc_interval: 90 % interval (low, high) of `auroc`.
        agreement: fraction of the examples on the right side of the threshold, 0 to 1.
        good: number of good examples.
        bad: number of bad examples.
        disagree: (id, score, whether marked good) of the examples on the wrong side of the
            threshold, farthest first.
        roc: (fraction of bad accepted, fraction of good accepted), from the highest score down.
    """

    threshold: float
    interval: tuple[float, float]
    slope: float
    auroc: float
    auroc_interval: tuple[float, float]
    agreement: float
    good: int
    bad: int
    disagree: tuple[tuple[str, float, bool], ...]
    roc: tuple[tuple[float, float], ...]

    @property
    def separates(self) -> bool:
        """Whether good examples score higher than bad ones, beyond chance."""
        return self.auroc_interval[0] > 0.5


def threshold_of(good: Mapping[str, float], bad: Mapping[str, float]) -> Threshold:
    """Fit a threshold to examples.

    Args:
        good: {id: TomoScore in octaves} of the good examples.
        bad: the same for the bad examples.

    Returns:
        The threshold with 90 % intervals.

    Raises:
        ValueError: there are too few examples.
    """
    check_enough(good, bad)
    high, low = (np.array(list(scores.values()), dtype=float) for scores in (good, bad))
    middle, slope = _logistic(high, low)
    rng = np.random.default_rng(0)
    draws = [(rng.choice(high, len(high)), rng.choice(low, len(low))) for _ in range(DRAWS)]
    middles = [_logistic(*drawn)[0] for drawn in draws]
    areas = [auroc(*drawn) for drawn in draws]
    marked = [(i, s, True) for i, s in good.items()] + [(i, s, False) for i, s in bad.items()]
    other_side = [mark for mark in marked if (mark[1] >= middle) != mark[2]]
    return Threshold(
        threshold=middle,
        interval=_ends(middles),
        slope=slope,
        auroc=auroc(high, low),
        auroc_interval=_ends(areas),
        agreement=1 - len(other_side) / len(marked),
        good=len(good),
        bad=len(bad),
        disagree=tuple(sorted(other_side, key=lambda mark: -abs(mark[1] - middle))),
        roc=_roc(high, low),
    )


def check_enough(good: Mapping[str, float], bad: Mapping[str, float]) -> None:
    """Check that there are enough examples for a threshold.

    Args:
        good: {id: TomoScore} of the good examples.
        bad: the same for the bad examples.

    Raises:
        ValueError: there are too few examples; the message says how many.
    """
    few = min(len(good), len(bad)) < MIN_OF_EACH or len(good) + len(bad) < MIN_EXAMPLES
    if few:
        raise ValueError(
            f"expected at least {MIN_EXAMPLES} examples, {MIN_OF_EACH} good and {MIN_OF_EACH} bad "
            f"ones among them, found {len(good)} good and {len(bad)} bad: mark more tomograms"
        )


def _logistic(high: np.ndarray, low: np.ndarray) -> tuple[float, float]:
    """Threshold and slope by Newton's method.

    The threshold is limited to the range of the scores. If bad examples score higher than good
    ones, it is in the middle of the two means, and `auroc` is less than 0.5.
    """
    x = np.concatenate([high, low])
    y = np.concatenate([np.ones(len(high)), np.zeros(len(low))])
    centre = (high.mean() + low.mean()) / 2
    design = np.stack([x - centre, np.ones(len(x))], axis=1)
    coefficients = logistic(design, y, np.diag([RIDGE, INTERCEPT_RIDGE]))
    slope = float(coefficients[0])
    middle = centre - coefficients[1] / slope if slope > 1e-3 else centre
    return float(np.clip(middle, max(x.min(), 0.0), min(x.max(), N_SCORED))), slope


def logistic(
    design: np.ndarray,
    is_good: np.ndarray,
    penalty: np.ndarray,
    weight: np.ndarray | None = None,
) -> np.ndarray:
    """Coefficients of a logistic regression, (m,), by Newton's method.

    Args:
        design: (n, m) values of the examples.
        is_good: (n,) 1 for good examples, 0 for bad ones.
        penalty: (m, m) matrix P of the penalty c P c / 2 of coefficients c; positive definite.
        weight: (n,) weights of the examples in the loss; 1 each when None.
    """
    weight = np.ones(len(design)) if weight is None else weight
    coefficients = np.zeros(design.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(design @ coefficients, -30, 30)))
        gradient = design.T @ (weight * (p - is_good)) + penalty @ coefficients
        curvature = (design * (weight * (p * (1 - p) + 1e-9))[:, None]).T @ design + penalty
        step = np.linalg.solve(curvature, gradient)
        coefficients -= np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-8:
            break
    return coefficients


def auroc(high: np.ndarray, low: np.ndarray) -> float:
    """Probability that a value of `high` is above one of `low`; ties count half."""
    above = high[:, None] - low[None, :]
    return float((above > 0).mean() + 0.5 * (above == 0).mean())


def _roc(high: np.ndarray, low: np.ndarray) -> tuple[tuple[float, float], ...]:
    steps = sorted({*high.tolist(), *low.tolist()}, reverse=True)
    curve = [(float((low >= s).mean()), float((high >= s).mean())) for s in steps]
    return ((0.0, 0.0), *curve)


def _ends(values: list[float]) -> tuple[float, float]:
    low, high = np.quantile(values, [0.05, 0.95])
    return float(low), float(high)
