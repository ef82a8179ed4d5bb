# SPDX-License-Identifier: GPL-3.0-or-later
"""Tilt angles, their order of acquisition, and the accumulated dose of each view."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from tomoscore_scipion.simulation.recipe import Recipe


@dataclass(frozen=True)
class TiltScheme:
    """Views sorted by angle.

    Attributes:
        tilts_deg: (n,) angle between the beam and the normal of the slab, degrees.
        dose_before: (n,) accumulated dose before the exposure, e/A^2.
        dose_per_view: dose of one exposure, e/A^2.
    """

    tilts_deg: torch.Tensor
    dose_before: torch.Tensor
    dose_per_view: float

    @property
    def dose_middle(self) -> torch.Tensor:
        """Accumulated dose at the middle of each exposure, e/A^2, (n,)."""
        return self.dose_before + 0.5 * self.dose_per_view


def tilt_scheme(recipe: Recipe) -> TiltScheme:
    """The views of a recipe, without tilts beyond 70 degrees that a pre-tilt causes."""
    steps = int(recipe.max_tilt_deg / recipe.tilt_step_deg + 1e-6)
    stage = torch.arange(-steps, steps + 1) * recipe.tilt_step_deg
    rank = acquisition_rank(len(stage), recipe.order)
    tilts = stage + recipe.pretilt_deg
    is_acquired = tilts.abs() <= 70
    dose = recipe.total_dose / len(stage)
    return TiltScheme(tilts[is_acquired].float(), (rank[is_acquired] * dose).float(), dose)


def acquisition_rank(n: int, order: str) -> torch.Tensor:
    """Order of acquisition, 0 to n - 1, of n views sorted by angle, n odd."""
    index = torch.arange(n)
    middle = n // 2
    if order == "unidirectional":
        return index
    if order == "bidirectional":
        return torch.where(index >= middle, index - middle, n - 1 - index)
    if order == "dose_symmetric":
        distance = (index - middle).abs()
        return torch.where(index > middle, 2 * distance - 1, 2 * distance)
    raise ValueError(f"expected dose_symmetric, bidirectional or unidirectional, got {order!r}")
