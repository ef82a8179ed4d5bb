# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse the .mdoc of SerialEM and Tomo5: sections of "key = value" lines.

Titles, notes, montage sections and unknown fields may have any content. A title may continue on
further lines up to its closing bracket.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

SECTION = re.compile(r"\[\s*(ZValue|FrameSet)\s*=\s*(-?\d+)\s*\]")
FIELD = re.compile(r"\s*([A-Za-z][A-Za-z0-9]*)\s*=(.*)")


@dataclass(frozen=True)
class Section:
    """The section of an image.

    Attributes:
        z: index of the image in the stack that the file describes.
        fields: {key: value} without empty values.
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
            header = SECTION.match(stripped)
            current = Section(int(header.group(2))) if header else None
            if current is not None:
                sections.append(current)
            in_title = header is None and "]" not in stripped
            continue
        if in_title:
            in_title = "]" not in stripped
            continue
        parts = FIELD.fullmatch(line)
        if current is not None and parts and parts.group(2).strip():
            current.fields[parts.group(1)] = parts.group(2).strip()
    return sections
