# SPDX-License-Identifier: GPL-3.0-or-later
"""RELION 5's star file of one tilt series, by the package starfile: angles, doses, alignment.

RELION projects a point x of the specimen to the point Rz(ZRot) Ry(YTilt) Rx(XTilt) x + shift of the
image, from the centres of both. So the aligned image, whose tilt axis is y, has the image's point p
at Rz(-ZRot) (p - shift). Shifts are in Angstrom, whatever the binning. A tilt about x that is the
same in all views turns the specimen only, and is left out.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tomoscore_scipion.dose.exposures import Exposures, exposures_of_accumulated
from tomoscore_scipion.dose.geometry import transforms_about_axis
from tomoscore_scipion.engine.errors import TomogramError
from tomoscore_scipion.engine.imod_files import check_angles, check_axis, number, read_text

if TYPE_CHECKING:
    import pandas

NOMINAL, REFINED = "rlnTomoNominalStageTiltAngle", "rlnTomoYTilt"
ALIGNMENT = ("rlnTomoZRot", "rlnTomoXShiftAngst", "rlnTomoYShiftAngst")
X_TILT = "rlnTomoXTilt"
DOSE = "rlnMicrographPreExposure"
NAME = "rlnMicrographName"
LIST_OF_SERIES = "rlnTomoTiltSeriesStarFile"
MATRICES = "rlnTomoProjX"
MOST_X_TILT_DEG = 1.0
"""Views may differ by so much in their tilt about x, which is not applied."""
EMPTY = ("nan", "<na>", "none", "")
IMAGE = re.compile(r"(\d+)@.+")
INSTEAD = "give angles, alignment and doses in text files (--tlt, --xf, --doses)"


@dataclass(frozen=True)
class RelionSeries:
    """What the file says, per row.

    Attributes:
        path: the file.
        angles_deg: refined angles where they are there, else nominal ones, (n_rows,).
        exposures: doses; None where the file has none.
        images: which images of the stack the rows name, 0-based, (n_rows,); None where they name
            files of their own.
        alignment: angle of the tilt axis from y in degrees, and shifts (x, y) of the projection in
            Angstrom, (n_rows, 3); None where there is no alignment.
    """

    path: str
    angles_deg: np.ndarray
    exposures: Exposures | None
    images: np.ndarray | None
    alignment: np.ndarray | None

    def transforms(self, pixel_angstrom: float) -> np.ndarray | None:
        """The alignment in IMOD's form, (n_rows, 2, 3) in pixels; None where there is none."""
        if self.alignment is None:
            return None
        return transforms_about_axis(self.alignment[:, 0], self.alignment[:, 1:] / pixel_angstrom)


def read_relion_star(path: str, convention: str | None = None) -> RelionSeries:
    """Read the star file of one tilt series.

    Args:
        path: the file.
        convention: what its doses are the doses of; RELION's "start" of the exposure when None.

    Raises:
        TomogramError: it cannot be read, or does not hold one tilt series of RELION 5.
    """
    table = _table(path)
    nominal = _column(path, table, NOMINAL)
    refined = _column(path, table, REFINED)
    angles = refined if refined is not None else nominal
    if angles is None:
        raise TomogramError(f"{path}: expected {REFINED} or {NOMINAL}; {INSTEAD}")
    check_angles(path, angles)
    x_tilt = _column(path, table, X_TILT)
    if x_tilt is not None and np.ptp(x_tilt) > MOST_X_TILT_DEG:
        raise TomogramError(
            f"{path}: expected one {X_TILT} for all views, within {MOST_X_TILT_DEG:g} degree, got "
            f"{x_tilt.min():g} to {x_tilt.max():g}: tilts about x that differ are not applied; "
            "align the series about one axis"
        )
    alignment = [_column(path, table, name) for name in ALIGNMENT]
    if alignment[0] is not None:
        check_axis(path, alignment[0])
    there = [values for values in alignment if values is not None]
    return RelionSeries(
        path=path,
        angles_deg=angles,
        exposures=_exposures(path, table, convention),
        images=_images(path, table),
        alignment=np.stack(there, axis=1) if len(there) == len(ALIGNMENT) else None,
    )


def _table(path: str) -> pandas.DataFrame:
    """The one table of the file that has a row per view."""
    blocks = _blocks(path)
    tables = {name: block for name, block in blocks.items() if hasattr(block, "columns")}
    wanted = {
        name: table
        for name, table in tables.items()
        if (NOMINAL in table or REFINED in table) and len(table) > 1
    }
    if len(wanted) == 1:
        return next(iter(wanted.values()))
    if wanted:
        raise TomogramError(
            f"{path}: expected one tilt series, got {len(wanted)}: {_some(list(wanted))}; "
            "give the star file of one of them"
        )
    for table in tables.values():
        if LIST_OF_SERIES in table:
            raise TomogramError(
                f"{path}: expected the star file of one tilt series, got a list of them; give one "
                f"of the files that it names: {_some([str(f) for f in table[LIST_OF_SERIES]])}"
            )
        if MATRICES in table:
            raise TomogramError(
                f"{path}: expected the angles of RELION 5 ({REFINED}), got the projection matrices "
                f"of RELION 4; {INSTEAD}"
            )
    raise TomogramError(
        f"{path}: expected RELION 5's star file of a tilt series, with a table that has {REFINED} "
        f"or {NOMINAL} for each view; {INSTEAD}"
    )


def _blocks(path: str) -> dict[str, Any]:
    import starfile

    read_text(path, "a star file of RELION 5")
    names = [NOMINAL, REFINED, *ALIGNMENT, X_TILT, DOSE, NAME, LIST_OF_SERIES]
    try:
        return dict(starfile.read(path, always_dict=True, parse_as_string=names))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OSError) as error:
        raise TomogramError(
            f"{path}: expected a star file of RELION 5, got one with tables that cannot be read "
            f"({type(error).__name__}); is it whole, with a word in each column of each row?"
        ) from error


def _column(path: str, table: pandas.DataFrame, name: str) -> np.ndarray | None:
    """The numbers of a column, (n_rows,); None where it is not there, or empty in all rows."""
    if name not in table:
        return None
    words = [str(word) for word in table[name]]
    if all(word.lower() in EMPTY for word in words):
        return None
    values = np.empty(len(words))
    for row, word in enumerate(words):
        try:
            values[row] = number(word)
        except ValueError:
            raise TomogramError(
                f"{path}: row {row + 1}: expected a finite number in {name}, got {word[:40]!r}"
            ) from None
    return values


def _exposures(path: str, table: pandas.DataFrame, convention: str | None) -> Exposures | None:
    doses = _column(path, table, DOSE)
    if doses is None:
        return None
    return exposures_of_accumulated(doses, convention or "start", os.path.basename(path))


def _images(path: str, table: pandas.DataFrame) -> np.ndarray | None:
    """Images of the stack where rows are named N@stack, counted from 1; else None."""
    names = [str(name) for name in table[NAME]] if NAME in table else []
    found = [IMAGE.fullmatch(name) for name in names]
    if not found or not all(found) or any(len(m.group(1)) > 9 for m in found if m):
        return None
    images = np.array([int(match.group(1)) - 1 for match in found if match])
    if images.min() < 0 or len(set(images.tolist())) != len(images):
        raise TomogramError(
            f"{path}: expected each image of the stack once in {NAME} (N@stack, from 1), got "
            f"{names[0][:60]} and others that are 0 or there twice"
        )
    return images


def _some(names: list[str]) -> str:
    return ", ".join(name[:80] for name in names[:3]) + (", ..." if len(names) > 3 else "")
