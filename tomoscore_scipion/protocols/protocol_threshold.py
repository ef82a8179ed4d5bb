# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol that fits a threshold and its rule to examples of good and bad tomograms."""

import json
from dataclasses import asdict

from pyworkflow import BETA
from pyworkflow.object import Float
from pyworkflow.protocol import params
from pyworkflow.utils import Message

from tomoscore_scipion.examples.fit import MIN_EXAMPLES, MIN_OF_EACH, check_enough, threshold_of
from tomoscore_scipion.examples.marks import scores_of_marked
from tomoscore_scipion.examples.octaves import octave_weights
from tomoscore_scipion.examples.rule import threshold_rule, visible_fractions, write_rule
from tomoscore_scipion.examples.summary_text import sentences
from tomoscore_scipion.protocols import form
from tomoscore_scipion.protocols.base import LightProtocol
from tomoscore_scipion.protocols.item_attributes import curves_of, scores_of, value
from tomoscore_scipion.protocols.provenance import CALIBRATION_SHA256, MODEL_SHA256
from tomoscore_scipion.protocols.summary_text import PAPER
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.id_lists import read_ids, read_marked

BY_SETS, BY_FILES, BY_REPORT = range(3)
SETS, FILES, REPORT = (f"examplesBy == {number}" for number in (BY_SETS, BY_FILES, BY_REPORT))
SCORE_AGAIN = "an earlier version scored them: score them again"
RULE, EXAMPLES = "threshold.json", "examples.json"

EXAMPLES_HELP = (
    "Look at tomograms of the session without their scores. Those that are worth segmenting are "
    "good, the others bad. Mark all that you look at: a threshold from clear cases only is less "
    f"certain. At least {MIN_EXAMPLES} examples are needed, {MIN_OF_EACH} of each kind; the "
    "interval of the threshold shows whether more would help."
)
FILE_HELP = "A text file with tsIds, separated by commas or newlines.\n\n" + EXAMPLES_HELP
REPORT_HELP = (
    "The file that *Save verdicts* of the report writes. Only tomograms that you accepted or "
    "rejected by hand in the report (keys a and r) count.\n\n" + EXAMPLES_HELP
)


class ProtTomoScoreThreshold(LightProtocol):
    """Find the TomoScore threshold that separates your good tomograms from your bad ones.

    An expert marks some scored tomograms as good and others as bad. Logistic regression gives the
    threshold at which a tomogram is as likely good as bad, with its 90 % interval. The summary has
    the area under the ROC curve and the examples that disagree, which deserve a second look.
    *TomoScore - filter by score* accepts tomograms by the result. No image is touched.
    """

    _label = "TomoScore - threshold from examples"
    _devStatus = BETA
    _possibleOutputs = {"threshold": Float, "thresholdLow": Float, "thresholdHigh": Float}

    def _defineParams(self, definition):
        definition.addSection(label=Message.LABEL_INPUT)
        form.add_input(
            definition,
            "Scored tomograms",
            "*scoredTomograms* of *TomoScore - score tomograms*, which has the examples.",
        )
        definition.addParam(
            "examplesBy",
            params.EnumParam,
            choices=["sets", "files of ids", "verdicts of the report"],
            default=BY_SETS,
            display=params.EnumParam.DISPLAY_HLIST,
            label="Examples as",
            help="Sets are subsets of the tomograms, made in Scipion's viewers. Files of ids are "
            "text files with tsIds. Verdicts of the report are those that you made by hand in the "
            "report and saved there.\n\n" + EXAMPLES_HELP,
        )
        for name, label in (("goodTomograms", "Good tomograms"), ("badTomograms", "Bad tomograms")):
            definition.addParam(
                name,
                params.PointerParam,
                pointerClass="SetOfTomograms",
                condition=SETS,
                label=label,
                help=EXAMPLES_HELP,
            )
        for name, label in (("goodFile", "Good ids"), ("badFile", "Bad ids")):
            definition.addParam(
                name, params.FileParam, default="", condition=FILES, label=label, help=FILE_HELP
            )
        definition.addParam(
            "reportFile",
            params.FileParam,
            default="",
            condition=REPORT,
            label="Saved verdicts",
            help=REPORT_HELP,
        )
        definition.addParallelSection(threads=0, mpi=0)

    # --------------------------- step ---------------------------------------
    def _insertAllSteps(self):
        # The examples are arguments, so that Continue detects changes.
        good, bad = self._markedIds()
        self._insertFunctionStep(self.thresholdStep, good, bad, needsGPU=False)

    def thresholdStep(self, good, bad):
        """Fit the threshold, write its rule, and create the outputs."""
        marked = self._scoresOfMarked(good, bad)
        threshold = threshold_of(*marked)
        octaves, note = self._octavesOf(*marked)
        write_rule(self.getRuleFile(), threshold_rule(threshold, *self._madeBy(), octaves))
        content = {**asdict(threshold), "summary": [*sentences(threshold, octaves), *note]}
        content["octaves"] = asdict(octaves) if octaves else None
        content["scores"] = dict(zip(("good", "bad"), marked))
        with open(self._getExtraPath(EXAMPLES), "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1, allow_nan=False)
        low, high = threshold.interval
        self._defineOutputs(
            threshold=Float(threshold.threshold), thresholdLow=Float(low), thresholdHigh=Float(high)
        )

    # --------------------------- form and results ---------------------------
    def getRuleFile(self):
        """Path of the rule file, which *filter by score* reads."""
        return self._getExtraPath(RULE)

    def getResult(self):
        """The fitted threshold, a dictionary (see thresholdStep); None before the run ended."""
        return self._readResult(EXAMPLES)

    def _markedIds(self):
        """Lists of the good and the bad ids, each id once.

        Raises:
            StartError: a file cannot be read or has something else.
        """
        if self.examplesBy.get() == BY_FILES:
            return tuple(read_ids(file.get()) for file in (self.goodFile, self.badFile))
        if self.examplesBy.get() == BY_REPORT:
            return read_marked(self.reportFile.get())
        sets = (pointer.get() for pointer in (self.goodTomograms, self.badTomograms))
        ids = ((item.getTsId() for item in items.iterItems()) for items in sets)
        return tuple(list(dict.fromkeys(of_set)) for of_set in ids)

    def _scoresOfMarked(self, good, bad):
        """{tsId: TomoScore} of the good and of the bad examples.

        Raises:
            StartError: an id is in both lists, or has no score.
        """
        scored = scores_of(self.inTomograms.get())
        scores = {ts_id: score for ts_id, score in scored.items() if score is not None}
        names = {
            BY_SETS: ("*Good tomograms*", "*Bad tomograms*"),
            BY_FILES: (self.goodFile.get(), self.badFile.get()),
            BY_REPORT: (self.reportFile.get(), self.reportFile.get()),
        }[self.examplesBy.get()]
        return scores_of_marked(good, bad, scores, names)

    def _octavesOf(self, good, bad):
        """Weights of octaves, None if the score separates as well, and lines for the summary.

        Args:
            good: {tsId: TomoScore} of the good examples.
            bad: {tsId: TomoScore} of the bad examples.
        """
        curves = curves_of(self.inTomograms.get())
        missing = sum(curves[ts_id] is None for ts_id in (*good, *bad))
        if missing:
            return None, [
                f"Octaves are not tried: {missing} examples have no curve ({SCORE_AGAIN})."
            ]
        fractions = [{i: visible_fractions(curves[i]) for i in marked} for marked in (good, bad)]
        return octave_weights(*fractions), []

    def _madeBy(self):
        """The hashes of the weights and of the calibration behind the scores."""
        tomograms = self.inTomograms.get()
        return value(tomograms, MODEL_SHA256), value(tomograms, CALIBRATION_SHA256)

    def _hasExamples(self):
        if self.examplesBy.get() == BY_FILES:
            return bool(self.goodFile.get() and self.badFile.get())
        if self.examplesBy.get() == BY_REPORT:
            return bool(self.reportFile.get())
        return None not in (self.goodTomograms.get(), self.badTomograms.get())

    # --------------------------- checks -------------------------------------
    def _validate(self):
        errors = self._scoredInputErrors()
        if errors or self.inTomograms.get() is None or not self._hasExamples():
            return errors  # Scipion reports empty inputs
        try:
            check_enough(*self._scoresOfMarked(*self._markedIds()))
        except (StartError, ValueError) as error:
            return [f"*Examples*: {error}."]
        return []

    # --------------------------- information --------------------------------
    def _summary(self):
        result = self.getResult()
        if result is None:
            return ["No threshold is found yet."]
        return [*result["summary"], f"Rule file: {self.getRuleFile()}"]

    def _methods(self):
        result = self.getResult()
        if result is None:
            return []
        low, high = result["interval"]
        return [
            f"An expert marked {result['good']} tomograms as good and {result['bad']} as bad. "
            "Logistic regression on their TomoScores (independent implementation of the idea of "
            f"{PAPER}) gave a threshold of {result['threshold']:.2f} octaves (90 % interval "
            f"{low:.2f} to {high:.2f}, bootstrap); the area under the ROC curve was "
            f"{result['auroc']:.2f}, and {result['agreement']:.0%} of the marks agreed with the "
            f"threshold.{_octavesMethod(result.get('octaves'))}"
        ]


def _octavesMethod(octaves):
    """A sentence on a rule over octaves for a paper; "" without one."""
    if octaves is None:
        return ""
    return (
        " The rule is a logistic regression on the octaves of the curve, with which "
        f"{octaves['agreement_left_out']:.0%} of left-out marks agreed (cross-validation)."
    )
