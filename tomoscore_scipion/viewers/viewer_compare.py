# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows results of ProtTomoScoreCompare: summary, plot, and the best of each tilt series."""

from pyworkflow.protocol import params

from tomoscore_scipion.comparison import drawing
from tomoscore_scipion.protocols import ProtTomoScoreCompare
from tomoscore_scipion.protocols.protocol_compare import BEST_SET, MADE_BY
from tomoscore_scipion.viewers import runs
from tomoscore_scipion.viewers.views import ResultsViewer, TomoScoreTable, plot


class BestTable(TomoScoreTable):
    """The table of tomograms with the name of the input set of each tomogram."""

    _more = (MADE_BY,)


class TomoScoreCompareViewer(ResultsViewer):
    """Results of ProtTomoScoreCompare."""

    _label = "TomoScore comparison"
    _targets = [ProtTomoScoreCompare]

    def _defineParams(self, definition):
        definition.addSection(label="Comparison")
        self._result = self.protocol.getResult()
        if self._result is None:
            text = "Results appear here when the run has ended."
            self._addNothing(definition, "Nothing is compared yet.", text)
            return
        _, lines = self._result
        definition.addParam(
            "showPlot",
            params.LabelParam,
            label="Plot of all tilt series",
            help="A line for each tilt series from set to set, and what the set with the highest "
            "mean gains over the others, with the interval.",
        )
        definition.addParam(
            "showSummary", params.LabelParam, label="Summary", help="\n".join(lines)
        )
        if runs.output(self.protocol, BEST_SET) is not None:
            definition.addParam(
                "showBest",
                params.LabelParam,
                label="Best tomogram of each tilt series",
                help="A table with thumbnails, scores, and the set that each comes from.",
            )

    def _getVisualizeDict(self):
        return {"showPlot": self._plot, "showSummary": self._summary, "showBest": self._best}

    def _plot(self, param=None):
        comparison, _ = self._result
        return plot("TomoScore: comparison", drawing.draw, comparison, size=drawing.SIZE)

    def _summary(self, param=None):
        return [self.infoMessage("\n".join(self._result[1]), title="TomoScore")]

    def _best(self, param=None):
        tomograms = getattr(self.protocol, BEST_SET)
        return [BestTable(tomograms, self.protocol, self._project.port)]
