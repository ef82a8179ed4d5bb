# SPDX-License-Identifier: GPL-3.0-or-later
"""The correction of the scores of a session, and its file."""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from tomoscore_scipion.records.bands import N_SCORED, PERIODS_NM
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.small_file import is_finite, numbers, read_object, write_object

CONTENT, SCHEMA = "TomoScore calibration", 1
SET_BY_READING = ("name", "sha256")
MIN_TOMOGRAMS = 6
"""Smallest number of tomograms with measured halves for a calibration."""


@dataclass(frozen=True)
class Calibration:
    """A correction of the resolvability curve: a shift of log(R / (1 - R)) in each octave.

    The correction is monotone, and 0 stays 0.

    Attributes:
        model_sha256: SHA-256 of the weights that made the predictions.
        shifts: (N_SCORED,) shifts of log(R / (1 - R)), coarsest octave first.
        octaves: (coarse, fine) periods in nm of the octaves that the halves measured.
        tomograms: number of tomograms in the fit.
        kinds: number of tomograms with halves of each kind.
        error_before: mean absolute difference of predicted and measured scores, octaves.
        error_after: the same of calibrated scores, cross-validated.
        sd: standard deviation of a calibrated score, octaves.
        half_width: mean half width of the 90 % intervals of the predictions, octaves.
        engine_version: version of the program that fitted it.
        created: date and time, ISO 8601.
        name: name of its file; "" before it is written.
        sha256: SHA-256 of its file; "" before it is written.

    Raises:
        ValueError: a field is invalid; the message names it.
    """

    model_sha256: str
    shifts: tuple[float, ...]
    octaves: tuple[tuple[float, float], ...]
    tomograms: int
    kinds: dict[str, int]
    error_before: float
    error_after: float
    sd: float
    half_width: float
    engine_version: str
    created: str
    name: str = ""
    sha256: str = ""

    def __post_init__(self) -> None:
        for name in ("model_sha256", "engine_version", "created"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name}: expected a text, got {getattr(self, name)!r}")
        for name in ("error_before", "error_after", "sd", "half_width"):
            if not (is_finite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ValueError(f"{name}: expected a number >= 0, got {getattr(self, name)!r}")
        if not (isinstance(self.tomograms, int) and self.tomograms >= MIN_TOMOGRAMS):
            raise ValueError(f"tomograms: expected {MIN_TOMOGRAMS} or more, got {self.tomograms!r}")
        object.__setattr__(self, "shifts", numbers(self.shifts, N_SCORED))
        octaves = tuple(numbers(period, 2) for period in self.octaves)
        if not octaves or not set(octaves) <= set(PERIODS_NM[:N_SCORED]):
            raise ValueError(f"octaves: expected some of {PERIODS_NM[:N_SCORED]}, got {octaves}")
        object.__setattr__(self, "octaves", octaves)

    def corrected(self, curves: np.ndarray) -> np.ndarray:
        """Corrected R of curves; NaN and values of 0 or less are unchanged.

        Args:
            curves: (..., n_bands) R, coarsest octave first, n_bands >= N_SCORED.
        """
        curves = np.asarray(curves, dtype=float)
        shifts = np.zeros(curves.shape[-1])
        shifts[:N_SCORED] = self.shifts
        return shifted(curves, shifts)

    def check_model(self, model_sha256: str) -> None:
        """Check that predictions were made with the weights of the calibration.

        Raises:
            StartError: they were made with other weights.
        """
        if model_sha256 != self.model_sha256:
            raise StartError(
                f"the calibration {self.name} corrects scores of the weights "
                f"{self.model_sha256[:12]} (sha256), found the weights {model_sha256[:12]}: score "
                "the tomograms with halves again, and calibrate anew"
            )

    def provenance(self) -> dict[str, Any]:
        """The entry of a record: name, SHA-256 and number of tomograms."""
        return {"name": self.name, "sha256": self.sha256, "tomograms": self.tomograms}


def shifted(resolvability: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """R with log(R / (1 - R)) shifted; NaN and values of 0 or less are unchanged.

    Args:
        resolvability: R, any shape; values above 1 count as 1.
        shift: shift of log(R / (1 - R)), of a shape that broadcasts with R.
    """
    factor = np.exp(shift)
    inside = np.minimum(resolvability, 1.0)
    moved = inside * factor / (1 - inside + inside * factor)
    return np.where(resolvability > 0, moved, resolvability)


def write_calibration(path: str, calibration: Calibration) -> None:
    """Write a calibration; an existing file is replaced.

    Raises:
        StartError: the file cannot be written.
    """
    content = {k: v for k, v in asdict(calibration).items() if k not in SET_BY_READING}
    write_object(path, {"what": CONTENT, "schema": SCHEMA, **content})


def read_calibration(path: str) -> Calibration:
    """Read a calibration.

    Raises:
        StartError: the file cannot be read, or is not a calibration; the message names it.
    """
    names = [field.name for field in fields(Calibration) if field.name not in SET_BY_READING]
    content, sha256 = read_object(path, CONTENT, SCHEMA, names), _sha256_of(path)
    try:
        calibration = Calibration(**{name: content[name] for name in names})
    except (ValueError, TypeError) as error:
        raise StartError(f"{path}: {error}: write the calibration again") from error
    return replace(calibration, name=os.path.basename(path), sha256=sha256)


def _sha256_of(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
