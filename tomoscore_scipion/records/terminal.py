# SPDX-License-Identifier: GPL-3.0-or-later
"""Print text on a terminal, without control characters from ids and paths."""

from __future__ import annotations

import sys
from typing import Iterable, TextIO


def printable(text: str) -> str:
    r"""Text for one line of a terminal, with control characters escaped as \n, \x1b and so on."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def write_text(stream: TextIO, text: str) -> None:
    """Write text to a stream; characters that its encoding lacks are replaced."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def print_lines(lines: Iterable[str]) -> None:
    """Print lines on standard output."""
    write_text(sys.stdout, "".join(printable(line) + "\n" for line in lines))


def notify(*lines: str) -> None:
    """Print lines on standard error, each with the name of the program in front."""
    write_text(sys.stderr, "".join(f"tomoscore: {printable(line)}\n" for line in lines))
