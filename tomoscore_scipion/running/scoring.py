# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of `tomoscore score`: the record of a tomogram, thumbnails and quality map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Sequence

from tomoscore_scipion.reading.file_kind import TOMOGRAM
from tomoscore_scipion.records.job import Tomogram
from tomoscore_scipion.records.record import Score
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
        thumbnail_dir: see `Products`.
        map_dir: see `Products`.
    """

    thumbnail_dir: str | None = None
    map_dir: str | None = None

    kind = TOMOGRAM
    items = "tomograms"
    min_timeout_s = 300.0
    timeout_s_per_byte = 0.5e-6
    """Half a second per MB, twenty times what two cores need."""

    @property
    def products(self) -> Products:
        """Files made of each tomogram besides its record."""
        return Products(thumbnail_dir=self.thumbnail_dir, map_dir=self.map_dir)

    def item_of(self, request: dict[str, Any]) -> Tomogram:
        """The tomogram of a request."""
        tilt_range_deg = check_tilt_range(request.get("tilt_range_deg"))
        return Tomogram(**{**request, "tilt_range_deg": tilt_range_deg})

    def do(self, scorer: Scorer, item: Tomogram, progress: Progress) -> Score:
        """Score a tomogram.

        Raises:
            TomogramError: it cannot be read, or nothing in it can be scored.
        """
        scorer.finish = self.products
        if item.halves is not None:
            scorer.finish = self._with_halves(scorer, item)
        return scorer.score(
            item.path,
            voxel_size_angstrom=item.voxel_size_angstrom,
            ts_id=item.ts_id,
            progress=progress,
            z_range=item.z_range,
        )

    def _with_halves(self, scorer: Scorer, item: Tomogram) -> Finish:
        """A function that measures the halves of a tomogram, and makes its products."""
        from tomoscore_scipion.halves.halves_record import with_halves

        paths, given = item.halves, item.voxel_size_angstrom is not None
        assert paths is not None

        def finish(volume: Volume, slices: Sequence[SliceCurves], record: Score) -> Score:
            record = with_halves(
                volume, slices, record, paths, scorer.measure, given, item.tilt_range_deg
            )
            return self.products(volume, slices, record)

        return finish

    def failed(self, item: Tomogram, error: str, **known: Any) -> Score:
        """The record of a tomogram that could not be scored."""
        return Score.failed(ts_id=item.ts_id, path=item.path, error=error, **known)

    def record_of(self, content: dict[str, Any]) -> Score:
        """The record that `Score.to_dict` gave."""
        return Score.from_dict(content)
