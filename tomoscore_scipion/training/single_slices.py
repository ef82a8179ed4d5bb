# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the scores of single slices, of whole fields and of small parts of them."""

from __future__ import annotations

from typing import Any, Iterator

import numpy as np

from tomoscore_scipion.benchmark.fresh import Case, compare, fresh_acquisitions
from tomoscore_scipion.model.interval import own_error, smallness
from tomoscore_scipion.model.scorer import Scorer
from tomoscore_scipion.model.tiles import CELL_PX, TILE_CELLS, TILE_NM
from tomoscore_scipion.simulation.acquisition import Acquisition
from tomoscore_scipion.simulation.recipe import ordinary_recipe, raw_recipe
from tomoscore_scipion.simulation.summary import truth_summary
from tomoscore_scipion.training.calibration import CONFIDENCE
from tomoscore_scipion.training.fields import Field

FIRST_SEED = 730000
"""First seed of the specimens."""
RECIPES = (ordinary_recipe, raw_recipe)
"""Functions that draw the recipes of the tomograms of a specimen."""
WIDTHS = (2, 3, 4)
"""Widths of the parts in cells of 48 nm: 96 to 192 nm."""
PARTS = 3
"""Number of parts of each width in a slice."""
SLICES = 2
"""Number of slices of each tomogram."""


def seeds(specimens: int) -> range:
    """Seeds of the specimens."""
    return range(FIRST_SEED, FIRST_SEED + specimens)


def wider_intervals(scorer: Scorer, interval: dict[str, Any], specimens: int) -> dict[str, float]:
    """Measure "thin" and "small" of the interval, see `model.interval.own_error`.

    Single slices are scored as pictures. With these factors, their interval covers as many of the
    errors as it should: "thin" for whole fields, "small" for parts of them.

    Args:
        scorer: scorer with the weights.
        interval: "score", "below" and "above" of the interval.
        specimens: number of new specimens, each with one tomogram of each of `RECIPES`.
    """
    result = compare(scorer, _cases(seeds(specimens)))
    below, above = own_error(result.predicted, interval)
    error = result.truth - result.predicted
    ratio = np.where(error < 0, -error / below, error / above).reshape(-1, 1 + len(WIDTHS) * PARTS)
    increase = ratio[:, 1:].reshape(-1, len(WIDTHS)) - 1
    small = [smallness(0, width * TILE_NM / TILE_CELLS) for width in WIDTHS]
    return {
        "thin": round(max(1.0, float(np.quantile(ratio[:, 0], CONFIDENCE))), 3),
        "small": round(max(0.0, float(np.quantile(increase / small, CONFIDENCE))), 3),
    }


def _cases(specimens: range) -> Iterator[Case]:
    """Slices, each followed by its parts, of all tomograms."""
    for draw in RECIPES:
        for seed, rng, acquisition in fresh_acquisitions(specimens, 1, draw=draw):
            yield from _slices(rng, seed, acquisition)


def _slices(rng: np.random.Generator, seed: int, acquisition: Acquisition) -> Iterator[Case]:
    """Each slice as a whole, then its parts; the widths take turns."""
    first, last = acquisition.slab_z()
    cells = acquisition.specimen.grid.n // CELL_PX
    voxel = 10 * acquisition.voxel_nm
    for z in np.linspace(first, last, SLICES + 2)[1:-1].astype(int).tolist():
        plane = acquisition.planes([z])[0]
        curves, content = acquisition.truth(plane, z), acquisition.content(z)
        for width in (cells, *WIDTHS * PARTS):
            y, x = rng.integers(0, cells - width + 1, 2).tolist()
            field = Field(cells, (y, width), (x, width))
            true, amount = (values[field.tiles][None].numpy() for values in (curves, content))
            truth = truth_summary(true, amount, (0, 0), voxel)
            yield Case(seed, field.of_plane(plane.numpy())[None], voxel, truth, "")
