# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows results of ProtTomoScoreThreshold: plot and summary."""

from pyworkflow.protocol import params

from tomoscore_scipion.examples import drawing
from tomoscore_scipion.protocols import ProtTomoScoreThreshold
from tomoscore_scipion.viewers.views import ResultsViewer, plot


class TomoScoreThresholdViewer(ResultsViewer):
    """Scores of the examples with the threshold, and their ROC curve."""

    _label = "TomoScore threshold"
    _targets = [ProtTomoScoreThreshold]

    def _defineParams(self, definition):
        definition.addSection(label="Threshold")
        self._result = self.protocol.getResult()
        if self._result is None:
            text = "Results appear here when the run has ended."
            self._addNothing(definition, "No threshold is found yet.", text)
            return
        definition.addParam(
            "showPlot",
            params.LabelParam,
            label="Scores of the examples, ROC curve",
            help="How well the score separates good examples from bad ones, and where the "
            "threshold lies.",
        )
        definition.addParam(
            "showSummary",
            params.LabelParam,
            label="Summary",
            help="\n".join(self._result["summary"]),
        )

    def _getVisualizeDict(self):
        return {"showPlot": self._plot, "showSummary": self._summary}

    def _plot(self, param=None):
        result = self._result
        scores = (list(result["scores"][kind].values()) for kind in ("good", "bad"))
        fitted = (result[name] for name in ("threshold", "interval", "roc"))
        title = "TomoScore: threshold from examples"
        return plot(title, drawing.draw, *scores, *fitted, size=drawing.SIZE)

    def _summary(self, param=None):
        return [self.infoMessage("\n".join(self._result["summary"]), title="TomoScore")]
