# SPDX-License-Identifier: GPL-3.0-or-later
"""Paired comparison of scores of the same tilt series.

Tilt series differ from one another far more than the ways to process them. Each tilt series is
therefore compared with itself. The gain of one way over another is the mean difference of the
scores, with the percentile interval of a paired bootstrap (Efron and Tibshirani, An Introduction to
the Bootstrap, 1993, chapter 13): tilt series are drawn with replacement, with all their scores. The
interval covers the choice of tilt series from the session, but not errors that the model makes in
all of them. With K sets there are K (K - 1) / 2 intervals; each is widened so that all of them hold
together with the stated probability (Bonferroni).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Mapping, Sequence

import numpy as np

from tomoscore_scipion.comparison.ids import GIVE_IDS, some_of_each

CONFIDENCE = 0.95
"""Probability with which all intervals of a comparison hold together."""
RESAMPLES = 10_000
SEED = 20261122
"""Seed of the bootstrap: equal scores give equal intervals."""
MIN_SERIES = 6
"""Smallest number of tilt series for an interval. Five differences of the same sign occur by chance
with a probability of 2 / 2^5, more than 5 %."""
AT_ONCE = 2_000_000
"""Numbers that are drawn at once, to limit memory."""


@dataclass(frozen=True)
class Difference:
    """Gain of set `second` over set `first`, for the tilt series that all sets have.

    Attributes:
        first: index of a set.
        second: index of another set.
        mean: mean of score of second minus score of first, octaves.
        interval: (low, high) of the mean, octaves; None with fewer than `MIN_SERIES` tilt series.
        better: number of tilt series with the higher score in `second`.
        equal: number of tilt series with equal scores, within 0.005 octave.
        worse: number of tilt series with the lower score in `second`.
    """

    first: int
    second: int
    mean: float
    interval: tuple[float, float] | None
    better: int
    equal: int
    worse: int

    @property
    def decided(self) -> bool:
        """Whether the interval excludes 0."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)


@dataclass(frozen=True)
class Comparison:
    """Sets of scores of the same tilt series.

    Attributes:
        names: names of the sets.
        ts_ids: ids of the tilt series with a score in every set.
        scores: for each set the scores of these tilt series, octaves.
        means: for each set the mean of these scores, octaves.
        differences: differences of every pair of sets, first before second.
        left_out: for each set the ids without a score in another set.
    """

    names: tuple[str, ...]
    ts_ids: tuple[str, ...]
    scores: tuple[tuple[float, ...], ...]
    means: tuple[float, ...]
    differences: tuple[Difference, ...]
    left_out: tuple[tuple[str, ...], ...]

    @property
    def leader(self) -> int:
        """Index of the set with the highest mean; the first one if several are equal."""
        return self.means.index(max(self.means))

    @property
    def winner(self) -> int | None:
        """Index of the leader if its intervals over all other sets exclude 0, else None."""
        against = [d for d in self.differences if self.leader in (d.first, d.second)]
        return self.leader if all(d.decided for d in against) else None

    def gain_over(self, other: int) -> Difference:
        """The gain of the leader over another set.

        Args:
            other: index of the other set.
        """
        (difference,) = (d for d in self.differences if {d.first, d.second} == {self.leader, other})
        return difference if difference.second == self.leader else _reversed(difference)

    def best_of_each(self) -> dict[str, int]:
        """{ts_id: index of the set with its highest score}; the leader if scores are equal."""
        order = [self.leader, *(n for n in range(len(self.names)) if n != self.leader)]
        return {
            ts_id: max(order, key=lambda number: self.scores[number][index])
            for index, ts_id in enumerate(self.ts_ids)
        }


def compare(sets: Mapping[str, Mapping[str, float]]) -> Comparison:
    """Compare sets of scores.

    Args:
        sets: {name of a set: {ts_id: TomoScore in octaves}}, at least two.

    Returns:
        The comparison over the tilt series with a score in every set.

    Raises:
        ValueError: fewer than two sets, or no tilt series with a score in every set.
    """
    if len(sets) < 2:
        raise ValueError(f"expected two sets of scores or more, got {len(sets)}")
    names, score_sets = tuple(sets), list(sets.values())
    common = [ts_id for ts_id in score_sets[0] if all(ts_id in scores for scores in score_sets)]
    if not common:
        ids = {name: tuple(scores) for name, scores in sets.items()}
        raise ValueError(
            f"no tilt series has a score in every set: {some_of_each(ids)}; {GIVE_IDS}"
        )
    shared = set(common)
    scores = np.array(
        [[values[ts_id] for ts_id in common] for values in score_sets], dtype=np.float64
    )
    pairs = list(combinations(range(len(names)), 2))
    return Comparison(
        names=names,
        ts_ids=tuple(common),
        scores=tuple(tuple(map(float, row)) for row in scores),
        means=tuple(float(mean) for mean in scores.mean(axis=1)),
        differences=tuple(_difference(i, j, scores[j] - scores[i], len(pairs)) for i, j in pairs),
        left_out=tuple(tuple(t for t in values if t not in shared) for values in score_sets),
    )


def bootstrap_interval(
    values: Sequence[float] | np.ndarray, confidence: float = CONFIDENCE
) -> tuple[float, float] | None:
    """The percentile interval of a mean.

    Args:
        values: (n,), one value for each tilt series.
        confidence: probability of the interval, 0 to 1.

    Returns:
        (low, high); None with fewer than `MIN_SERIES` values.

    Raises:
        ValueError: the array has another shape.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"expected values of shape (n,), got {values.shape}")
    if len(values) < MIN_SERIES:
        return None
    generator = np.random.default_rng(SEED)
    rows = max(1, AT_ONCE // len(values))
    means: list[np.ndarray] = []
    for start in range(0, RESAMPLES, rows):
        shape = (min(rows, RESAMPLES - start), len(values))
        means.append(values[generator.integers(0, len(values), shape)].mean(axis=1))
    # The bootstrap underestimates the variance of n values by a factor of (n - 1) / n.
    spread = np.concatenate(means) - values.mean()
    wider = math.sqrt(len(values) / (len(values) - 1))
    tail = (1 - confidence) / 2
    low, high = np.quantile(values.mean() + wider * spread, (tail, 1 - tail))
    return float(low), float(high)


def _difference(first: int, second: int, values: np.ndarray, pairs: int) -> Difference:
    return Difference(
        first=first,
        second=second,
        mean=float(values.mean()),
        interval=bootstrap_interval(values, 1 - (1 - CONFIDENCE) / pairs),
        better=int((values >= 0.005).sum()),
        equal=int((np.abs(values) < 0.005).sum()),
        worse=int((values <= -0.005).sum()),
    )


def _reversed(difference: Difference) -> Difference:
    interval = difference.interval
    return Difference(
        first=difference.second,
        second=difference.first,
        mean=-difference.mean,
        interval=None if interval is None else (-interval[1], -interval[0]),
        better=difference.worse,
        equal=difference.equal,
        worse=difference.better,
    )
