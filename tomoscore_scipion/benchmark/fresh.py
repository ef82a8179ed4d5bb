# SPDX-License-Identifier: GPL-3.0-or-later
"""Fresh simulated tomograms, on which no model was trained, with predictions and truths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Iterable, Iterator

import numpy as np

from tomoscore_scipion.model.scorer import Scorer
from tomoscore_scipion.records.bands import fraction_below_nyquist
from tomoscore_scipion.simulation.acquisition import Acquisition, Microscope, tomogram
from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.recipe import Recipe, random_recipe
from tomoscore_scipion.simulation.specimen import random_specimen
from tomoscore_scipion.simulation.summary import truth_summary
from tomoscore_scipion.simulation.worlds import NEWEST_WORLD


@dataclass(frozen=True)
class Case:
    """A tomogram of a specimen and its truth.

    Attributes:
        specimen: seed of the specimen.
        stack: (z, y, x) float32.
        voxel_size_angstrom: of the stack.
        truth: "tomoscore", "curve", "scale_nm", "slices" as in a record.
        post: its post-processing.
    """

    specimen: int
    stack: np.ndarray
    voxel_size_angstrom: float
    truth: dict[str, Any]
    post: str


@dataclass(frozen=True)
class Comparison:
    """Predictions and truths of n tomograms, of their m slices, and of their bands.

    Attributes:
        specimen: (n,) seed of the specimen.
        predicted: (n,) predicted TomoScore.
        truth: (n,) true TomoScore.
        low: (n,) lower end of the interval.
        high: (n,) upper end.
        slice_predicted: (m,) predicted TomoScore of the slices in the true slab.
        slice_truth: (m,) their true TomoScore.
        curve_predicted: (n, N_BANDS) resolvability, NaN beyond Nyquist.
        curve_truth: (n, N_BANDS).
        below_nyquist: (n, N_BANDS) fraction of each band below Nyquist.
    """

    specimen: np.ndarray
    predicted: np.ndarray
    truth: np.ndarray
    low: np.ndarray
    high: np.ndarray
    slice_predicted: np.ndarray
    slice_truth: np.ndarray
    curve_predicted: np.ndarray
    curve_truth: np.ndarray
    below_nyquist: np.ndarray


def fresh_tomograms(
    seeds: Iterable[int],
    acquisitions: int,
    grid: Grid | None = None,
    containing: str | None = None,
    draw: Callable[[np.random.Generator], Recipe] | None = None,
    world: str = NEWEST_WORLD,
    without: tuple[str, ...] = (),
) -> Iterator[Case]:
    """Whole tomograms of `fresh_acquisitions`, which has the same arguments."""
    exposed = fresh_acquisitions(seeds, acquisitions, grid, containing, draw, world, without)
    for seed, rng, acquisition in exposed:
        stack, curves, content = tomogram(rng, acquisition)
        voxel = 10 * acquisition.voxel_nm
        truth = truth_summary(curves.numpy(), content.numpy(), acquisition.slab_z(), voxel)
        yield Case(seed, stack.numpy(), voxel, truth, acquisition.recipe.post)


def fresh_acquisitions(
    seeds: Iterable[int],
    acquisitions: int,
    grid: Grid | None = None,
    containing: str | None = None,
    draw: Callable[[np.random.Generator], Recipe] | None = None,
    world: str = NEWEST_WORLD,
    without: tuple[str, ...] = (),
) -> Iterator[tuple[int, np.random.Generator, Acquisition]]:
    """Random specimens, each imaged `acquisitions` times in random ways.

    Args:
        seeds: one for each specimen.
        acquisitions: tomograms of each.
        grid: field of view, `Grid()` when None.
        containing: each specimen is drawn until it has this ingredient.
        draw: gives the recipe of a tomogram; a random one of the world when None.
        world: of `simulation.worlds.WORLDS`, from which specimens are drawn.
        without: what specimens lack, see `random_specimen`.

    Yields:
        The seed of the specimen, the source of randomness to continue with, and the acquisition.
    """
    for seed in seeds:
        rng = np.random.default_rng([99, seed])
        specimen = random_specimen(rng, grid or Grid(), without, world=world)
        while containing is not None and containing not in specimen.contents:
            specimen = random_specimen(rng, grid or Grid(), without, world=world)
        microscope = Microscope(specimen)
        for _ in range(acquisitions):
            recipe = draw(rng) if draw is not None else random_recipe(rng, world=world)
            yield seed, rng, microscope.acquire(rng, recipe, float(rng.uniform(1.1, 1.8)))


def compare(scorer: Scorer, cases: Iterable[Case]) -> Comparison:
    """Score tomograms one after the other and collect predictions and truths."""
    rows: list[tuple] = []
    slices: list[tuple[float, float]] = []
    for case in cases:
        record = scorer.score(case.stack, case.voxel_size_angstrom)
        assert record.curve is not None and record.tomoscore_interval is not None
        low, high = record.tomoscore_interval
        bands = [record.curve["resolvability"], case.truth["curve"]["resolvability"]]
        bands.append(fraction_below_nyquist(case.voxel_size_angstrom / 10))
        rows.append((case.specimen, record.tomoscore, case.truth["tomoscore"], low, high, *bands))
        by_z = {s["z"]: s["tomoscore"] for s in case.truth["slices"]}
        slices += [(s["tomoscore"], by_z[s["z"]]) for s in record.slices if s["z"] in by_z]
    columns = [np.array(column, dtype=np.float64) for column in zip(*rows)]
    by_slice = np.array(slices, dtype=np.float64).reshape(-1, 2)
    return Comparison(*columns[:5], *by_slice.T, *columns[5:])
