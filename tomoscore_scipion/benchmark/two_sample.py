# SPDX-License-Identifier: GPL-3.0-or-later
"""Classifier two-sample test: how well do statistics of tiles separate two sets of images?

A logistic regression is trained on some images and tested on others of other sources. An AUC of 0.5
means that the two sets cannot be separated, 1 that they always can (Lopez-Paz and Oquab, Revisiting
classifier two-sample tests, ICLR 2017). It finds what the sources of a set have in common. What
each source has of its own is found by the Mahalanobis distance of tiles from the second set, as
estimated without the images that are tested. All images have the same weight. Where the sets do not
differ, an AUC may lie below 0.5: images that are left out of the training deviate the other way.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Sequence

import numpy as np

from tomoscore_scipion.examples.fit import INTERCEPT_RIDGE, logistic
from tomoscore_scipion.model.features import N_RATIOS, RATIOS
from tomoscore_scipion.model.network import RATIO_LIMIT
from tomoscore_scipion.model.octaves import OCTAVES

FOLDS = 5
MIN_SOURCES = 3
"""Smallest number of sources of a set."""
PENALTY = 0.05
"""Weight of the squared coefficients in the loss of the regression, and variance that is added to
each statistic before the Mahalanobis distance; statistics are standardised."""
TOP = 10
"""Number of statistics that are listed per octave."""
DIGITS = 4


@dataclass(frozen=True)
class TileSet:
    """Statistics of the tiles of one image.

    Attributes:
        source: where the image comes from; images of one source are never in training and test.
        kind: "raw", "denoised" or another word.
        ratios: (tiles, OCTAVES, N_RATIOS) of `features.RATIO_TABLE`; NaN where the image does not
            have a statistic, as in octaves beyond Nyquist.
        weight: (tiles,) fraction of the tile that holds data, more than 0.
    """

    source: str
    kind: str
    ratios: np.ndarray
    weight: np.ndarray

    def __post_init__(self) -> None:
        expected = (len(self.weight), OCTAVES, N_RATIOS)
        if self.ratios.shape != expected or not (self.weight > 0).all():
            raise ValueError(
                f"expected ratios of shape {expected} and positive weights, got ratios of shape "
                f"{self.ratios.shape} and weights {self.weight}"
            )


@dataclass(frozen=True)
class _Table:
    """Tiles of one octave of both sets.

    Attributes:
        values: (n, statistics), NaN where a tile does not have one.
        first: (n,) bool, whether the tile is of the first set.
        weight: (n,) weights; they sum to 1 for each image.
        fold: (n,) fold of its source.
        columns: (statistics,) index in `RATIOS` of each column.
    """

    values: np.ndarray
    first: np.ndarray
    weight: np.ndarray
    fold: np.ndarray
    columns: np.ndarray


def separation(first: Sequence[TileSet], second: Sequence[TileSet]) -> list[dict[str, Any] | None]:
    """Separate two sets of images, octave by octave.

    Args:
        first: images of the first set, such as real ones.
        second: images of the second set, such as simulated ones.

    Returns:
        For each octave, finest first, the keys "images" and "sources" (of both sets), "auc" (mean
        over the folds), "auc_range" (lowest and highest fold), "distance_auc" and
        "distance_auc_range" (of the distance from the second set) and "statistics": the `TOP`
        statistics whose own AUC over all tiles is farthest from 0.5, each with "name", "auc" (above
        0.5: larger in the first set) and "auc_range". None where a set has fewer than
        `MIN_SOURCES` sources.
    """
    return [_separation_of(octave, first, second) for octave in range(OCTAVES)]


def _separation_of(
    octave: int, first: Sequence[TileSet], second: Sequence[TileSet]
) -> dict[str, Any] | None:
    sets = [[s for s in images if _has(s, octave)] for images in (first, second)]
    sources = [len({s.source for s in images}) for images in sets]
    if min(sources) < MIN_SOURCES:
        return None
    table = _table(octave, *sets)
    folds = range(1 + int(table.fold.max()))
    by_fold, distance_by_fold = zip(*(_fold_aucs(table, fold) for fold in folds))
    return {
        "images": [len(images) for images in sets],
        "sources": sources,
        "auc": round(float(np.mean(by_fold)), DIGITS),
        "auc_range": _range(by_fold),
        "distance_auc": round(float(np.mean(distance_by_fold)), DIGITS),
        "distance_auc_range": _range(distance_by_fold),
        "statistics": _statistics(table, folds),
    }


def _has(image: TileSet, octave: int) -> bool:
    return bool(np.isfinite(image.ratios[:, octave]).any())


def folds_of(sources: Sequence[str], n_folds: int) -> np.ndarray:
    """Distribute sources over folds of about the same number of images.

    Args:
        sources: the source of each image.
        n_folds: number of folds, at most the number of different sources.

    Returns:
        (len(sources),) int, 0 to n_folds - 1; equal sources have equal folds, and none is empty.
    """
    size, fold = [0] * n_folds, {}
    for source, count in sorted(Counter(sources).items(), key=lambda item: (-item[1], item[0])):
        fold[source] = size.index(min(size))
        size[fold[source]] += count
    return np.array([fold[source] for source in sources])


def _table(octave: int, first: Sequence[TileSet], second: Sequence[TileSet]) -> _Table:
    images = [*first, *second]
    values = np.concatenate([s.ratios[:, octave] for s in images]).astype(np.float64)
    counts = [len(s.weight) for s in images]
    names = [[s.source for s in part] for part in (first, second)]
    n_folds = min(FOLDS, *(len(set(part)) for part in names))
    varying = np.nanmax(values, axis=0, initial=-np.inf) > np.nanmin(values, axis=0, initial=np.inf)
    columns = np.flatnonzero(varying)
    return _Table(
        values[:, columns],
        np.repeat(np.arange(len(images)) < len(first), counts),
        np.concatenate([s.weight / s.weight.sum() for s in images]),
        np.repeat(np.concatenate([folds_of(part, n_folds) for part in names]), counts),
        columns,
    )


def _fold_aucs(table: _Table, fold: int) -> tuple[float, float]:
    """AUC of the regression and of the distance in a fold, both trained on the other folds."""
    test = table.fold == fold
    train, second = ~test, ~test & ~table.first
    weight = _balanced(table.weight[train], table.first[train])
    scaled = _scaled(table.values, train, weight)
    coefficients, intercept = logistic_regression(scaled[train], table.first[train], weight)
    reference = _scaled(table.values, second, table.weight[second])
    predictions = (
        scaled @ coefficients + intercept,
        _distance(reference, second, table.weight[second]),
    )
    one, other = (auc(v[test], table.first[test], table.weight[test]) for v in predictions)
    return one, other


def _scaled(values: np.ndarray, rows: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """All tiles, standardised by the chosen ones and clipped; the mean where a value is missing."""
    mean, std = _weighted_moments(values[rows], weight)
    return np.clip(np.nan_to_num((values - mean) / std), -RATIO_LIMIT, RATIO_LIMIT)


def _distance(scaled: np.ndarray, rows: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Squared Mahalanobis distance of all tiles from the chosen ones, (n,)."""
    weight = weight / weight.sum()
    centred = scaled - weight @ scaled[rows]
    covariance = (weight[:, None] * centred[rows]).T @ centred[rows]
    covariance += PENALTY * np.eye(len(covariance))
    return np.einsum("ns,ns->n", centred, np.linalg.solve(covariance, centred.T).T)


def _statistics(table: _Table, folds: range) -> list[dict[str, Any]]:
    """The statistics that separate best on their own."""
    rows = []
    for column, values in zip(table.columns, table.values.T):
        is_finite = np.isfinite(values)
        parts = [is_finite, *(is_finite & (table.fold == fold) for fold in folds)]
        overall, *by_fold = (auc(values[p], table.first[p], table.weight[p]) for p in parts)
        row = {"name": RATIOS[column], "auc": round(overall, DIGITS), "auc_range": _range(by_fold)}
        rows.append(row)
    with_auc = [row for row in rows if np.isfinite(row["auc"])]
    return sorted(with_auc, key=lambda row: -abs(row["auc"] - 0.5))[:TOP]


def _range(values: Sequence[float]) -> list[float]:
    return [round(float(np.nanmin(values)), DIGITS), round(float(np.nanmax(values)), DIGITS)]


def _balanced(weight: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Weights that sum to 1/2 in each set."""
    return 0.5 * np.where(first, weight / weight[first].sum(), weight / weight[~first].sum())


def _weighted_moments(values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column of finite values, (statistics,) each."""
    weights = np.isfinite(values) * weight[:, None]
    weights /= np.maximum(weights.sum(axis=0), 1e-12)
    filled = np.nan_to_num(values)
    mean = (weights * filled).sum(axis=0)
    variance = (weights * (filled - mean) ** 2).sum(axis=0)
    return mean, np.sqrt(np.maximum(variance, 1e-12))


def logistic_regression(
    values: np.ndarray, positive: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, float]:
    """Fit a logistic regression with a penalty on the squared coefficients.

    Args:
        values: (n, statistics) standardised.
        positive: (n,) bool.
        weight: (n,) weights, sum 1.

    Returns:
        Coefficients, (statistics,), and intercept.
    """
    design = np.hstack([values, np.ones((len(values), 1))])
    penalty = np.diag([*np.full(values.shape[1], PENALTY), INTERCEPT_RIDGE])
    coefficients = logistic(design, positive, penalty, weight)
    return coefficients[:-1], float(coefficients[-1])


def auc(values: np.ndarray, positive: np.ndarray, weight: np.ndarray) -> float:
    """Area under the ROC curve of weighted cases.

    Args:
        values: (n,).
        positive: (n,) bool.
        weight: (n,) weights of the cases.

    Returns:
        Probability that a positive case has a larger value than a negative one; ties count half.
        NaN where there are no cases of either.
    """
    distinct, at = np.unique(values, return_inverse=True)
    above = np.bincount(at, weight * positive, len(distinct))
    below = np.bincount(at, weight * ~positive, len(distinct))
    total = above.sum() * below.sum()
    return float(above @ (np.cumsum(below) - below / 2) / total) if total > 0 else float("nan")
