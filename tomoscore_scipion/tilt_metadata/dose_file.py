# SPDX-License-Identifier: GPL-3.0-or-later
"""Text files of doses: one line per view, in the order of the stack."""

from __future__ import annotations

import os

import numpy as np

from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.dose_checks import check_first, check_steps
from tomoscore_scipion.tilt_metadata.exposures import Exposures, checked, exposures_of_accumulated
from tomoscore_scipion.tilt_metadata.number_table import as_numbers, check_count, read_words


def read_doses(path: str, convention: str | None, n_views: int, stack: str) -> Exposures:
    """Read the doses of the views, in e/A^2, from a text file.

    Args:
        path: file with two columns (dose before the view, dose of the view) or one (accumulated
            dose), one line per view in the order of the stack.
        convention: point in the exposure of a single column, see `DOSE_CONVENTIONS`; "end" if None.
        n_views: number of images in the stack.
        stack: name of the stack, for messages.

    Raises:
        TomogramError: the file cannot be read, has another number of lines, or invalid doses.
    """
    words = read_words(path)
    columns = len(words[0]) if words else 0
    if columns not in (1, 2):
        raise TomogramError(
            f"{path}: expected one column (accumulated dose) or two (dose before the view, dose "
            f"of the view), one line per view, got {columns} columns in its first line; a file of "
            "angles that has doses beside them is given as such (--tlt)"
        )
    rows = as_numbers(path, words, columns)
    check_count(path, len(rows), n_views, stack)
    name = os.path.basename(path)
    if columns == 1:
        return exposures_of_accumulated(rows[:, 0], convention or "end", name)
    if n_views > 1 and np.ptp(rows[:, 0]) == 0:
        raise TomogramError(
            f"{path}: expected the dose before each view in the first column, got {rows[0, 0]:g} "
            "e/A^2 for all views; write the dose accumulated before each view, then the dose of it"
        )
    before, per_view = rows.T
    exposures = Exposures(before, per_view, f"doses of {name}: before each view, and of the view")
    inconsistent = check_steps(name, before, per_view)
    first = check_first(name, float(before.min()), float(np.median(per_view)), None)
    return checked(exposures, name, (*first, *inconsistent))
