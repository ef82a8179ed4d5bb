# SPDX-License-Identifier: GPL-3.0-or-later
"""Reasons of failures for display: the cause first, the path of the file last."""

from __future__ import annotations


def cause_first(error: str, path: str | None) -> str:
    """Move the path in the reason of a failure to its end.

    Messages of the engine begin with the path. In a narrow column only the path would be visible.

    Args:
        error: reason of the failure.
        path: path of the file as in the record; None if there is none.

    Returns:
        The reason with the path last; unchanged if it does not begin with the path.
    """
    start = f"{path}: "
    if not path or not error.startswith(start) or len(error) == len(start):
        return error
    return f"{error[len(start) :]} (file {path})"
