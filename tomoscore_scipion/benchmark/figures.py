# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of a comparison of scores with their truth."""

from __future__ import annotations

from typing import Any

import numpy as np

from tomoscore_scipion.benchmark.fresh import Comparison
from tomoscore_scipion.examples.fit import auroc
from tomoscore_scipion.records.bands import N_BANDS

RANK_DRAWS = 1000
"""Number of bootstrap draws for the interval of the rank correlation."""
MIN_TRUE_DIFFERENCE = 0.3
"""Pairs of tomograms of a specimen count if their truths differ by more than this, in octaves."""


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation; NaN where one of the two does not vary."""
    from scipy.stats import spearmanr

    return float(spearmanr(a, b)[0])


def figures_of(result: Comparison) -> dict[str, Any]:
    """The figures of a comparison, rounded to four digits; errors and widths in octaves.

    The scale in octaves below 128 nm is the score itself, so that errors of the score are those of
    the resolvable scale.
    """
    error = result.predicted - result.truth
    is_better = result.truth > np.median(result.truth)
    inside = (result.low <= result.truth) & (result.truth <= result.high)
    figures = {
        "tomograms": len(error),
        "rank_correlation": rank_correlation(result.predicted, result.truth),
        "mean_absolute_error": np.abs(error).mean(),
        "constant_predictor_error": constant_error(result.truth),
        "bias": error.mean(),
        "better_half_auroc": auroc(result.predicted[is_better], result.predicted[~is_better]),
        "pairs_in_order": pairs_in_order(result),
        "interval_coverage": inside.mean(),
        "interval_median_width": np.median(result.high - result.low),
        "slices": len(result.slice_predicted),
        "slice_rank_correlation": rank_correlation(result.slice_predicted, result.slice_truth),
        "slice_mean_absolute_error": np.abs(result.slice_predicted - result.slice_truth).mean(),
        "slice_constant_predictor_error": constant_error(result.slice_truth),
    }
    rounded: dict[str, Any] = {name: round(float(value), 4) for name, value in figures.items()}
    rounded["rank_correlation_90"] = rank_interval(result)
    rounded["band_correlation"] = [
        round(band_correlation(result.curve_predicted[:, b], result.curve_truth[:, b]), 4)
        for b in range(N_BANDS)
    ]
    return rounded


def rank_interval(result: Comparison) -> list[float]:
    """90 % interval of the rank correlation, by drawing specimens with replacement, 4 digits.

    The draws have a fixed seed. Draws without any spread of scores do not count.
    """
    rng = np.random.default_rng(0)
    members = [np.flatnonzero(result.specimen == s) for s in np.unique(result.specimen)]
    ranks = []
    for _ in range(RANK_DRAWS):
        drawn = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        predicted, truth = result.predicted[drawn], result.truth[drawn]
        if np.ptp(predicted) > 0 and np.ptp(truth) > 0:
            ranks.append(rank_correlation(predicted, truth))
    if not ranks:
        return [float("nan"), float("nan")]
    return [round(float(end), 4) for end in np.quantile(ranks, [0.05, 0.95])]


def constant_error(truth: np.ndarray) -> float:
    """Mean absolute error of the best constant, the median."""
    return float(np.abs(truth - np.median(truth)).mean())


def band_correlation(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Pearson correlation of a band over the tomograms that carry it."""
    carried = np.isfinite(predicted) & np.isfinite(truth)
    return float(np.corrcoef(predicted[carried], truth[carried])[0, 1])


def pairs_in_order(result: Comparison) -> float:
    """Share of the pairs of tomograms of one specimen, truths apart, that are in order."""
    true = result.truth[:, None] - result.truth[None, :]
    predicted = result.predicted[:, None] - result.predicted[None, :]
    judged = (result.specimen[:, None] == result.specimen[None, :]) & (true > MIN_TRUE_DIFFERENCE)
    return float((predicted[judged] > 0).mean()) if judged.any() else float("nan")
