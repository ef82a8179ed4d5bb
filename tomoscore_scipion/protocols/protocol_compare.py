# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol that compares scored sets of the same tilt series and outputs the best tomograms."""

from pyworkflow import BETA
from pyworkflow.object import String
from pyworkflow.protocol import params
from pyworkflow.utils import Message
from tomo.objects import SetOfTomograms

from tomoscore_scipion.comparison import files, ids, sets
from tomoscore_scipion.comparison.paired import MIN_SERIES, compare
from tomoscore_scipion.comparison.summary_text import METHOD, sentences
from tomoscore_scipion.protocols import form_help, item_attributes
from tomoscore_scipion.protocols.base import LightProtocol
from tomoscore_scipion.protocols.item_attributes import SCORE, scores_of, value
from tomoscore_scipion.protocols.output_sets import OutputSets
from tomoscore_scipion.protocols.provenance import criteria_provenance, maker_of, provenance_of
from tomoscore_scipion.protocols.summary_text import PAPER, slab
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.verdict import Criteria

BEST_SET = "bestTomograms"
MADE_BY = "_tomoScoreBestOf"  # name of the input set of a tomogram
RESULT, TABLE = "comparison.json", "comparison.csv"


class ProtTomoScoreCompare(LightProtocol):
    """Compare the quality of tomograms that were made in several ways from the same tilt series.

    Say which aligner, denoiser, reconstruction or binning scores higher. The inputs are scored
    sets of the same tilt series. Each tilt series is compared with itself, by its tsId. The mean
    gain comes with its interval, and a winner is named only where that leaves no doubt. The output
    has the tomogram that scored highest of each tilt series. No image is touched.
    """

    _label = "TomoScore - compare scores"
    _devStatus = BETA
    _possibleOutputs = {BEST_SET: SetOfTomograms}

    def _defineParams(self, definition):
        definition.addSection(label=Message.LABEL_INPUT)
        definition.addParam(
            "inSets",
            params.MultiPointerParam,
            pointerClass="SetOfTomograms",
            important=True,
            label="Scored sets",
            help="Two or more sets of scored tomograms, made by *TomoScore - score tomograms* with "
            "the same weights from the same tilt series. Tomograms of the same tsId are compared, "
            "where every set has that tilt series; a verdict needs at least "
            f"{MIN_SERIES} of them.\n\n" + form_help.READING,
        )
        definition.addParam(
            "setNames",
            params.StringParam,
            default="",
            label="Names",
            help="Names of the sets in plots and in the summary, in their order, with commas "
            "between them: AreTomo, IMOD. Empty: the names of the runs that scored or made them.",
        )
        definition.addParallelSection(threads=0, mpi=0)

    def _sourcePointer(self):
        return self.inSets[0]

    def _insertAllSteps(self):
        # The names are arguments, so that Continue detects changes.
        self._insertFunctionStep(self.compareStep, self.getNames(), needsGPU=False)

    def compareStep(self, names):
        """Compare the scores, write the result, and collect the best of each tilt series."""
        groups = [self._itemsOf(pointer.get()) for pointer in self.inSets]
        cuts = ids.common_names(dict(zip(names, map(list, groups))))
        groups = [
            {cuts[name].of(key): item for key, item in items.items()}
            for name, items in zip(names, groups)
        ]
        scores = [{key: value(i, SCORE) for key, i in items.items()} for items in groups]
        comparison = compare(dict(zip(names, scores)))
        lines = [*sentences(comparison), *ids.remark_on(cuts), *self._remarks(names), METHOD]
        self._write(RESULT, files.json_text(comparison, lines))
        self._write(TABLE, files.csv_text(comparison))
        best = []
        for ts_id, number in comparison.best_of_each().items():
            item = item_attributes.add_missing_attributes(groups[number][ts_id])
            setattr(item, MADE_BY, String(names[number]))
            item.setObjId(None)  # ids of several sets may be equal
            best.append(item)
        if not self._samplingRatesDiffer():
            OutputSets(self).replace(BEST_SET, best, self._provenance())
            self._closeOutputSet()

    @staticmethod
    def _itemsOf(tomograms):
        """{tsId: item} of the scored tomograms of a set; the first item of each tsId."""
        items = {}
        for item in item_attributes.items_of(tomograms):
            if value(item, SCORE) is not None:
                items.setdefault(item.getTsId(), item)
        return items

    def _write(self, name, text):
        with open(self._getExtraPath(name), "w", encoding="utf-8") as file:
            file.write(text)

    def _provenance(self):
        """The provenance that is equal for all inputs, without thresholds."""
        each = [provenance_of(pointer.get()) for pointer in self.inSets]
        shared = {name: v for name, v in each[0].items() if all(one[name] == v for one in each)}
        return {**shared, **criteria_provenance(Criteria(None))}

    def _samplingRatesDiffer(self):
        rates = [pointer.get().getSamplingRate() for pointer in self.inSets]
        return max(rates) - min(rates) > 1e-3 * min(rates)

    def _remarks(self, names):
        """Lines on differences of the inputs that the scores do not show."""
        return [*self._slabRemarks(names), *self._voxelRemarks(names)]

    def _slabRemarks(self, names):
        named = self._differentSlabs(names)
        return [f"Slab limits differ ({named}): not the same slices were scored."] if named else []

    def _differentSlabs(self, names):
        """Text with the slab limits of each set; empty if they are equal."""
        each = [provenance_of(pointer.get()) for pointer in self.inSets]
        limits = [slab(made) or "all slices" for made in each]
        named = [f"{name}: {limit}" for name, limit in zip(names, limits)]
        return "; ".join(named) if len(set(limits)) > 1 else ""

    def _voxelRemarks(self, names):
        if not self._samplingRatesDiffer():
            return []
        sizes = (f"{n} {p.get().getSamplingRate():g} A" for n, p in zip(names, self.inSets))
        return [
            f"Voxel sizes differ ({', '.join(sizes)}): octaves beyond Nyquist count 0, so that a "
            f"coarse voxel limits the score by itself. {BEST_SET} is not made: tomograms of "
            "several voxel sizes do not go together in one set."
        ]

    # --------------------------- form and result -----------------------------
    def getNames(self):
        """The names of the sets, in their order."""
        names_in_form = [name.strip() for name in (self.setNames.get() or "").split(",")]
        if any(names_in_form):
            return names_in_form
        makers = [self._makerOf(pointer) for pointer in self.inSets]
        # Scoring runs often have equal names; the runs that made the tomograms rarely have.
        before = [self._makerOf(getattr(run, "inTomograms", None)) for run in makers]
        for candidates in (makers, before):
            names = [run.getRunName() if run is not None else "?" for run in candidates]
            if len(set(names)) == len(names):
                return names
        return [f"set {number}" for number in range(1, len(makers) + 1)]

    def _makerOf(self, pointer):
        """The run that made the set of a pointer; None if unknown."""
        holder = pointer.getObjValue() if pointer is not None else None
        if holder is None or hasattr(holder, "getRunName"):
            return holder
        return self.getProject().getProtocol(holder.getObjParentId())

    def getResult(self):
        """(Comparison, lines of the summary) of a run that has ended; None before."""
        content = self._readResult(RESULT)
        return content and (files.from_dict(content), content["said"])

    # --------------------------- checks --------------------------------------
    def _validate(self):
        input_sets = [pointer.get() for pointer in self.inSets]
        if len(input_sets) < 2 or None in input_sets:
            return ["*Scored sets*: two or more are needed."]
        try:
            self._checkSets(input_sets)
        except StartError as fault:
            return [f"{fault}."]
        return []

    def _checkSets(self, input_sets):
        """Check that sets can be compared.

        Raises:
            StartError: the sets cannot be compared.
        """
        names = self.getNames()
        if len(names) != len(input_sets):
            raise StartError(
                f"*Names*: expected {len(input_sets)}, one for each set, got {len(names)}"
            )
        sets.check_names(names)
        scored = {}
        for name, tomograms in zip(names, input_sets):
            first = tomograms.getFirstItem()
            if first is None or not first.hasAttribute(SCORE):
                raise StartError(
                    f"it has no TomoScore; give *scoredTomograms* of *TomoScore - score "
                    f"tomograms*: {name}"
                )
            scores = scores_of(tomograms)
            scored[name] = [key for key, score in scores.items() if score is not None]
        sets.check_models({n: self._modelsOf(t) for n, t in zip(names, input_sets)})
        cuts = ids.common_names(scored)
        keys = [{cuts[name].of(ts_id) for ts_id in ts_ids} for name, ts_ids in scored.items()]
        if not set.intersection(*keys):
            raise StartError(
                f"no tsId is in every set ({ids.some_of_each(scored)}): they must be of the same "
                "tilt series; give them the same tsIds where they are imported"
            )

    @staticmethod
    def _modelsOf(tomograms):
        made_by = maker_of(tomograms)
        return [made_by] if made_by else []  # subsets and joins lack it

    # --------------------------- information ---------------------------------
    def _warnings(self):
        input_sets = [pointer.get() for pointer in self.inSets]
        if len(input_sets) < 2 or None in input_sets:
            return []
        named = self._differentSlabs(self.getNames())
        if not named:
            return []
        return [
            f"The sets were scored with different slab limits ({named}): a difference of scores "
            "may come from that."
        ]

    def _summary(self):
        result = self.getResult()
        return result[1] if result else ["Nothing is compared yet."]

    def _methods(self):
        result = self.getResult()
        if not result:
            return []
        return [" ".join(result[1]) + f" Scores are those of TomoScore (the idea of {PAPER})."]
