# SPDX-License-Identifier: GPL-3.0-or-later
"""Predicted against measured scores of a session: rank correlation, bias, verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np

from tomoscore_scipion.records.bands import N_SCORED, PERIODS_NM
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.halves_block import is_measured, is_upper_limit, scores_over_measured
from tomoscore_scipion.records.record import OK, Score
from tomoscore_scipion.records.record_files import model_of

MIN_TOMOGRAMS = 6
"""Smallest number of measured tomograms for an agreement."""
DRAWS = 2000
"""Bootstrap samples of an interval."""
CONFIDENCE = 0.9
SMALL_BIAS = 0.3
"""Largest absolute bias of a trusted score, octaves."""
SAME_QUALITY = 0.4
"""Range of the measured scores, octaves, below which ranking is not tested."""

TRUSTED, SHIFTED, NO_RANK, ALIKE = "trusted", "shifted", "does not rank", "all alike"


@dataclass(frozen=True)
class Estimate:
    """A value and its 90 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Agreement:
    """Predicted and measured scores of a session.

    Scores are compared over the octaves that the halves measure, see `records.halves_block`.

    Attributes:
        ts_ids: ids of the n tomograms with measured half maps.
        predicted: (n,) predicted TomoScore over the measured octaves, 0 to 5.
        measured: (n,) TomoScore measured from half maps over the same octaves, 0 to 5.
        octaves: number of octaves in each of these scores.
        period_nm: (coarsest, finest) period of these octaves.
        rank: Spearman's rank correlation; None if predicted or measured scores are constant.
        bias: mean of predicted minus measured score, octaves.
        band_bias: mean of predicted minus measured R per scored octave; None if fewer than
            `MIN_TOMOGRAMS` tomograms have both.
        upper_limit: per scored octave, whether the measured R is an upper limit only.
        left_out: ids of scored tomograms without measured half maps.
        kinds: number of tomograms per kind of half maps, such as "by-frame".
    """

    ts_ids: tuple[str, ...]
    predicted: np.ndarray
    measured: np.ndarray
    octaves: tuple[int, ...]
    period_nm: tuple[float, float]
    rank: Estimate | None
    bias: Estimate
    band_bias: tuple[Estimate | None, ...]
    upper_limit: tuple[bool, ...]
    left_out: tuple[str, ...]
    kinds: dict[str, int]

    @property
    def verdict(self) -> str:
        """`TRUSTED`, `SHIFTED`, `NO_RANK`, or `ALIKE` if ranking could not be tested."""
        shifted = abs(self.bias.value) > SMALL_BIAS and self.bias.low * self.bias.high > 0
        spread = float(np.ptp(self.measured))
        if spread >= SAME_QUALITY and (self.rank is None or self.rank.low <= 0):
            return NO_RANK
        if shifted:
            return SHIFTED
        return TRUSTED if spread >= SAME_QUALITY else ALIKE


def agreement_of(records: Sequence[Score]) -> Agreement:
    """Compare the predicted scores of a session with the measured ones.

    Args:
        records: one for each scored tomogram, all of one model.

    Returns:
        The agreement, with 90 % intervals from tomograms drawn with replacement.

    Raises:
        ValueError: fewer than `MIN_TOMOGRAMS` tomograms have measured half maps.
    """
    with_halves = [record for record in records if scores_over_measured(record) is not None]
    if len(with_halves) < MIN_TOMOGRAMS:
        raise ValueError(
            f"expected at least {MIN_TOMOGRAMS} tomograms with measured halves, found "
            f"{len(with_halves)} of {len(records)}: score more with --half1 and --half2, or half1 "
            "and half2 in a job"
        )
    predicted, measured = np.array([scores_over_measured(record) for record in with_halves]).T
    is_compared = np.array([is_measured(record) for record in with_halves])
    compared = [period for period, some in zip(PERIODS_NM, is_compared.any(axis=0)) if some]
    kinds = [(record.halves or {})["kind"] for record in with_halves]
    return Agreement(
        ts_ids=tuple(record.ts_id for record in with_halves),
        predicted=predicted,
        measured=measured,
        octaves=tuple(map(int, is_compared.sum(axis=1))),
        period_nm=(compared[0][0], compared[-1][1]),
        rank=_rank(predicted, measured),
        bias=_mean(predicted - measured),
        band_bias=tuple(_band_bias(with_halves, band) for band in range(N_SCORED)),
        upper_limit=tuple(
            any(is_upper_limit(record)[band] for record in with_halves) for band in range(N_SCORED)
        ),
        left_out=tuple(r.ts_id for r in records if scores_over_measured(r) is None),
        kinds={kind: kinds.count(kind) for kind in sorted(set(kinds))},
    )


def session_agreement(records: Sequence[Score]) -> Agreement | None:
    """The agreement of a session, if its records allow it.

    Args:
        records: one for each tomogram; failed ones are ignored.

    Returns:
        The agreement; None if fewer than `MIN_TOMOGRAMS` tomograms have measured half maps, or
        their scores are of several models.
    """
    scored = [record for record in records if record.status == OK]
    if sum(scores_over_measured(record) is not None for record in scored) < MIN_TOMOGRAMS:
        return None
    try:
        model_of(scored)
    except StartError:
        return None
    return agreement_of(scored)


def _band_bias(records: Sequence[Score], band: int) -> Estimate | None:
    """Mean of predicted minus measured R in an octave; None with too few tomograms."""
    pairs = []
    for record in records:
        assert record.curve is not None and record.halves is not None
        curves = (record.curve, record.halves["curve"])
        predicted, measured = (curve["resolvability"][band] for curve in curves)
        is_known = (is_measured(record) | is_upper_limit(record))[band]
        if is_known and predicted is not None and measured is not None:
            pairs.append(predicted - measured)
    return _mean(np.array(pairs)) if len(pairs) >= MIN_TOMOGRAMS else None


def _mean(values: np.ndarray) -> Estimate:
    """A mean with its bootstrap interval, which is the same at every call."""
    drawn = values[_draws(len(values))].mean(axis=1)
    return Estimate(float(values.mean()), *_ends(drawn))


def _rank(predicted: np.ndarray, measured: np.ndarray) -> Estimate | None:
    if np.ptp(predicted) == 0 or np.ptp(measured) == 0:
        return None
    drawn = [
        rank_correlation(predicted[draw], measured[draw])
        for draw in _draws(len(predicted))
        if np.ptp(predicted[draw]) > 0 and np.ptp(measured[draw]) > 0
    ]
    return Estimate(rank_correlation(predicted, measured), *_ends(np.array(drawn)))


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's rank correlation; ties have their mean rank.

    Args:
        first: (n,) values that are not all equal.
        second: (n,) values that are not all equal.
    """
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, index, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[index])


def _draws(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, count, (DRAWS, count))


def _ends(drawn: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


PERIODS = PERIODS_NM[:N_SCORED]
"""The scored octaves, (coarse, fine) in nm, in the order of `Agreement.band_bias`."""
