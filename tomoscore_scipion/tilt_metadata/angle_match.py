# SPDX-License-Identifier: GPL-3.0-or-later
"""Assign the entries of one list of tilt angles to the views of another by their angles.

Two files of one series rarely have the same numbers. One has nominal angles and the other refined
ones; the pretilt of a lamella may be subtracted in one of them (a common offset); signs may be
opposite (Warp and IMOD); the order may be that of acquisition or of angle; and one file may have
more entries, of views that were acquired twice or excluded from the stack. Other assignments that
fit equally well are returned too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MAX_DIFFERENCE_DEG = 2.0
"""Largest difference of the refined and nominal angle of a view, without the common offset."""
MAX_OFFSET_DEG = 30.0
"""Largest common offset: lamellae have a smaller pretilt."""
REPEATED_COST_DEG = 0.5
"""Cost of an entry whose view was acquired again later."""
MAX_ERROR_RATIO = 2.0
"""Assignments whose errors differ by at most this factor fit equally well."""
MAX_ROUNDING_DEG = 0.002
"""Differences of errors up to this are due to rounding."""
MAX_OFFSETS = 120


@dataclass(frozen=True)
class Match:
    """An assignment of entries to views.

    Attributes:
        entries: index of the entry of each view, (n_views,).
        turned: whether the angles of the entries have the opposite sign.
        offset_deg: common offset: angles of the views minus angles of their entries.
        error_deg: root mean square of the remaining differences.
        rivals: other assignments that fit equally well, each like `entries`.
    """

    entries: np.ndarray
    turned: bool
    offset_deg: float
    error_deg: float
    rivals: tuple[np.ndarray, ...] = ()

    @property
    def in_order(self) -> bool:
        """Whether views and entries are in the same order."""
        return bool(np.all(np.diff(self.entries) > 0))


def match_angles(
    views_deg: np.ndarray,
    entries_deg: np.ndarray,
    superseded: np.ndarray | None = None,
    same_sign: bool = False,
) -> Match | None:
    """Find the entry of each view by its angle.

    Args:
        views_deg: angles of the views, (n_views,), at least one.
        entries_deg: angles of the entries, (n_entries,), in any order; more of them than views,
            or as many.
        superseded: entries whose view was acquired again later, (n_entries,) bool.
        same_sign: prefer assignments without a change of sign if they fit equally well, for files
            whose sign is known.

    Returns:
        The best assignment; None if no assignment fits all views.
    """
    if not 0 < len(views_deg) <= len(entries_deg):
        return None
    matches = []
    for turned in (False, True):
        signed = -entries_deg if turned else entries_deg
        for entries in _assignments(views_deg, signed, superseded):
            differences = views_deg - signed[entries]
            offset = float(np.median(differences))
            residuals = differences - offset
            if np.abs(residuals).max() <= MAX_DIFFERENCE_DEG and abs(offset) <= MAX_OFFSET_DEG:
                error = float(np.sqrt(np.mean(residuals**2)))
                matches.append(Match(entries, turned, offset, error))
    return _best(matches, same_sign)


def _best(matches: list[Match], same_sign: bool) -> Match | None:
    """The simplest of the assignments that fit best, with the others as rivals."""
    if not matches:
        return None
    best = min(match.error_deg for match in matches)
    fitting = [
        m for m in matches if m.error_deg <= max(MAX_ERROR_RATIO * best, best + MAX_ROUNDING_DEG)
    ]
    likely = _of_same_sign(fitting) if same_sign else fitting
    simplest = min(likely, key=lambda m: (not m.in_order, m.turned, abs(m.offset_deg)))
    if len(likely) < len(fitting) and (simplest.in_order or not any(m.in_order for m in fitting)):
        # Assignments of the opposite sign are rivals only if they alone keep the order.
        fitting = likely
    rivals: list[np.ndarray] = []
    for match in fitting:
        if not any(
            np.array_equal(match.entries, entries) for entries in (simplest.entries, *rivals)
        ):
            rivals.append(match.entries)
    return Match(
        simplest.entries, simplest.turned, simplest.offset_deg, simplest.error_deg, tuple(rivals)
    )


def _of_same_sign(fitting: list[Match]) -> list[Match]:
    """Assignments without a change of sign; all if those need a larger common offset."""
    offsets = {
        turned: min((abs(m.offset_deg) for m in fitting if m.turned == turned), default=np.inf)
        for turned in (False, True)
    }
    if offsets[False] > offsets[True] + MAX_DIFFERENCE_DEG:
        return fitting
    return [match for match in fitting if not match.turned]


def _assignments(
    views_deg: np.ndarray, entries_deg: np.ndarray, superseded: np.ndarray | None
) -> list[np.ndarray]:
    """Candidate assignments by rank of angle; several if there are more entries than views."""
    n_views, n_entries = len(views_deg), len(entries_deg)
    by_view = np.argsort(views_deg, kind="stable")
    by_entry = np.argsort(entries_deg, kind="stable")
    if n_views == n_entries:
        ranked = np.empty(n_views, dtype=int)
        ranked[by_view] = by_entry
        return [_in_file_order(views_deg, entries_deg, ranked)]
    cost = np.zeros(n_entries)
    if superseded is not None:
        cost[superseded] = REPEATED_COST_DEG
    views, entries, cost = views_deg[by_view], entries_deg[by_entry], cost[by_entry]
    assignments: list[np.ndarray] = []
    for offset in _offsets(views, entries):
        columns = _cheapest(np.abs(views[:, None] - entries[None, :] - offset) + cost[None, :])
        ranked = np.empty(n_views, dtype=int)
        ranked[by_view] = by_entry[columns]
        if not any(np.array_equal(ranked, other) for other in assignments):
            assignments.append(ranked)
    return assignments


def _in_file_order(
    views_deg: np.ndarray, entries_deg: np.ndarray, ranked: np.ndarray
) -> np.ndarray:
    """The order of the files if it fits as well, so that views of equal angle are not swapped."""

    def max_error(entries: np.ndarray) -> float:
        differences = views_deg - entries_deg[entries]
        return float(np.abs(differences - np.median(differences)).max())

    file_order = np.arange(len(views_deg))
    return (
        file_order
        if max_error(file_order) <= min(max_error(ranked) + 0.25, MAX_DIFFERENCE_DEG)
        else ranked
    )


def _offsets(views: np.ndarray, entries: np.ndarray) -> np.ndarray:
    """Common offsets to try: 0, and those that match the middle view with an entry."""
    offsets = np.append(0.0, views[len(views) // 2] - entries)
    offsets = offsets[np.abs(offsets) <= MAX_OFFSET_DEG]
    return offsets[np.argsort(np.abs(offsets), kind="stable")][:MAX_OFFSETS]


def _cheapest(cost: np.ndarray) -> np.ndarray:
    """Choose an increasing column per row with the smallest sum, by dynamic programming.

    Args:
        cost: shape (n_rows, n_columns), n_rows <= n_columns.

    Returns:
        Columns, (n_rows,).
    """
    n_rows, n_columns = cost.shape
    total = np.zeros(n_columns + 1)
    best_end = np.zeros((n_rows, n_columns + 1), dtype=int)
    for row in range(n_rows):
        sums = np.full(n_columns + 1, np.inf)
        sums[1:] = total[:-1] + cost[row]
        total = np.minimum.accumulate(sums)
        best_end[row] = np.maximum.accumulate(np.where(sums == total, np.arange(n_columns + 1), 0))
    columns = np.empty(n_rows, dtype=int)
    end = n_columns
    for row in range(n_rows - 1, -1, -1):
        end = best_end[row][end] - 1
        columns[row] = end
    return columns
