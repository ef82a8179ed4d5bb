# SPDX-License-Identifier: GPL-3.0-or-later
"""Analyse a tilt series: read its files, write its record and its preview."""

from __future__ import annotations

import os
import time
from typing import Any

import mrcfile
import numpy as np

from tomoscore_scipion import __version__
from tomoscore_scipion.dose.analyse import Analysis, analyse
from tomoscore_scipion.dose.analysis import NO_FALL, STILL_RISING, Optimum
from tomoscore_scipion.dose.measure import Settings, measure
from tomoscore_scipion.dose.series_files import read_series
from tomoscore_scipion.model.scorer import Progress, Scorer
from tomoscore_scipion.records.atomic_write import atomic_path
from tomoscore_scipion.records.dose_record import DoseRecord
from tomoscore_scipion.records.dose_source_files import Sources
from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tomography.dose_series import DoseSeries
from tomoscore_scipion.tomography.tilt_series import reconstruct

PREVIEW_ANGSTROM = 20.0
ACQUIRED = "views count in the order of acquisition, that of their accumulated doses"
SCALE_OF_CURVES = (
    "the level of the curves is the network's score of the tomogram of all views; how the others "
    "differ from it is measured, by the agreement of the views with one another"
)
SHARED = (
    "what all views show alike counts as specimen, and so do gold beads, ice contamination, and "
    "changes of the specimen that happened before the first view"
)
LAW = (
    "dose weighting follows Grant and Grigorieff (2015) for 300 kV, at the dose in the middle of "
    "each exposure"
)
MATCHED = (
    "matched tomograms take as many views as the step of the same dose, evenly over all angles, "
    "from early and late views alike"
)


def record_of(
    sources: Sources,
    scorer: Scorer,
    flip_phases: bool = False,
    preview: str | None = None,
    progress: Progress | None = None,
) -> DoseRecord:
    """Analyse a tilt series; the record is "failed" if its files cannot be analysed.

    Args:
        sources: its files.
        scorer: the network.
        flip_phases: see `Settings`.
        preview: path for a tomogram at the suggested dose; None to write none.
        progress: called with (number of finished slices, number of slices).
    """
    start = time.perf_counter()
    provenance: dict[str, Any] = {"engine_version": __version__, "device": scorer.device}
    try:
        series = read_series(sources)
        settings = Settings(sources.thickness_nm or Settings.thickness_nm, flip_phases)
        measurements = measure(series, scorer, settings, progress)
        result = analyse(measurements, scorer.card["interval"])
        seen_at, unwritten = _preview(series, result, settings, preview, scorer.device)
    except TomogramError as error:
        seconds = round(time.perf_counter() - start, 3)
        return DoseRecord.failed(
            sources.ts_id,
            sources.stack,
            str(error),
            seconds=seconds,
            model=scorer.model,
            **provenance,
        )
    return DoseRecord(
        ts_id=sources.ts_id,
        path=sources.stack,
        steps=tuple(result.steps),
        steps_weighted=tuple(result.steps_weighted),
        steps_matched=tuple(result.steps_matched),
        convention=f"{series.exposures.convention}; doses of the curves are those at the end of "
        "the exposure of the last view, before which the specimen had suffered less",
        assumptions=_assumptions(settings, series, measurements.voxel_angstrom),
        views_beyond=_views_beyond(series, suggested_dose(result)),
        preview=seen_at,
        slab_z=result.slab_z,
        n_views=len(series.tilts.views),
        pixel_size_angstrom=series.tilts.pixel_angstrom,
        shape_zyx=series.stack_shape_zyx,
        warnings=(*series.warnings, *series.exposures.warnings, *measurements.warnings, *unwritten),
        model=scorer.model,
        seconds=round(time.perf_counter() - start, 3),
        **_optima(result),
        **provenance,
    )


def suggested_dose(result: Analysis) -> float | None:
    """Dose of the optimum; None if there is no range around it."""
    if result.optimum.steps_within is None:
        return None
    return float(result.steps[result.optimum.step]["dose"])


def _optima(result: Analysis) -> dict[str, Any]:
    """Fields of the record: optimum, range and reason of the unweighted and the weighted curve."""
    fields: dict[str, Any] = {"suggested_dose": suggested_dose(result)}
    for end, optimum in (("", result.optimum), ("_weighted", result.optimum_weighted)):
        fields["optimum_dose" + end] = result.steps[optimum.step]["dose"]
        fields["suggested_range" + end] = _range(result, optimum)
        fields["reason" + end] = optimum.reason
    return fields


def _range(result: Analysis, optimum: Optimum) -> tuple[float, float] | None:
    if optimum.steps_within is None:
        return None
    first, last = optimum.steps_within
    return result.steps[first]["dose"], result.steps[last]["dose"]


def _views_beyond(series: DoseSeries, dose: float | None) -> tuple[int, ...]:
    """Indices of the images whose exposure ends beyond a dose."""
    if dose is None:
        return ()
    beyond = series.exposures.end > dose + 1e-3
    return tuple(int(view) for view in np.sort(series.tilts.views[beyond]))


def _assumptions(settings: Settings, series: DoseSeries, voxel_angstrom: float) -> tuple[str, ...]:
    phases = "no CTF correction"
    if settings.flip_phases and series.optics is not None:
        phases = f"phases flipped for {series.optics.described}"
    how = (
        f"weighted back-projection of {settings.thickness_nm:g} nm at {voxel_angstrom:g} A per "
        f"voxel, {phases}"
    )
    return ACQUIRED, how, SCALE_OF_CURVES, SHARED, LAW, MATCHED


def _preview(
    series: DoseSeries, result: Analysis, settings: Settings, path: str | None, device: str
) -> tuple[str | None, tuple[str, ...]]:
    """Write the tomogram of the views up to the suggested dose; of all views if still rising.

    Returns:
        Its path, or None, and a warning if it could not be written.
    """
    rising = result.optimum.reason in (STILL_RISING, NO_FALL)
    if path is None or (result.optimum.steps_within is None and not rising):
        return None, ()
    views = result.subsets[-1 if rising else result.optimum.step].views
    voxel = max(PREVIEW_ANGSTROM, series.tilts.pixel_angstrom)
    volume = reconstruct(
        series.tilts.select(views), voxel, 10 * settings.thickness_nm, device=device
    )
    try:
        with atomic_path(os.path.abspath(path)) as temporary, mrcfile.new(temporary, volume) as mrc:
            mrc.voxel_size = voxel
            mrc.add_label(f"TomoScore preview, {len(views)} views up to the suggested dose")
    except OSError as error:
        return None, (
            f"its preview could not be written to {path}: {error.strerror}; the curves hold",
        )
    return path, ()
