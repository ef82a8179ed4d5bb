# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol that filters a scored set into accepted and rejected tomograms."""

import os

from pyworkflow import BETA
from pyworkflow.utils import Message
from tomo.objects import SetOfTomograms

from tomoscore_scipion.examples.rule import read_rule
from tomoscore_scipion.protocols import filter_form, form, item_attributes, summary_text
from tomoscore_scipion.protocols.base import LightProtocol
from tomoscore_scipion.protocols.filter_form import (
    BY_COUNT,
    BY_IDS,
    BY_PERCENT,
    BY_RULE,
    BY_THRESHOLD,
)
from tomoscore_scipion.protocols.item_attributes import VERDICT, scores_of, value
from tomoscore_scipion.protocols.output_sets import ACCEPTED_SET, REJECTED_SET, SET_OF, OutputSets
from tomoscore_scipion.protocols.provenance import (
    CALIBRATION_SHA256,
    MODEL_SHA256,
    OCTAVE_WEIGHTS,
    criteria_provenance,
    provenance_of,
)
from tomoscore_scipion.records import verdict
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.id_lists import IdListError, parse_id_list, read_text

MAX_NAMED = 3


class ProtTomoScoreFilter(LightProtocol):
    """Split scored tomograms into accepted and rejected ones, without touching an image.

    Select the good tomograms of a set by their quality: those from a TomoScore on, the best N, the
    best percent, a list of ids that a person made, for example in the report, or by a threshold
    from examples. The input is a set of scored tomograms, a subset of it, or a join of several. Use
    it to choose another threshold where other protocols already follow the run that scored: nothing
    is deleted.
    """

    _label = "TomoScore - filter by score"
    _devStatus = BETA
    _possibleOutputs = dict.fromkeys((ACCEPTED_SET, REJECTED_SET), SetOfTomograms)

    def _defineParams(self, definition):
        definition.addSection(label=Message.LABEL_INPUT)
        form.add_input(
            definition,
            "Scored tomograms",
            "*scoredTomograms* of *TomoScore - score tomograms*, or a subset or join of such sets.",
        )
        filter_form.add_criterion(definition)
        form.add_threshold(definition, condition=f"criterion == {BY_THRESHOLD}")
        filter_form.add_best(definition)
        filter_form.add_ids(definition)
        filter_form.add_rule(definition)
        form.add_faults(definition, condition=f"criterion != {BY_IDS}")
        definition.addParallelSection(threads=0, mpi=0)

    def _sourcePointer(self):
        return self.inTomograms

    def _insertAllSteps(self):
        # The criteria are arguments, so that Continue detects changes.
        ids = self.getIdList().digest() if self._byIds() else None
        self._insertFunctionStep(self.filterStep, self._criteriaProvenance(), ids, needsGPU=False)

    def filterStep(self, criteria, ids):
        """Write the two outputs from the scores of the input."""
        tomograms = self.inTomograms.get()
        copies = item_attributes.items_of(tomograms)
        items = list(map(item_attributes.add_missing_attributes, copies))
        self._decideByIds(items) if self._byIds() else self._decideByScore(items)
        groups = {ACCEPTED_SET: [], REJECTED_SET: []}
        for item in items:
            groups[SET_OF[value(item, VERDICT)]].append(item)
        sets, provenance = OutputSets(self), {**provenance_of(tomograms), **criteria}
        for name, members in groups.items():
            sets.replace(name, members, provenance)
        self._closeOutputSet()

    def _decideByIds(self, items):
        ids = self.getIdList()
        for item in items:
            verdict_, decider = ids.of(item.getTsId())
            item_attributes.set_verdict(item, verdict_, decided_by=decider)

    def _decideByScore(self, items):
        criteria = self.getCriteria()
        keys = [f"{item.getTsId()}#{item.getObjId():09d}" for item in items]
        measured = dict(zip(keys, map(item_attributes.measured_of, items)))
        curves = dict(zip(keys, map(item_attributes.curve_of, items)))
        accepted = self._acceptedKeys(criteria, measured, curves)
        for key, item in zip(keys, items):
            item_attributes.apply_criteria(criteria, item, key in accepted)

    def _acceptedKeys(self, criteria, measured, curves):
        """The accepted keys.

        Args:
            criteria: criteria of acceptance.
            measured: {key: verdict.Measured} of the tomograms.
            curves: {key: R of each octave} of the tomograms.
        """
        criterion = self.criterion.get()
        if criterion == BY_RULE:
            rule = self.getRule()
            return {
                key
                for key, one in measured.items()
                if rule.accepts_values(one.score, curves[key]) and not criteria.deciding_faults(one)
            }
        accepted = verdict.accepted_by(criteria, measured)
        if criterion != BY_PERCENT:
            return accepted
        scores = {key: measured[key].score for key in accepted}
        scored = sum(one.score is not None for one in measured.values())
        return verdict.best_percent(scores, self.percent.get(), scored)

    def _byIds(self):
        return self.criterion.get() == BY_IDS

    def getIdList(self):
        """The list of ids of the form.

        Raises:
            IdListError: the list cannot be read, or the form has none.
        """
        path, text = ((value.get() or "").strip() for value in (self.idsFile, self.idsText))
        if bool(path) == bool(text):
            inputs = "both" if path else "neither"
            raise IdListError(f"expected a file with ids or a text of ids, found {inputs}")
        if not path:
            return parse_id_list(text)
        text = read_text(path)
        try:
            return parse_id_list(text)
        except IdListError as error:
            raise IdListError(f"{error}: {path}") from None

    def getCriteria(self):
        """The criteria of acceptance (verdict.Criteria), if no list of ids decides."""
        criterion = self.criterion.get()
        return verdict.Criteria(
            self.getThreshold() if criterion in (BY_THRESHOLD, BY_RULE) else None,
            self.acceptBorderline.get(),
            form.faults_chosen(self),
            self.count.get() if criterion == BY_COUNT else 0,
        )

    def getThreshold(self):
        """The lowest accepted TomoScore, in octaves; None for a rule that weighs octaves."""
        if self.criterion.get() == BY_RULE:
            return self.getRule().threshold
        return verdict.threshold_of(self.preset.get(), self.threshold.get())

    def getRule(self):
        """The Rule of the form.

        Raises:
            StartError: the rule cannot be read, or the form has none.
        """
        run, path = self.ruleRun.get(), (self.ruleFile.get() or "").strip()
        if (run is None) == (not path):
            inputs = "neither" if run is None else "both"
            raise StartError(f"expected a run or a rule file, found {inputs}")
        return read_rule(run.getRuleFile() if run is not None else path)

    def _criteriaProvenance(self):
        """{attribute of the outputs: value} of the criteria."""
        criterion = self.criterion.get()
        others = dict.fromkeys(("_tomoScorePercent", OCTAVE_WEIGHTS, "_tomoScoreIds"))
        if self._byIds():
            origin = os.path.basename((self.idsFile.get() or "").strip()) or "the form"
            return {
                **criteria_provenance(verdict.Criteria(None)),
                **others,
                "_tomoScoreIds": origin,
            }
        criteria = {**criteria_provenance(self.getCriteria()), **others}
        if criterion == BY_PERCENT:
            criteria["_tomoScorePercent"] = self.percent.get()
        if criterion == BY_RULE:  # a rule does not use the interval
            criteria["_tomoScoreAcceptBorderline"] = None
            criteria[OCTAVE_WEIGHTS] = self.getRule().octaves_text
        return criteria

    def _validate(self):
        errors = self._scoredInputErrors()
        tomograms = self.inTomograms.get()
        if errors or self.criterion.get() not in (BY_IDS, BY_RULE):
            return errors
        return self._idErrors(tomograms) if self._byIds() else self._ruleErrors(tomograms)

    def _ruleErrors(self, tomograms):
        try:
            rule = self.getRule()
            model = value(tomograms, MODEL_SHA256) if tomograms is not None else None
            # Subsets and joins lack the model and calibration of their scores.
            calibration = value(tomograms, CALIBRATION_SHA256) if model else rule.calibration_sha256
            rule.check_made_for(model, calibration)
            if rule.needs_curve and tomograms is not None:
                _checkCurves(tomograms)
        except (StartError, ValueError) as error:
            return [f"*Rule*: {error}."]
        return []

    def _idErrors(self, tomograms):
        try:
            ids = self.getIdList()
        except IdListError as error:
            return [f"*List of ids*: {error}."]
        existing = scores_of(tomograms) if tomograms is not None else ids.verdicts
        if existing.keys().isdisjoint(ids.verdicts):
            return [
                f"*List of ids*: none of its {len(ids.verdicts)} ids is in the input: expected "
                f"ids such as {next(iter(existing))}, found {next(iter(ids.verdicts))}."
            ]
        return []

    def _warnings(self):
        tomograms = self.inTomograms.get()
        scores = scores_of(tomograms) if tomograms is not None else {}
        if self._byIds():
            return self._idWarnings(scores)
        unscored = sum(score is None for score in scores.values())
        if not unscored:
            return []
        return [f"{unscored} tomograms have no score, since they failed: they will be rejected."]

    def _idWarnings(self, scores):
        try:
            listed = self.getIdList().verdicts
        except IdListError:
            return []  # an error already
        warnings = []
        for ids, text in (
            (sorted(listed.keys() - scores.keys()), "are not in the input"),
            (sorted(scores.keys() - listed.keys()), "are not in the list, and will be rejected"),
        ):
            if ids:
                more = ", ..." if len(ids) > MAX_NAMED else ""
                warnings.append(f"{len(ids)} ids {text}: {', '.join(ids[:MAX_NAMED])}{more}")
        return warnings

    def _summary(self):
        return summary_text.summary(self)

    def _methods(self):
        return summary_text.methods(self)


def _checkCurves(tomograms):
    """Check that all scored tomograms have a curve.

    Raises:
        StartError: a scored tomogram has no curve; the message says what to do.
    """
    curves = item_attributes.curves_of(tomograms)
    missing = [ts_id for ts_id, curve in curves.items() if curve is None]
    if missing:
        named = ", ".join(missing[:MAX_NAMED]) + (", ..." if len(missing) > MAX_NAMED else "")
        raise StartError(
            f"it weighs octaves, and {len(missing)} of {len(curves)} tomograms have no curve "
            f"({named}), since an earlier version scored them: score them again, or use a threshold"
        )
