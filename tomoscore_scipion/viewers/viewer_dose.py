# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows results of ProtTomoScoreDose: curves, table, tilt series and previews."""

from pwem.viewers import EmPlotter
from pwem.viewers.mdviewer.viewer import MDView
from pyworkflow.protocol import params
from pyworkflow.viewer import DESKTOP_TKINTER, ProtocolViewer

from tomoscore_scipion.protocols import ProtTomoScoreDose, dose_summary_text
from tomoscore_scipion.protocols.dose_outputs import (
    DOSE_ATTRIBUTES,
    FAILED_SERIES_SET,
    LIMITED_SET,
    PREVIEW_SET,
)
from tomoscore_scipion.records.dose_session import session_of
from tomoscore_scipion.viewers import dose_curves

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


class TomoScoreDoseViewer(ProtocolViewer):
    """Results of ProtTomoScoreDose, also while it runs."""

    _label = "TomoScore dose viewer"
    _environments = [DESKTOP_TKINTER]
    _targets = [ProtTomoScoreDose]

    def _defineParams(self, definition):
        definition.addSection(label="Dose")
        self._existing = [(name, text) for name, text in SETS if self._output(name) is not None]
        self._records = dose_summary_text.records_in(self.protocol)
        if not self._existing:
            definition.addParam(
                "nothing",
                params.LabelParam,
                label="No tilt series is analysed yet.",
                help="Results appear here as soon as the first tilt series is analysed.",
            )
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
        group.addParam(
            "series",
            params.EnumParam,
            choices=[self._named(record) for record in self._records],
            default=0,
            display=params.EnumParam.DISPLAY_COMBO,
            label="Tilt series",
            help="With its suggested dose. Those that were analysed since come when this is opened "
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
        group.addParam(
            "which",
            params.EnumParam,
            choices=[text for _, text in self._existing],
            default=0,
            display=params.EnumParam.DISPLAY_COMBO,
            label="Which",
            help="The set that is shown below. Sets without items are not listed.",
        )
        for name, text, explanation in (
            ("showTable", "Doses in a table", "Sorted by a click on a column's head."),
            ("showImages", "Images", "In tomo's own viewer, with the views that are disabled."),
        ):
            group.addParam(name, params.LabelParam, label=text, help=explanation)

    def _output(self, name):
        items = getattr(self.protocol, name, None)
        return None if items is None or items.isEmpty() else items

    def _chosenOutput(self):
        return self._output(self._existing[self.which.get()][0])

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

    def _images(self, param=None):
        from tomo.viewers.views_tkinter_tree import TomoObjectDialogView

        return [TomoObjectDialogView(self.getTkRoot(), self.protocol, self._chosenOutput())]
