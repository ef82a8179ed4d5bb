# SPDX-License-Identifier: GPL-3.0-or-later
"""The correction of a session, and the file that keeps it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from tomoscore_scipion.records.bands import N_SCORED, PERIODS_NM
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.small_file import is_finite, numbers, read_object, write_object

WHAT, SCHEMA = "TomoScore calibration", 1
OF_THE_FILE = ("name", "sha256")
FEWEST = 6
"""Tomograms with measured halves below which nothing is learned."""


@dataclass(frozen=True)
class Calibration:
    """A correction of the resolvability curve, octave by octave: a shift of log(R / (1 - R)).

    It is monotone, and leaves an R of 0 at 0: where there is nothing to see, none is invented.

    Attributes:
        model_sha256: of the weights whose predictions it corrects.
        shifts: (N_SCORED,) of log(R / (1 - R)), coarsest octave first; 0 where nothing is
            corrected.
        octaves: (coarse, fine) periods in nm of the octaves that the halves measured.
        tomograms: number of tomograms that it was learned from.
        kinds: number of tomograms with halves of each kind.
        error_before: mean absolute difference of predicted and measured scores, octaves.
        error_after: the same of calibrated scores, cross-validated.
        sd: standard deviation of a calibrated score, octaves.
        half_width: mean half width of the 90 % intervals of the predictions, octaves.
        engine_version: of the program that learned it.
        created: when, ISO 8601.
        name: of its file; "" before it is written.
        sha256: of its file.

    Raises:
        ValueError: a field is not what it must be; the message says which.
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
        if not (isinstance(self.tomograms, int) and self.tomograms >= FEWEST):
            raise ValueError(f"tomograms: expected {FEWEST} or more, got {self.tomograms!r}")
        object.__setattr__(self, "shifts", numbers(self.shifts, N_SCORED))
        octaves = tuple(numbers(period, 2) for period in self.octaves)
        if not octaves or not set(octaves) <= set(PERIODS_NM[:N_SCORED]):
            raise ValueError(f"octaves: expected some of {PERIODS_NM[:N_SCORED]}, got {octaves}")
        object.__setattr__(self, "octaves", octaves)

    def corrected(self, curves: np.ndarray) -> np.ndarray:
        """Corrected R of curves; NaN, 0 and less stay as they are.

        Args:
            curves: (..., bands) R, coarsest octave first, N_SCORED bands at least.
        """
        curves = np.asarray(curves, dtype=float)
        shifts = np.zeros(curves.shape[-1])
        shifts[:N_SCORED] = self.shifts
        return shifted(curves, shifts)

    def check_model(self, model_sha256: str) -> None:
        """Check that predictions are of the weights that it corrects.

        Raises:
            StartError: they are of others.
        """
        if model_sha256 != self.model_sha256:
            raise StartError(
                f"the calibration {self.name} corrects scores of the weights "
                f"{self.model_sha256[:12]} (sha256), found the weights {model_sha256[:12]}: score "
                "the tomograms with halves again, and calibrate anew"
            )

    def provenance(self) -> dict[str, Any]:
        """What a record says of it."""
        return {"name": self.name, "sha256": self.sha256, "tomograms": self.tomograms}


def shifted(resolvability: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """R with log(R / (1 - R)) shifted; R of 0 and less, and NaN, stay.

    Args:
        resolvability: R, up to 1.
        shift: of a shape that broadcasts with it.
    """
    factor = np.exp(shift)
    inside = np.minimum(resolvability, 1.0)
    moved = inside * factor / (1 - inside + inside * factor)
    return np.where(resolvability > 0, moved, resolvability)


def write_calibration(path: str, calibration: Calibration) -> None:
    """Write a calibration; a file of its name is replaced.

    Raises:
        StartError: it cannot be written.
    """
    content = {k: v for k, v in asdict(calibration).items() if k not in OF_THE_FILE}
    write_object(path, {"what": WHAT, "schema": SCHEMA, **content})


def read_calibration(path: str) -> Calibration:
    """Read a calibration.

    Raises:
        StartError: it cannot be read, or is none; the message names the file.
    """
    names = [field.name for field in fields(Calibration) if field.name not in OF_THE_FILE]
    content, sha256 = read_object(path, WHAT, SCHEMA, names), _sha256_of(path)
    try:
        calibration = Calibration(**{name: content[name] for name in names})
    except (ValueError, TypeError) as error:
        raise StartError(f"{path}: {error}: write the calibration again") from error
    return replace(calibration, name=os.path.basename(path), sha256=sha256)


def _sha256_of(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
