# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows results of ProtTomoScore and its filter: report, tables, images, plots, one tomogram."""

from pyworkflow.protocol import params

from tomoscore_scipion.agreement import drawing
from tomoscore_scipion.agreement.figures import session_agreement
from tomoscore_scipion.protocols import ProtTomoScore, ProtTomoScoreFilter
from tomoscore_scipion.protocols.output_sets import (
    ACCEPTED_SET,
    FAILED_SET,
    REJECTED_SET,
    SCORED_SET,
)
from tomoscore_scipion.records.verdict import ACCEPTED, REJECTED
from tomoscore_scipion.viewers import histogram, one_tomogram, runs, session, slices
from tomoscore_scipion.viewers.views import Page, ResultsViewer, TomoScoreTable, plot

SETS = (
    (ACCEPTED_SET, "Accepted tomograms"),
    (REJECTED_SET, "Rejected tomograms"),
    (SCORED_SET, "All scored tomograms"),
    (FAILED_SET, "Failed tomograms"),
)

SETS_SHOWN = (
    (
        "showTable",
        "Table with thumbnails and scores",
        "Sorted by a click on a column's head. Select rows and press + Tomogram for a subset.",
    ),
    ("showImages", "Images", "The slices of each tomogram in tomo's own viewer."),
    ("showHistogram", "Histogram of the scores", "The line is the threshold."),
)
NO_REPORT = (
    "There is no report yet: it comes soon after the first tomogram is scored. Where it could not "
    "be made, the summary of the run says why."
)
NO_SCORES = "Failed tomograms have no score."


class TomoScoreViewer(ResultsViewer):
    """Results of the protocols that score and filter tomograms, also while they run."""

    _label = "TomoScore viewer"
    _targets = [ProtTomoScore, ProtTomoScoreFilter]

    def _defineParams(self, definition):
        definition.addSection(label="Tomograms")
        self._existing = [
            (name, text) for name, text in SETS if runs.output(self.protocol, name) is not None
        ]
        if not self._existing:
            text = "Results appear here as soon as the first tomogram is scored."
            self._addNothing(definition, "No tomogram is scored yet.", text)
            return
        definition.addParam(
            "showReport",
            params.LabelParam,
            label="Open report",
            help="The report in the browser: threshold as a slider, session, gallery, table, "
            "curves, and likely reasons for low scores.",
        )
        definition.addParam(
            "showSession",
            params.LabelParam,
            label="Scores over the session",
            help="All tomograms in the order of the input, with their 90 % intervals: drift of a "
            "session shows as a slope.",
        )
        self._addSets(definition.addGroup("Sets"))
        self._records = runs.Records(self.protocol)
        rows = [row for row in runs.all_rows(self.protocol) if row in self._records]
        self._scored = sorted(
            (row for row in rows if row.score is not None), key=lambda row: (-row.score, row.ts_id)
        )
        records = [self._records.of(row) for row in self._scored]
        self._sessionAgreement = session_agreement(records)
        if self._sessionAgreement is not None:
            definition.addParam(
                "showAgreement",
                params.LabelParam,
                label="Agreement with half maps",
                help="Predicted scores against those measured from half maps: whether the score "
                "ranks the tomograms of this session, and how far it is too high or too low.",
            )
        if self._scored:
            self._addTomograms(definition.addGroup("One tomogram"))

    def _addSets(self, group):
        names = [name for name, _ in self._existing]  # accepted first, but all are shown by default
        self._addChoice(
            group,
            "which",
            [text for _, text in self._existing],
            "Which",
            "The set that is shown below. Sets without tomograms are not listed.",
            default=names.index(SCORED_SET) if SCORED_SET in names else 0,
        )
        for name, text, explanation in SETS_SHOWN:
            group.addParam(name, params.LabelParam, label=text, help=explanation)

    def _addTomograms(self, group):
        names = [f"{row.ts_id}  {row.score:.2f}" for row in self._scored]
        text = "The best first. Tomograms that were scored since come when this is opened again."
        self._addChoice(group, "tomogram", names, "Tomogram", text)
        group.addParam(
            "showTomogram",
            params.LabelParam,
            label="Slices, profile over z and curve",
            help="Its best, median and worst slice, the score of every scored slice, the "
            "resolvability per octave, and likely reasons where the score is low.",
        )
        if any(self._records.map_picture(row).exists() for row in self._scored):
            group.addParam(
                "showMap",
                params.LabelParam,
                label="Quality map",
                help="TomoScore per place over the middle slice. The map itself (.mrc) lies in "
                "extra/maps of the run.",
            )

    def _chosenOutput(self):
        return getattr(self.protocol, self._existing[self.which.get()][0])

    def _chosenRow(self):
        return self._scored[self.tomogram.get()]

    def _getVisualizeDict(self):
        return {
            "showReport": self._report,
            "showSession": self._session,
            "showTable": self._table,
            "showImages": self._images,
            "showHistogram": self._histogram,
            "showAgreement": self._agreement,
            "showTomogram": self._tomogram,
            "showMap": self._map,
        }

    def _report(self, param=None):
        pages = [Page(path) for path in runs.reports(self.protocol)]
        if not pages:
            return [self.infoMessage(NO_REPORT, title="TomoScore")]
        if not Page.canBeShown():
            where = "\n".join(str(page.path) for page in pages)
            return [self.infoMessage(f"No browser was found. The report is\n{where}", "TomoScore")]
        return pages

    def _session(self, param=None):
        rows, threshold = runs.all_rows(self.protocol), runs.threshold_of(self.protocol)
        return plot("TomoScore: session", session.draw, rows, threshold, size=(10, 6))

    def _table(self, param=None):
        return [TomoScoreTable(self._chosenOutput(), self.protocol, self._project.port)]

    def _histogram(self, param=None):
        rows = runs.rows_of(self._chosenOutput())
        scored = [row for row in rows if row.score is not None]
        if not scored:
            return [self.infoMessage(NO_SCORES, title="TomoScore")]
        threshold = runs.threshold_of(self.protocol)
        groups = [
            [row.score for row in scored if row.verdict == verdict]
            for verdict in (ACCEPTED, REJECTED, None)
        ]
        title, place = "TomoScore", (0.1, 0.16, 0.86, 0.75)
        return plot(
            title, lambda figure: histogram.draw(figure.add_axes(place), *groups, threshold)
        )

    def _agreement(self, param=None):
        title = "TomoScore: agreement with half maps"
        return plot(title, drawing.draw, self._sessionAgreement, size=drawing.SIZE)

    def _tomogram(self, param=None):
        row = self._chosenRow()
        record = self._records.of(row)
        pictures, note = slices.slices_of(record, self._records.pictures(row))
        content, size = (record, pictures, note), one_tomogram.SIZE
        return plot(f"TomoScore: {record.ts_id}", one_tomogram.draw, *content, size=size)

    def _map(self, param=None):
        row = self._chosenRow()
        path = self._records.map_picture(row)
        if not path.exists():
            return [self.infoMessage(f"{row.ts_id} has no quality map.", title="TomoScore")]
        return plot(f"TomoScore: quality map of {row.ts_id}", one_tomogram.draw_picture, path)
