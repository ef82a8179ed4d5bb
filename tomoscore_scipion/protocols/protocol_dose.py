# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol that finds the best accumulated dose of aligned tilt series."""

from pyworkflow import BETA
from pyworkflow.protocol import params
from pyworkflow.utils import Message
from tomo.objects import SetOfTiltSeries, SetOfTomograms

from tomoscore_scipion.protocols import dose_summary_text, engine_checks, form, tilt_files
from tomoscore_scipion.protocols.dose_adapter import DoseAdapter
from tomoscore_scipion.protocols.dose_outputs import (
    DOSE_PROVENANCE,
    FAILED_SERIES_SET,
    LIMITED_SET,
    PREVIEW_SET,
    THICKNESS,
)
from tomoscore_scipion.protocols.engine_protocol import EngineProtocol
from tomoscore_scipion.records.file_names import file_stem

CHECKED = 10
"""Number of tilt series checked before the run; if all are unusable, the form has errors."""

INPUT_HELP = (
    "Aligned tilt series with doses. Aligned: with transformations (from IMOD, AreTomo, tomo - "
    "tilt-series assign alignment...), or interpolated. Doses: each view's accumulated dose, which "
    "includes the view itself, and its own, as tomo's import sets them from .mdoc files or from "
    "*Dose per tilt image*. Views that are disabled are left out."
)

READING = (
    "The views are taken in the order of their dose. At each of a number of doses the tomogram is "
    "reconstructed from the views up to it, at low resolution, and gets its TomoScore. The "
    "*suggested dose* is that of the best one; the *range* has the doses whose score is as good "
    "within its error. Where the score is still rising at the last view, or nothing can be "
    "distinguished at any dose, no range is given, and no view is disabled.\n\n"
    "Fewer views also mean fewer angles: in bidirectional and dose-symmetric schemes the late "
    "views are those at high tilt. The curve of *thinned views* shows what their number does at "
    "equal angles."
)

THICKNESS_HELP = (
    "Height of the reconstructions, in nm. 0: 200 nm. The specimen is found in it; give more where "
    "it is thicker, or lies far from the middle."
)

BY_ANGLE = (
    "its doses rise with the tilt angle, from one end to the other. Where the views were taken in "
    "another order, the import did not know it, and all that is said of doses will be wrong: "
    "import the tilt series with their .mdoc files, or with the accumulated dose of each view in "
    "the second column of its .tlt file."
)

GPU_HELP = (
    "Each tilt series is reconstructed and scored many times: minutes on two CPU cores, much less "
    "on a GPU."
)


class ProtTomoScoreDose(EngineProtocol):
    """Find the accumulated dose from which further views make tomograms no better.

    Quality assessment against dose: each tilt series is reconstructed at low resolution from the
    views up to growing doses, and scored. The dose of the best score is suggested. The views
    beyond it are disabled in limitedTiltSeries, so that any reconstruction goes on without them;
    previewTomograms are the reconstructions at that dose, to look at and not to work with.

    It works in streaming: new tilt series are analysed as they come. Continue goes on where the
    run was stopped; where protocols follow this run, it makes Scipion delete their results or start
    them again. A tilt series that cannot be analysed goes to failedTiltSeries with the reason.
    Images are neither copied nor changed.

    This is an independent implementation of the idea of Tan et al. (2024); the network was trained
    on simulated specimens only. Dose weighting as by Grant and Grigorieff (2015).
    """

    _label = "TomoScore - find the best dose"
    _devStatus = BETA
    _possibleOutputs = {
        LIMITED_SET: SetOfTiltSeries,
        PREVIEW_SET: SetOfTomograms,
        FAILED_SERIES_SET: SetOfTiltSeries,
    }
    _provenanceKinds = DOSE_PROVENANCE
    _adapterClass = DoseAdapter
    _settingLabels = ((THICKNESS, "*Thickness*"),)

    def _defineParams(self, definition):
        definition.addSection(label=Message.LABEL_INPUT)
        form.add_gpu(definition, GPU_HELP)
        definition.addParam(
            "inTiltSeries",
            params.PointerParam,
            pointerClass="SetOfTiltSeries",
            important=True,
            label="Tilt series",
            help=INPUT_HELP + "\n\n" + READING,
        )
        definition.addParam(
            "thickness",
            params.FloatParam,
            default=0.0,
            validators=[params.GE(0.0, "must be 0 (200 nm) or more")],
            label="Thickness (nm)",
            help=THICKNESS_HELP,
        )
        form.add_weights(definition)
        form.add_parallel(definition)

    def _sourcePointer(self):
        return self.inTiltSeries

    def getScoringSettings(self):
        """Thickness, which affects the curve besides tilt series and weights."""
        return {THICKNESS: self.thickness.get()}

    def getCurveFile(self, ts_id):
        """Path of the curves of a tilt series, JSON: the engine's record."""
        return self._getExtraPath("curves", f"{file_stem(ts_id)}.json")

    # --------------------------- checks --------------------------------------
    def _checkFirst(self):
        """[(tsId, tilt_files.Series or None, problem or None)] of the first tilt series."""
        tilt_series = self.inTiltSeries.get()
        if tilt_series is None:
            return []
        first = tilt_series.iterItems(limit=CHECKED)
        checked = [
            (item.getTsId(), *tilt_files.series_or_problem(item)) for item in first if len(item)
        ]
        tilt_series.close()
        return checked

    def _formErrors(self):
        checked = self._checkFirst()
        if not checked or any(problem is None for _, _, problem in checked):
            return []
        ts_id, _, problem = checked[0]
        return [f"*Tilt series*: {ts_id}: {problem}."]

    def _warnings(self):
        checked = self._checkFirst()
        bad = [(ts_id, problem) for ts_id, _, problem in checked if problem]
        good = [(ts_id, series) for ts_id, series, problem in checked if not problem]
        warnings = engine_checks.thread_warnings(self)
        if bad and good:
            ts_id, problem = bad[0]
            warnings.append(
                f"Of the first {len(checked)} tilt series {len(bad)} will be in failedTiltSeries. "
                f"{ts_id}: {problem}."
            )
        by_angle = [ts_id for ts_id, series in good if tilt_files.taken_by_angle(series)]
        if by_angle:
            warnings.append(f"{by_angle[0]}: {BY_ANGLE}")
        return warnings

    # --------------------------- information ---------------------------------
    def _summary(self):
        return dose_summary_text.summary(self)

    def _methods(self):
        return dose_summary_text.methods(self)

    def _citations(self):
        return ["Tan2024", "Grant2015"]
