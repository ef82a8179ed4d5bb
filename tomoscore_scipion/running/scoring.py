# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of `tomoscore score`: makes the record of a tomogram, thumbnails and quality map."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from tomoscore_scipion.calibration.calibration import Calibration
from tomoscore_scipion.reading.file_kind import TOMOGRAM
from tomoscore_scipion.records.job import Tomogram
from tomoscore_scipion.records.record import Score, maker
from tomoscore_scipion.records.tilt_range import check_tilt_range
from tomoscore_scipion.running.products import Products
from tomoscore_scipion.running.work import Progress, Work

if TYPE_CHECKING:
    from tomoscore_scipion.model.inference import SliceCurves
    from tomoscore_scipion.model.scorer import Finish, Scorer
    from tomoscore_scipion.reading.volume import Volume


@dataclass(frozen=True)
class Scoring(Work[Tomogram, Score]):
    """Scores tomograms.

    Attributes:
        thumbnail_dir: folder for thumbnails, see `Products`.
        map_dir: folder for quality maps, see `Products`.
        calibration: calibration of the scores; None for uncalibrated scores.
    """

    thumbnail_dir: str | None = None
    map_dir: str | None = None
    calibration: Calibration | None = None

    kind = TOMOGRAM
    items = "tomograms"
    min_timeout_s = 300.0
    timeout_s_per_byte = 0.5e-6
    """Half a second per MB, twenty times the time that two cores need."""

    def __post_init__(self) -> None:
        calibration: object = self.calibration
        if isinstance(calibration, dict):  # from another process
            object.__setattr__(self, "calibration", Calibration(**calibration))

    def made_by(self, model: Mapping[str, str]) -> str:
        """SHA-256 of the weights and of the calibration, see `Score.made_by`.

        Raises:
            StartError: the calibration is for other weights.
        """
        if self.calibration is None:
            return model["sha256"]
        self.calibration.check_model(model["sha256"])
        return maker(model["sha256"], self.calibration.sha256)

    @property
    def products(self) -> Products:
        """Files made of each tomogram besides its record."""
        return Products(thumbnail_dir=self.thumbnail_dir, map_dir=self.map_dir)

    def item_of(self, request: dict[str, Any]) -> Tomogram:
        """The tomogram of a request."""
        tilt_range_deg = check_tilt_range(request.get("tilt_range_deg"))
        return Tomogram(**{**request, "tilt_range_deg": tilt_range_deg})

    def process(self, scorer: Scorer, item: Tomogram, progress: Progress) -> Score:
        """Score a tomogram.

        Raises:
            TomogramError: the tomogram cannot be read or has no data to score.
        """
        return scorer.score(
            item.path,
            voxel_size_angstrom=item.voxel_size_angstrom,
            ts_id=item.ts_id,
            progress=progress,
            z_range=item.z_range,
            finish=self._finish(scorer, item),
        )

    def _finish(self, scorer: Scorer, item: Tomogram) -> Finish:
        """A function that calibrates a record, measures halves, and makes the products."""

        def finish(volume: Volume, slices: Sequence[SliceCurves], record: Score) -> Score:
            if self.calibration is not None:
                slices, record = _calibrated(slices, record, self.calibration)
            if item.halves is not None:
                record = _with_halves(volume, slices, record, scorer, item)
            return self.products(volume, slices, record)

        return finish

    def failed(self, item: Tomogram, error: str, **known: Any) -> Score:
        """The record of a tomogram that could not be scored."""
        return Score.failed(ts_id=item.ts_id, path=item.path, error=error, **known)

    def record_of(self, content: dict[str, Any]) -> Score:
        """The record of a dictionary from `Score.to_dict`."""
        return Score.from_dict(content)


def _calibrated(
    slices: Sequence[SliceCurves], record: Score, calibration: Calibration
) -> tuple[Sequence[SliceCurves], Score]:
    """The calibrated curves of tiles and the calibrated record."""
    import torch

    from tomoscore_scipion.calibration.apply import calibrated
    from tomoscore_scipion.model.aggregation import slice_curve

    record = calibrated(record, {one.z: slice_curve(one) for one in slices}, calibration)
    corrected = [
        replace(one, curves=torch.from_numpy(calibration.corrected(one.curves.numpy())).float())
        for one in slices
    ]
    return corrected, record


def _with_halves(
    volume: Volume, slices: Sequence[SliceCurves], record: Score, scorer: Scorer, item: Tomogram
) -> Score:
    """The record with the measurement from the halves of its tomogram."""
    from tomoscore_scipion.halves.halves_record import with_halves

    paths, size_was_given = item.halves, item.voxel_size_angstrom is not None
    assert paths is not None
    return with_halves(
        volume, slices, record, paths, scorer.measure, size_was_given, item.tilt_range_deg
    )
