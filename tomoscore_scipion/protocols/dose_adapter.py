# SPDX-License-Identifier: GPL-3.0-or-later
"""Adapter of the stream runner for tilt series: job entries, and outputs from dose curves."""

import logging
import math
import os

from pwem.objects import EMSet

from tomoscore_scipion.protocols import exchange, tilt_files
from tomoscore_scipion.protocols.dose_outputs import (
    FAILED_SERIES_SET,
    LIMITED_SET,
    PREVIEW_SET,
    DoseOutputSets,
    annotate_dose,
    preview_of,
)
from tomoscore_scipion.protocols.stream_adapter import StreamAdapter
from tomoscore_scipion.records.dose_record import DoseRecord
from tomoscore_scipion.records.dose_source_files import Sources
from tomoscore_scipion.records.failures import cause_first
from tomoscore_scipion.records.file_names import file_stem
from tomoscore_scipion.records.resume import is_current

logger = logging.getLogger(__name__)

NO_IMAGES = "it has no images"


class DoseAdapter(StreamAdapter):
    """Tilt series of ProtTomoScoreDose."""

    command, item_name = "dose", "tilt series"
    done_set, failed_set = LIMITED_SET, FAILED_SERIES_SET
    write_order = (PREVIEW_SET, FAILED_SERIES_SET, LIMITED_SET)

    def __init__(self, protocol):
        super().__init__(protocol, DoseOutputSets)

    def read_record(self, line):
        """The DoseRecord of a line."""
        return DoseRecord.from_json(line)

    # --------------------------- input --------------------------------------
    def new_items(self, source, is_new):
        """New tilt series; while the input is open, series without images are left for later."""
        rows = [(row.getTsId(), row.getObjId()) for row in EMSet.iterItems(source)]
        new = []
        for key, identity in rows:
            if not is_new(key):
                continue
            item = source[identity]
            if item.getSize() > 0:
                series, problem = tilt_files.series_or_problem(item)
                new.append((key, self._copy_of(item, series), problem))
            elif not source.isStreamOpen():
                new.append((key, self._copy_of(item, None), NO_IMAGES))
        return new

    @staticmethod
    def _copy_of(item, series):
        copy = item.clone()
        copy.setEnabled(item.isEnabled())
        copy.engineSeries = series
        return copy

    # --------------------------- batches ------------------------------------
    def job_entry(self, key, item):
        """Pixel size, thickness, and the tilt_files.Series for the files of `write_job`."""
        size = item.getSamplingRate()
        return {
            "ts_id": key,
            "series": item.engineSeries,
            "pixel_size_angstrom": size if size and 0 < size < math.inf else None,
            "thickness_nm": self.protocol.thickness.get() or None,
        }

    def write_job(self, entries):
        """Write a job with the files of angles, doses and alignment, and a folder for previews."""
        folder = exchange.new_folder(self.batches_folder)
        for entry in entries:
            series, stem = entry.pop("series"), file_stem(entry["ts_id"])
            entry["stack"] = series.stack
            entry.update(tilt_files.write_files(series, str(folder / "input"), stem))
        job = {"schema": 1, "weights": self.protocol.getWeights(), "device": "auto"}
        previews = folder / "previews"
        previews.mkdir()
        exchange.put_job(folder, {**job, "preview_dir": str(previews), "tilt_series": entries})
        return folder

    # --------------------------- results ------------------------------------
    def is_up_to_date(self, record, item):
        """Whether stack, pixel size and weights are the same as in the record."""
        entry = self.job_entry(record.ts_id, item)
        stack, size = entry["series"].stack, entry["pixel_size_angstrom"]
        sources = Sources(record.ts_id, stack, pixel_angstrom=size)
        return is_current(record, sources, self.protocol.getModelSha256())

    def outputs_of(self, key, item, record):
        """A tilt series limited to its suggested dose, and its preview if the engine wrote one."""
        if record.error:
            reason = cause_first(record.error, record.path)
            logger.error("%s: %s", key, reason)
            return {FAILED_SERIES_SET: annotate_dose(item, error=reason)}
        curve_file = self.protocol.getCurveFile(key)
        os.makedirs(os.path.dirname(curve_file), exist_ok=True)
        record.save(curve_file)
        outputs = {LIMITED_SET: annotate_dose(item, record, curve_file)}
        preview = preview_of(item, record, curve_file)
        if preview is not None:
            outputs[PREVIEW_SET] = preview
        dose_range = record.suggested_range or record.reason
        logger.info("%s: best score at %.1f e/A^2, range: %s", key, record.optimum_dose, dose_range)
        return outputs

    def failed_item(self, key, item, reason):
        """A failed tilt series."""
        return annotate_dose(item, error=reason)
