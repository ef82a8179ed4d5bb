# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol that scores: tomograms in; accepted, rejected, scored and failed tomograms out."""

import os
from collections import Counter

from pyworkflow import BETA
from pyworkflow.protocol import params
from pyworkflow.utils import Message
from tomo.objects import SetOfTomograms

from tomoscore_scipion.calibration.calibration import read_calibration
from tomoscore_scipion.protocols import engine_checks, form, form_help, reporting, summary_text
from tomoscore_scipion.protocols.engine_protocol import EngineProtocol
from tomoscore_scipion.protocols.output_sets import (
    ACCEPTED_SET,
    FAILED_SET,
    REJECTED_SET,
    SCORED_SET,
)
from tomoscore_scipion.protocols.provenance import CALIBRATION_SHA256
from tomoscore_scipion.protocols.score_adapter import ScoreAdapter
from tomoscore_scipion.reading.volume import UNFLIPPED_RATIO
from tomoscore_scipion.records import verdict
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.record import maker


class ProtTomoScore(EngineProtocol):
    """Score the quality of tomograms of cells, and accept the good ones.

    Screening and quality assessment before segmentation and annotation: each tomogram gets a
    TomoScore, the number of octaves of feature scale, from 128 nm down to 4 nm, that can be readily
    distinguished in its xy slices. 0 is nothing, 5 is everything down to 4 nm, higher is better.
    The scores rank the tomograms from good to bad. Tomograms from a threshold on are accepted, so
    that only they go on; tomograms whose 90 % interval contains the threshold are borderline.

    It works in streaming: new tomograms are scored as they come. Continue goes on where the run
    was stopped, and applies another threshold without scoring again. Where protocols follow this
    run, Continue makes Scipion delete their results or start them again: choose another threshold
    by *TomoScore - filter by score* then. A tomogram that cannot be read goes to failedTomograms
    with the reason. Files are neither copied nor changed. A report, one HTML file, is kept up to
    date beside it; Analyze results opens it.

    This is an independent implementation of the idea of Tan et al. (2024); the network was trained
    on simulated specimens only.
    """

    _label = "TomoScore - score tomograms"
    _devStatus = BETA
    _possibleOutputs = dict.fromkeys(
        (ACCEPTED_SET, REJECTED_SET, SCORED_SET, FAILED_SET), SetOfTomograms
    )  # a dictionary: an Enum would merge outputs of one class
    _adapterClass = ScoreAdapter
    _settingLabels = (
        ("_tomoScoreVoxelSize", "*Voxel size*"),
        ("_tomoScoreSlabFirst", "*Slab limits*"),
        ("_tomoScoreSlabLast", "*Slab limits*"),
    )

    def _defineParams(self, definition):
        definition.addSection(label=Message.LABEL_INPUT)
        form.add_gpu(definition)
        form.add_input(definition, "Tomograms", "Reconstructed tomograms, with slices in xy.")
        form.add_threshold(definition)
        definition.addParam(
            "atMost",
            params.IntParam,
            default=0,
            validators=[params.GE(0, "must be 0 (all) or more")],
            label="Accept at most N (best first)",
            help="Of the tomograms that would be accepted, accept only the N best. 0: all. They "
            "are known only at the end: accepted and rejected tomograms are created when the "
            "input is complete.\n\n" + form_help.NO_OUTPUT,
        )
        form.add_faults(definition)
        form.add_slab(definition)
        form.add_scoring_options(definition)
        form.add_halves(definition)
        form.add_maps(definition)
        form.add_parallel(definition)

    def _sourcePointer(self):
        return self.inTomograms

    # --------------------------- form ---------------------------------------
    def getThreshold(self):
        """The lowest accepted TomoScore, in octaves."""
        return verdict.threshold_of(self.preset.get(), self.threshold.get())

    def getCriteria(self):
        """The criteria of acceptance (verdict.Criteria)."""
        return verdict.Criteria(
            self.getThreshold(),
            self.acceptBorderline.get(),
            form.faults_chosen(self),
            self.atMost.get(),
        )

    def getZRange(self):
        """[first, last] slice to score; last is None for the last slice; None for all slices."""
        first, last = self.slabFirst.get(), self.slabLast.get()
        if (first, last) == (0, form.LAST_SLICE):
            return None
        return [first, None if last == form.LAST_SLICE else last]

    def getCalibrationPath(self):
        """Path of the calibration; None for uncalibrated scores."""
        path = (self.calibration.get() or "").strip()
        return os.path.abspath(path) if path else None

    def getCalibration(self):
        """The calibration (calibration.Calibration); None for uncalibrated scores.

        Raises:
            StartError: the file cannot be read, or is not a calibration for the weights.
        """
        path = self.getCalibrationPath()
        if path is None:
            return None
        calibration = read_calibration(path)
        calibration.check_model(self.getModelSha256())
        return calibration

    def getMadeBy(self):
        """The hashes of the weights and the calibration, see `Score.made_by`."""
        calibration = self.getCalibration()
        return maker(self.getModelSha256(), calibration and calibration.sha256)

    def getScoringSettings(self):
        """Voxel size, slab and calibration, which affect the score besides tomogram and weights."""
        calibration = self.getCalibration()
        return {
            CALIBRATION_SHA256: calibration and calibration.sha256,
            "_tomoScoreCalibration": calibration and calibration.name,
            "_tomoScoreVoxelSize": self.voxelSize.get(),
            "_tomoScoreSlabFirst": self.slabFirst.get(),
            "_tomoScoreSlabLast": self.slabLast.get(),
        }

    # --------------------------- checks --------------------------------------
    def _formErrors(self):
        if form.LAST_SLICE < self.slabLast.get() < self.slabFirst.get():
            return ["*Slab limits*: the last slice must not come before the first."]
        try:
            self.getCalibration()
        except StartError as error:
            return [f"*Calibration file*: {error}."]
        return []

    def _warnings(self):
        tomograms = self.inTomograms.get()
        if tomograms is None:
            return []
        return [
            *self._shapeWarnings(tomograms),
            *self._idWarnings(tomograms),
            *self._thresholdWarnings(tomograms),
            *self._slabWarnings(tomograms),
            *engine_checks.thread_warnings(self),
        ]

    @staticmethod
    def _shapeWarnings(tomograms):
        x, y, z = tomograms.getDim() or (0, 0, 0)
        if not 0 < y <= UNFLIPPED_RATIO * z:
            return []
        return [
            f"The tomograms look unflipped: slices should lie in xy, but y is thinner than z "
            f"({x} x {y} x {z} voxels). Scores of xz slices mean nothing. Turn them first (IMOD: "
            "trimvol -rx, or clip rotx)."
        ]

    @staticmethod
    def _idWarnings(tomograms):
        counts = Counter(item.getTsId() for item in tomograms.iterItems())
        doubled = [str(ts_id) for ts_id, count in counts.items() if count > 1]
        if not doubled:
            return []
        return [
            f"tsIds that several tomograms have: {', '.join(doubled[:3])}. Only the first of each "
            "is scored, the others will be in failedTomograms."
        ]

    def _thresholdWarnings(self, tomograms):
        size = self.voxelSize.get() or tomograms.getSamplingRate() or 0
        highest = verdict.reachable(size) if size > 0 else verdict.MAX_SCORE
        if self.getThreshold() <= highest:
            return []
        return [
            f"No tomogram can reach the threshold: with {size:g} A per voxel the highest TomoScore "
            f"is {highest:.2f}, the threshold is {self.getThreshold():g}."
        ]

    def _slabWarnings(self, tomograms):
        slices = (tomograms.getDim() or (0, 0, 0))[2]
        last = max(self.slabFirst.get(), self.slabLast.get())
        if not slices or last < slices:
            return []
        return [
            f"Slab limits: slice {last} is not there, the first tomogram has slices 0 to "
            f"{slices - 1}. Tomograms without it will be in failedTomograms."
        ]

    # --------------------------- information ---------------------------------
    def _summary(self):
        return summary_text.summary(self) + reporting.summary(self._getExtraPath())

    def _methods(self):
        return summary_text.methods(self)
