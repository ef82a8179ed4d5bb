# SPDX-License-Identifier: GPL-3.0-or-later
"""Exit status of the command line."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """How a command ended."""

    DONE = 0
    NOT_STARTED = 1
    WRONG_USAGE = 2
    SOME_FAILED = 3
    STOPPED = 130
    """Stopped by the user; shells report 128 + 2 for a program stopped by Ctrl-C (SIGINT, 2)."""
