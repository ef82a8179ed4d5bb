# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether doses can be those of a tilt series of a frozen specimen: units, conventions, columns.

Cryo-ET takes 30 to 300 e/A^2 for a series. Files that hold other units, the dose after a view where
that before it belongs, or the accumulated dose where that of the view belongs, give curves that
look right. What cannot be is refused; what can be and is unusual is a warning, for simulated and
odd series are read too.
"""

from __future__ import annotations

import numpy as np

from tomoscore_scipion.records.errors import TomogramError

USUAL_TOTAL = (10.0, 400.0)
"""Totals of a series, e/A^2, that need no warning."""
SMALLEST_TOTAL = 1.0
"""Less than this, e/A^2, makes no image of a frozen specimen: another unit."""
SAME = 0.1
"""Doses within this share of one another are meant to be the same."""
MOST_OF_STEP = 2.0
"""A view's dose is less than this many times the step to the next accumulated dose."""
LEAST_OF_STEP = 0.5
"""Most views have more than this share of the step: few are missing."""
INSTEAD = (
    "give the doses in a text file (--doses), one line per view: dose before it, dose of it, in "
    "e/A^2 (1 e/A^2 is 100 e/nm^2)"
)


def doubts_of_total(source: str, total: float) -> tuple[str, ...]:
    """A warning where the dose of a whole series is unusual.

    Args:
        source: the file, for messages.
        total: accumulated at the end of the last view, e/A^2.

    Raises:
        TomogramError: so small a dose that it is in another unit.
    """
    if total < SMALLEST_TOTAL:
        raise TomogramError(
            f"{source}: expected an accumulated dose of at least {SMALLEST_TOTAL:g} e/A^2 for the "
            f"whole series, got {total:g}; is it in another unit? {INSTEAD}"
        )
    if USUAL_TOTAL[0] <= total <= USUAL_TOTAL[1]:
        return ()
    return (
        f"{source}: the whole series has {total:.4g} e/A^2, where 30 to 300 are usual: check that "
        "its doses are in e/A^2 (1 e/A^2 is 100 e/nm^2)",
    )


def doubts_of_first(
    source: str, first: float, usual: float, convention: str | None
) -> tuple[str, ...]:
    """A warning where the first accumulated dose looks like that of another point in time.

    Args:
        source: the file, for messages.
        first: the smallest accumulated dose, e/A^2.
        usual: dose of a usual view, e/A^2.
        convention: how it was read: "start", "middle" or "end" of the exposure; None for a column
            of its own that is the dose before the view.
    """
    half = abs(first - usual / 2) <= SAME * usual
    if convention == "end" and half:
        return (
            f"{source}: the first view has an accumulated dose of {first:g} e/A^2, half that of a "
            "view: if doses are those in the middle of each exposure, say so (--dose-convention "
            "middle)",
        )
    if convention == "middle" and not half:
        return (
            f"{source}: the first view has an accumulated dose of {first:g} e/A^2, where the "
            f"middle of its exposure is expected at {usual / 2:g}: is it that at another point "
            "(--dose-convention), or are views missing before it?",
        )
    if convention in ("start", None) and first > SAME * usual:
        other = "middle" if half else "end"
        way_out = (
            f"say so (--dose-convention {other})"
            if convention
            else "write the dose before each view in the first column"
        )
        return (
            f"{source}: the first view has {first:g} e/A^2 before it, as where views are missing "
            f"before it; if doses are those at the {other} of each exposure, {way_out}",
        )
    return ()


def check_steps(source: str, before: np.ndarray, of: np.ndarray) -> tuple[str, ...]:
    """Compare the dose of each view with the step to the next dose before a view.

    The step may be larger, where views are missing or others were taken in between.

    Args:
        source: the file, for messages.
        before: accumulated before each view, e/A^2, (n_views,), all different.
        of: dose of each view, e/A^2, (n_views,).

    Returns:
        A warning where views have more than the steps, or most of them far less.

    Raises:
        TomogramError: a view has twice as much as the step, or more: they are not of one series.
    """
    order = np.argsort(before, kind="stable")
    steps, doses = np.diff(before[order]), of[order][:-1]
    if not steps.size:
        return ()
    rounding = _unit(before)
    beyond = np.flatnonzero(doses > MOST_OF_STEP * steps + rounding)
    if beyond.size:
        at = int(beyond[0])
        raise TomogramError(
            f"{source}: view {order[at] + 1}: expected a dose of the view of at most "
            f"{steps[at]:g} e/A^2, the step from the dose before it ({before[order[at]]:g}) to "
            f"that before view {order[at + 1] + 1}, got {doses[at]:g}; is it the accumulated dose, "
            f"or in another unit? {INSTEAD}"
        )
    more = np.flatnonzero(doses > (1 + SAME) * steps + rounding)
    given, taken = float(doses.sum()), float(steps.sum())
    less = float(np.median(doses / steps)) < LEAST_OF_STEP
    if not (more.size or less or given > (1 + SAME) * taken + rounding):
        return ()
    which = f"from view {order[more[0]] + 1} on, " if more.size else ""
    return (
        f"{source}: {which}doses of views and accumulated doses do not agree: the former add up to "
        f"{given:.4g} e/A^2 where the latter grow by {taken:.4g}; both are taken as they are "
        "written",
    )


def _unit(values: np.ndarray) -> float:
    """To what doses are rounded, e/A^2: 1, 0.1 or 0.01; 0 where they are finer."""
    for unit in (1.0, 0.1, 0.01):
        if np.abs(values / unit - np.round(values / unit)).max() < 1e-6:
            return unit
    return 0.0
