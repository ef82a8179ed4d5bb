# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of doses: units, conventions, and columns.

A tilt series of a frozen specimen has 30 to 300 e/A^2. Doses in another unit, doses after the views
instead of before them, or accumulated doses instead of doses of views give plausible curves that
are wrong. Impossible doses are refused. Unusual doses give a warning, since simulated and special
series are read too.
"""

from __future__ import annotations

import numpy as np

from tomoscore_scipion.records.errors import TomogramError

USUAL_TOTAL = (10.0, 400.0)
"""Total doses of a series without a warning, e/A^2."""
MIN_TOTAL = 1.0
"""A smaller total dose, e/A^2, is in another unit."""
EQUAL_DOSE = 0.1
"""Relative difference of doses that are meant to be equal."""
MAX_STEP_FRACTION = 2.0
"""Largest ratio of the dose of a view to the step to the next accumulated dose."""
MIN_STEP_FRACTION = 0.5
"""Smallest median of this ratio, if few views are missing."""
INSTEAD = (
    "give the doses in a text file (--doses), one line per view: dose before it, dose of it, in "
    "e/A^2 (1 e/A^2 is 100 e/nm^2)"
)


def check_total(source: str, total: float) -> tuple[str, ...]:
    """Check the total dose of a series.

    Args:
        source: name of the file, for messages.
        total: dose accumulated at the end of the last view, e/A^2.

    Returns:
        A warning if the dose is unusual.

    Raises:
        TomogramError: the dose is so small that it must be in another unit.
    """
    if total < MIN_TOTAL:
        raise TomogramError(
            f"{source}: expected an accumulated dose of at least {MIN_TOTAL:g} e/A^2 for the "
            f"whole series, got {total:g}; is it in another unit? {INSTEAD}"
        )
    if USUAL_TOTAL[0] <= total <= USUAL_TOTAL[1]:
        return ()
    return (
        f"{source}: the whole series has {total:.4g} e/A^2, where 30 to 300 are usual: check that "
        "its doses are in e/A^2 (1 e/A^2 is 100 e/nm^2)",
    )


def check_first(source: str, first: float, usual: float, convention: str | None) -> tuple[str, ...]:
    """Check whether the first accumulated dose suggests another convention.

    Args:
        source: name of the file, for messages.
        first: smallest accumulated dose, e/A^2.
        usual: typical dose of a view, e/A^2.
        convention: one of `records.dose_job.DOSE_CONVENTIONS`; None if the file has a column with
            the dose before each view.

    Returns:
        A warning if another convention, or missing views, are likely.
    """
    half = abs(first - usual / 2) <= EQUAL_DOSE * usual
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
    if convention in ("start", None) and first > EQUAL_DOSE * usual:
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


def check_steps(source: str, before: np.ndarray, per_view: np.ndarray) -> tuple[str, ...]:
    """Compare the dose of each view with the step to the next accumulated dose.

    The step is larger if views are missing or other images were acquired in between.

    Args:
        source: name of the file, for messages.
        before: dose accumulated before each view, e/A^2, (n_views,), all different.
        per_view: dose of each view, e/A^2, (n_views,).

    Returns:
        A warning if views have larger doses than the steps, or most of them much smaller ones.

    Raises:
        TomogramError: the dose of a view is twice the step or more, so that they are inconsistent.
    """
    order = np.argsort(before, kind="stable")
    steps, doses = np.diff(before[order]), per_view[order][:-1]
    if not steps.size:
        return ()
    rounding = _rounding_unit(before)
    beyond = np.flatnonzero(doses > MAX_STEP_FRACTION * steps + rounding)
    if beyond.size:
        at = int(beyond[0])
        raise TomogramError(
            f"{source}: view {order[at] + 1}: expected a dose of the view of at most "
            f"{steps[at]:g} e/A^2, the step from the dose before it ({before[order[at]]:g}) to "
            f"that before view {order[at + 1] + 1}, got {doses[at]:g}; is it the accumulated dose, "
            f"or in another unit? {INSTEAD}"
        )
    more = np.flatnonzero(doses > (1 + EQUAL_DOSE) * steps + rounding)
    sum_of_doses, sum_of_steps = float(doses.sum()), float(steps.sum())
    less = float(np.median(doses / steps)) < MIN_STEP_FRACTION
    if not (more.size or less or sum_of_doses > (1 + EQUAL_DOSE) * sum_of_steps + rounding):
        return ()
    views = f"from view {order[more[0]] + 1} on, " if more.size else ""
    return (
        f"{source}: {views}doses of views and accumulated doses do not agree: the former add up to "
        f"{sum_of_doses:.4g} e/A^2 where the latter grow by {sum_of_steps:.4g}; both are taken as "
        "they are written",
    )


def _rounding_unit(values: np.ndarray) -> float:
    """Unit to which doses are rounded, e/A^2: 1, 0.1 or 0.01; 0 if it is smaller."""
    for unit in (1.0, 0.1, 0.01):
        if np.abs(values / unit - np.round(values / unit)).max() < 1e-6:
            return unit
    return 0.0
