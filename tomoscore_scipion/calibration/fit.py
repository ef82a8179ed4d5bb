# SPDX-License-Identifier: GPL-3.0-or-later
"""Fit the correction of a session to records with measured halves.

Octaves from 128 to 16 nm are shifted towards the measured values. Finer octaves are only shifted
down, and only by halves of frames, see `records.halves_block`.
Octaves are weighted by the precision of the measurement, which is limited by the effect of the
missing wedge on the specimen (`halves.wedge`). No correction is made if it would not help.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Sequence

import numpy as np

from tomoscore_scipion import __version__
from tomoscore_scipion.calibration.calibration import MIN_TOMOGRAMS, Calibration, shifted
from tomoscore_scipion.halves.wedge import wedge_factor_of
from tomoscore_scipion.records.bands import (
    N_SCORED,
    PERIODS_NM,
    Z_90,
    fraction_below_nyquist,
    visible_fraction,
)
from tomoscore_scipion.records.halves_block import (
    IS_COARSE,
    is_measured,
    is_upper_limit,
    measured_score,
)
from tomoscore_scipion.records.record import Score

STRENGTHS = (0.15, 0.3)
"""Expected standard deviations of shifts, of which one is chosen by cross-validation. A smaller one
gives smaller shifts."""
SHIFTS = np.round(np.arange(-3, 3.001, 0.05), 2)
HALVES_SD = 0.05
"""Standard deviation of a measured visible fraction, besides the effect of the missing wedge."""
MIN_STANDARD_ERRORS = 1.6449
"""Number of standard errors by which the cross-validated error must decrease."""
MIN_ERROR_OCTAVES = 0.3
"""Error of the measurement, octaves. Smaller differences are not corrected."""
COARSE = IS_COARSE[:N_SCORED]


class RefusedError(ValueError):
    """No correction is made; the message gives the reason and the remedy."""


@dataclass(frozen=True)
class MeasuredSession:
    """The tomograms of a session with measured halves, octaves coarsest first.

    Attributes:
        predicted: (n, N_SCORED) R; NaN beyond Nyquist.
        measured: (n, N_SCORED) R; NaN if it was not measured.
        measured_sd: (n, N_SCORED) standard deviation of the measured visible fraction.
        below_nyquist: (n, N_SCORED) fraction of each octave below Nyquist, 0 to 1.
    """

    predicted: np.ndarray
    measured: np.ndarray
    measured_sd: np.ndarray
    below_nyquist: np.ndarray

    def __len__(self) -> int:
        return len(self.predicted)

    def select(self, indices: np.ndarray) -> MeasuredSession:
        """The session with some of its tomograms, by indices or a mask (n,)."""
        return MeasuredSession(
            *(getattr(self, name)[indices] for name in self.__dataclass_fields__)
        )

    def excess(self, shifts: np.ndarray) -> np.ndarray:
        """Predicted minus measured visible fraction after a correction, (n, N_SCORED).

        It is 0 if R was not measured, and in fine octaves if the prediction is lower.
        """
        corrected = visible_fraction(shifted(self.predicted, shifts))
        excess = corrected - visible_fraction(self.measured)
        return np.nan_to_num(np.where(COARSE, excess, np.maximum(excess, 0))) * self.below_nyquist


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
    strength, residuals = _cross_validated(session)
    before = session.excess(np.zeros(N_SCORED)).sum(axis=1)
    _check_worth(before, residuals)
    measured = ~np.isnan(session.measured).all(axis=0)
    kinds = [(record.halves or {})["kind"] for record in with_halves]
    half_width = float(np.mean([_half_width(record.tomoscore_interval) for record in with_halves]))
    return Calibration(
        model_sha256=(with_halves[0].model or {})["sha256"],
        shifts=tuple(map(float, shifts_of(session, strength))),
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
    for row, record in zip(measured, records):
        row[~(is_measured(record) | is_upper_limit(record))[:N_SCORED]] = np.nan
    below_nyquist = [
        fraction_below_nyquist((record.voxel_size_angstrom or 0) / 10) for record in records
    ]
    measured_sd = [_measured_sd(row, record) for row, record in zip(measured, records)]
    return MeasuredSession(
        predicted, measured, np.array(measured_sd), np.array(below_nyquist)[:, :N_SCORED]
    )


def _octaves(curve: object) -> list[float]:
    assert isinstance(curve, dict)
    return [np.nan if value is None else value for value in curve["resolvability"][:N_SCORED]]


def _measured_sd(measured: np.ndarray, record: Score) -> np.ndarray:
    """Standard deviation of the measured visible fraction of each octave, (N_SCORED,)."""
    factor = wedge_factor_of((record.halves or {})["max_tilt_deg"])
    high, low = (
        visible_fraction(measured * end / factor.middle) for end in (factor.high, factor.low)
    )
    return np.asarray(np.hypot((high - low) / (2 * Z_90), HALVES_SD))


def shifts_of(session: MeasuredSession, strength: float) -> np.ndarray:
    """The shift of each octave, (N_SCORED,), by least squares with a penalty on large shifts.

    Args:
        session: at least one tomogram.
        strength: expected standard deviation of shifts.
    """
    shifts = np.zeros(N_SCORED)
    for octave in range(N_SCORED):
        measured = session.measured[:, octave]
        is_known = ~np.isnan(measured) & ~np.isnan(session.predicted[:, octave])
        if is_known.any():
            moved = shifted(session.predicted[is_known, octave, None], SHIFTS)
            misfit = (visible_fraction(moved) - visible_fraction(measured[is_known, None])) ** 2
            variance = session.measured_sd[is_known, octave].mean() ** 2
            shifts[octave] = SHIFTS[(misfit.mean(axis=0) / variance + _penalty(strength)).argmin()]
    return np.where(COARSE, shifts, np.minimum(shifts, 0))


def _penalty(strength: float) -> np.ndarray:
    return (SHIFTS / strength) ** 2


def _cross_validated(session: MeasuredSession) -> tuple[float, np.ndarray]:
    """The strength with the smallest error of left-out tomograms, and their residuals, (n,)."""
    indices = np.arange(len(session))
    residuals = {}
    for strength in STRENGTHS:
        shifts = [shifts_of(session.select(indices != left_out), strength) for left_out in indices]
        excess = [session.select(indices == p).excess(s)[0] for p, s in zip(indices, shifts)]
        residuals[strength] = np.array(excess).sum(axis=1)
    best = min(STRENGTHS, key=lambda strength: float(np.abs(residuals[strength]).mean()))
    return best, residuals[best]


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
    octaves that are not measured, the interval of the model.
    """
    halves = np.mean([_half_width((record.halves or {})["interval"]) for record in records]) / Z_90
    unmeasured = np.mean([1 - len((r.halves or {})["octaves"]) / N_SCORED for r in records])
    own = np.sqrt(unmeasured) * half_width / Z_90
    return float(np.sqrt((residuals**2).mean() + halves**2 + own**2))


def _half_width(interval: tuple[float, float] | None) -> float:
    low, high = interval or (0.0, 0.0)
    return (high - low) / 2
