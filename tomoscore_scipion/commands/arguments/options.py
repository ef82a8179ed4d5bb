# SPDX-License-Identifier: GPL-3.0-or-later
"""Options and types of values that several commands share."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError


def positive_number(text: str) -> float:
    """A number > 0 of the command line."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ArgumentTypeError(f"expected a number > 0, got {text!r}")
    return value


def positive_integer(text: str) -> int:
    """A whole number > 0 of the command line."""
    if not (text.isdecimal() and 0 < int(text) <= 4096):
        raise ArgumentTypeError(f"expected a whole number from 1 to 4096, got {text!r}")
    return int(text)
