# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows what the boxes made: the table with its scores, the images, the histogram."""

from pwem.viewers import EmPlotter
from pwem.viewers.mdviewer.viewer import MDView
from pyworkflow.protocol import params
from pyworkflow.viewer import DESKTOP_TKINTER, ProtocolViewer

from tomoscore_scipion.protocols import ProtTomoScore, ProtTomoScoreFilter
from tomoscore_scipion.protocols.outputs import (
    ACCEPTED_SET,
    ATTRIBUTES,
    FAILED_SET,
    REJECTED_SET,
    SCORED_SET,
    provenance_of,
    scores_of,
)
from tomoscore_scipion.viewers.histogram import draw

SETS = (
    (SCORED_SET, "All scored tomograms"),
    (ACCEPTED_SET, "Accepted tomograms"),
    (REJECTED_SET, "Rejected tomograms"),
    (FAILED_SET, "Failed tomograms"),
)


class TomoScoreTable(MDView):
    """The metadata viewer with our columns, which its defaults hide."""

    def getVisibleAndOrderLabels(self):
        """Visible columns, their order, and those shown as images."""
        labels = " ".join(("id enabled _tsId", *ATTRIBUTES, "_filename _samplingRate"))
        return labels, labels, ""


class TomoScoreViewer(ProtocolViewer):
    """What the protocol TomoScore made."""

    _label = "TomoScore viewer"
    _environments = [DESKTOP_TKINTER]
    _targets = [ProtTomoScore, ProtTomoScoreFilter]

    def _defineParams(self, definition):
        definition.addSection(label="Tomograms")
        self._there = [(name, text) for name, text in SETS if self._output(name) is not None]
        if not self._there:
            definition.addParam(
                "nothing",
                params.LabelParam,
                label="No tomogram is scored yet.",
                help="Results appear here as soon as the first tomogram is scored.",
            )
            return
        definition.addParam(
            "which",
            params.EnumParam,
            choices=[text for _, text in self._there],
            default=0,
            display=params.EnumParam.DISPLAY_COMBO,
            label="Which",
            help="The set that is shown below. Sets without tomograms are not there.",
        )
        for name, text, explanation in (
            ("showTable", "Scores in a table", "Sorted by a click on a column's head."),
            ("showImages", "Images", "The slices of each tomogram in tomo's own viewer."),
            ("showHistogram", "Histogram of the scores", "The line is the threshold."),
        ):
            definition.addParam(name, params.LabelParam, label=text, help=explanation)

    def _output(self, name):
        tomograms = getattr(self.protocol, name, None)
        return None if tomograms is None or tomograms.isEmpty() else tomograms

    def _chosen(self):
        return self._output(self._there[self.which.get()][0])

    def _getVisualizeDict(self):
        return {
            "showTable": self._table,
            "showImages": self._images,
            "showHistogram": self._histogram,
        }

    def _table(self, param=None):
        return [TomoScoreTable(self._chosen(), self.protocol, self._project.port)]

    def _images(self, param=None):
        from tomo.viewers.views_tkinter_tree import TomoObjectDialogView

        return [TomoObjectDialogView(self.getTkRoot(), self.protocol, self._chosen())]

    def _histogram(self, param=None):
        tomograms = self._chosen()
        scores = [score for score in scores_of(tomograms).values() if score is not None]
        if not scores:
            return [self.infoMessage("Failed tomograms have no score.", title="TomoScore")]
        plotter = EmPlotter(windowTitle="TomoScore")
        axes = plotter.createSubPlot("", "", "")
        draw(axes, scores, provenance_of(tomograms)["_tomoScoreThreshold"])
        return [plotter]
