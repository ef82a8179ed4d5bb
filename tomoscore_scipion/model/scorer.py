# SPDX-License-Identifier: GPL-3.0-or-later
"""Score tomograms: a path or an array in, a record out. The model is loaded once."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import Any, Callable, Iterator, Sequence

import numpy as np
import torch

from tomoscore_scipion import __version__
from tomoscore_scipion.model.aggregation import TomogramScore, summarise
from tomoscore_scipion.model.device import resolve_device
from tomoscore_scipion.model.inference import MeasuredSlice, Predictor, SliceCurves
from tomoscore_scipion.model.interval import smallness
from tomoscore_scipion.model.normalisation import CanonicalSlice, canonical_slice
from tomoscore_scipion.model.sampling import SlicePlan, plan_slices
from tomoscore_scipion.model.tiles import TILE_NM
from tomoscore_scipion.model.weights import load_weights, sha256_of, shipped_weights_path
from tomoscore_scipion.reading.volume import ArrayVolume, Volume, open_volume
from tomoscore_scipion.records.bands import (
    N_SCORED,
    PERIODS_NM,
    curve_as_list,
    fraction_below_nyquist,
    scale_nm,
)
from tomoscore_scipion.records.record import Score, default_ts_id
from tomoscore_scipion.records.z_range import ZRange, planes_within

Progress = Callable[[int, int], None]
Finish = Callable[[Volume, Sequence[SliceCurves], Score], Score]
OUT_OF_DISTRIBUTION = (
    "out of the model's depth: unlike anything that it was trained on; do not rely on this score "
    "without a look at the tomogram"
)
"""Warning for volumes whose out-of-distribution distance exceeds 1."""
DIGITS = 4
MAX_AT_ONCE = 4
"""Largest number of slices that are measured at the same time; each takes memory."""


class Scorer:
    """Scores tomograms with one model on one device.

    Attributes:
        model: {"name", "version", "sha256"} of the weights.
        card: the whole card of the weights.
        device: device of the network, such as "cpu" or "cuda:0".
        notices: messages to the user about the choice of device.
    """

    def __init__(self, predictor: Predictor, card: dict[str, Any], sha256: str) -> None:
        self.card = card
        self.model = {"name": card["name"], "version": card["version"], "sha256": sha256}
        self.device = str(predictor.device)
        self.notices: list[str] = []
        self._predictor = predictor

    @classmethod
    def load(cls, weights: str | os.PathLike[str] | None = None, device: str = "auto") -> Scorer:
        """Load weights on a device.

        Args:
            weights: path of a weights file; the weights in the package when None.
            device: "auto", "cpu" or "cuda:N"; only "auto" falls back to the CPU.

        Raises:
            StartError: the weights or the device cannot be used.
        """
        resolved, notices = resolve_device(device)
        path = os.fspath(weights) if weights is not None else str(shipped_weights_path())
        network, card = load_weights(path)
        scorer = cls(Predictor(network, resolved), card, sha256_of(path))
        scorer.notices += notices
        return scorer

    def score(
        self,
        path_or_array: str | os.PathLike[str] | np.ndarray,
        voxel_size_angstrom: float | None = None,
        ts_id: str | None = None,
        progress: Progress | None = None,
        z_range: ZRange | None = None,
        finish: Finish | None = None,
    ) -> Score:
        """Score one tomogram.

        Args:
            path_or_array: an MRC file, or an array of shape (z, y, x) or (y, x).
            voxel_size_angstrom: replaces the voxel size of the header; required with an array.
            ts_id: the tomogram's id; the file's name without extensions when None.
            progress: called with (finished slices, total slices).
            z_range: (first, last) plane of the slab to score, see z_range.py; all when None.
            finish: called with the open volume, the curves of its slices and the record; its result
                is returned instead of the record.

        Raises:
            TomogramError: the tomogram cannot be read, or nothing in it can be scored.
        """
        start = time.perf_counter()
        with _open(path_or_array, voxel_size_angstrom) as volume:
            voxel_nm = volume.voxel_size_angstrom / 10
            below_nyquist = fraction_below_nyquist(voxel_nm)
            planes = planes_within(z_range, volume.shape_zyx[0])
            measured, warnings = self._measure_slices(volume, planes, progress)
            slices = self.curves(measured)
            out_of_distribution = self.out_of_distribution(measured)
            if out_of_distribution > 1:
                warnings += (OUT_OF_DISTRIBUTION,)
            width_nm = min(volume.shape_zyx[1:]) * voxel_nm
            small = smallness((planes[1] - planes[0] + 1) * voxel_nm, width_nm)
            result = summarise(
                slices, planes, below_nyquist, self.card["interval"], out_of_distribution, small
            )
            if width_nm <= TILE_NM - voxel_nm:
                warnings += (_width_warning(width_nm),)
            if not below_nyquist.all():
                warnings += _nyquist_warnings(voxel_nm, below_nyquist)
            curve = curve_as_list(result.curve, below_nyquist)
            record = Score(
                ts_id=ts_id or (default_ts_id(volume.path) if volume.path else "array"),
                path=volume.path,
                curve={"period_nm": PERIODS_NM, "resolvability": curve},
                voxel_size_angstrom=volume.voxel_size_angstrom,
                shape_zyx=volume.shape_zyx,
                z_range=z_range,
                warnings=(*volume.warnings, *warnings),
                model=self.model,
                engine_version=__version__,
                device=self.device,
                seconds=round(time.perf_counter() - start, 3),
                **_numbers(result),
            )
            return record if finish is None else finish(volume, slices, record)

    def measure(self, canonical: CanonicalSlice) -> MeasuredSlice:
        """Measure the statistics of one slice; the result is small.

        Raises:
            TomogramError: the GPU has too little memory.
        """
        return self._predictor.measure(canonical)

    def curves(self, measured: Sequence[MeasuredSlice]) -> list[SliceCurves]:
        """Predict the curves of all slices of one volume together; slices in order of z."""
        return self._predictor.curves(measured)

    def out_of_distribution(self, measured: Sequence[MeasuredSlice]) -> float:
        """Distance of a volume from the training volumes; `score` adds a warning above 1."""
        return self._predictor.out_of_distribution(measured)

    def _measure_slices(
        self, volume: Volume, planes: tuple[int, int], progress: Progress | None
    ) -> tuple[list[MeasuredSlice], tuple[str, ...]]:
        """Statistics of all sampled slices, and warnings."""
        voxel_nm, reading = volume.voxel_size_angstrom / 10, Lock()
        plans = plan_slices(volume.shape_zyx[0], voxel_nm, planes)

        def read(z: int) -> np.ndarray:
            with reading:
                return volume.read_slice(z)

        def measured_slice(plan: SlicePlan) -> tuple[MeasuredSlice, bool, bool]:
            canonical = canonical_slice(read, plan, voxel_nm)
            return self.measure(canonical), canonical.blank, canonical.not_finite

        measured, blank, not_finite = [], 0, 0
        workers = min(torch.get_num_threads(), MAX_AT_ONCE)
        pool = ThreadPoolExecutor(workers)
        try:
            with _shared_threads(workers):
                for n_done, (slice_statistics, is_blank, has_nan) in enumerate(
                    pool.map(measured_slice, plans), start=1
                ):
                    measured.append(slice_statistics)
                    blank += is_blank
                    not_finite += has_nan
                    if progress is not None:
                        progress(n_done, len(plans))
        finally:
            pool.shutdown(cancel_futures=True)
        return measured, _slice_warnings(len(plans), blank, not_finite)


def _open(path_or_array: Any, voxel_size_angstrom: float | None) -> Volume:
    if isinstance(path_or_array, (str, os.PathLike)):
        return open_volume(path_or_array, voxel_size_angstrom)
    return ArrayVolume(path_or_array, voxel_size_angstrom)


@contextmanager
def _shared_threads(workers: int) -> Iterator[None]:
    """Divide PyTorch's threads among the workers that start in this context."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(threads // workers, 1))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _numbers(result: TomogramScore) -> dict[str, Any]:
    """The numbers of a record, rounded first so that all derived values agree with them."""
    score = round(result.score, DIGITS)
    low, high = (round(bound, DIGITS) for bound in result.interval)
    slices = [
        {"z": int(z), "tomoscore": s, "scale_nm": _scale(s)}
        for z, s in zip(result.slice_z, np.round(result.slice_scores, DIGITS).tolist())
    ]
    return {
        "tomoscore": score,
        "tomoscore_interval": (low, high),
        "scale_nm": _scale(score),
        "content": round(result.content, DIGITS),
        "slab_z": result.slab_z,
        "slices": tuple(slices),
    }


def _scale(score: float) -> float | None:
    scale = scale_nm(score)
    return None if scale is None else round(scale, 3)


def _slice_warnings(total: int, blank: int, not_finite: int) -> tuple[str, ...]:
    warnings = []
    if blank == total:
        warnings.append("constant, or nearly: no scored slice varies, so that nothing can be seen")
    elif blank:
        warnings.append(f"{blank} of {total} scored slices are constant: empty, or padded volume?")
    if not_finite:
        warnings.append(f"{not_finite} of {total} scored slices hold NaN or inf: masked")
    return tuple(warnings)


def _width_warning(width_nm: float) -> str:
    return (
        f"the field is only {width_nm:.0f} nm wide; features of 128 nm need {TILE_NM:.0f} nm: "
        "the score may be wrong; score the whole tomogram"
    )


def _nyquist_warnings(voxel_nm: float, below_nyquist: np.ndarray) -> tuple[str, ...]:
    if below_nyquist[:N_SCORED].min() == 1:
        return ()
    best = float(below_nyquist[:N_SCORED].sum())
    return (
        f"the voxel ({10 * voxel_nm:.4g} A) carries no detail finer than {2 * voxel_nm:.3g} nm: "
        f"the score cannot exceed {best:.2f}",
    )
