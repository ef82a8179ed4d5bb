# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the score of a tomogram from its halves, and add it to the record of the tomogram."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Sequence

import numpy as np

from tomoscore_scipion.halves.checks import Acquisition, check_halves
from tomoscore_scipion.halves.errors import HalvesError
from tomoscore_scipion.halves.files import open_halves
from tomoscore_scipion.halves.measured_curve import Measure, Measured, measured_curve
from tomoscore_scipion.halves.wedge import UNKNOWN_DEG, wedge_factor_of
from tomoscore_scipion.model.inference import SliceCurves
from tomoscore_scipion.reading.volume import Volume
from tomoscore_scipion.records.bands import (
    N_SCORED,
    PERIODS_NM,
    curve_as_list,
    fraction_below_nyquist,
)
from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.records.halves_block import (
    BY_FRAME,
    BY_TILT,
    FINEST_MEASURED_NM,
    IS_COARSE,
    MEASURED,
    UNKNOWN,
    refused,
)
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.tilt_range import TiltRange, half_of

LEFT_OUT = (
    "the halves are of different tilts, whose views differ in fine detail: octaves finer than "
    f"{FINEST_MEASURED_NM:g} nm are left out of the measured score"
)
KIND_UNKNOWN = (
    "whether the halves are of frames or of tilts does not show: of tilts, octaves finer than "
    f"{FINEST_MEASURED_NM:g} nm come out too low"
)
TILTS_UNKNOWN = (
    f"the tilt range does not show: {UNKNOWN_DEG[0]:g} to {UNKNOWN_DEG[-1]:g} degrees are assumed"
)
SHARED = (
    "the predicted score is lower than the measured one: halves of frames do not see what both "
    "share (misalignment, an uncorrected CTF), so that the predicted one may be right"
)
DIGITS = 4


def with_halves(
    volume: Volume,
    slices: Sequence[SliceCurves],
    record: Score,
    paths: tuple[str, str],
    measure: Measure,
    size_was_given: bool = False,
    tilt_range_deg: TiltRange | None = None,
) -> Score:
    """Add the score measured from the halves to a record.

    If the halves cannot be used, the record keeps the predicted score and has a warning with the
    reason.

    Args:
        volume: the tomogram, open.
        slices: predicted curves of its slices.
        record: its record.
        paths: files of both halves.
        measure: computes the Fourier statistics of a slice, see `Scorer.measure`.
        size_was_given: whether the voxel size was given by the user and takes precedence over the
            headers of the halves.
        tilt_range_deg: (lowest, highest) tilt angle of the views; None to estimate it from the
            power of the first half in Fourier space.

    Returns:
        The record with `halves`.
    """
    warnings = record.warnings
    try:
        entry = _measured(volume, slices, record, paths, measure, size_was_given, tilt_range_deg)
    except HalvesError as error:
        warnings = (*warnings, f"its halves are refused: {error}")
        entry = refused(*paths, str(error))
    entry["tilt_range_deg"] = tilt_range_deg
    return replace(record, halves=entry, warnings=warnings)


def _measured(
    volume: Volume,
    slices: Sequence[SliceCurves],
    record: Score,
    paths: tuple[str, str],
    measure: Measure,
    size_was_given: bool,
    tilt_range_deg: TiltRange | None,
) -> dict[str, Any]:
    assert record.slab_z is not None
    first, last = record.slab_z
    inside = [slice_curves for slice_curves in slices if first <= slice_curves.z <= last]
    with open_halves(paths, volume, size_was_given) as halves:
        try:
            acquisition = check_halves(volume, halves, record.slab_z)
            if tilt_range_deg is not None:
                acquisition = replace(acquisition, max_tilt_deg=half_of(tilt_range_deg))
            band_weights = _band_weights(volume, acquisition)
            factor = wedge_factor_of(acquisition.max_tilt_deg)
            measured = measured_curve(
                halves, volume.voxel_size_angstrom / 10, inside, factor, band_weights, measure
            )
        except TomogramError as error:
            raise HalvesError(f"a file cannot be read: {error}") from error
    if measured is None:
        raise HalvesError("nothing varies in the halves where the tomogram has its slab: empty?")
    entry = _entry(measured, acquisition, band_weights, paths)
    assert record.tomoscore_interval is not None
    if acquisition.kind == BY_FRAME and record.tomoscore_interval[1] < measured.score:
        entry["warnings"] += (SHARED,)
    return entry


def _band_weights(volume: Volume, acquisition: Acquisition) -> np.ndarray:
    """Weight of each band, (N_BANDS,): 0 for bands that are excluded or beyond Nyquist."""
    weights = fraction_below_nyquist(volume.voxel_size_angstrom / 10)
    if acquisition.kind == BY_TILT:
        weights = weights * IS_COARSE
    weights[N_SCORED:] = 0
    return weights


def _entry(
    measured: Measured, acquisition: Acquisition, band_weights: np.ndarray, paths: tuple[str, str]
) -> dict[str, Any]:
    warnings = [LEFT_OUT] if acquisition.kind == BY_TILT else []
    warnings += [KIND_UNKNOWN] if acquisition.kind == UNKNOWN else []
    warnings += [TILTS_UNKNOWN] if acquisition.max_tilt_deg is None else []
    low, high = measured.interval
    return {
        "half1": paths[0],
        "half2": paths[1],
        "status": MEASURED,
        "error": None,
        "tomoscore": round(measured.score, DIGITS),
        "interval": (round(low, DIGITS), round(high, DIGITS)),
        "curve": {
            "period_nm": PERIODS_NM,
            "resolvability": curve_as_list(measured.curve, band_weights),
        },
        "kind": acquisition.kind,
        "max_tilt_deg": acquisition.max_tilt_deg,
        "octaves": tuple(p for p, s in zip(PERIODS_NM, band_weights) if s > 0),
        "warnings": tuple(warnings),
    }
