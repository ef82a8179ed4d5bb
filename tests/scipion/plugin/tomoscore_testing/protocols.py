# SPDX-License-Identifier: GPL-3.0-or-later
"""Protocols before and after TomoScore in a streaming workflow; Scipion has no streaming import."""

import json
import math
import os
import time

import numpy as np
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

    An entry with "after" is emitted when the file that it names exists, so that a test does not
    depend on run times; an entry with "at" is emitted that many seconds after the start. The
    file `arrivals` has a line with the time of each emitted tomogram.
    """

    _label = "test source"
    _possibleOutputs = {"Tomograms": SetOfTomograms}

    def _defineParams(self, form):
        form.addSection("Input")
        form.addParam("recipe", params.FileParam, label="JSON file")
        form.addParam("samplingRate", params.FloatParam, default=10.0, label="Sampling rate")
        form.addParam("chunk", params.IntParam, default=1, label="Per update")
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
        low, high = entry.get("tiltRange", (-60.0, 60.0))
        tomogram.getAcquisition().setAngleMin(low)
        tomogram.getAcquisition().setAngleMax(high)
        tomogram.setCtfCorrected(entry.get("ctfCorrected", False))
        origin = Transform()
        origin.setShifts(*entry.get("origin", (-320.0, -320.0, -80.0)))
        tomogram.setOrigin(origin)
        tomogram.setEnabled(entry.get("enabled", True))
        if "halves" in entry:
            tomogram.setHalfMaps(entry["halves"])
        return tomogram


class ProtTomoScoreTestConsumer(EMProtocol):
    """Makes a mask of each tomogram as it arrives, as a segmentation would."""

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


class ProtTomoScoreTestSeries(EMProtocol):
    """Emits the tilt series of a JSON file one by one, as tomo's protocols do.

    The views are 3 degrees and 3 e/A^2 apart, acquired in a dose-symmetric scheme. The stack is
    sorted by angle. "transforms" of an entry has the rows of an .xf file.
    """

    _label = "test source of tilt series"
    _possibleOutputs = {"TiltSeries": SetOfTiltSeries}

    def _defineParams(self, form):
        form.addSection("Input")
        form.addParam("recipe", params.FileParam, label="JSON file")
        form.addParallelSection(threads=0, mpi=0)

    def _insertAllSteps(self):
        self._insertFunctionStep(self.emitStep, needsGPU=False)

    def emitStep(self):
        with open(self.recipe.get(), encoding="utf-8") as file:
            recipe = json.load(file)
        many = SetOfTiltSeries.create(self._getPath(), template="tiltseries")
        many.setSamplingRate(10.0)
        acquisition = TomoAcquisition(
            angleMin=-60, angleMax=60, step=3, voltage=300, magnification=1, sphericalAberration=2.7
        )
        many.setAcquisition(acquisition)
        for number, entry in enumerate(recipe):
            while not os.path.exists(entry.get("after", self.recipe.get())):
                time.sleep(0.2)
            if number:
                many.enableAppend()
            self._emit(many, entry)
            self._updateOutputSet("TiltSeries", many, state=Set.STREAM_OPEN)
        self._updateOutputSet("TiltSeries", many, state=Set.STREAM_CLOSED)

    def _emit(self, many, entry):
        series = TiltSeries(tsId=entry["tsId"])
        series.setSamplingRate(10.0)
        series.setAcquisition(many.getAcquisition().clone())
        series.setInterpolated(entry.get("interpolated", False))
        series.setEnabled(entry.get("enabled", True))
        many.append(series)
        count = entry["views"]
        series.setDim((64, 64, 1))
        middle = (count + 1) / 2
        by_dose = sorted(range(1, count + 1), key=lambda index: (abs(index - middle), index))
        indices = [index for index in range(1, count + 1) if index not in entry.get("missing", [])]
        for index in reversed(indices):  # not in the order of the stack
            order = index if entry.get("by_angle") else by_dose.index(index) + 1
            image = self._image(entry, index, order, 3.0 * (index - middle))
            image.setAcquisition(self._acquired(entry, many.getAcquisition().clone(), order))
            EMSet.append(series, image)
        series._hasAlignment.set(entry.get("aligned", True))
        series._hasOddEven.set("halves" in entry)
        series.setAnglesCount(len(indices))
        series.write()
        many.update(series)

    @staticmethod
    def _image(entry, index, order, angle):
        image = TiltImage(
            location=(index, entry["path"]),
            tsId=entry["tsId"],
            tiltAngle=angle,
            acquisitionOrder=order,
        )
        image.setSamplingRate(10.0)
        image.setEnabled(index not in entry.get("disabled", []))
        if "halves" in entry:
            image.setOddEven(entry["halves"])
        if entry.get("aligned", True):
            cos, sin = math.cos(math.radians(85)), math.sin(math.radians(85))
            a11, a12, a21, a22, dx, dy = cos, -sin, sin, cos, index, -index / 2
            if "transforms" in entry:
                a11, a12, a21, a22, dx, dy = entry["transforms"][index - 1]
            matrix = np.array([[a11, a12, dx], [a21, a22, dy], [0, 0, 1]])
            image.setTransform(Transform(matrix=matrix))
        return image

    @staticmethod
    def _acquired(entry, acquisition, order):
        if entry.get("dosed", True):
            acquisition.setAccumDose(3.0 * order)
            acquisition.setDosePerFrame(3.0)
            acquisition.setDoseInitial(3.0 * (order - 1))
        return acquisition
