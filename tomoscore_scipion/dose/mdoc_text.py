# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of SerialEM's and Tomo5's .mdoc: sections of "key = value" lines.

Titles, notes, montage sections and fields that are not asked for may hold anything; a title may go
on over lines, up to its bracket.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

SECTION = re.compile(r"\[\s*(ZValue|FrameSet)\s*=\s*(-?\d+)\s*\]")
FIELD = re.compile(r"\s*([A-Za-z][A-Za-z0-9]*)\s*=(.*)")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
TIMES = (
    # 14-Mar-24 or 14-Mar-2024, as SerialEM writes it
    re.compile(r"(?P<d>\d{1,2})[- ](?P<m>[A-Za-z]{3})[a-z]*[- ](?P<y>\d{4}|\d{2})[ T]+(?P<t>\S+)"),
    # 2024-03-14 or 2024-Mar-14
    re.compile(r"(?P<y>\d{4})[-/](?P<m>\d{1,2}|[A-Za-z]{3})[-/](?P<d>\d{1,2})[ T]+(?P<t>\S+)"),
)
CLOCK = re.compile(r"(\d{1,2}):(\d{2}):(\d{2}(?:\.\d+)?)Z?")


@dataclass(frozen=True)
class Section:
    """One image.

    Attributes:
        z: its number in the stack that the file describes.
        fields: values by key, without those that are empty.
    """

    z: int
    fields: dict[str, str] = field(default_factory=dict)


def sections_of(text: str) -> list[Section]:
    """The sections of images in the order of the file."""
    sections: list[Section] = []
    current: Section | None = None
    in_title = False
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            found = SECTION.match(stripped)
            current = Section(int(found.group(2))) if found else None
            if current is not None:
                sections.append(current)
            in_title = found is None and "]" not in stripped
            continue
        if in_title:
            in_title = "]" not in stripped
            continue
        parts = FIELD.fullmatch(line)
        if current is not None and parts and parts.group(2).strip():
            current.fields[parts.group(1)] = parts.group(2).strip()
    return sections


def seconds_of(text: str) -> float | None:
    """A time as seconds, to compare with others; None where its form is unknown."""
    for form in TIMES:
        found = form.fullmatch(text.strip())
        clock = CLOCK.fullmatch(found.group("t")) if found else None
        if found is None or clock is None:
            continue
        month, year = found.group("m").lower(), int(found.group("y"))
        number = MONTHS.index(month) + 1 if month in MONTHS else _whole(month)
        day, (hours, minutes) = int(found.group("d")), (int(clock.group(n)) for n in (1, 2))
        seconds = float(clock.group(3))
        if not (1 <= number <= 12 and 1 <= day <= 31 and hours < 24 and minutes < 60):
            return None
        # Months of 31 days keep the order, and series that go over midnight.
        days = ((year % 100) * 12 + number - 1) * 31 + day
        return days * 86400.0 + hours * 3600 + minutes * 60 + seconds
    return None


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() else 0
