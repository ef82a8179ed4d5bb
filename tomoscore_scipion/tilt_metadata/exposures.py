# SPDX-License-Identifier: GPL-3.0-or-later
"""The electrons of every view: what the specimen had suffered before, and what the view added.

Doses are in e/A^2 on the specimen. Programs write one number per view, the accumulated dose, and
mean by it the dose at the start, in the middle or at the end of the exposure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Sequence

import numpy as np

from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.dose_checks import INSTEAD, doubts_of_first, doubts_of_total

GAP = 1.5
"""A step in dose this much larger than the median step is a view that is missing."""

LARGEST_DOSE = 3000.0
"""No frozen specimen that is worth an image suffered more, e/A^2."""


@dataclass(frozen=True)
class Exposures:
    """Doses of views.

    Attributes:
        before: accumulated before each view's exposure, e/A^2, shape (n_views,).
        of: dose of each view, e/A^2, shape (n_views,).
        convention: how the accumulated doses of the file were read, for people.
        warnings: what the user should know about the doses of all views of the file.

    Raises:
        TomogramError: doses that are not finite, negative, 0 for a view, beyond what a specimen
            survives, or the same before two views.
    """

    before: np.ndarray
    of: np.ndarray
    convention: str
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.before.shape != self.of.shape or self.before.ndim != 1:
            raise ValueError(
                f"expected two rows of doses of one length, got {self.before.shape} and "
                f"{self.of.shape}"
            )
        finite = np.isfinite(self.before) & np.isfinite(self.of)
        bad = np.flatnonzero(~(finite & (self.before >= 0) & (self.of > 0)))
        if bad.size:
            view = int(bad[0])
            raise TomogramError(
                f"{self.convention}; view {view + 1}: expected a dose of the view > 0 and a dose "
                f"before it >= 0 e/A^2, got {self.of[view]:g} and {self.before[view]:g}; {INSTEAD}"
            )
        beyond = np.flatnonzero(self.before + self.of > LARGEST_DOSE)
        if beyond.size:
            view = int(beyond[0])
            raise TomogramError(
                f"{self.convention}; view {view + 1}: expected an accumulated dose of at most "
                f"{LARGEST_DOSE:g} e/A^2, got {self.before[view] + self.of[view]:g}; are doses in "
                f"another unit? {INSTEAD}"
            )
        self._check_order()

    def _check_order(self) -> None:
        """No two views begin at one accumulated dose: each of them has a dose of its own."""
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
        """Accumulated at the end of each view's exposure, shape (n_views,)."""
        return self.before + self.of

    @property
    def middle(self) -> np.ndarray:
        """Accumulated at the middle of each view's exposure, shape (n_views,)."""
        return self.before + self.of / 2

    @property
    def order(self) -> np.ndarray:
        """Indices of the views in the order of acquisition, shape (n_views,)."""
        return np.argsort(self.before, kind="stable")

    def select(self, indices: Sequence[int] | np.ndarray) -> Exposures:
        """The doses of some views; what the others did to the specimen stays in `before`."""
        return replace(self, before=self.before[indices], of=self.of[indices])


def exposures_of_accumulated(accumulated: np.ndarray, convention: str, source: str) -> Exposures:
    """Doses from one accumulated dose per view.

    The dose of a view is the step to its neighbour in time; where views are missing in between
    (a step more than 1.5 times the median), the median step.

    Args:
        accumulated: e/A^2, shape (n_views,), in the order of the views.
        convention: one of `records.dose_job.DOSE_CONVENTIONS`.
        source: the file, for messages.

    Raises:
        TomogramError: fewer than two views, equal doses, or doses that the convention forbids.
    """
    order = np.argsort(accumulated, kind="stable")
    steps = np.diff(accumulated[order])
    if steps.size == 0 or steps.min() <= 0:
        raise TomogramError(
            f"{source}: expected a different accumulated dose for each of at least two views, got "
            f"{_some(accumulated)}; write dose before the view and dose of the view instead"
        )
    usual = float(np.median(steps))
    steps = np.where(steps > GAP * usual, usual, steps)
    first = float(accumulated[order[0]])
    if convention == "end" and first < 0.01 * usual:
        raise TomogramError(
            f"{source}: the first view has an accumulated dose of {first:g} e/A^2, which cannot "
            "be that at the end of its exposure; if it is that at the start, say so "
            "(--dose-convention start)"
        )
    of = np.empty_like(accumulated)
    told = doubts_of_first(source, first, usual, convention)
    if convention == "start":
        of[order] = np.append(steps, usual)
        before = accumulated
    elif convention == "middle":
        of[:] = usual
        before = np.maximum(accumulated - of / 2, 0.0)
    else:
        of[order] = np.append(min(usual, first), steps)
        before = np.maximum(accumulated - of, 0.0)
    return plausible(Exposures(before, of, described(convention, source)), source, told)


def plausible(exposures: Exposures, source: str, told: tuple[str, ...] = ()) -> Exposures:
    """Doses of all views of a file, with warnings where they are possible and not usual.

    Args:
        exposures: of all views, before any is left out.
        source: the file, for messages.
        told: what is known to be odd already.

    Raises:
        TomogramError: so small a dose that it is in another unit.
    """
    return replace(
        exposures, warnings=(*told, *doubts_of_total(source, float(exposures.end.max())))
    )


def described(convention: str, source: str) -> str:
    """A convention in words, with where the doses are from."""
    return (
        f"accumulated doses of {source} read as those at the {convention} of each view's exposure"
    )


def _some(values: np.ndarray) -> str:
    text = ", ".join(f"{value:g}" for value in values[:6])
    return text + (", ..." if len(values) > 6 else "")
