# SPDX-License-Identifier: GPL-3.0-or-later
"""What ProtTomoScoreDose tells the engine of tilt series, and what becomes of their curves."""

import logging
import math
import os

from pwem.objects import EMSet
from pyworkflow.utils.retry_streaming import retry_on_sqlite_lock

from tomoscore_scipion.protocols import exchange, tilt_files
from tomoscore_scipion.protocols.dose_outputs import (
    FAILED_SERIES_SET,
    LIMITED_SET,
    PREVIEW_SET,
    TomoScoreDoseOutputs,
    annotate_dose,
    preview_of,
)
from tomoscore_scipion.protocols.engine_runs import TomoScoreEngineRuns
from tomoscore_scipion.records.dose_record import DoseRecord
from tomoscore_scipion.records.failures import cause_first
from tomoscore_scipion.records.file_names import file_stem

logger = logging.getLogger(__name__)

NO_IMAGES = "it has no images"


class TomoScoreDosing(TomoScoreEngineRuns, TomoScoreDoseOutputs):
    """The steps of ProtTomoScoreDose, which adds the form."""

    _work, _items = "dose", "tilt series"
    _doneSet, _failedSet = LIMITED_SET, FAILED_SERIES_SET
    _recordOf = DoseRecord.from_json

    # --------------------------- input ---------------------------------------
    def _newItems(self, tilt_series, batches):
        """[(id, copy of the item, why it cannot be analysed or None)] of those not seen before.

        A tilt series without images is not complete yet; when no more will come it never will be.
        """
        rows = [(row.getTsId(), row.getObjId()) for row in EMSet.iterItems(tilt_series)]
        found = []
        for key, identity in rows:
            if not batches.unseen(key):
                continue
            item = tilt_series[identity]
            if item.getSize() > 0:
                series, problem = self._look(item)
                found.append((key, self._copyOf(item, series), problem))
            elif not tilt_series.isStreamOpen():
                found.append((key, self._copyOf(item, None), NO_IMAGES))
        return found

    @staticmethod
    def _copyOf(item, series):
        copy = item.clone()
        copy.setEnabled(item.isEnabled())
        copy.forEngine = series
        return copy

    @staticmethod
    def _look(series):
        """(what the engine needs of a tilt series, None), or (None, why it is not there)."""
        images = [image.clone() for image in series.iterItems()]
        try:
            return tilt_files.series_of(images, series.interpolated()), None
        except tilt_files.SeriesError as error:
            return None, str(error)

    # --------------------------- batches -------------------------------------
    def _jobEntry(self, key, item):
        size = item.getSamplingRate()
        return {
            "ts_id": key,
            "series": item.forEngine,
            "pixel_size_angstrom": size if size and 0 < size < math.inf else None,
            "thickness_nm": self.thickness.get() or None,
        }

    def _writeJob(self, entries):
        folder = exchange.new_folder(self._batchesFolder())
        for entry in entries:
            series, stem = entry.pop("series"), file_stem(entry["ts_id"])
            entry["stack"] = series.stack
            entry.update(tilt_files.write_files(series, str(folder / "input"), stem))
        job = {"schema": 1, "weights": self.getWeights(), "device": "auto"}
        previews = folder / "previews"
        previews.mkdir()
        exchange.put_job(folder, {**job, "preview_dir": str(previews), "tilt_series": entries})
        return folder

    # --------------------------- results -------------------------------------
    def _isStillGood(self, record, item):
        """Whether an earlier run's record is what analysing the tilt series would give again."""
        if record.error or not record.model:
            return False
        entry = self._jobEntry(record.ts_id, item)
        size, was = entry["pixel_size_angstrom"], record.pixel_size_angstrom
        return (
            record.path == entry["series"].stack
            and record.model["sha256"] == self.getModelSha256()
            and (size is None or (was is not None and math.isclose(size, was, rel_tol=1e-3)))
        )

    def _refused(self, key, item, reason):
        return annotate_dose(item, error=reason)

    def _judge(self, item, key, record):
        """Write a record into its tilt series; {output set: what belongs there}."""
        self._noteMaking(record)
        if record.error:
            reason = cause_first(record.error, record.path)
            logger.error("%s: %s", key, reason)
            return {FAILED_SERIES_SET: annotate_dose(item, error=reason)}
        curve_file = self.getCurveFile(key)
        os.makedirs(os.path.dirname(curve_file), exist_ok=True)
        record.save(curve_file)
        made = {LIMITED_SET: annotate_dose(item, record, curve_file)}
        preview = preview_of(item, record, curve_file)
        if preview is not None:
            made[PREVIEW_SET] = preview
        found = record.suggested_range or record.reason
        logger.info("%s: best score at %.1f e/A^2, range: %s", key, record.optimum_dose, found)
        return made

    def getCurveFile(self, ts_id):
        """Path of the curves of a tilt series, JSON: the engine's record."""
        return self._getExtraPath("curves", f"{file_stem(ts_id)}.json")

    @retry_on_sqlite_lock(log=logger)
    def _appendAll(self, groups):
        """Append to several sets, the one of tilt series last: what is in there is done."""
        for name in (PREVIEW_SET, FAILED_SERIES_SET, LIMITED_SET):
            if groups.get(name):
                self._append(name, groups[name], self._provenance())
