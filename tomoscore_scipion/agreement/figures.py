# SPDX-License-Identifier: GPL-3.0-or-later
"""Predicted against measured scores of a session: rank correlation, bias, and what follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np

from tomoscore_scipion.records.bands import N_SCORED, PERIODS_NM
from tomoscore_scipion.records.halves_block import measured_score, predicted_over_the_same
from tomoscore_scipion.records.record import Score

FEWEST = 6
"""Tomograms below which nothing is said."""
DRAWS = 2000
CONFIDENCE = 0.9
SMALL_BIAS = 0.3
"""Octaves by which scores may differ and still be trusted."""
SAME_QUALITY = 0.4
"""Tomograms whose measured scores lie within so many octaves have no order to be found."""

TRUSTED, SHIFTED, NO_RANK, ALIKE = "trusted", "shifted", "does not rank", "all alike"


@dataclass(frozen=True)
class Estimate:
    """A value and its 90 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Agreement:
    """What a session says.

    Attributes:
        ts_ids: of the tomograms with measured halves.
        predicted: TomoScore of each, over the octaves that were measured.
        measured: by halves.
        octaves: how many octaves each counts.
        rank: Spearman's rank correlation; None where one of the two does not vary.
        bias: mean of predicted minus measured, octaves.
        band_bias: mean difference of R per scored octave; None where fewer than `FEWEST` have it.
        left_out: ids without measured halves.
        kinds: number of tomograms with halves of each kind.
    """

    ts_ids: tuple[str, ...]
    predicted: np.ndarray
    measured: np.ndarray
    octaves: tuple[int, ...]
    rank: Estimate | None
    bias: Estimate
    band_bias: tuple[Estimate | None, ...]
    left_out: tuple[str, ...]
    kinds: dict[str, int]

    @property
    def verdict(self) -> str:
        """`TRUSTED`, `SHIFTED`, `NO_RANK`, or `ALIKE` where there is no order to be found."""
        shifted = abs(self.bias.value) > SMALL_BIAS and self.bias.low * self.bias.high > 0
        spread = float(np.ptp(self.measured))
        if spread >= SAME_QUALITY and (self.rank is None or self.rank.low <= 0):
            return NO_RANK
        if shifted:
            return SHIFTED
        return TRUSTED if spread >= SAME_QUALITY else ALIKE


def agreement_of(records: Sequence[Score]) -> Agreement:
    """Compare predicted and measured scores.

    Args:
        records: one for each tomogram, all of one model.

    Raises:
        ValueError: fewer than `FEWEST` have measured halves; the message says how many.
    """
    known = [record for record in records if measured_score(record) is not None]
    if len(known) < FEWEST:
        raise ValueError(
            f"expected at least {FEWEST} tomograms with measured halves, found {len(known)} of "
            f"{len(records)}: score more with --half1 and --half2, or half1 and half2 in a job"
        )
    predicted = np.array([predicted_over_the_same(record) for record in known], dtype=float)
    measured = np.array([measured_score(record) for record in known], dtype=float)
    halves = [record.halves or {} for record in known]
    kinds = [note["kind"] for note in halves]
    return Agreement(
        ts_ids=tuple(record.ts_id for record in known),
        predicted=predicted,
        measured=measured,
        octaves=tuple(len(note["octaves"]) for note in halves),
        rank=_rank(predicted, measured),
        bias=_mean(predicted - measured),
        band_bias=tuple(_band_bias(known, band) for band in range(N_SCORED)),
        left_out=tuple(r.ts_id for r in records if measured_score(r) is None),
        kinds={kind: kinds.count(kind) for kind in sorted(set(kinds))},
    )


def _band_bias(records: Sequence[Score], band: int) -> Estimate | None:
    """Mean of predicted minus measured R in an octave."""
    pairs = []
    for record in records:
        assert record.curve is not None and record.halves is not None
        one, other = (c["resolvability"][band] for c in (record.curve, record.halves["curve"]))
        if one is not None and other is not None:
            pairs.append(one - other)
    return _mean(np.array(pairs)) if len(pairs) >= FEWEST else None


def _mean(values: np.ndarray) -> Estimate:
    """A mean with its interval from tomograms drawn with replacement; the same every time."""
    drawn = values[_draws(len(values))].mean(axis=1)
    return Estimate(float(values.mean()), *_ends(drawn))


def _rank(one: np.ndarray, other: np.ndarray) -> Estimate | None:
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    drawn = [
        rank_correlation(one[chosen], other[chosen])
        for chosen in _draws(len(one))
        if np.ptp(one[chosen]) > 0 and np.ptp(other[chosen]) > 0
    ]
    return Estimate(rank_correlation(one, other), *_ends(np.array(drawn)))


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation of values that vary, ties with their mean rank."""
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, place, number = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(number)
    return np.asarray((last - (number - 1) / 2)[place])


def _draws(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, count, (DRAWS, count))


def _ends(drawn: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


PERIODS = PERIODS_NM[:N_SCORED]
"""The scored octaves, (coarse, fine) in nm, in the order of `Agreement.band_bias`."""
