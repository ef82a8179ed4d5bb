# SPDX-License-Identifier: GPL-3.0-or-later
"""Times of the sections of an .mdoc (DateTime), and the order that they tell.

SerialEM writes 24-hour clocks. Others, and computers set up for other countries, write 12-hour
ones: with AM and PM they are as good; without, 12:58 comes before 1:04.
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
"""A series that pauses so long, and so many times longer than it would on a 12-hour clock that goes
over 12, may have such a clock."""


@dataclass(frozen=True)
class Time:
    """A time of a section.

    Attributes:
        seconds: to compare with others; as on a 24-hour clock where there is no AM or PM.
        hour: as it is written.
        marked: whether AM or PM, or a time zone, is written.
    """

    seconds: float
    hour: int
    marked: bool


def time_of(text: str) -> Time | None:
    """What a DateTime says; None where its form is unknown, or no such time exists."""
    for form in FORMS:
        found = form.fullmatch(text.strip())
        clock = CLOCK.fullmatch(found.group("t").strip()) if found else None
        if found is None or clock is None:
            continue
        month, year, day = found.group("m").lower(), int(found.group("y")), int(found.group("d"))
        number = MONTHS.index(month) + 1 if month in MONTHS else _whole(month)
        written, minutes = int(clock.group("h")), int(clock.group("m"))
        hour = _hour_of_day(written, clock.group("half"))
        if not (1 <= number <= 12 and 1 <= day <= 31 and hour is not None and minutes < 60):
            return None
        # Months of 31 days keep the order, and series that go over midnight.
        days = ((year % 100) * 12 + number - 1) * 31 + day
        seconds = days * 86400.0 + hour * 3600 + minutes * 60 + float(clock.group("s"))
        half, zone = clock.group("half"), clock.group("zone")
        return Time(seconds - _zone_s(zone), written, (half or zone) is not None)
    return None


def over_noon(times: Sequence[Time]) -> np.ndarray | None:
    """The order of times of a 12-hour clock without AM and PM, where they may be of one.

    That is so where the hours are 1 to 12, and there is a long pause between the times, which a
    12-hour clock that goes over 12 would not have.

    Args:
        times: of one section each.

    Returns:
        The sections in the order of such a clock, (n_sections,); None where times are plain.
    """
    if any(time.marked or not 1 <= time.hour <= 12 for time in times) or len(times) < 2:
        return None
    seconds = np.array([time.seconds for time in times])
    plain = np.argsort(seconds, kind="stable")
    on_dial = seconds % HALF_DAY_S
    order = np.argsort(on_dial, kind="stable")
    around = np.diff(np.append(on_dial[order], on_dial[order[0]] + HALF_DAY_S))
    order = np.roll(order, -int(np.argmax(around)) - 1)
    if np.array_equal(order, plain):
        return None
    pause, on_dial_pause = float(np.diff(seconds[plain]).max()), float(np.sort(around)[-2])
    return order if pause > max(LONG_PAUSE_S, TIMES_LONGER * on_dial_pause) else None


def _hour_of_day(written: int, half: str | None) -> int | None:
    """An hour from 0 to 23; None where no clock shows it."""
    if half is None:
        return written if written < 24 else None
    if not 1 <= written <= 12:
        return None
    return written % 12 + (12 if half in "Pp" else 0)


def _zone_s(zone: str | None) -> float:
    """Seconds that a clock of a time zone, as +01:00, is ahead of UTC; 0 without one."""
    if zone is None:
        return 0.0
    ahead = 3600.0 * int(zone[1:3]) + 60.0 * int(zone[-2:])
    return -ahead if zone[0] == "-" else ahead


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() else 0
