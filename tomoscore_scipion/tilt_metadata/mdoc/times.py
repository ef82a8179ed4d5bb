# SPDX-License-Identifier: GPL-3.0-or-later
"""Times of the sections of an .mdoc (DateTime), and their order.

SerialEM writes 24-hour times. Other programs and locales write 12-hour times, with or without AM
and PM. Without them, 12:58 is before 1:04.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Sequence

import numpy as np

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
FORMS = (
    # 14-Mar-24 or 14-Mar-2024, as SerialEM writes it
    re.compile(r"(?P<d>\d{1,2})[- ](?P<m>[A-Za-z]{3})[a-z]*[- ](?P<y>\d{4}|\d{2})[ T]+(?P<t>.+)"),
    # 2024-03-14 or 2024-Mar-14
    re.compile(r"(?P<y>\d{4})[-/](?P<m>\d{1,2}|[A-Za-z]{3})[-/](?P<d>\d{1,2})[ T]+(?P<t>.+)"),
)
CLOCK = re.compile(
    r"(?P<h>\d{1,2}):(?P<m>\d{2}):(?P<s>\d{2}(?:\.\d+)?)"
    r"(?:Z|(?P<zone>[+-]\d{2}:?\d{2})|\s*(?P<half>[AaPp])\.?[Mm]\.?)?"
)
HALF_DAY_S = 43200.0
LONG_PAUSE_S, TIMES_LONGER = 3600.0, 3.0
"""Smallest pause between views, and its smallest ratio to the largest pause on a 12-hour clock, at
which times may be of a 12-hour clock."""


@dataclass(frozen=True)
class Time:
    """The time of a section.

    Attributes:
        seconds: time in seconds, on a 24-hour clock if there is no AM or PM.
        hour: hour as written.
        marked: whether the time has AM or PM, or a time zone.
    """

    seconds: float
    hour: int
    marked: bool


def time_of(text: str) -> Time | None:
    """Parse a DateTime; None if its format is unknown or the time does not exist."""
    for form in FORMS:
        match = form.fullmatch(text.strip())
        clock = CLOCK.fullmatch(match.group("t").strip()) if match else None
        if match is None or clock is None:
            continue
        month, year, day = match.group("m").lower(), int(match.group("y")), int(match.group("d"))
        number = MONTHS.index(month) + 1 if month in MONTHS else _whole_number(month)
        written, minutes = int(clock.group("h")), int(clock.group("m"))
        hour = _hour_of_day(written, clock.group("half"))
        if not (1 <= number <= 12 and 1 <= day <= 31 and hour is not None and minutes < 60):
            return None
        # Months of 31 days are enough for the order of times.
        days = ((year % 100) * 12 + number - 1) * 31 + day
        seconds = days * 86400.0 + hour * 3600 + minutes * 60 + float(clock.group("s"))
        half, zone = clock.group("half"), clock.group("zone")
        return Time(seconds - _zone_s(zone), written, (half or zone) is not None)
    return None


def over_noon(times: Sequence[Time]) -> np.ndarray | None:
    """The order on a 12-hour clock without AM and PM, if times may be of such a clock.

    This is the case if all hours are 1 to 12, and the times have a long pause that they would not
    have on a 12-hour clock that passes 12.

    Args:
        times: time of each section.

    Returns:
        Indices of the sections in this order, (n_sections,); None if times are unambiguous.
    """
    if any(time.marked or not 1 <= time.hour <= 12 for time in times) or len(times) < 2:
        return None
    seconds = np.array([time.seconds for time in times])
    by_time = np.argsort(seconds, kind="stable")
    on_dial = seconds % HALF_DAY_S
    order = np.argsort(on_dial, kind="stable")
    pauses = np.diff(np.append(on_dial[order], on_dial[order[0]] + HALF_DAY_S))
    order = np.roll(order, -int(np.argmax(pauses)) - 1)
    if np.array_equal(order, by_time):
        return None
    pause, on_dial_pause = float(np.diff(seconds[by_time]).max()), float(np.sort(pauses)[-2])
    return order if pause > max(LONG_PAUSE_S, TIMES_LONGER * on_dial_pause) else None


def _hour_of_day(written: int, half: str | None) -> int | None:
    """Hour from 0 to 23; None if it does not exist."""
    if half is None:
        return written if written < 24 else None
    if not 1 <= written <= 12:
        return None
    return written % 12 + (12 if half in "Pp" else 0)


def _zone_s(zone: str | None) -> float:
    """Offset of a time zone, such as +01:00, from UTC in seconds; 0 without a time zone."""
    if zone is None:
        return 0.0
    ahead = 3600.0 * int(zone[1:3]) + 60.0 * int(zone[-2:])
    return -ahead if zone[0] == "-" else ahead


def _whole_number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
