# SPDX-License-Identifier: GPL-3.0-or-later
"""How ProtTomoScoreDose works through its input: as ProtTomoScore does, with tilt series."""

import logging
import math
import os

from pwem.objects import EMSet
from pyworkflow.utils.retry_streaming import retry_on_sqlite_lock

from tomoscore_scipion.engine.file_names import file_stem
from tomoscore_scipion.plugin import Plugin
from tomoscore_scipion.protocols import exchange, outputs, tilt_files
from tomoscore_scipion.protocols.dose_outputs import (
    FAILED_SERIES_SET,
    LIMITED_SET,
    PREVIEW_SET,
    TomoScoreDoseOutputs,
    annotate_dose,
    preview_of,
)
from tomoscore_scipion.protocols.dose_record import DoseRecord
from tomoscore_scipion.protocols.outputs import FAILED_SET
from tomoscore_scipion.protocols.reporting import NoReport
from tomoscore_scipion.protocols.scoring import SHOWN, NothingScoredError, TomoScoreScoring

logger = logging.getLogger(__name__)

NO_IMAGES = "it has no images"


class TomoScoreDosing(TomoScoreDoseOutputs, TomoScoreScoring):
    """The steps of ProtTomoScoreDose, which adds the form."""

    _recordOf = DoseRecord.from_json

    def _engineCommand(self, folder):
        return exchange.command(
            Plugin.getProgram(), folder, threads=self.binThreads.get(), what="dose"
        )

    def _reporter(self):
        return NoReport()

    def _noteFailure(self, key, item, reason):
        """No report tells of it."""

    # --------------------------- start ---------------------------------------
    def _resume(self, batches):
        """Take over what an earlier run has done; it may have been stopped at any point."""
        there = dict(self.iterOutputAttributes())
        self._previews = {}  # id: tomogram
        if not there:
            return
        limited = there.get(LIMITED_SET)
        with self._lock:
            known = outputs.known_ids(limited, there.get(FAILED_SERIES_SET))
        batches.know(known)
        logger.info("Continuing: %d tilt series are done.", len(known))
        self._openOutputs()
        if limited is not None:
            kinds = self._provenanceKinds
            self._made = {name: outputs.value(limited, name) for name in kinds}

    def _provenance(self):
        return {**self._made, **self.getScoringSettings()}

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
                found.append((key, self._copyOf(item), self._problemOf(item)))
            elif not tilt_series.isStreamOpen():
                found.append((key, self._copyOf(item), NO_IMAGES))
        return found

    @staticmethod
    def _copyOf(series):
        copy = series.clone()
        copy.setEnabled(series.isEnabled())
        return copy

    @staticmethod
    def _problemOf(series):
        """Why a tilt series cannot be analysed; None where it can."""
        images = [image.clone() for image in series.iterItems()]
        try:
            tilt_files.series_of(images, series.interpolated())
        except tilt_files.SeriesError as error:
            return str(error)
        return None

    # --------------------------- batches -------------------------------------
    def _jobEntry(self, key, item):
        size = item.getSamplingRate()
        return {
            "ts_id": key,
            "series": tilt_files.series_of(self._imagesOf(key), item.interpolated()),
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
        size, was = entry["pixel_size_angstrom"], record.content.get("pixel_size_angstrom")
        return (
            record.path == entry["series"].stack
            and record.model["sha256"] == self.getModelSha256()
            and (size is None or (was is not None and math.isclose(size, was, rel_tol=1e-3)))
        )

    def _judge(self, item, key, record):
        """Write a record into its tilt series; returns the names of the sets that it belongs to."""
        for warning in record.warnings:
            logger.warning("%s: %s", key, warning)
        if record.model:
            self._made = {
                "_tomoScoreModel": record.model["name"],
                "_tomoScoreModelVersion": record.model["version"],
                outputs.MODEL_SHA256: record.model["sha256"],
                "_tomoScoreEngineVersion": record.content.get("engine_version"),
                "_tomoScoreDevice": record.content.get("device"),
            }
        if record.error:
            logger.error("%s: %s", key, record.error)
            outputs.annotate(item, error=record.error)
            return [FAILED_SET]
        curve_file = self.getCurveFile(key)
        os.makedirs(os.path.dirname(curve_file), exist_ok=True)
        record.save(curve_file)
        annotate_dose(item, record, curve_file)
        self._previews[key] = preview_of(item, record, curve_file)
        found = record.suggested_range or record.reason
        logger.info("%s: best score at %.1f e/A^2, range: %s", key, record.optimum_dose, found)
        return [LIMITED_SET]

    def getCurveFile(self, ts_id):
        """Path of the curves of a tilt series, JSON: the engine's record."""
        return self._getExtraPath("curves", f"{file_stem(ts_id)}.json")

    @retry_on_sqlite_lock(log=logger)
    def _appendAll(self, groups):
        """Append to several sets, the one of tilt series last: what is in there is done."""
        series = groups.get(LIMITED_SET, [])
        previews = [self._previews.get(item.getTsId()) for item in series]
        failed = [
            annotate_dose(item, error=outputs.value(item, outputs.ERROR))
            for item in groups.get(FAILED_SET, [])
        ]
        for name, items in (
            (PREVIEW_SET, [preview for preview in previews if preview is not None]),
            (FAILED_SERIES_SET, failed),
            (LIMITED_SET, series),
        ):
            if items:
                self._append(name, items, self._provenance())

    def _finish(self):
        """Close the outputs.

        Raises:
            NothingScoredError: there is nothing to go on with.
        """
        self._completeProvenance(self._provenance())
        failed = getattr(self, FAILED_SERIES_SET, None)
        with self._lock:
            self._closeOutputSet()
            if getattr(self, LIMITED_SET, None) is None:
                raise NothingScoredError(self._whyNothing(failed))

    @staticmethod
    def _whyNothing(failed):
        if failed is None:
            return "the input has no tilt series"
        items = [item.clone() for item in EMSet.iterItems(failed)]
        reasons = [f"{i.getTsId()}: {outputs.value(i, outputs.ERROR)}" for i in items[:SHOWN]]
        return f"none of {len(items)} tilt series could be analysed. " + "; ".join(reasons)
