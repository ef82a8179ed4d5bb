# SPDX-License-Identifier: GPL-3.0-or-later
"""Paired comparison of scores of the same tilt series.

Tilt series differ from one another far more than the ways to treat them do.  So each is compared
with itself: the difference of its two scores is taken, and the mean of these differences is what
one way gains over the other.  Its interval is that of a paired bootstrap (Efron and Tibshirani, An
Introduction to the Bootstrap, 1993, chapter 13): tilt series are drawn with replacement, with both
of their scores, and the percentiles of the resampled means bound it.  It holds what another choice
of tilt series from the same session would change; it does not hold errors that the model makes
with all of them alike.  With K sets there are K (K - 1) / 2 intervals; each is widened so that all
of them hold together with the stated probability (Bonferroni).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Mapping, Sequence

import numpy as np

from tomoscore_scipion.comparison.ids import GIVE_IDS, some_of_each

CONFIDENCE = 0.95
"""Of all intervals of a comparison together."""
RESAMPLES = 10_000
SEED = 20261122
"""The same scores give the same interval."""
FEWEST = 6
"""With fewer tilt series nothing can be decided: five that all point the same way do so by chance
with a probability of 2 / 2^5, more than 5 %."""
AT_ONCE = 2_000_000
"""Numbers drawn at a time, for their memory."""


@dataclass(frozen=True)
class Difference:
    """How much set `second` gains over set `first`, over the tilt series that all sets have.

    Attributes:
        first: number of a set.
        second: number of another one.
        mean: mean of score of second minus score of first, octaves.
        interval: (low, high) of the mean, octaves; None with fewer than FEWEST tilt series.
        better: tilt series of which second has the higher score.
        equal: tilt series with equal scores, to 0.005 octave, half of what is shown.
        worse: tilt series of which second has the lower score.
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
        """Whether the interval leaves no doubt which of the two is higher."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)


@dataclass(frozen=True)
class Comparison:
    """Sets of scores of the same tilt series.

    Attributes:
        names: of the sets.
        ts_ids: of the tilt series that every set has a score of.
        scores: for each set the scores of these, octaves.
        means: for each set the mean of its scores, octaves.
        differences: of every pair of sets, first before second.
        left_out: for each set the ids that it scored and another one did not.
    """

    names: tuple[str, ...]
    ts_ids: tuple[str, ...]
    scores: tuple[tuple[float, ...], ...]
    means: tuple[float, ...]
    differences: tuple[Difference, ...]
    left_out: tuple[tuple[str, ...], ...]

    @property
    def leader(self) -> int:
        """The number of the set with the highest mean; of equal ones the first."""
        return self.means.index(max(self.means))

    @property
    def winner(self) -> int | None:
        """The leader where it is higher than every other set beyond doubt, else None."""
        against = [d for d in self.differences if self.leader in (d.first, d.second)]
        return self.leader if all(d.decided for d in against) else None

    def gain_over(self, other: int) -> Difference:
        """How much the leader gains over another set."""
        (found,) = (d for d in self.differences if {d.first, d.second} == {self.leader, other})
        return found if found.second == self.leader else _reversed(found)

    def best_of_each(self) -> dict[str, int]:
        """{ts_id: number of the set with its highest score}; of equal scores that of the leader."""
        order = [self.leader, *(n for n in range(len(self.names)) if n != self.leader)]
        return {
            ts_id: max(order, key=lambda number: self.scores[number][place])
            for place, ts_id in enumerate(self.ts_ids)
        }


def compare(sets: Mapping[str, Mapping[str, float]]) -> Comparison:
    """Compare sets of scores.

    Args:
        sets: {name of a set: {ts_id: TomoScore in octaves}}, at least two.

    Raises:
        ValueError: there are fewer than two, or no tilt series that all have.
    """
    if len(sets) < 2:
        raise ValueError(f"expected two sets of scores or more, got {len(sets)}")
    names, found = tuple(sets), list(sets.values())
    common = [ts_id for ts_id in found[0] if all(ts_id in scores for scores in found)]
    if not common:
        ids = {name: tuple(scores) for name, scores in sets.items()}
        raise ValueError(
            f"no tilt series has a score in every set: {some_of_each(ids)}; {GIVE_IDS}"
        )
    shared = set(common)
    scores = np.array([[one[ts_id] for ts_id in common] for one in found], dtype=np.float64)
    pairs = list(combinations(range(len(names)), 2))
    return Comparison(
        names=names,
        ts_ids=tuple(common),
        scores=tuple(tuple(map(float, row)) for row in scores),
        means=tuple(float(mean) for mean in scores.mean(axis=1)),
        differences=tuple(_difference(i, j, scores[j] - scores[i], len(pairs)) for i, j in pairs),
        left_out=tuple(tuple(t for t in one if t not in shared) for one in found),
    )


def bootstrap_interval(
    values: Sequence[float] | np.ndarray, confidence: float = CONFIDENCE
) -> tuple[float, float] | None:
    """The percentile interval of the mean of some values; None where they are too few.

    Args:
        values: (n,), one for each tilt series.
        confidence: the probability with which it holds.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"expected values of shape (n,), got {values.shape}")
    if len(values) < FEWEST:
        return None
    generator = np.random.default_rng(SEED)
    rows = max(1, AT_ONCE // len(values))
    means: list[np.ndarray] = []
    for start in range(0, RESAMPLES, rows):
        shape = (min(rows, RESAMPLES - start), len(values))
        means.append(values[generator.integers(0, len(values), shape)].mean(axis=1))
    # Of n values the bootstrap sees only (n - 1) / n of the variance.
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
