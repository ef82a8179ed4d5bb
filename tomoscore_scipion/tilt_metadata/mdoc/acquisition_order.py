# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of acquisition of the sections of an .mdoc, from times or the order of the file.

Without times that differ, sections are in the order of acquisition, unless they are sorted by
angle.
"""

from __future__ import annotations

import os
from typing import Sequence, Tuple

import numpy as np

from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.mdoc.sections import Section
from tomoscore_scipion.tilt_metadata.mdoc.times import Time, over_noon, time_of

MIN_SORTED_FRACTION = 0.9
"""Sections are sorted by angle if at least this fraction of the steps in angle has one sign."""
MAX_EQUAL_TIMES = 0.1
"""Largest fraction of sections with the time of another one, if times give the order."""

Order = Tuple[np.ndarray, str, Tuple[str, ...]]
"""Indices of sections in the order of acquisition, the source of this order, and warnings."""


def acquisition_order(path: str, sections: Sequence[Section], angles: np.ndarray) -> Order:
    """Determine the order of acquisition.

    Args:
        path: the file, for messages.
        sections: sections in the order of the file.
        angles: their tilt angles in degrees, (n_sections,).

    Raises:
        TomogramError: the order cannot be determined.
    """
    texts = [section.fields.get("DateTime") for section in sections]
    times = [None if text is None else time_of(text) for text in texts]
    known_times = [time for time in times if time is not None]
    unsure = _why_unsure(texts, times)
    if unsure is None:
        order, unsure = _by_times(os.path.basename(path), known_times)
        if order is not None:
            return order
    seconds = [time.seconds for time in known_times]
    jumbled = bool(len(seconds) > 1 and np.diff(seconds).min() < 0)
    return _in_file_order(path, angles, unsure, jumbled)


def times_contradict(sections: Sequence[Section], before: np.ndarray) -> bool:
    """Whether the order of times differs from the order of doses.

    Args:
        sections: sections of the file.
        before: dose accumulated before each section, (n_sections,), all different.
    """
    texts = [section.fields.get("DateTime") for section in sections]
    times = [None if text is None else time_of(text) for text in texts]
    known_times = [time for time in times if time is not None]
    if _why_unsure(texts, times) is not None or over_noon(known_times) is not None:
        return False
    seconds = np.array([time.seconds for time in known_times])
    return bool((np.diff(seconds[np.argsort(before)]) < 0).any())


def _why_unsure(texts: Sequence[str | None], times: Sequence[Time | None]) -> str | None:
    """Why times cannot be used; None if each section has a time in a known format."""
    unknown = next((t for t, time in zip(texts, times) if t is not None and time is None), None)
    if unknown is not None:
        return f"their times have an unknown form ({unknown[:40]!r})"
    known_times = [time for time in times if time is not None]
    if len(known_times) < len(times):
        return f"{len(times) - len(known_times)} of {len(times)} have no time (DateTime)"
    if len({time.marked for time in known_times}) > 1:
        return "some of their times have AM or PM, or a time zone, and others have not"
    return None


def _by_times(name: str, times: Sequence[Time]) -> tuple[Order | None, str]:
    """The order of times, one per section, or None and the reason why they are ambiguous."""
    seconds = [time.seconds for time in times]
    distinct = len(set(seconds))
    warnings: tuple[str, ...] = ()
    if distinct < len(times):
        reason = f"only {distinct} of {len(times)} have a time of their own"
        if len(times) - distinct > MAX_EQUAL_TIMES * len(times):
            return None, reason
        warnings = (f"{name}: {reason}; those of one time are taken in the order of the file",)
    by_time, file_order = np.argsort(seconds, kind="stable"), np.arange(len(times))
    on_dial = over_noon(times)
    if on_dial is None or np.array_equal(by_time, file_order):
        return (by_time, "their times", warnings), ""
    reason = "their times may be of a 12-hour clock without AM and PM"
    if not np.array_equal(on_dial, file_order):
        return None, reason
    warnings = (
        *warnings,
        f"{name}: {reason}, with which they agree with the order of the file: it is taken",
    )
    return (on_dial, "the file, and their times on a 12-hour clock", warnings), ""


def _in_file_order(path: str, angles: np.ndarray, reason: str, jumbled: bool) -> Order:
    """The order of the file, unless sections are sorted by angle or times contradict it."""
    steps = np.sign(np.diff(angles))
    by_angle = max((steps >= 0).mean(), (steps <= 0).mean()) >= MIN_SORTED_FRACTION
    if by_angle or jumbled:
        run = "times go back and forth" if jumbled else "sections run by angle"
        raise TomogramError(
            f"{path}: the order of acquisition is not known: {run}, {reason}, and there is no "
            "PriorRecordDose that differs between them; give the original .mdoc, or the doses in a "
            "text file (--doses), one line per view: dose before it, dose of it"
        )
    return (
        np.arange(len(angles)),
        "the file",
        (
            f"{os.path.basename(path)}: sections are taken to have been acquired in the order of "
            f"the file: {reason}",
        ),
    )
