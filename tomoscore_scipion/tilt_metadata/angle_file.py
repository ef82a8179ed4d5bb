# SPDX-License-Identifier: GPL-3.0-or-later
"""Text files of tilt angles, with further columns of some programs.

The first column is the angle. A second column is the order of acquisition (AreTomo 2, RELION 5) or
the accumulated dose (Scipion). Three columns are angle, order of acquisition and dose of the view
(AreTomo 3), or the accumulated dose, if it rises from view to view in the order of acquisition by
more than doses of views differ.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.exposures import Exposures, checked, exposures_of_accumulated
from tomoscore_scipion.tilt_metadata.geometry_checks import check_angles
from tomoscore_scipion.tilt_metadata.number_table import as_numbers, check_count, read_words

MIN_ACCUMULATED_RATIO = 3.0
"""Smallest ratio of the last to the first accumulated dose. Doses of views increase by less with
tilt: by 1 / cos, up to 70 degrees."""
MAX_STEP_VARIATION = 0.1
"""Largest relative difference of the steps of accumulated doses of equal exposures."""
MIN_STEP = 0.1
"""Smallest dose of a view, e/A^2. Smaller steps are differences between doses of views."""


@dataclass(frozen=True)
class AngleFile:
    """Content of the file, per view in the order of the stack.

    Attributes:
        path: the file.
        angles_deg: (n_views,).
        columns: all columns, (n_views, 1 to 3).
        order: rank of each view in the order of acquisition, from 0, (n_views,); None if no column
            has it.
    """

    path: str
    angles_deg: np.ndarray
    columns: np.ndarray
    order: np.ndarray | None

    def exposures(self, convention: str | None) -> Exposures | None:
        """Doses of the views; None if the file has none.

        Args:
            convention: point in the exposure of accumulated doses, see `DOSE_CONVENTIONS`; "end" if
                None.

        Raises:
            TomogramError: the doses are impossible.
        """
        name = os.path.basename(self.path)
        n_columns, last = self.columns.shape[1], self.columns[:, -1]
        if n_columns == 1 or (n_columns == 2 and self.order is not None):
            return None
        if self.order is not None and not self.accumulated:
            return _of_order(self.order, last, name)
        return exposures_of_accumulated(last, convention or "end", name)

    @property
    def accumulated(self) -> bool:
        """Whether the third column is the accumulated dose, not the dose of each view."""
        doses = self._doses_as_taken()
        if doses is None or np.diff(doses).min() < 0 or doses[-1] <= 0:
            return False
        step = float(np.median(np.diff(doses)))
        even = step >= MIN_STEP and bool(np.ptp(np.diff(doses)) <= MAX_STEP_VARIATION * step)
        return even or bool(doses[-1] >= MIN_ACCUMULATED_RATIO * doses[0])

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about the interpretation of the third column."""
        doses = self._doses_as_taken()
        if doses is None or np.diff(doses).min() <= 0:
            return ()
        rising = (
            f"{os.path.basename(self.path)}: its third column rises from {doses[0]:g} to "
            f"{doses[-1]:g} in the order of acquisition"
        )
        if self.accumulated:
            return (
                f"{rising}: it is taken for the accumulated dose; give the doses in a text file "
                "(--doses) if it is that of each view",
            )
        return (
            f"{rising}: it is taken for the dose of each view, as AreTomo 3 writes it; give the "
            "doses in a text file (--doses) if it is the accumulated dose",
        )

    def _doses_as_taken(self) -> np.ndarray | None:
        """The third column in the order of acquisition, (n_views,); None for a single view."""
        if self.columns.shape[1] != 3 or self.order is None or len(self.columns) < 2:
            return None
        return np.asarray(self.columns[np.argsort(self.order), 2])


def read_angle_file(path: str, n_views: int, stack: str) -> AngleFile:
    """Read the tilt angles of a stack.

    Args:
        path: the file.
        n_views: number of images in the stack.
        stack: name of the stack, for messages.

    Raises:
        TomogramError: the file cannot be read, has another number of rows, or invalid angles.
    """
    words = read_words(path)
    n_columns = len(words[0]) if words else 1
    if n_columns > 3:
        raise TomogramError(
            f"{path}: expected one to three columns (tilt angle; order of acquisition or "
            f"accumulated dose; dose of the view), got {n_columns} in its first row"
        )
    table = as_numbers(path, words, n_columns)
    check_count(path, len(table), n_views, stack)
    check_angles(path, table[:, 0])
    order = _order([row[1] for row in words]) if n_columns > 1 else None
    if n_columns == 3 and order is None:
        raise TomogramError(
            f"{path}: expected the order of acquisition, another whole number for each view, in "
            "the second of three columns"
        )
    return AngleFile(path, table[:, 0], table, order)


def has_further_columns(path: str) -> bool:
    """Whether a file has columns besides the angles; False if it cannot be read."""
    try:
        words = read_words(path)
    except TomogramError:
        return False
    return bool(words) and len(words[0]) > 1


def _order(words: list[str]) -> np.ndarray | None:
    """Ranks of acquisition, from 0; None if the column is something else.

    Whole numbers with a median step of 1 are ranks, with gaps for views that are missing.
    Accumulated doses have decimals or larger steps.
    """
    if not all(word.isdecimal() and len(word) < 7 for word in words):
        return None
    ranks = np.array([int(word) for word in words])
    steps = np.diff(np.sort(ranks))
    if steps.size == 0 or steps.min() < 1 or np.median(steps) != 1 or ranks.min() > len(ranks):
        return None
    return ranks - min(int(ranks.min()), 1)


def _of_order(ranks: np.ndarray, doses: np.ndarray, name: str) -> Exposures:
    """Doses of ranked views. A missing view counts with the median dose."""
    ranked_doses = np.full(int(ranks.max()) + 1, float(np.median(doses)))
    ranked_doses[ranks] = doses
    before = (np.cumsum(ranked_doses) - ranked_doses)[ranks]
    exposures = Exposures(
        before, doses, f"doses of {name}: dose of each view, summed in the order of acquisition"
    )
    return checked(exposures, name)
