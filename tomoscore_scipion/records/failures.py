# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a tomogram failed, as it is shown: the cause first, the file's path at the end."""

from __future__ import annotations


def cause_first(error: str, path: str | None) -> str:
    """A failure's text with the path at its end.

    The engine names the file first, as compilers do; in a narrow column nothing else is seen then.

    Args:
        error: the text.
        path: the file's, as the record has it.
    """
    start = f"{path}: "
    if not path or not error.startswith(start) or len(error) == len(start):
        return error
    return f"{error[len(start) :]} (file {path})"
