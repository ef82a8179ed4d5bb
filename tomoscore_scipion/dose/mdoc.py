# SPDX-License-Identifier: GPL-3.0-or-later
"""SerialEM's metadata (.mdoc): angles and doses of the images, and their order of acquisition."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from tomoscore_scipion.dose.angle_match import Match, match_angles
from tomoscore_scipion.dose.exposures import Exposures
from tomoscore_scipion.dose.mdoc_text import Section, seconds_of, sections_of
from tomoscore_scipion.engine.errors import TomogramError
from tomoscore_scipion.engine.imod_files import check_angles, number, read_text

MOST_SECTIONS = 2000
SAME_ANGLE_DEG = 0.3
"""Sections nearer than this in angle are of one view, taken again."""
BY_ANGLE = 0.9
"""Sections of which so many steps in angle have one sign run by angle, not by time."""
MOST_EQUAL_TIMES = 0.1
"""Share of sections whose time another one has too, up to which times tell the order."""


@dataclass(frozen=True)
class MdocSeries:
    """What the file says, per section in the order of the file.

    Attributes:
        path: the file.
        angles_deg: nominal tilt angles, (n_sections,).
        exposures: doses.
        z: numbers in the stack that the file describes, (n_sections,).
        warnings: what the user should know.
    """

    path: str
    angles_deg: np.ndarray
    exposures: Exposures
    z: np.ndarray
    warnings: tuple[str, ...] = ()

    def stack_order(self, n_views: int) -> np.ndarray:
        """Sections in the order of the stack that the file describes, (n_views,).

        Raises:
            TomogramError: there are more or fewer of them than views.
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

    def match(self, angles_deg: np.ndarray, known: str) -> Match:
        """The section of each view of a stack whose views may have been sorted or left out since.

        Where a view was taken twice, the later section is taken.

        Args:
            angles_deg: of the stack's views, (n_views,); refined angles do.
            known: the file that they are from, for messages.

        Raises:
            TomogramError: the angles are not those of this stack.
        """
        found = match_angles(angles_deg, self.angles_deg, self._superseded())
        if found is None:
            raise TomogramError(
                f"{self.path}: expected a section for each of the {len(angles_deg)} views of "
                f"{known} with its angle, up to a common offset and a turned sign, got "
                f"{len(self.angles_deg)} sections from {self.angles_deg.min():g} to "
                f"{self.angles_deg.max():g} degrees, and views from {angles_deg.min():g} to "
                f"{angles_deg.max():g}; are both of this stack? If they are, give the doses in a "
                "text file (--doses), one line per view"
            )
        return found

    def _superseded(self) -> np.ndarray:
        """Sections of which another one at the same angle was taken later, (n_sections,) bool."""
        before = self.exposures.before
        near = np.abs(self.angles_deg[:, None] - self.angles_deg[None, :]) < SAME_ANGLE_DEG
        return (near & (before[None, :] > before[:, None])).any(axis=1)


def read_mdoc(path: str) -> MdocSeries:
    """Read SerialEM's metadata of a tilt series.

    Raises:
        TomogramError: it cannot be read, has no angles or doses, or does not tell the order of
            acquisition.
    """
    sections = sections_of(read_text(path, "SerialEM's .mdoc of a tilt series"))
    if not 1 < len(sections) <= MOST_SECTIONS:
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
    exposures = Exposures(
        before, doses, f"doses of {os.path.basename(path)}: dose of each view, {how}"
    )
    z = np.array([section.z for section in sections])
    return MdocSeries(path, angles, exposures, z, warnings)


def _numbers(path: str, sections: list[Section], key: str) -> np.ndarray:
    """A number of every section.

    Raises:
        TomogramError: a section has none.
    """
    values = np.empty(len(sections))
    for at, section in enumerate(sections):
        try:
            values[at] = number(section.fields.get(key, ""))
        except ValueError:
            raise TomogramError(_lacks(path, at, key)) from None
    return values


def _lacks(path: str, at: int, what: str) -> str:
    return (
        f"{path}: section {at + 1}: expected {what}, as in every section; SerialEM writes doses "
        "only where they are calibrated: give them in a text file (--doses), one line per view: "
        "dose before it, dose of it"
    )


def _before(
    path: str, sections: list[Section], angles: np.ndarray, doses: np.ndarray
) -> tuple[np.ndarray, str, tuple[str, ...]]:
    """Dose before each section, how it is known, and warnings."""
    prior = _prior(sections)
    if prior is not None:
        return prior, "and the dose before it as it is written there", ()
    order, how, warnings = _order(path, sections, angles)
    before = np.empty(len(doses))
    before[order] = np.cumsum(doses[order]) - doses[order]
    return before, f"summed in the order of {how}", warnings


def _prior(sections: list[Section]) -> np.ndarray | None:
    """Doses before the sections where all have another one; else None."""
    try:
        prior = np.array([number(s.fields.get("PriorRecordDose", "")) for s in sections])
    except ValueError:
        return None
    distinct = len(np.unique(prior)) == len(prior)
    return prior if distinct and prior.min() >= 0 else None


def _order(
    path: str, sections: list[Section], angles: np.ndarray
) -> tuple[np.ndarray, str, tuple[str, ...]]:
    """Sections in the order of acquisition, of what that is the order, and warnings.

    Times tell it where they differ. Without them sections come as they were taken, unless somebody
    sorted them by angle.

    Raises:
        TomogramError: it cannot be told.
    """
    name = os.path.basename(path)
    texts = [section.fields.get("DateTime") for section in sections]
    times = [None if text is None else seconds_of(text) for text in texts]
    known = [time for time in times if time is not None]
    equal = len(times) - len(set(known))
    if len(known) == len(times) and equal == 0:
        return np.argsort(known), "their times", ()
    strange = next((t for t, s in zip(texts, times) if t is not None and s is None), None)
    if strange is not None:
        why = f"their times have an unknown form ({strange[:40]!r})"
    elif len(known) < len(times):
        why = f"{len(times) - len(known)} of {len(times)} have no time (DateTime)"
    else:
        why = f"only {len(set(known))} of {len(times)} have a time of their own"
    steps = np.sign(np.diff(angles))
    by_angle = max((steps >= 0).mean(), (steps <= 0).mean()) >= BY_ANGLE
    if len(known) == len(times) and equal <= MOST_EQUAL_TIMES * len(times):
        return (
            np.argsort(known, kind="stable"),
            "their times",
            (f"{name}: {why}; those of one time are taken in the order of the file",),
        )
    jumbled = bool(len(known) > 1 and np.diff(known).min() < 0)
    if by_angle or jumbled:
        run = "times go back and forth" if jumbled else "sections run by angle"
        raise TomogramError(
            f"{path}: the order of acquisition is not known: {run}, {why}, and there is no "
            "PriorRecordDose that differs between them; give the original .mdoc, or the doses in a "
            "text file (--doses), one line per view: dose before it, dose of it"
        )
    return (
        np.arange(len(sections)),
        "the file",
        (f"{name}: sections are taken to have been acquired in the order of the file: {why}",),
    )
