# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order the sections of an .mdoc were acquired: by their times, or as they come.

Times tell it where they differ. Without them sections come as they were taken, unless somebody
sorted them by angle.
"""

from __future__ import annotations

import os
from typing import Sequence, Tuple

import numpy as np

from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.mdoc.sections import Section
from tomoscore_scipion.tilt_metadata.mdoc.times import Time, over_noon, time_of

BY_ANGLE = 0.9
"""Sections of which so many steps in angle have one sign run by angle, not by time."""
MOST_EQUAL_TIMES = 0.1
"""Share of sections whose time another one has too, up to which times tell the order."""

Order = Tuple[np.ndarray, str, Tuple[str, ...]]
"""Sections in the order of acquisition, of what that is the order, and warnings."""


def acquisition_order(path: str, sections: Sequence[Section], angles: np.ndarray) -> Order:
    """The order of acquisition, of what it is the order, and warnings.

    Args:
        path: the file.
        sections: in the order of the file.
        angles: of them, degrees, (n_sections,).

    Raises:
        TomogramError: it cannot be told.
    """
    texts = [section.fields.get("DateTime") for section in sections]
    times = [None if text is None else time_of(text) for text in texts]
    known = [time for time in times if time is not None]
    unsure = _why_unsure(texts, times)
    if unsure is None:
        found, unsure = _by_times(os.path.basename(path), known)
        if found is not None:
            return found
    seconds = [time.seconds for time in known]
    jumbled = bool(len(seconds) > 1 and np.diff(seconds).min() < 0)
    return _as_they_come(path, angles, unsure, jumbled)


def times_contradict(sections: Sequence[Section], before: np.ndarray) -> bool:
    """Whether the times of sections go back where they are put in the order of their doses.

    Args:
        sections: of the file.
        before: dose before each of them, (n_sections,), all different.
    """
    texts = [section.fields.get("DateTime") for section in sections]
    times = [None if text is None else time_of(text) for text in texts]
    known = [time for time in times if time is not None]
    if _why_unsure(texts, times) is not None or over_noon(known) is not None:
        return False
    seconds = np.array([time.seconds for time in known])
    return bool((np.diff(seconds[np.argsort(before)]) < 0).any())


def _why_unsure(texts: Sequence[str | None], times: Sequence[Time | None]) -> str | None:
    """Why times do not tell an order; None where there is one, in a known form, in each section."""
    strange = next((t for t, time in zip(texts, times) if t is not None and time is None), None)
    if strange is not None:
        return f"their times have an unknown form ({strange[:40]!r})"
    known = [time for time in times if time is not None]
    if len(known) < len(times):
        return f"{len(times) - len(known)} of {len(times)} have no time (DateTime)"
    if len({time.marked for time in known}) > 1:
        return "some of their times have AM or PM, or a time zone, and others have not"
    return None


def _by_times(name: str, times: Sequence[Time]) -> tuple[Order | None, str]:
    """The order of times of which there is one for each section, or why it cannot be told."""
    seconds = [time.seconds for time in times]
    distinct = len(set(seconds))
    told: tuple[str, ...] = ()
    if distinct < len(times):
        why = f"only {distinct} of {len(times)} have a time of their own"
        if len(times) - distinct > MOST_EQUAL_TIMES * len(times):
            return None, why
        told = (f"{name}: {why}; those of one time are taken in the order of the file",)
    plain, as_they_come = np.argsort(seconds, kind="stable"), np.arange(len(times))
    on_dial = over_noon(times)
    if on_dial is None or np.array_equal(plain, as_they_come):
        return (plain, "their times", told), ""
    why = "their times may be of a 12-hour clock without AM and PM"
    if not np.array_equal(on_dial, as_they_come):
        return None, why
    told = (*told, f"{name}: {why}, with which they agree with the order of the file: it is taken")
    return (on_dial, "the file, and their times on a 12-hour clock", told), ""


def _as_they_come(path: str, angles: np.ndarray, why: str, jumbled: bool) -> Order:
    """The order of the file, unless sections run by angle or times contradict it."""
    steps = np.sign(np.diff(angles))
    by_angle = max((steps >= 0).mean(), (steps <= 0).mean()) >= BY_ANGLE
    if by_angle or jumbled:
        run = "times go back and forth" if jumbled else "sections run by angle"
        raise TomogramError(
            f"{path}: the order of acquisition is not known: {run}, {why}, and there is no "
            "PriorRecordDose that differs between them; give the original .mdoc, or the doses in a "
            "text file (--doses), one line per view: dose before it, dose of it"
        )
    return (
        np.arange(len(angles)),
        "the file",
        (
            f"{os.path.basename(path)}: sections are taken to have been acquired in the order of "
            f"the file: {why}",
        ),
    )
