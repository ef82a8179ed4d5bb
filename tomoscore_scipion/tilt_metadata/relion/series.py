# SPDX-License-Identifier: GPL-3.0-or-later
"""RELION 5's star file of one tilt series: angles, doses, alignment, defocus.

RELION projects a point x of the specimen to Rz(ZRot) Ry(YTilt) Rx(XTilt) x + shift in the image,
both relative to the centres. The aligned image, with its tilt axis along y, has the point p of the
image at Rz(-ZRot) (p - shift). Shifts are in Angstrom for any binning. A constant tilt about x
rotates the specimen only, and is ignored. YTilt has the sign of the nominal angle, and of the
angles of IMOD and AreTomo, from which RELION takes it unchanged.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.angle_match import MAX_OFFSET_DEG
from tomoscore_scipion.tilt_metadata.exposures import Exposures, exposures_of_accumulated
from tomoscore_scipion.tilt_metadata.geometry import transforms_about_axis
from tomoscore_scipion.tilt_metadata.geometry_checks import check_angles, check_axis
from tomoscore_scipion.tilt_metadata.optics import Optics
from tomoscore_scipion.tilt_metadata.relion.table import (
    INSTEAD,
    NOMINAL,
    REFINED,
    column,
    read_table,
)

if TYPE_CHECKING:
    import pandas

ALIGNMENT = ("rlnTomoZRot", "rlnTomoXShiftAngst", "rlnTomoYShiftAngst")
X_TILT = "rlnTomoXTilt"
DOSE = "rlnMicrographPreExposure"
NAME = "rlnMicrographName"
DEFOCUS = ("rlnDefocusU", "rlnDefocusV")
PHASE_SHIFT = "rlnPhaseShift"
MICROSCOPE = ("rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast")
MAX_X_TILT_RANGE_DEG = 1.0
"""Largest range of tilts about x, which are not applied."""
MAX_REFINEMENT_DEG = 5.0
"""Largest change of an angle by refinement, without the common offset."""
IMAGE = re.compile(r"(\d{1,9})@(.+)")


@dataclass(frozen=True)
class RelionSeries:
    """Content of the file, per row.

    Attributes:
        path: the file.
        angles_deg: refined angles in degrees, (n_rows,); nominal ones if there are no refined ones.
        nominal_deg: nominal angles in degrees, (n_rows,); refined ones if there are no nominal
            ones.
        exposures: doses; None if the file has none.
        images: indices of the images in the stack, from 0, (n_rows,); None if each row names a
            file of its own.
        alignment: angle of the tilt axis from y in degrees, and shifts (x, y) of the projection in
            Angstrom, (n_rows, 3); None if the file has no alignment.
        optics: contrast transfer; None if it is not known for all rows.
        lacking: missing columns of an incomplete alignment.
    """

    path: str
    angles_deg: np.ndarray
    nominal_deg: np.ndarray
    exposures: Exposures | None
    images: np.ndarray | None
    alignment: np.ndarray | None
    optics: Optics | None
    lacking: tuple[str, ...] = ()

    def transforms(self, pixel_angstrom: float) -> np.ndarray | None:
        """The alignment in the form of IMOD, (n_rows, 2, 3) in pixels; None if there is none.

        Raises:
            TomogramError: columns of the alignment are missing.
        """
        if self.lacking:
            raise TomogramError(
                f"{self.path}: expected {', '.join(ALIGNMENT)} for an alignment, or none of them, "
                f"got no numbers in {', '.join(self.lacking)}; {INSTEAD}"
            )
        if self.alignment is None:
            return None
        return transforms_about_axis(self.alignment[:, 0], self.alignment[:, 1:] / pixel_angstrom)


def read_relion_star(path: str, convention: str | None = None) -> RelionSeries:
    """Read the star file of one tilt series.

    Args:
        path: the file.
        convention: point in the exposure of its doses, see `DOSE_CONVENTIONS`; "start", as RELION
            writes them, if None.

    Raises:
        TomogramError: the file cannot be read, or is not that of one tilt series of RELION 5.
    """
    table = read_table(path, [*ALIGNMENT, X_TILT, DOSE, NAME, *DEFOCUS, PHASE_SHIFT, *MICROSCOPE])
    nominal, angles = _angles(path, table)
    _check_x_tilt(path, column(path, table, X_TILT))
    alignment = [column(path, table, name) for name in ALIGNMENT]
    if alignment[0] is not None:
        check_axis(path, alignment[0])
    columns = [values for values in alignment if values is not None]
    lacking = [name for name, values in zip(ALIGNMENT, alignment) if values is None]
    return RelionSeries(
        path=path,
        angles_deg=angles,
        nominal_deg=nominal,
        exposures=_exposures(path, table, convention),
        images=_images(path, table),
        alignment=np.stack(columns, axis=1) if len(columns) == len(ALIGNMENT) else None,
        optics=_optics(path, table),
        lacking=tuple(lacking) if columns else (),
    )


def _angles(path: str, table: pandas.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Nominal and refined angles of the rows; each replaces the other if that is missing."""
    nominal, refined = column(path, table, NOMINAL), column(path, table, REFINED)
    if refined is not None and nominal is not None and np.ptp(nominal) == 0:
        nominal = None  # Programs without nominal angles fill the column with one number.
    angles = refined if refined is not None else nominal
    if angles is None:
        raise TomogramError(f"{path}: expected {REFINED} or {NOMINAL}; {INSTEAD}")
    check_angles(path, angles)
    if refined is not None and nominal is not None:
        _check_refined(path, nominal, refined)
    return angles if nominal is None else nominal, angles


def _check_refined(path: str, nominal_deg: np.ndarray, refined_deg: np.ndarray) -> None:
    """Check that refined and nominal angles are those of the same images.

    Raises:
        TomogramError: signs or order are opposite, or angles differ by more than refinement does.
    """
    differences = {sign: refined_deg - sign * nominal_deg for sign in (1, -1)}
    errors = {sign: np.abs(values - np.median(values)) for sign, values in differences.items()}
    offset = float(np.median(differences[1]))
    if errors[1].max() <= MAX_REFINEMENT_DEG and abs(offset) <= MAX_OFFSET_DEG:
        return
    if errors[-1].max() <= MAX_REFINEMENT_DEG:
        raise TomogramError(
            f"{path}: expected refined angles ({REFINED}) of the sign of the nominal ones "
            f"({NOMINAL}), as RELION writes them, got the other sign, or the rows of one of them "
            f"in reversed order; mend that column, or {INSTEAD}"
        )
    row = int(np.argmax(errors[1]))
    raise TomogramError(
        f"{path}: row {row + 1}: expected a refined angle ({REFINED}) near the nominal one "
        f"({NOMINAL}), up to an offset of all rows, got {refined_deg[row]:g} where that is "
        f"{nominal_deg[row]:g} degrees; are both columns those of the same images? Mend them, or "
        f"{INSTEAD}"
    )


def _check_x_tilt(path: str, x_tilt_deg: np.ndarray | None) -> None:
    if x_tilt_deg is not None and np.ptp(x_tilt_deg) > MAX_X_TILT_RANGE_DEG:
        raise TomogramError(
            f"{path}: expected one {X_TILT} for all views, within {MAX_X_TILT_RANGE_DEG:g} degree, "
            f"got {x_tilt_deg.min():g} to {x_tilt_deg.max():g}: tilts about x that differ are not "
            "applied; align the series about one axis"
        )


def _exposures(path: str, table: pandas.DataFrame, convention: str | None) -> Exposures | None:
    doses = column(path, table, DOSE)
    if doses is None:
        return None
    return exposures_of_accumulated(doses, convention or "start", os.path.basename(path))


def _images(path: str, table: pandas.DataFrame) -> np.ndarray | None:
    """Indices of the images, from 0, if rows are named N@stack (N from 1); else None."""
    names = [str(name) for name in table[NAME]] if NAME in table else []
    matches = [IMAGE.fullmatch(name) for name in names]
    stacks = [match.group(2) if match else None for match in matches]
    if not any(stacks):
        _check_files(path, names)
        return None
    if len(set(stacks)) > 1:
        other_name = names[next(row for row, stack in enumerate(stacks) if stack != stacks[0])]
        raise TomogramError(
            f"{path}: expected images of one stack in {NAME} (N@stack in each row), or files of "
            f"their own, got {names[0][:60]} and {other_name[:60]}"
        )
    images = np.array([int(match.group(1)) - 1 for match in matches if match])
    if images.min() < 0 or len(set(images.tolist())) != len(images):
        raise TomogramError(
            f"{path}: expected each image of the stack once in {NAME} (N@stack, from 1), got "
            f"{names[0][:60]} and others that are 0 or there twice"
        )
    return images


def _check_files(path: str, names: list[str]) -> None:
    """Check that rows name different files. One name in all rows is not the name of a file."""
    if 1 < len(set(names)) < len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise TomogramError(
            f"{path}: expected a file or image of its own in {NAME} for each row, got "
            f"{repeated[:60]} {names.count(repeated)} times; are rows there twice?"
        )


def _optics(path: str, table: pandas.DataFrame) -> Optics | None:
    """Defocus in nm, the mean of both axes, with the microscope where the table names it.

    RELION writes voltage, aberration and amplitude contrast in its list of tilt series; other
    programs write them here too.
    """
    try:
        defocus = [column(path, table, name) for name in DEFOCUS]
        shift = column(path, table, PHASE_SHIFT)
        voltage, aberration, amplitude = (_shared(path, table, name) for name in MICROSCOPE)
    except TomogramError:
        # The contrast transfer is needed only to flip phases.
        return None
    axes = [values for values in defocus if values is not None]
    if not axes or min(values.min() for values in axes) <= 0:
        return None
    if shift is not None and np.abs(shift).max() > 0:
        return None
    optics = Optics(0.1 * np.mean(axes, axis=0))
    if voltage is not None:
        optics = replace(optics, voltage_kv=voltage)
    if aberration is not None:
        optics = replace(optics, spherical_aberration_nm=1e6 * aberration)
    if amplitude is not None:
        optics = replace(optics, amplitude_contrast=amplitude)
    return optics if optics.voltage_kv > 0 and 0 <= optics.amplitude_contrast < 1 else None


def _shared(path: str, table: pandas.DataFrame, name: str) -> float | None:
    values = column(path, table, name)
    return None if values is None else float(np.median(values))
