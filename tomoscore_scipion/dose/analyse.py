# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute the dose curves of a tilt series from its measurements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

import numpy as np

from tomoscore_scipion.dose.analysis import DoseCurve, Measured, Optimum, dose_curve, find_optimum
from tomoscore_scipion.dose.measure import Kind, Measurements
from tomoscore_scipion.dose.subsets import Subset
from tomoscore_scipion.model.aggregation import slab_ends, slab_weights
from tomoscore_scipion.model.interval import interval, own_error
from tomoscore_scipion.records.bands import fraction_below_nyquist, scale_nm, tomoscore

DIGITS = 4


@dataclass(frozen=True)
class Analysis:
    """The dose curves of a tilt series and their optima.

    Attributes:
        steps: points of the unweighted cumulative curve, as in the record.
        steps_weighted: points of the dose-weighted cumulative curve.
        steps_matched: points of the curve of matched subsets.
        curve: the unweighted cumulative curve with its bootstrap.
        optimum: optimum of the unweighted curve.
        optimum_weighted: optimum of the dose-weighted curve.
        subsets: views of each step.
        slab_z: first and last plane of the specimen, inclusive.
    """

    steps: list[dict[str, Any]]
    steps_weighted: list[dict[str, Any]]
    steps_matched: list[dict[str, Any]]
    curve: DoseCurve
    optimum: Optimum
    optimum_weighted: Optimum
    subsets: list[Subset]
    slab_z: tuple[int, int]


def analyse(measurements: Measurements, calibration: dict[str, Any]) -> Analysis:
    """Compute curves, optima and ranges.

    Args:
        measurements: measurements of the tilt series, from `measure`.
        calibration: "interval" of the model card, see `model.interval.own_error`.
    """
    below_nyquist = fraction_below_nyquist(measurements.voxel_angstrom / 10)
    all_views = zip(
        measurements.plain.network[-1][:, None], measurements.plain.content[-1][:, None]
    )
    first, last = slab_ends(slab_weights(list(all_views), below_nyquist))
    slab_slices = slice(first, last + 1)

    def curve(kind: Kind, subsets: Sequence[Subset], factor: Any = None) -> DoseCurve:
        weights = np.stack([subset.weights for subset in subsets])
        units = kind.agreement.units(weights, slab_slices)
        tiles = kind.agreement.gram.shape[1]
        slice_of_unit = np.repeat(np.arange(last + 1 - first), tiles)
        measured = Measured(
            units, slice_of_unit, kind.network[-1, slab_slices], kind.content[-1, slab_slices]
        )
        return dose_curve(measured, below_nyquist, factor)

    plain = curve(measurements.plain, measurements.steps)
    weighted = curve(measurements.weighted, measurements.steps)
    thinned = curve(measurements.plain, measurements.matched, plain.factor)

    def rows(subsets: Sequence[Subset], points: DoseCurve, weighted_: bool, net: Any) -> list:
        return _rows(subsets, points, weighted_, net, calibration)

    by_network = _by_network(measurements.plain, slab_slices, measurements.scored, below_nyquist)
    by_network_weighted = _by_network(
        measurements.weighted, slab_slices, measurements.scored[-1:], below_nyquist
    )
    n_views = np.array([len(step.views) for step in measurements.steps])
    dose = np.array([step.dose for step in measurements.steps])
    return Analysis(
        steps=rows(measurements.steps, plain, False, by_network),
        steps_weighted=rows(measurements.steps, weighted, True, by_network_weighted),
        steps_matched=rows(measurements.matched, thinned, False, {}),
        curve=plain,
        optimum=find_optimum(plain, n_views, dose),
        optimum_weighted=find_optimum(weighted, n_views, dose),
        subsets=measurements.steps,
        slab_z=(int(measurements.slice_z[first]), int(measurements.slice_z[last])),
    )


def _by_network(
    kind: Kind, slab_slices: slice, scored: np.ndarray, below_nyquist: np.ndarray
) -> dict[int, float]:
    """Score predicted by the network for each step in `scored`, {index of the step: octaves}."""
    weights = kind.content[:, slab_slices]
    scores = tomoscore(
        np.average(kind.network[:, slab_slices], axis=1, weights=weights), below_nyquist
    )
    return {int(step): round(float(score), DIGITS) for step, score in zip(scored, scores)}


def _rows(
    subsets: Sequence[Subset],
    curve: DoseCurve,
    weighted: bool,
    network: dict[int, float],
    calibration: dict[str, Any],
) -> list[dict[str, Any]]:
    ends = np.stack(interval(curve.score, own_error(curve.score, calibration), curve.sd), axis=1)
    rows = []
    for index, subset in enumerate(subsets):
        score = round(float(curve.score[index]), DIGITS)
        scale = scale_nm(score)
        rows.append(
            {
                "dose": round(subset.dose, 3),
                "n_views": len(subset.views),
                "angle_range": [round(angle, 2) for angle in subset.angle_range],
                "angle_step": round(subset.angle_step, 3),
                "weighted": weighted,
                "tomoscore": score,
                "tomoscore_interval": [round(float(end), DIGITS) for end in ends[index]],
                "scale_nm": None if scale is None else round(scale, 3),
                "tomoscore_network": network.get(index),
            }
        )
    return rows
