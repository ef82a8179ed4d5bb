# SPDX-License-Identifier: GPL-3.0-or-later
"""Fit the correction of a session to records with measured halves.

The shifts minimise the squared differences of predicted and measured visible fractions, plus the
penalty of a Gaussian prior, in which the shifts of neighbouring octaves are correlated: what makes
the predictions of a session too low in one octave acts in the next one as well. Octaves from 128 to
16 nm are moved towards the measured values. Finer ones follow them in part, since halves do not
measure them (`records.halves_block`), and are moved down where they exceed the upper limit of
halves of frames. No correction is made if it would not help.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Sequence

import numpy as np

from tomoscore_scipion import __version__
from tomoscore_scipion.calibration.calibration import MIN_TOMOGRAMS, Calibration, shifted
from tomoscore_scipion.records.bands import (
    N_SCORED,
    PERIODS_NM,
    Z_90,
    fraction_below_nyquist,
    visible_fraction,
)
from tomoscore_scipion.records.halves_block import (
    is_measured,
    is_upper_limit,
    measured_score,
)
from tomoscore_scipion.records.record import Score

SHIFT_SD = 0.35
"""Standard deviation of the shift of an octave between sessions."""
NEIGHBOUR_CORRELATION = 0.5
"""Correlation of the shifts of neighbouring octaves; its square for the next but one, and so on."""
HALVES_SD = 0.12
"""Standard deviation of the measured visible fraction of an octave, averaged over a session.

More tomograms do not make it smaller: most of it is the effect of the missing wedge on specimens
that they have in common.
"""
SHIFTS = np.linspace(-60, 60, 121) / 20
"""Shifts that are tried."""
MAX_SWEEPS = 50
"""Maximum number of passes over the octaves; a few suffice."""
MIN_STANDARD_ERRORS = 1.6449
"""Number of standard errors by which the cross-validated error must decrease."""
MIN_ERROR_OCTAVES = 0.2
"""Error of the measurement, octaves. Smaller differences are not corrected."""

_DISTANCE = np.abs(np.subtract.outer(np.arange(N_SCORED), np.arange(N_SCORED)))
PRECISION = np.linalg.inv(SHIFT_SD**2 * NEIGHBOUR_CORRELATION**_DISTANCE)
"""(N_SCORED, N_SCORED) inverse covariance of the shifts."""


class RefusedError(ValueError):
    """No correction is made; the message gives the reason and the remedy."""


@dataclass(frozen=True)
class MeasuredSession:
    """The tomograms of a session with measured halves, octaves coarsest first.

    Attributes:
        predicted: (n, N_SCORED) R; NaN beyond Nyquist.
        measured: (n, N_SCORED) R; NaN if it was not measured.
        is_limit: (n, N_SCORED) whether the measured R is an upper limit.
        below_nyquist: (n, N_SCORED) fraction of each octave below Nyquist, 0 to 1.
    """

    predicted: np.ndarray
    measured: np.ndarray
    is_limit: np.ndarray
    below_nyquist: np.ndarray

    def __len__(self) -> int:
        return len(self.predicted)

    def select(self, indices: np.ndarray) -> MeasuredSession:
        """The session with some of its tomograms, by indices or a mask (n,)."""
        return MeasuredSession(
            *(getattr(self, name)[indices] for name in self.__dataclass_fields__)
        )

    def excess(self, shifts: np.ndarray) -> np.ndarray:
        """Predicted minus measured visible fraction after corrections, (..., n, N_SCORED).

        It is 0 if R was not measured, or if the prediction is below an upper limit.

        Args:
            shifts: (..., N_SCORED) shifts of each octave.
        """
        corrected = visible_fraction(shifted(self.predicted, shifts[..., None, :]))
        excess = corrected - visible_fraction(self.measured)
        excess = np.where(self.is_limit, np.maximum(excess, 0), excess)
        return np.asarray(np.nan_to_num(excess) * self.below_nyquist)


def calibration_from(records: Sequence[Score]) -> Calibration:
    """Fit the calibration of a session.

    Args:
        records: one for each tomogram, all uncalibrated and of one model.

    Raises:
        RefusedError: too few tomograms have measured halves, or a correction would not help.
    """
    with_halves = [record for record in records if measured_score(record) is not None]
    if len(with_halves) < MIN_TOMOGRAMS:
        raise RefusedError(
            f"expected at least {MIN_TOMOGRAMS} tomograms with measured halves, found "
            f"{len(with_halves)} of {len(records)}: score more with --half1 and --half2, or half1 "
            "and half2 in a job"
        )
    if any(record.calibration is not None for record in with_halves):
        raise RefusedError("the scores are calibrated already: score without --calibration")
    session = session_of(with_halves)
    before = session.excess(np.zeros(N_SCORED)).sum(axis=1)
    residuals = _cross_validated(session)
    _check_worth(before, residuals)
    measured = ~np.isnan(session.measured).all(axis=0)
    kinds = [(record.halves or {})["kind"] for record in with_halves]
    half_width = float(np.mean([_half_width(record.tomoscore_interval) for record in with_halves]))
    return Calibration(
        model_sha256=(with_halves[0].model or {})["sha256"],
        shifts=tuple(map(float, shifts_of(session))),
        octaves=tuple(p for p, is_measured in zip(PERIODS_NM, measured) if is_measured),
        tomograms=len(with_halves),
        kinds={kind: kinds.count(kind) for kind in sorted(set(kinds))},
        error_before=round(float(np.abs(before).mean()), 4),
        error_after=round(float(np.abs(residuals).mean()), 4),
        sd=round(_calibrated_sd(with_halves, residuals, half_width), 4),
        half_width=round(half_width, 4),
        engine_version=__version__,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def session_of(records: Sequence[Score]) -> MeasuredSession:
    """Predicted and measured curves of records with measured halves."""
    predicted, measured = (
        np.array([_octaves(curve) for curve in curves])
        for curves in ([r.curve for r in records], [(r.halves or {})["curve"] for r in records])
    )
    is_limit = np.array([is_upper_limit(record)[:N_SCORED] for record in records])
    is_used = is_limit | np.array([is_measured(record)[:N_SCORED] for record in records])
    below_nyquist = [
        fraction_below_nyquist((record.voxel_size_angstrom or 0) / 10)[:N_SCORED]
        for record in records
    ]
    measured = np.where(is_used, measured, np.nan)
    return MeasuredSession(predicted, measured, is_limit, np.array(below_nyquist))


def _octaves(curve: object) -> list[float]:
    assert isinstance(curve, dict)
    return [np.nan if value is None else value for value in curve["resolvability"][:N_SCORED]]


def shifts_of(session: MeasuredSession, halves_sd: float = HALVES_SD) -> np.ndarray:
    """The shift of each octave, (N_SCORED,): mean squared excess plus penalty is smallest.

    Args:
        session: at least one tomogram.
        halves_sd: standard deviation of the measured visible fractions; smaller ones are followed
            more closely.
    """
    number = np.maximum((~np.isnan(session.measured)).sum(axis=0), 1)
    excess = session.excess(np.repeat(SHIFTS[:, None], N_SCORED, axis=1))
    misfit = (excess**2).sum(axis=1) / number / halves_sd**2
    shifts = np.zeros(N_SCORED)
    for _ in range(MAX_SWEEPS):
        before = shifts.copy()
        for octave, precision in enumerate(PRECISION):
            others = precision @ shifts - precision[octave] * shifts[octave]
            penalty = precision[octave] * SHIFTS**2 + 2 * others * SHIFTS
            shifts[octave] = SHIFTS[(misfit[:, octave] + penalty).argmin()]
        if np.array_equal(shifts, before):
            break
    return shifts


def _cross_validated(session: MeasuredSession) -> np.ndarray:
    """Predicted minus measured score of each tomogram, corrected by the others, (n,)."""
    indices = np.arange(len(session))
    shifts = [shifts_of(session.select(indices != left_out)) for left_out in indices]
    excess = [session.excess(shift)[left_out] for left_out, shift in enumerate(shifts)]
    return np.array(excess).sum(axis=1)


def _check_worth(before: np.ndarray, after: np.ndarray) -> None:
    """Check that the cross-validated error decreases by more than chance.

    Args:
        before: (n,) predicted minus measured scores, octaves.
        after: (n,) the same after the correction, cross-validated.

    Raises:
        RefusedError: the error is small already, or does not decrease.
    """
    if np.abs(before).mean() < MIN_ERROR_OCTAVES:
        raise RefusedError(
            "a calibration would not help: predicted and measured scores differ by "
            f"{np.abs(before).mean():.2f} octave on average over {len(before)} tomograms, less "
            f"than the error of the measurement ({MIN_ERROR_OCTAVES:g}): use the scores as they are"
        )
    gain = np.abs(before) - np.abs(after)
    min_gain = MIN_STANDARD_ERRORS * float(gain.std(ddof=1)) / np.sqrt(len(gain))
    if gain.mean() <= min_gain:
        raise RefusedError(
            "a calibration would not help: predicted and measured scores differ by "
            f"{np.abs(before).mean():.2f} octave on average, and by {np.abs(after).mean():.2f} "
            f"after a correction, cross-validated over {len(gain)} tomograms, which chance "
            "explains: use the scores as they are, or more tomograms with halves"
        )


def _calibrated_sd(records: Sequence[Score], residuals: np.ndarray, half_width: float) -> float:
    """Standard deviation of a calibrated score, octaves.

    The root of the sum of three variances: cross-validated residuals, the measurement, and, for
    octaves of which at most an upper limit is measured, the interval of the model.
    """
    halves = np.mean([_half_width((record.halves or {})["interval"]) for record in records]) / Z_90
    unmeasured = np.mean([1 - is_measured(record).sum() / N_SCORED for record in records])
    own = np.sqrt(unmeasured) * half_width / Z_90
    return float(np.sqrt((residuals**2).mean() + halves**2 + own**2))


def _half_width(interval: tuple[float, float] | None) -> float:
    low, high = interval or (0.0, 0.0)
    return (high - low) / 2
