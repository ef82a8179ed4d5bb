# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of `tomoscore dose`: makes the record of a tilt series and a preview tomogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tomoscore_scipion.reading.file_kind import STACK
from tomoscore_scipion.records.dose_record import DoseRecord
from tomoscore_scipion.records.dose_source_files import Sources
from tomoscore_scipion.running.work import Progress, Work

if TYPE_CHECKING:
    from tomoscore_scipion.model.scorer import Scorer


@dataclass(frozen=True)
class SeriesTask:
    """A tilt series to analyse.

    Attributes:
        sources: files of the tilt series.
        preview: path for a tomogram at the suggested dose; None for no tomogram.
    """

    sources: Sources
    preview: str | None = None

    @property
    def ts_id(self) -> str:
        """Id of the tilt series."""
        return self.sources.ts_id

    @property
    def path(self) -> str:
        """Path of the stack."""
        return self.sources.stack


@dataclass(frozen=True)
class DoseAnalysis(Work[SeriesTask, DoseRecord]):
    """Analyses the doses of tilt series.

    Attributes:
        flip_phases: see `Settings`.
    """

    flip_phases: bool = False

    kind = STACK
    items = "tilt series"
    min_timeout_s = 1800.0
    timeout_s_per_byte = 1e-6
    """One second per MB. On two cores the analysis takes minutes for stacks of any size."""

    def item_of(self, request: dict[str, Any]) -> SeriesTask:
        """The tilt series of a request."""
        sources: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in request["sources"].items()
        }
        return SeriesTask(Sources(**sources), request["preview"])

    def process(self, scorer: Scorer, item: SeriesTask, progress: Progress) -> DoseRecord:
        """Analyse a tilt series; the record is "failed" if its files cannot be analysed."""
        from tomoscore_scipion.dose.series_record import record_of

        return record_of(item.sources, scorer, self.flip_phases, item.preview, progress)

    def failed(self, item: SeriesTask, error: str, **known: Any) -> DoseRecord:
        """The record of a tilt series that could not be analysed."""
        return DoseRecord.failed(item.ts_id, item.path, error, **known)

    def record_of(self, content: dict[str, Any]) -> DoseRecord:
        """The record of a dictionary from `DoseRecord.to_dict`."""
        return DoseRecord.from_dict(content)
