# SPDX-License-Identifier: GPL-3.0-or-later
"""Content of the .mdoc of a tilt series: angles, doses and order of acquisition of the images."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from tomoscore_scipion.reading.text_file import read_text
from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.angle_match import Match, match_angles
from tomoscore_scipion.tilt_metadata.dose_checks import EQUAL_DOSE, check_steps
from tomoscore_scipion.tilt_metadata.exposures import Exposures, checked
from tomoscore_scipion.tilt_metadata.geometry_checks import check_angles
from tomoscore_scipion.tilt_metadata.mdoc.acquisition_order import (
    acquisition_order,
    times_contradict,
)
from tomoscore_scipion.tilt_metadata.mdoc.sections import Section, sections_of
from tomoscore_scipion.tilt_metadata.number_table import number

MAX_SECTIONS = 2000
MAX_REPEAT_DEG = 0.3
"""Largest difference in angle of two sections of one view that was acquired again."""


@dataclass(frozen=True)
class MdocSeries:
    """Content of the file, per section in the order of the file.

    Attributes:
        path: the file.
        angles_deg: nominal tilt angles in degrees, (n_sections,).
        exposures: doses.
        z: index of each section in the stack that the file describes, (n_sections,).
        warnings: warnings for the user.
    """

    path: str
    angles_deg: np.ndarray
    exposures: Exposures
    z: np.ndarray
    warnings: tuple[str, ...] = ()

    def stack_order(self, n_views: int) -> np.ndarray:
        """Indices of the sections in the order of the stack that the file describes, (n_views,).

        Raises:
            TomogramError: the number of sections is not `n_views`.
        """
        order = np.arange(len(self.z))
        if len(set(self.z.tolist())) == len(self.z):
            order = np.argsort(self.z)
        if len(order) != n_views:
            raise TomogramError(
                f"{self.path}: expected {n_views} sections, one per image of the stack, got "
                f"{len(self.z)}; give the angles of the stack (--tlt)"
            )
        return order

    def match(self, angles_deg: np.ndarray, angles_path: str) -> Match:
        """Assign a section to each view of a stack, which may be sorted or lack views.

        If a view was acquired twice, the later section is used.

        Args:
            angles_deg: nominal or refined angles of the views in degrees, (n_views,).
            angles_path: file of these angles, for messages.

        Raises:
            TomogramError: the angles are not those of this stack.
        """
        match = match_angles(angles_deg, self.angles_deg, self._superseded())
        if match is None:
            raise TomogramError(
                f"{self.path}: expected a section for each of the {len(angles_deg)} views of "
                f"{angles_path} with its angle, up to a common offset and a turned sign, got "
                f"{len(self.angles_deg)} sections from {self.angles_deg.min():g} to "
                f"{self.angles_deg.max():g} degrees, and views from {angles_deg.min():g} to "
                f"{angles_deg.max():g}; are both of this stack? If they are, give the doses in a "
                "text file (--doses), one line per view"
            )
        return match

    def _superseded(self) -> np.ndarray:
        """Sections whose view was acquired again later, (n_sections,) bool."""
        before = self.exposures.before
        near = np.abs(self.angles_deg[:, None] - self.angles_deg[None, :]) < MAX_REPEAT_DEG
        return (near & (before[None, :] > before[:, None])).any(axis=1)


def read_mdoc(path: str) -> MdocSeries:
    """Read the .mdoc of a tilt series.

    Raises:
        TomogramError: the file cannot be read, has no angles or doses, or the order of acquisition
            cannot be determined.
    """
    sections = sections_of(read_text(path, "SerialEM's .mdoc of a tilt series"))
    if not 1 < len(sections) <= MAX_SECTIONS:
        raise TomogramError(
            f"{path}: expected SerialEM's .mdoc of a tilt series, with a section [ZValue = ...] "
            f"for each image, got {len(sections)} sections; the .mdoc of a single image or movie "
            "says nothing of its series"
        )
    angles = _numbers(path, sections, "TiltAngle")
    check_angles(path, angles)
    doses = _numbers(path, sections, "ExposureDose")
    if not (doses > 0).all():
        raise TomogramError(_lacks(path, int(np.argmin(doses > 0)), "ExposureDose > 0"))
    before, how, warnings = _before(path, sections, angles, doses)
    name = os.path.basename(path)
    exposures = Exposures(before, doses, f"doses of {name}: dose of each view, {how}")
    exposures = checked(exposures, name, check_steps(name, before, doses))
    z = np.array([section.z for section in sections])
    return MdocSeries(path, angles, exposures, z, warnings)


def _numbers(path: str, sections: list[Section], key: str) -> np.ndarray:
    """Values of a key in all sections, (n_sections,).

    Raises:
        TomogramError: a section does not have the key, or its value is not a number.
    """
    values = np.empty(len(sections))
    for at, section in enumerate(sections):
        try:
            values[at] = number(section.fields.get(key, ""))
        except ValueError:
            raise TomogramError(_lacks(path, at, key, section.fields.get(key))) from None
    return values


def _lacks(path: str, at: int, expected: str, value: str | None = None) -> str:
    if value is not None:
        expected = f"a number, with a decimal point, as {expected}, got {value[:40]!r}"
    else:
        expected = f"{expected}, as in every section"
    way_out = (
        "SerialEM writes doses only where they are calibrated: give them in a text file (--doses), "
        "one line per view: dose before it, dose of it"
    )
    if "TiltAngle" in expected:
        way_out = "mend it, or give angles and doses in text files (--tlt, --doses)"
    return f"{path}: section {at + 1}: expected {expected}; {way_out}"


def _before(
    path: str, sections: list[Section], angles: np.ndarray, doses: np.ndarray
) -> tuple[np.ndarray, str, tuple[str, ...]]:
    """Dose before each section, its source, and warnings."""
    prior = _prior(sections)
    if prior is not None:
        warnings = _check_prior(os.path.basename(path), sections, prior, doses)
        return prior, "and the dose before it as it is written there", warnings
    order, how, warnings = acquisition_order(path, sections, angles)
    before = np.empty(len(doses))
    before[order] = np.cumsum(doses[order]) - doses[order]
    return before, f"summed in the order of {how}", warnings


def _check_prior(
    name: str, sections: list[Section], prior: np.ndarray, doses: np.ndarray
) -> tuple[str, ...]:
    """Warn if doses before the sections do not begin with 0, or contradict the times."""
    warnings = []
    if prior.min() > EQUAL_DOSE * float(np.median(doses)):
        warnings.append(
            f"{name}: the first view has a PriorRecordDose of {prior.min():g} e/A^2, as where "
            "views are missing before it; if these are the doses after the views, give those "
            "before them in a text file (--doses)"
        )
    if times_contradict(sections, prior):
        warnings.append(
            f"{name}: times (DateTime) tell another order of acquisition than the doses before the "
            "views (PriorRecordDose), which are taken; if they were summed in the order of the "
            "file, give the doses in a text file (--doses)"
        )
    return tuple(warnings)


def _prior(sections: list[Section]) -> np.ndarray | None:
    """Doses before the sections; None unless all sections have them and they all differ."""
    try:
        prior = np.array([number(s.fields.get("PriorRecordDose", "")) for s in sections])
    except ValueError:
        return None
    distinct = len(np.unique(prior)) == len(prior)
    return prior if distinct and prior.min() >= 0 else None
