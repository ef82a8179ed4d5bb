# SPDX-License-Identifier: GPL-3.0-or-later
"""The box "filter by TomoScore": a scored set in, accepted and rejected tomograms out."""

from pwem.protocols import EMProtocol
from pyworkflow import BETA
from pyworkflow.object import String
from pyworkflow.protocol import params
from pyworkflow.utils import Message

from tomoscore_scipion.protocols import form, outputs, texts, verdict
from tomoscore_scipion.protocols.outputs import (
    ACCEPTED_SET,
    REJECTED_SET,
    SCORE,
    VERDICT,
    TomoScoreOutputs,
)
from tomoscore_scipion.protocols.verdict import ACCEPTED, REJECTED

BY_THRESHOLD, BY_COUNT, BY_PERCENT = range(3)


class ProtTomoScoreFilter(TomoScoreOutputs, EMProtocol):
    """Splits scored tomograms into accepted and rejected ones, without touching an image.

    The input is a set that ProtTomoScore made, a subset of it, or a join of several. Accepted are
    the tomograms from a threshold on, the best N, or the best percent.
    """

    _label = "filter by TomoScore"
    _devStatus = BETA
    _possibleOutputs = {
        name: TomoScoreOutputs._possibleOutputs[name] for name in (ACCEPTED_SET, REJECTED_SET)
    }

    def _defineParams(self, definition):
        definition.addSection(label=Message.LABEL_INPUT)
        form.add_input(
            definition,
            "Scored tomograms",
            "scoredTomograms of the protocol TomoScore, or a subset or join of such sets.",
        )
        definition.addParam(
            "criterion",
            params.EnumParam,
            choices=["TomoScore", "best N", "best percent"],
            default=BY_THRESHOLD,
            display=params.EnumParam.DISPLAY_HLIST,
            label="Accept by",
            help="Accept all from a TomoScore on, or a number of the best, or a share of them.\n\n"
            + form.READING,
        )
        form.add_threshold(definition, condition=f"criterion == {BY_THRESHOLD}")
        definition.addParam(
            "count",
            params.IntParam,
            default=10,
            condition=f"criterion == {BY_COUNT}",
            validators=[params.GE(1, "must be 1 or more")],
            label="How many",
            help="So many of the best are accepted; of equal scores the first by name.",
        )
        definition.addParam(
            "percent",
            params.FloatParam,
            default=50.0,
            condition=f"criterion == {BY_PERCENT}",
            validators=[params.GE(0.0, form.PERCENT), params.LE(100.0, form.PERCENT)],
            label="Percent",
            help="This share of the best is accepted, rounded up to whole tomograms.",
        )
        definition.addParallelSection(threads=0, mpi=0)

    @classmethod
    def validateInstallation(cls):
        """Nothing is needed: the engine is not asked."""
        return []

    def _sourcePointer(self):
        return self.inTomograms

    def _insertAllSteps(self):
        # The criteria are arguments, so that Continue sees when they have changed.
        self._insertFunctionStep(self.filterStep, self._criteria(), needsGPU=False)

    def filterStep(self, criteria):
        """Make the two outputs from the scores in the input."""
        tomograms = self.inTomograms.get()
        items = outputs.items_of(tomograms)
        keys = {item.getObjId(): f"{item.getTsId()}#{item.getObjId():09d}" for item in items}
        scores = {keys[i.getObjId()]: outputs.value(i, SCORE) for i in items}
        good = self._choose({key: s for key, s in scores.items() if s is not None})
        groups = {ACCEPTED_SET: [], REJECTED_SET: []}
        for item in items:
            accepted = keys[item.getObjId()] in good
            setattr(item, VERDICT, String(ACCEPTED if accepted else REJECTED))
            groups[ACCEPTED_SET if accepted else REJECTED_SET].append(item)
        provenance = {**outputs.provenance_of(tomograms), **criteria}
        for name, chosen in groups.items():
            self._replace(name, chosen, provenance)
        self._closeOutputSet()

    def _choose(self, scores):
        """The keys that are accepted."""
        criterion = self.criterion.get()
        if criterion == BY_COUNT:
            return verdict.best(scores, self.count.get())
        if criterion == BY_PERCENT:
            return verdict.best_percent(scores, self.percent.get())
        return verdict.accepted_by_threshold(scores, self.getThreshold())

    def getThreshold(self):
        """From which TomoScore on a tomogram is accepted, in octaves."""
        return verdict.threshold_of(self.preset.get(), self.threshold.get())

    def _criteria(self):
        """By what tomograms are accepted, as the provenance of the outputs tells it."""
        criterion = self.criterion.get()
        return {
            "_tomoScoreThreshold": self.getThreshold() if criterion == BY_THRESHOLD else None,
            "_tomoScoreAtMost": self.count.get() if criterion == BY_COUNT else 0,
            "_tomoScorePercent": self.percent.get() if criterion == BY_PERCENT else None,
        }

    def _validate(self):
        tomograms = self.inTomograms.get()
        first = tomograms.getFirstItem() if tomograms is not None else None
        if tomograms is not None and first is None:
            return ["The input has no tomograms."]
        if first is not None and not first.hasAttribute(SCORE):
            return [
                "The input has no TomoScore: give it *scoredTomograms* of the protocol TomoScore."
            ]
        return []

    def _warnings(self):
        tomograms = self.inTomograms.get()
        scores = outputs.scores_of(tomograms).values() if tomograms is not None else ()
        unscored = sum(score is None for score in scores)
        if not unscored:
            return []
        return [f"{unscored} tomograms have no score, since they failed: they will be rejected."]

    def _summary(self):
        return texts.summary(self)

    def _methods(self):
        return texts.methods(self)

    def _citations(self):
        return ["Tan2024"]
