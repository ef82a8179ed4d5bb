# SPDX-License-Identifier: GPL-3.0-or-later
"""SerialEM's metadata (.mdoc) by the package mdocfile: angles and doses of the views."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from tomoscore_scipion.dose.exposures import Exposures
from tomoscore_scipion.engine.errors import TomogramError

NEAR_DEG = 2.0
"""Refined and nominal angles of a view differ by less."""


@dataclass(frozen=True)
class MdocSeries:
    """What the file says, per section in the order of the file.

    Attributes:
        angles_deg: nominal tilt angles, (n_sections,).
        exposures: doses.
    """

    angles_deg: np.ndarray
    exposures: Exposures

    def in_order_of(self, angles_deg: np.ndarray, path: str) -> Exposures:
        """The doses in the order of a stack whose views may have been sorted since.

        Args:
            angles_deg: of the stack's views, (n_views,); refined angles do.
            path: the file, for messages.

        Raises:
            TomogramError: the angles are not those of this stack.
        """
        if len(angles_deg) == len(self.angles_deg):
            apart = np.abs(angles_deg - self.angles_deg)
            if apart.max() <= NEAR_DEG:
                return self.exposures
            here, there = (np.argsort(a, kind="stable") for a in (angles_deg, self.angles_deg))
            places = np.empty(len(here), dtype=int)
            places[here] = there
            if np.abs(angles_deg - self.angles_deg[places]).max() <= NEAR_DEG:
                return self.exposures.select(places)
        raise TomogramError(
            f"{path}: expected a section for each of the {len(angles_deg)} views with its angle, "
            f"within {NEAR_DEG:g} degrees, got {len(self.angles_deg)} sections; give the doses in "
            "a text file (--doses), one line per view"
        )


def read_mdoc(path: str) -> MdocSeries:
    """Read SerialEM's metadata of a tilt series.

    Raises:
        TomogramError: it cannot be read, or has no angles or doses.
    """
    table = _table(path)
    for column in ("TiltAngle", "ExposureDose"):
        if column not in table:
            raise TomogramError(_lacks(path, column))
    angles = np.asarray(table["TiltAngle"], dtype=np.float64)
    doses = np.asarray(table["ExposureDose"], dtype=np.float64)
    if not np.isfinite(angles).all():
        raise TomogramError(_lacks(path, "TiltAngle"))
    if not (doses > 0).all():
        raise TomogramError(_lacks(path, "ExposureDose > 0"))
    before = _before(table, doses)
    name = os.path.basename(path)
    return MdocSeries(
        angles, Exposures(before, doses, f"doses of {name}: before each view, and of the view")
    )


def _lacks(path: str, what: str) -> str:
    return (
        f"{path}: expected {what} in every section; SerialEM writes doses only where they are "
        "calibrated: give them in a text file (--doses), one line per view: dose before it, dose "
        "of it"
    )


def _table(path: str) -> Any:
    import mdocfile
    from pydantic import ValidationError

    logging.getLogger("mdocfile").setLevel(logging.ERROR)  # of fields that it does not know
    try:
        return mdocfile.read(path)
    except OSError as error:
        raise TomogramError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValidationError, ValueError, KeyError, IndexError, TypeError) as error:
        raise TomogramError(
            f"{path}: expected SerialEM's .mdoc of a tilt series: {error}"
        ) from error


def _before(table: Any, doses: np.ndarray) -> np.ndarray:
    """Dose before each section: as it is written, else summed in the order of time or of file."""
    if "PriorRecordDose" in table:
        prior = np.asarray(table["PriorRecordDose"], dtype=np.float64)
        if np.isfinite(prior).all() and len(np.unique(prior)) == len(prior):
            return prior
    order = _time_order(table, len(doses))
    before = np.empty(len(doses))
    before[order] = np.cumsum(doses[order]) - doses[order]
    return before


def _time_order(table: Any, n_sections: int) -> np.ndarray:
    """Sections in the order of acquisition: by DateTime where all have it, else as they come."""
    from datetime import datetime

    times = []
    for text in table.get("DateTime", ()):
        for form in ("%d-%b-%y  %H:%M:%S", "%d-%b-%Y  %H:%M:%S", "%d-%b-%y %H:%M:%S"):
            try:
                times.append(datetime.strptime(str(text), form).timestamp())
                break
            except ValueError:
                continue
    if len(times) != n_sections:
        return np.arange(n_sections)
    return np.argsort(np.array(times), kind="stable")
