# SPDX-License-Identifier: GPL-3.0-or-later
"""Which entry of one list of tilt angles is which view of another.

Two files of one series rarely have the same numbers: one has nominal angles and the other refined
ones, a lamella's pretilt may be taken off in one of them (a common offset), the signs may be turned
(Warp against IMOD), the order is that of acquisition or of angle, and one of them may have more
entries: views taken twice, or left out of the stack. The angles decide; other assignments that fit
as well are given too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEAR_DEG = 2.0
"""Refined and nominal angles of a view differ by less, beside the common offset."""
LARGEST_OFFSET_DEG = 30.0
"""Lamellae are tilted by less."""
SUPERSEDED_DEG = 0.5
"""What taking an entry costs that was taken again later."""
CLEARLY = 2.0
"""An assignment whose angles differ by less than another's by this factor is the right one."""
ROUNDING_DEG = 0.002
"""Differences of angles below this say nothing."""
MOST_OFFSETS = 120


@dataclass(frozen=True)
class Match:
    """The entry of each view.

    Attributes:
        entries: indices into the list of entries, (n_views,).
        turned: whether the entries' angles have the other sign.
        offset_deg: angles of the views less those of their entries, in common.
        apart_deg: root mean square of what differs beside the offset.
        rivals: other assignments whose angles fit as well, each as `entries`.
    """

    entries: np.ndarray
    turned: bool
    offset_deg: float
    apart_deg: float
    rivals: tuple[np.ndarray, ...] = ()

    @property
    def in_order(self) -> bool:
        """Whether views and entries run in the same order."""
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
        superseded: which entries were taken again later, (n_entries,) bool.
        same_sign: whether angles of the other sign count only where the others do not fit as well,
            for files whose sign is known.

    Returns:
        The best assignment; None where no assignment fits all views.
    """
    if not 0 < len(views_deg) <= len(entries_deg):
        return None
    found = []
    for turned in (False, True):
        signed = -entries_deg if turned else entries_deg
        for entries in _assignments(views_deg, signed, superseded):
            differences = views_deg - signed[entries]
            offset = float(np.median(differences))
            beside = differences - offset
            if np.abs(beside).max() <= NEAR_DEG and abs(offset) <= LARGEST_OFFSET_DEG:
                apart = float(np.sqrt(np.mean(beside**2)))
                found.append(Match(entries, turned, offset, apart))
    return _best(found, same_sign)


def _best(found: list[Match], same_sign: bool) -> Match | None:
    """The assignment that fits best; of those that fit alike, the plainest, with its rivals."""
    if not found:
        return None
    least = min(match.apart_deg for match in found)
    alike = [m for m in found if m.apart_deg <= max(CLEARLY * least, least + ROUNDING_DEG)]
    likely = _of_same_sign(alike) if same_sign else alike
    plainest = min(likely, key=lambda m: (not m.in_order, m.turned, abs(m.offset_deg)))
    if len(likely) < len(alike) and (plainest.in_order or not any(m.in_order for m in alike)):
        # Nothing speaks for the other sign; where only that keeps the order, it is a rival.
        alike = likely
    rivals: list[np.ndarray] = []
    for match in alike:
        if not any(np.array_equal(match.entries, one) for one in (plainest.entries, *rivals)):
            rivals.append(match.entries)
    return Match(
        plainest.entries, plainest.turned, plainest.offset_deg, plainest.apart_deg, tuple(rivals)
    )


def _of_same_sign(alike: list[Match]) -> list[Match]:
    """Those of the same sign, or all where those need the larger common offset."""
    offsets = {
        turned: min((abs(m.offset_deg) for m in alike if m.turned == turned), default=np.inf)
        for turned in (False, True)
    }
    if offsets[False] > offsets[True] + NEAR_DEG:
        return alike
    return [match for match in alike if not match.turned]


def _assignments(
    views_deg: np.ndarray, entries_deg: np.ndarray, superseded: np.ndarray | None
) -> list[np.ndarray]:
    """Entries of the views, by rank of angle; several where there are more entries than views."""
    n_views, n_entries = len(views_deg), len(entries_deg)
    by_view = np.argsort(views_deg, kind="stable")
    by_entry = np.argsort(entries_deg, kind="stable")
    if n_views == n_entries:
        ranked = np.empty(n_views, dtype=int)
        ranked[by_view] = by_entry
        return [_in_file_order(views_deg, entries_deg, ranked)]
    cost = np.zeros(n_entries)
    if superseded is not None:
        cost[superseded] = SUPERSEDED_DEG
    views, entries, cost = views_deg[by_view], entries_deg[by_entry], cost[by_entry]
    assignments: list[np.ndarray] = []
    for offset in _offsets(views, entries):
        chosen = _cheapest(np.abs(views[:, None] - entries[None, :] - offset) + cost[None, :])
        ranked = np.empty(n_views, dtype=int)
        ranked[by_view] = by_entry[chosen]
        if not any(np.array_equal(ranked, other) for other in assignments):
            assignments.append(ranked)
    return assignments


def _in_file_order(
    views_deg: np.ndarray, entries_deg: np.ndarray, ranked: np.ndarray
) -> np.ndarray:
    """The order of the files where it fits as well: views of one angle are not swapped."""

    def worst(entries: np.ndarray) -> float:
        differences = views_deg - entries_deg[entries]
        return float(np.abs(differences - np.median(differences)).max())

    plain = np.arange(len(views_deg))
    return plain if worst(plain) <= min(worst(ranked) + 0.25, NEAR_DEG) else ranked


def _offsets(views: np.ndarray, entries: np.ndarray) -> np.ndarray:
    """Common offsets to try: none, and those that bring the middle view to an entry."""
    offsets = np.append(0.0, views[len(views) // 2] - entries)
    offsets = offsets[np.abs(offsets) <= LARGEST_OFFSET_DEG]
    return offsets[np.argsort(np.abs(offsets), kind="stable")][:MOST_OFFSETS]


def _cheapest(cost: np.ndarray) -> np.ndarray:
    """The increasing choice of a column per row with the least sum.

    Args:
        cost: shape (n_rows, n_columns), n_rows <= n_columns.

    Returns:
        Columns, (n_rows,).
    """
    n_rows, n_columns = cost.shape
    total = np.zeros(n_columns + 1)
    taken = np.zeros((n_rows, n_columns + 1), dtype=int)
    for row in range(n_rows):
        sums = np.full(n_columns + 1, np.inf)
        sums[1:] = total[:-1] + cost[row]
        total = np.minimum.accumulate(sums)
        taken[row] = np.maximum.accumulate(np.where(sums == total, np.arange(n_columns + 1), 0))
    columns = np.empty(n_rows, dtype=int)
    end = n_columns
    for row in range(n_rows - 1, -1, -1):
        end = taken[row][end] - 1
        columns[row] = end
    return columns
