# SPDX-License-Identifier: GPL-3.0-or-later
"""Doses of the views: the dose accumulated before each view, and the dose of the view itself.

Doses are in e/A^2 on the specimen. Programs write one number per view, the accumulated dose at the
start, in the middle or at the end of its exposure (`records.dose_job.DOSE_CONVENTIONS`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Sequence

import numpy as np

from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.dose_checks import INSTEAD, check_first, check_total

MAX_STEP_RATIO = 1.5
"""Views are missing at steps in dose larger than this times the median step."""

MAX_DOSE = 3000.0
"""Largest accumulated dose of a frozen specimen, e/A^2."""


@dataclass(frozen=True)
class Exposures:
    """Doses of views.

    Attributes:
        before: dose accumulated before the exposure of each view, e/A^2, shape (n_views,).
        per_view: dose of each view, e/A^2, shape (n_views,).
        convention: how the accumulated doses of the file were interpreted, for messages.
        warnings: warnings about the doses of all views of the file.

    Raises:
        TomogramError: a dose is not finite, is negative, is 0 for a view or larger than `MAX_DOSE`,
            or two views have the same dose before them.
    """

    before: np.ndarray
    per_view: np.ndarray
    convention: str
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.before.shape != self.per_view.shape or self.before.ndim != 1:
            raise ValueError(
                f"expected two rows of doses of one length, got {self.before.shape} and "
                f"{self.per_view.shape}"
            )
        finite = np.isfinite(self.before) & np.isfinite(self.per_view)
        bad = np.flatnonzero(~(finite & (self.before >= 0) & (self.per_view > 0)))
        if bad.size:
            view = int(bad[0])
            raise TomogramError(
                f"{self.convention}; view {view + 1}: expected a dose of the view > 0 and a dose "
                f"before it >= 0 e/A^2, got {self.per_view[view]:g} and {self.before[view]:g}; "
                f"{INSTEAD}"
            )
        beyond = np.flatnonzero(self.before + self.per_view > MAX_DOSE)
        if beyond.size:
            view = int(beyond[0])
            raise TomogramError(
                f"{self.convention}; view {view + 1}: expected an accumulated dose of at most "
                f"{MAX_DOSE:g} e/A^2, got {self.before[view] + self.per_view[view]:g}; are doses "
                f"in another unit? {INSTEAD}"
            )
        self._check_order()

    def _check_order(self) -> None:
        """Check that no two views begin at the same accumulated dose."""
        order = self.order
        steps = np.diff(self.before[order])
        if steps.size and steps.min() <= 0:
            at = int(np.argmin(steps))
            first, second = sorted((int(order[at]), int(order[at + 1])))
            raise TomogramError(
                f"{self.convention}; views {first + 1} and {second + 1}: expected another dose "
                f"before each view, got {self.before[first]:g} e/A^2 before both, so that "
                f"their order is not known; {INSTEAD}"
            )

    @property
    def end(self) -> np.ndarray:
        """Dose accumulated at the end of each exposure, e/A^2, shape (n_views,)."""
        return self.before + self.per_view

    @property
    def middle(self) -> np.ndarray:
        """Dose accumulated in the middle of each exposure, e/A^2, shape (n_views,)."""
        return self.before + self.per_view / 2

    @property
    def order(self) -> np.ndarray:
        """Indices of the views in the order of acquisition, shape (n_views,)."""
        return np.argsort(self.before, kind="stable")

    def select(self, indices: Sequence[int] | np.ndarray) -> Exposures:
        """The doses of some views; `before` still includes the doses of the others."""
        return replace(self, before=self.before[indices], per_view=self.per_view[indices])


def exposures_of_accumulated(accumulated: np.ndarray, convention: str, source: str) -> Exposures:
    """Compute doses from one accumulated dose per view.

    The dose of a view is the step to its neighbour in time, or the median step if views are missing
    in between (a step of more than 1.5 times the median).

    Args:
        accumulated: accumulated doses in e/A^2, shape (n_views,), in the order of the views.
        convention: one of `records.dose_job.DOSE_CONVENTIONS`.
        source: name of the file, for messages.

    Raises:
        TomogramError: there are fewer than two views, two doses are equal, or a dose is impossible
            with this convention.
    """
    order = np.argsort(accumulated, kind="stable")
    steps = np.diff(accumulated[order])
    if steps.size == 0 or steps.min() <= 0:
        raise TomogramError(
            f"{source}: expected a different accumulated dose for each of at least two views, got "
            f"{_some(accumulated)}; write dose before the view and dose of the view instead"
        )
    usual = float(np.median(steps))
    steps = np.where(steps > MAX_STEP_RATIO * usual, usual, steps)
    first = float(accumulated[order[0]])
    if convention == "end" and first < 0.01 * usual:
        raise TomogramError(
            f"{source}: the first view has an accumulated dose of {first:g} e/A^2, which cannot "
            "be that at the end of its exposure; if it is that at the start, say so "
            "(--dose-convention start)"
        )
    per_view = np.empty_like(accumulated)
    warnings = check_first(source, first, usual, convention)
    if convention == "start":
        per_view[order] = np.append(steps, usual)
        before = accumulated
    elif convention == "middle":
        per_view[:] = usual
        before = np.maximum(accumulated - per_view / 2, 0.0)
    else:
        per_view[order] = np.append(min(usual, first), steps)
        before = np.maximum(accumulated - per_view, 0.0)
    return checked(Exposures(before, per_view, described(convention, source)), source, warnings)


def checked(exposures: Exposures, source: str, warnings: tuple[str, ...] = ()) -> Exposures:
    """Add warnings about unusual doses.

    Args:
        exposures: doses of all views of a file, before any is excluded.
        source: name of the file, for messages.
        warnings: earlier warnings.

    Raises:
        TomogramError: the total dose is so small that it must be in another unit.
    """
    return replace(
        exposures, warnings=(*warnings, *check_total(source, float(exposures.end.max())))
    )


def described(convention: str, source: str) -> str:
    """A sentence on how the accumulated doses of a file were interpreted."""
    return (
        f"accumulated doses of {source} read as those at the {convention} of each view's exposure"
    )


def _some(values: np.ndarray) -> str:
    text = ", ".join(f"{value:g}" for value in values[:6])
    return text + (", ..." if len(values) > 6 else "")
