# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes before and after TomoScore in a streaming workflow; Scipion has no such import."""

import json
import os
import time

from pwem.objects import EMSet, Transform
from pwem.protocols import EMProtocol
from pyworkflow.object import Set
from pyworkflow.protocol import params
from tomo.objects import (
    SetOfTiltSeries,
    SetOfTomograms,
    SetOfTomoMasks,
    TiltImage,
    TiltSeries,
    TomoAcquisition,
    Tomogram,
    TomoMask,
)


class ProtTomoScoreTestSource(EMProtocol):
    """Emits the tomograms of a JSON file one by one.

    An entry with "after" comes when the file that it names is there, so that a test does not
    depend on how long anything takes; one with "at" so many seconds after the start.  The file
    `arrivals` has a line with the time of each that came.
    """

    _label = "test source"
    _possibleOutputs = {"Tomograms": SetOfTomograms}

    def _defineParams(self, form):
        form.addSection("Input")
        form.addParam("recipe", params.FileParam, label="JSON file")
        form.addParam("samplingRate", params.FloatParam, default=10.0, label="Of the set")
        form.addParam("chunk", params.IntParam, default=1, label="So many at once")
        form.addParallelSection(threads=0, mpi=0)

    def _insertAllSteps(self):
        self._insertFunctionStep(self.emitStep, needsGPU=False)

    def emitStep(self):
        with open(self.recipe.get(), encoding="utf-8") as file:
            recipe = json.load(file)
        tomograms = SetOfTomograms.create(self._getPath(), template="tomograms")
        tomograms.setSamplingRate(self.samplingRate.get())
        acquisition = TomoAcquisition(angleMin=-60.0, angleMax=60.0, step=3.0, voltage=300.0)
        tomograms.setAcquisition(acquisition)
        begin = time.monotonic()
        for number, entry in enumerate(recipe):
            time.sleep(max(entry.get("at", 0) - (time.monotonic() - begin), 0))
            while not os.path.exists(entry.get("after", self.recipe.get())):
                time.sleep(0.2)
            if number and number % self.chunk.get() == 0:
                tomograms.enableAppend()
            EMSet.append(tomograms, self._tomogram(entry, acquisition))
            tomograms._firstDim.set(entry.get("dim", [64, 64, 16]))
            tomograms._hasOddEven.set("halves" in entry)
            if (number + 1) % self.chunk.get() == 0:
                self._updateOutputSet("Tomograms", tomograms, state=Set.STREAM_OPEN)
            with open(self._getExtraPath("arrivals"), "a", encoding="utf-8") as arrivals:
                arrivals.write(f"{time.time()}\n")
        self._updateOutputSet("Tomograms", tomograms, state=Set.STREAM_CLOSED)

    def _tomogram(self, entry, acquisition):
        tomogram = Tomogram()
        tomogram.setFileName(entry["path"])
        tomogram.setTsId(entry["tsId"])
        tomogram.setSamplingRate(entry.get("samplingRate", self.samplingRate.get()))
        tomogram.setAcquisition(acquisition.clone())
        tomogram.setCtfCorrected(entry.get("ctfCorrected", False))
        origin = Transform()
        origin.setShifts(*entry.get("origin", (-320.0, -320.0, -80.0)))
        tomogram.setOrigin(origin)
        tomogram.setEnabled(entry.get("enabled", True))
        if "halves" in entry:
            tomogram.setHalfMaps(entry["halves"])
        return tomogram


class ProtTomoScoreTestConsumer(EMProtocol):
    """Makes a mask of each tomogram as it comes, as a segmentation would."""

    _label = "test consumer"
    _possibleOutputs = {"tomoMasks": SetOfTomoMasks}

    def _defineParams(self, form):
        form.addSection("Input")
        form.addParam(
            "inTomograms", params.PointerParam, pointerClass="SetOfTomograms", label="Tomograms"
        )
        form.addParallelSection(threads=0, mpi=0)

    @classmethod
    def worksInStreaming(cls):
        return True

    def _insertAllSteps(self):
        self._insertFunctionStep(self.consumeStep, needsGPU=False)

    def consumeStep(self):
        masks, done, more = None, set(), True
        while more:
            tomograms = self.inTomograms.get()
            tomograms.close()
            tomograms.loadAllProperties()
            more = tomograms.isStreamOpen()
            new = [t.clone() for t in tomograms.iterItems() if t.getTsId() not in done]
            tomograms.close()
            for tomogram in new:
                masks = self._add(masks, tomogram, tomograms)
                done.add(tomogram.getTsId())
            time.sleep(1)
        self._closeOutputSet()

    def _add(self, masks, tomogram, tomograms):
        if masks is None:
            masks = SetOfTomoMasks.create(self._getPath(), template="tomomasks")
            masks.copyInfo(tomograms)
        else:
            masks.enableAppend()
        mask = TomoMask()
        mask.copyInfo(tomogram)
        mask.setFileName(tomogram.getFileName())
        mask.setVolName(tomogram.getFileName())
        masks.append(mask)
        self._updateOutputSet("tomoMasks", masks, state=Set.STREAM_OPEN)
        return masks


class ProtTomoScoreTestTiltSeries(EMProtocol):
    """Tilt series of two images, without files."""

    _label = "test tilt series"
    _possibleOutputs = {"TiltSeries": SetOfTiltSeries}

    def _defineParams(self, form):
        form.addSection("Input")
        form.addParam("tsIds", params.StringParam, label="tsIds")
        form.addParallelSection(threads=0, mpi=0)

    def _insertAllSteps(self):
        self._insertFunctionStep(self.makeStep, needsGPU=False)

    def makeStep(self):
        many = SetOfTiltSeries.create(self._getPath(), template="tiltseries")
        many.setSamplingRate(2.0)
        many.setAcquisition(TomoAcquisition(angleMin=-3, angleMax=3, step=3, voltage=300))
        for ts_id in self.tsIds.get().split(","):
            series = TiltSeries(tsId=ts_id)
            series.setSamplingRate(2.0)
            EMSet.append(many, series)
            for number in (1, 2):
                image = TiltImage(location=(number, f"{ts_id}.mrcs"), tiltAngle=3.0 * number)
                image.setTsId(ts_id)
                image.setSamplingRate(2.0)
                image.setAcquisition(many.getAcquisition().clone())
                EMSet.append(series, image)
            series.write()
            many.update(series)
        self._defineOutputs(TiltSeries=many)
