# SPDX-License-Identifier: GPL-3.0-or-later
"""Output sets of ProtTomoScoreDose, and the attributes of their items.

A tilt series consists of a row in its set and a separate table of images. The images are written
before the row, so that a row exists only for complete tilt series.
"""

import logging
import os

from pwem.objects import EMSet, Transform
from pyworkflow.object import Float, String
from tomo.objects import SetOfTiltSeries, Tomogram

from tomoscore_scipion.protocols.item_attributes import ERROR, HIGH, LOW, SCALE, SCORE, value
from tomoscore_scipion.protocols.output_sets import OutputSets
from tomoscore_scipion.protocols.provenance import ENGINE_PROVENANCE
from tomoscore_scipion.reading.volume import open_volume
from tomoscore_scipion.records.errors import TomogramError

logger = logging.getLogger(__name__)

LIMITED_SET = "limitedTiltSeries"
PREVIEW_SET = "previewTomograms"
FAILED_SERIES_SET = "failedTiltSeries"

DOSE = "_tomoScoreDose"  # accumulated dose of the best score, e/A^2; suggested if there is a range
DOSE_LOW = "_tomoScoreDoseLow"
DOSE_HIGH = "_tomoScoreDoseHigh"
DOSE_TOTAL = "_tomoScoreDoseTotal"  # dose of the whole series, e/A^2
REASON = "_tomoScoreDoseReason"  # reason why there is no range
VIEWS_OFF = "_tomoScoreViewsOff"  # images of the stack beyond the dose, from 1, "35,36,37"
CURVE_FILE = "_tomoScoreDoseCurve"  # path of the curves, JSON
DOSE_ATTRIBUTES = (DOSE, DOSE_LOW, DOSE_HIGH, DOSE_TOTAL, SCORE, LOW, HIGH, SCALE)
DOSE_ATTRIBUTES += (REASON, VIEWS_OFF, CURVE_FILE, ERROR)

THICKNESS = "_tomoScoreThickness"  # nm; 0: the engine's choice
DOSE_PROVENANCE = {**ENGINE_PROVENANCE, THICKNESS: Float}

FROM_SERIES = ("_firstDim", "_isHeterogeneous", "_hasOddEven", "_ctfCorrected", "_hasAlignment")
FROM_SERIES += ("_interpolated", "_anglesCount")
"""Attributes copied from the input; the append method of tomo would read them from each series."""


def annotate_dose(item, record=None, curve_file=None, error=None):
    """Set all attributes of a tilt series or preview, because the first item fixes the columns.

    Args:
        item: the tilt series or tomogram.
        record: DoseRecord of the item; None without a record.
        curve_file: path of the curves.
        error: reason of the failure; None if the item did not fail.
    """
    best = record.best_step() if record else {}
    dose_low, dose_high = (record and record.suggested_range) or (None, None)
    low, high = best.get("tomoscore_interval") or (None, None)
    views_off = [str(image + 1) for image in record.views_beyond] if record else []
    for name, attribute in (
        (DOSE, Float(record.optimum_dose if record else None)),
        (DOSE_LOW, Float(dose_low)),
        (DOSE_HIGH, Float(dose_high)),
        (DOSE_TOTAL, Float(record.total_dose() if record else None)),
        (SCORE, Float(best.get("tomoscore"))),
        (LOW, Float(low)),
        (HIGH, Float(high)),
        (SCALE, Float(best.get("scale_nm"))),
        (REASON, String(record.reason if record else None)),
        (VIEWS_OFF, String(",".join(views_off))),
        (CURVE_FILE, String(curve_file)),
        (ERROR, String(error)),
    ):
        setattr(item, name, attribute)
    return item


def preview_of(series, record, curve_file):
    """The tomogram of a record's preview; None without a preview."""
    if not record.preview:
        return None
    try:
        with open_volume(record.preview) as volume:
            size_xyz, voxel_size = list(volume.shape_zyx[::-1]), volume.voxel_size_angstrom
    except TomogramError as error:
        logger.warning("%s: its preview cannot be read: %s", record.ts_id, error)
        return None
    tomogram = Tomogram(tsId=series.getTsId())
    tomogram.copyObjId(series)  # OutputSets.append identifies items by tsId and object id
    tomogram.setFileName(os.path.relpath(record.preview))
    tomogram.setSamplingRate(voxel_size)
    tomogram.setAcquisition(series.getAcquisition().clone())
    origin = Transform()
    origin.setShifts(*(-size / 2.0 * voxel_size for size in size_xyz))
    tomogram.setOrigin(origin)
    tomogram.setObjLabel(f"preview of {series.getTsId()}")
    at = f" at {record.optimum_dose:g} e/A^2" if record.suggested_range else ""
    tomogram.setObjComment(f"Preview{at}, low resolution")
    tomogram.sizeXyz = size_xyz
    return annotate_dose(tomogram, record, curve_file)


class DoseOutputSets(OutputSets):
    """Tilt series with the views beyond the dose disabled, previews, and those that failed."""

    def _copy_description(self, items):
        if isinstance(items, SetOfTiltSeries):
            items.copyAttributes(self._source(), *FROM_SERIES)

    def _append_item(self, items, item):
        if isinstance(items, SetOfTiltSeries):
            self._append_images(items, item)
        else:
            self._describe_previews(items, item)
        EMSet.append(items, item)

    @staticmethod
    def _describe_previews(tomograms, tomogram):
        if tomograms.isEmpty():
            tomograms.setSamplingRate(tomogram.getSamplingRate())
            tomograms.setDim(tomogram.sizeXyz)
        elif list(tomograms.getDim()) != tomogram.sizeXyz:
            tomograms.setIsHeterogeneousSet(True)

    def _append_images(self, many, series):
        """Write the table of images of a tilt series; images beyond the dose are disabled."""
        images = self._images_of(series.getTsId())
        off = {int(number) for number in (value(series, VIEWS_OFF) or "").split(",") if number}
        many._setItemMapperPath(series)
        database = series._getMapper().db
        if not database.missingTables():  # left by an attempt that ended before the row was written
            for table in ("Objects", "Classes"):
                database.executeCommand(f"DROP TABLE {database.tablePrefix}{table}")
            many._setItemMapperPath(series)
        for image in images:
            image.setEnabled(image.isEnabled() and image.getIndex() not in off)
            EMSet.append(series, image)

    def _images_of(self, ts_id):
        """Copies of the images of a tilt series of the input."""
        source = self._source()
        with self._protocol._lock:
            source.close()
            series_in_input = source._getMapper().selectBy(_tsId=ts_id)
            if not series_in_input:
                source.close()
                raise LookupError(f"the input has no tilt series {ts_id} any more")
            source._setItemMapperPath(series_in_input[0])
            images = [image.clone() for image in series_in_input[0].iterItems()]
            source.close()
        return images
