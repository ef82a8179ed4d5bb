# SPDX-License-Identifier: GPL-3.0-or-later
"""The text file of doses: one line per view, in the order of the stack."""

from __future__ import annotations

import os
from pathlib import Path

from tomoscore_scipion.dose.exposures import Exposures, exposures_of_accumulated
from tomoscore_scipion.engine.errors import TomogramError
from tomoscore_scipion.engine.tilt_series import read_rows


def read_doses(path: str, convention: str | None, n_views: int, stack: str) -> Exposures:
    """Doses of a text file, one line per view in the order of the stack, e/A^2.

    Args:
        path: two columns (dose before the view, dose of the view), or one (accumulated dose).
        convention: of one column: "start", "middle" or "end" (the default, None) of the exposure.
        n_views: of the stack.
        stack: its name, for messages.

    Raises:
        TomogramError: it cannot be read, has another number of lines, or impossible doses.
    """
    columns = _columns(path)
    rows = read_rows(path, columns, n_views, stack)
    name = os.path.basename(path)
    if columns == 1:
        return exposures_of_accumulated(rows[:, 0], convention or "end", name)
    return Exposures(rows[:, 0], rows[:, 1], f"doses of {name}: before each view, and of the view")


def _columns(path: str) -> int:
    """One or two columns, by the first line."""
    try:
        text = Path(path).read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise TomogramError(f"{path}: expected a text file of doses: {error}") from error
    first = next((line for line in text.splitlines() if line.strip()), "")
    count = len(first.split())
    if count not in (1, 2):
        raise TomogramError(
            f"{path}: expected one column (accumulated dose) or two (dose before the view, dose "
            f"of the view), one line per view, got {count} columns in its first line"
        )
    return count
