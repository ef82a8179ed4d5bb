# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows results of ProtTomoScoreDose: curves, table, tilt series and previews."""

from pwem.viewers import EmPlotter
from pwem.viewers.mdviewer.viewer import MDView
from pyworkflow.protocol import params

from tomoscore_scipion.protocols import ProtTomoScoreDose, dose_summary_text
from tomoscore_scipion.protocols.dose_outputs import (
    DOSE_ATTRIBUTES,
    FAILED_SERIES_SET,
    LIMITED_SET,
    PREVIEW_SET,
)
from tomoscore_scipion.records.dose_session import session_of
from tomoscore_scipion.viewers import dose_curves, runs
from tomoscore_scipion.viewers.views import ResultsViewer

SETS = (
    (LIMITED_SET, "Tilt series limited to the dose"),
    (PREVIEW_SET, "Preview tomograms"),
    (FAILED_SERIES_SET, "Failed tilt series"),
)
SIZE_INCHES = (8, 5)
TITLE = "TomoScore: the best dose"


class TomoScoreDoseTable(MDView):
    """The metadata viewer with the doses, which its defaults hide."""

    def getVisibleAndOrderLabels(self):
        """Visible columns, their order, and those shown as images."""
        labels = " ".join(("id enabled _tsId", *DOSE_ATTRIBUTES))
        return labels, labels, ""


class TomoScoreDoseViewer(ResultsViewer):
    """Results of ProtTomoScoreDose, also while it runs."""

    _label = "TomoScore dose viewer"
    _targets = [ProtTomoScoreDose]

    def _defineParams(self, definition):
        definition.addSection(label="Dose")
        self._existing = [
            (name, text) for name, text in SETS if runs.output(self.protocol, name) is not None
        ]
        self._records = dose_summary_text.records_in(self.protocol)
        if not self._existing:
            text = "Results appear here as soon as the first tilt series is analysed."
            self._addNothing(definition, "No tilt series is analysed yet.", text)
        if self._records:
            self._addCurves(definition)
        if self._existing:
            self._addSets(definition.addGroup("Sets"))

    def _addCurves(self, definition):
        definition.addParam(
            "showSession",
            params.LabelParam,
            label="Curves of the session",
            help="All tilt series, their median curve, and the dose range of the session.",
        )
        group = definition.addGroup("One tilt series")
        self._addChoice(
            group,
            "series",
            [self._named(record) for record in self._records],
            "Tilt series",
            "With its suggested dose. Those that were analysed since come when this is opened "
            "again.",
        )
        group.addParam(
            "showSeries",
            params.LabelParam,
            label="Curves of this tilt series",
            help="TomoScore against dose: with all views up to it, with dose weighting, and with "
            "thinned views at equal angles; the suggested dose and range.",
        )

    @staticmethod
    def _named(record):
        dose = f"{record.optimum_dose:.0f} e/\u00c5\u00b2" if record.suggested_range else "no range"
        return f"{record.ts_id}  {dose}"

    def _addSets(self, group):
        names = [text for _, text in self._existing]
        text = "The set that is shown below. Sets without items are not listed."
        self._addChoice(group, "which", names, "Which", text)
        for name, text, explanation in (
            ("showTable", "Doses in a table", "Sorted by a click on a column's head."),
            ("showImages", "Images", "In tomo's own viewer, with the views that are disabled."),
        ):
            group.addParam(name, params.LabelParam, label=text, help=explanation)

    def _chosenOutput(self):
        return runs.output(self.protocol, self._existing[self.which.get()][0])

    def _getVisualizeDict(self):
        return {
            "showSession": self._session,
            "showSeries": self._series,
            "showTable": self._table,
            "showImages": self._images,
        }

    def _session(self, param=None):
        low_high = session_of(self._records).low_high
        return [
            self._plot(TITLE, lambda axes: dose_curves.draw_session(axes, self._records, low_high))
        ]

    def _series(self, param=None):
        record = self._records[self.series.get()]
        title = f"{TITLE}: {record.ts_id}"
        return [self._plot(title, lambda axes: dose_curves.draw_series(axes, record))]

    @staticmethod
    def _plot(title, draw):
        plotter = EmPlotter(windowTitle=title, figsize=SIZE_INCHES)
        draw(plotter.createSubPlot("", "", ""))
        plotter.tightLayout()
        return plotter

    def _table(self, param=None):
        return [TomoScoreDoseTable(self._chosenOutput(), self.protocol, self._project.port)]
