# SPDX-License-Identifier: GPL-3.0-or-later
"""Learn the correction of a session from records with measured halves, or refuse to.

Octaves from 128 to 16 nm are moved towards what the halves measure. Finer octaves are moved down
only, and by halves of frames only: they do not see misalignment and an uncorrected CTF, which
take fine detail away, so that what they measure there is an upper limit; halves of tilts differ in
fine detail even without noise. An octave counts the less the less well the halves know it: what the
missing wedge leaves depends on the specimen (`halves.wedge`), and a session has one kind of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Sequence

import numpy as np

from tomoscore_scipion import __version__
from tomoscore_scipion.calibration.calibration import FEWEST, Calibration, shifted
from tomoscore_scipion.halves.wedge import wedge_factor_of
from tomoscore_scipion.records.bands import (
    N_SCORED,
    PERIODS_NM,
    share_below_nyquist,
    share_seen,
)
from tomoscore_scipion.records.halves_block import measured_score
from tomoscore_scipion.records.record import Score

STRENGTHS = (0.15, 0.3)
"""Standard deviations of shifts that are expected, the smallest the most careful: one is chosen by
cross-validation."""
SHIFTS = np.round(np.arange(-3, 3.001, 0.05), 2)
CHANCE = 0.05
"""What the halves of an octave leave open beside the missing wedge, in octaves."""
Z_90 = 1.6449
SURE = 1.6449
"""Standard errors by which the cross-validated error must have fallen."""
SMALL = 0.3
"""Octaves by which halves themselves are off: predictions that differ less are not corrected."""
COARSE = np.array([fine >= 16.0 for _, fine in PERIODS_NM[:N_SCORED]])
"""Octaves in which halves are no mere upper limit."""


class RefusedError(ValueError):
    """No correction is learned; the message says why, and what to do."""


@dataclass(frozen=True)
class Session:
    """The tomograms of a session with measured halves, octaves coarsest first.

    Attributes:
        predicted: (n, N_SCORED) R; NaN beyond Nyquist.
        measured: (n, N_SCORED) R; NaN where it was not measured.
        unknown: (n, N_SCORED) standard deviation of what is measured as seen, octaves.
        share: (n, N_SCORED) of each octave below Nyquist.
    """

    predicted: np.ndarray
    measured: np.ndarray
    unknown: np.ndarray
    share: np.ndarray

    def __len__(self) -> int:
        return len(self.predicted)

    def part(self, chosen: np.ndarray) -> Session:
        """Some of the tomograms."""
        return Session(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def excess(self, shifts: np.ndarray) -> np.ndarray:
        """Predicted minus measured octaves seen, (n, N_SCORED), after a correction.

        0 where nothing was measured, and in fine octaves where the prediction is the lower one.
        """
        found = share_seen(shifted(self.predicted, shifts)) - share_seen(self.measured)
        return np.nan_to_num(np.where(COARSE, found, np.maximum(found, 0))) * self.share


def calibration_from(records: Sequence[Score]) -> Calibration:
    """The calibration of a session.

    Args:
        records: one for each tomogram, all uncalibrated and of one model.

    Raises:
        RefusedError: too few have measured halves, or a correction would not help.
    """
    known = [record for record in records if measured_score(record) is not None]
    if len(known) < FEWEST:
        raise RefusedError(
            f"expected at least {FEWEST} tomograms with measured halves, found {len(known)} of "
            f"{len(records)}: score more with --half1 and --half2, or half1 and half2 in a job"
        )
    if any(record.calibration is not None for record in known):
        raise RefusedError("the scores are calibrated already: score without --calibration")
    session = session_of(known)
    strength, left = _cross_validated(session)
    before = session.excess(np.zeros(N_SCORED)).sum(axis=1)
    _check_worth(before, left)
    measured = ~np.isnan(session.measured).all(axis=0)
    kinds = [(record.halves or {})["kind"] for record in known]
    half_width = float(np.mean([_half_width(record.tomoscore_interval) for record in known]))
    return Calibration(
        model_sha256=(known[0].model or {})["sha256"],
        shifts=tuple(map(float, shifts_of(session, strength))),
        octaves=tuple(p for p, there in zip(PERIODS_NM, measured) if there),
        tomograms=len(known),
        kinds={kind: kinds.count(kind) for kind in sorted(set(kinds))},
        error_before=round(float(np.abs(before).mean()), 4),
        error_after=round(float(np.abs(left).mean()), 4),
        sd=round(_sd(known, left, half_width), 4),
        half_width=round(half_width, 4),
        engine_version=__version__,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def session_of(known: Sequence[Score]) -> Session:
    """Predictions and measurements of records that have both."""
    predicted, measured = (
        np.array([_octaves(curve) for curve in curves])
        for curves in ([r.curve for r in known], [(r.halves or {})["curve"] for r in known])
    )
    for row, record in zip(measured, known):
        if (record.halves or {})["kind"] != "by-frame":
            row[~COARSE] = np.nan
    share = [share_below_nyquist((record.voxel_size_angstrom or 0) / 10) for record in known]
    unknown = [_unknown(row, record) for row, record in zip(measured, known)]
    return Session(predicted, measured, np.array(unknown), np.array(share)[:, :N_SCORED])


def _octaves(curve: object) -> list[float]:
    assert isinstance(curve, dict)
    return [np.nan if value is None else value for value in curve["resolvability"][:N_SCORED]]


def _unknown(measured: np.ndarray, record: Score) -> np.ndarray:
    """Standard deviation of octaves seen that the missing wedge leaves open, (N_SCORED,)."""
    factor = wedge_factor_of((record.halves or {})["max_tilt_deg"])
    high, low = (share_seen(measured * end / factor.middle) for end in (factor.high, factor.low))
    return np.asarray(np.hypot((high - low) / (2 * Z_90), CHANCE))


def shifts_of(session: Session, strength: float) -> np.ndarray:
    """The shift of each octave, (N_SCORED,): least squares that a penalty draws to 0.

    Args:
        session: at least one tomogram.
        strength: standard deviation of shifts that is expected.
    """
    shifts = np.zeros(N_SCORED)
    for octave in range(N_SCORED):
        measured = session.measured[:, octave]
        there = ~np.isnan(measured) & ~np.isnan(session.predicted[:, octave])
        if there.any():
            moved = shifted(session.predicted[there, octave, None], SHIFTS)
            misfit = (share_seen(moved) - share_seen(measured[there, None])) ** 2
            variance = session.unknown[there, octave].mean() ** 2
            shifts[octave] = SHIFTS[(misfit.mean(axis=0) / variance + _penalty(strength)).argmin()]
    return np.where(COARSE, shifts, np.minimum(shifts, 0))


def _penalty(strength: float) -> np.ndarray:
    return (SHIFTS / strength) ** 2


def _cross_validated(session: Session) -> tuple[float, np.ndarray]:
    """The strength that predicts left-out tomograms best, and how far off they are, (n,)."""
    places = np.arange(len(session))
    found = {}
    for strength in STRENGTHS:
        shifts = [shifts_of(session.part(places != place), strength) for place in places]
        excess = [session.part(places == p).excess(s)[0] for p, s in zip(places, shifts)]
        found[strength] = np.array(excess).sum(axis=1)
    best = min(STRENGTHS, key=lambda strength: float(np.abs(found[strength]).mean()))
    return best, found[best]


def _check_worth(before: np.ndarray, after: np.ndarray) -> None:
    """Stop where the cross-validated error has not fallen beyond chance."""
    if np.abs(before).mean() < SMALL:
        raise RefusedError(
            "a calibration would not help: predicted and measured scores differ by "
            f"{np.abs(before).mean():.2f} octave on average over {len(before)} tomograms, less "
            f"than the {SMALL:g} by which halves themselves may be off: use the scores as they are"
        )
    gain = np.abs(before) - np.abs(after)
    sure = SURE * float(gain.std(ddof=1)) / np.sqrt(len(gain))
    if gain.mean() <= sure:
        raise RefusedError(
            "a calibration would not help: predicted and measured scores differ by "
            f"{np.abs(before).mean():.2f} octave on average, and by {np.abs(after).mean():.2f} "
            f"after a correction, cross-validated over {len(gain)} tomograms, which chance "
            "explains: use the scores as they are, or more tomograms with halves"
        )


def _sd(known: Sequence[Score], left: np.ndarray, half_width: float) -> float:
    """Standard deviation of a calibrated score, octaves.

    The cross-validated residual, what the halves themselves leave open, and of the octaves that
    they do not measure what the model's own interval says.
    """
    halves = np.mean([_half_width((record.halves or {})["interval"]) for record in known]) / Z_90
    unmeasured = np.mean([1 - len((r.halves or {})["octaves"]) / N_SCORED for r in known])
    own = np.sqrt(unmeasured) * half_width / Z_90
    return float(np.sqrt((left**2).mean() + halves**2 + own**2))


def _half_width(interval: tuple[float, float] | None) -> float:
    low, high = interval or (0.0, 0.0)
    return (high - low) / 2
