# SPDX-License-Identifier: GPL-3.0-or-later
"""The wizard of the threshold: a histogram with a slider, and the tomograms next to it."""

import os
import tkinter as tk
from dataclasses import replace

from pyworkflow.gui import dialog
from pyworkflow.wizard import Wizard

from tomoscore_scipion.protocols import ProtTomoScore, ProtTomoScoreFilter
from tomoscore_scipion.protocols.item_attributes import SCORE, THUMBNAIL, measured_of, value
from tomoscore_scipion.protocols.output_sets import SCORED_SET
from tomoscore_scipion.protocols.recovery import readable_output
from tomoscore_scipion.records.verdict import CUSTOM, MAX_SCORE, accepted_by, threshold_text

STEP = 0.05
PICTURE_PX = 150
"""Width of the pictures of slices below the histogram."""


class ScoredTomograms:
    """The tomograms to which a threshold of a protocol applies.

    Attributes:
        measured: {tsId: verdict.Measured}.
        pictures: {tsId: path of a picture of its slice}, of those that have one.
    """

    def __init__(self, tomograms=()):
        self.measured, self.pictures = {}, {}
        for item in tomograms:
            if value(item, SCORE) is not None:
                self.measured[item.getTsId()] = measured_of(item)
                path = value(item, THUMBNAIL)
                if path and os.path.exists(path):
                    self.pictures[item.getTsId()] = path

    def scores(self):
        """{tsId: TomoScore}."""
        return {ts_id: one.score for ts_id, one in self.measured.items()}


def scored_for(protocol):
    """The ScoredTomograms of a protocol's own earlier run, or of an input that has scores."""
    sets = [readable_output(protocol, SCORED_SET), protocol.inTomograms.get()]
    for tomograms in sets:
        first = tomograms.getFirstItem() if tomograms is not None else None
        if first is not None and first.hasAttribute(SCORE):
            scored = ScoredTomograms(tomograms.iterItems())
            tomograms.close()
            return scored
    return ScoredTomograms()


def neighbours(scores, threshold):
    """The tomograms next to the threshold on either side.

    Args:
        scores: {tsId: TomoScore}.
        threshold: in octaves.

    Returns:
        (tsId just below or None, tsId just above or None).
    """
    ranked = sorted(scores, key=lambda ts_id: (scores[ts_id], ts_id))
    below = [ts_id for ts_id in ranked if scores[ts_id] < threshold]
    above = [ts_id for ts_id in ranked if scores[ts_id] >= threshold]
    return (below[-1] if below else None, above[0] if above else None)


def consequence(measured, criteria):
    """A line with the numbers of tomograms that criteria accept and reject.

    Args:
        measured: {tsId: verdict.Measured}.
        criteria: verdict.Criteria.
    """
    accepted = len(accepted_by(criteria, measured))
    borderline = sum(one.is_borderline(criteria.threshold) for one in measured.values())
    return (
        f"{threshold_text(criteria.threshold)}: {accepted} accepted, {len(measured) - accepted} "
        f"rejected; borderline: {borderline}"
    )


def typed_threshold(text):
    """The threshold in octaves of a typed text, None where it is no valid number."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0.0 <= value <= MAX_SCORE else None


class ThresholdDialog(dialog.Dialog):
    """The histogram of scores with a line that a slider, or a click, moves.

    Attributes:
        value: the threshold in octaves.
    """

    def __init__(self, parent, scored, criteria):
        """Open the dialog.

        Args:
            parent: parent window.
            scored: ScoredTomograms.
            criteria: verdict.Criteria with the initial threshold.
        """
        self.scored = scored
        self.criteria = criteria
        self.value = criteria.threshold
        dialog.Dialog.__init__(self, parent, "TomoScore: threshold")

    def body(self, master):
        """Build the window; called by Dialog."""
        from matplotlib.backends.backend_tkagg import FigureCanvasTkAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 2.8), layout="tight")
        self._axes = figure.add_subplot()
        self._canvas = FigureCanvasTkAgg(figure, master)
        self._canvas.mpl_connect("button_press_event", self._clicked)
        self._canvas.get_tk_widget().grid(row=0, column=0, columnspan=2, sticky="news")
        self._slider = tk.Scale(
            master,
            from_=0.0,
            to=MAX_SCORE,
            resolution=STEP,
            orient=tk.HORIZONTAL,
            showvalue=True,
            command=self._moved,
        )
        self._slider.grid(row=1, column=0, columnspan=2, sticky="ew", padx=40)
        self._text = tk.Label(master)
        self._text.grid(row=2, column=0, columnspan=2, pady=5)
        self._sides = [tk.Label(master, compound=tk.BOTTOM) for _ in range(2)]
        for column, label in enumerate(self._sides):
            label.grid(row=3, column=column, padx=10, pady=(0, 5))
        self._images = {}  # {path: picture}; Tk shows only pictures that are referenced
        self._slider.set(self.value)
        self._moved(self.value)

    def _clicked(self, event):
        if event.xdata is not None:
            self._slider.set(event.xdata)

    def _moved(self, value):
        from tomoscore_scipion.viewers.histogram import draw

        self.value = float(value)
        scores, criteria = self.scored.scores(), replace(self.criteria, threshold=self.value)
        self._text.configure(text=consequence(self.scored.measured, criteria))
        for label, where, ts_id in zip(
            self._sides, ("below", "above"), neighbours(scores, self.value)
        ):
            self._show(label, where, ts_id)
        good = accepted_by(criteria, self.scored.measured)
        groups = [
            [s for ts_id, s in scores.items() if (ts_id in good) is yes] for yes in (True, False)
        ]
        draw(self._axes, *groups, threshold=self.value)
        self._canvas.draw_idle()

    def _show(self, label, where, ts_id):
        """Show a tomogram next to the threshold."""
        if ts_id is None:
            label.configure(text=f"Nothing {where} the line", image="")
            return
        text = f"Next {where}: {ts_id}, {self.scored.measured[ts_id].score:.2f}"
        label.configure(text=text, image=self._image(self.scored.pictures.get(ts_id)))

    def _image(self, path):
        if path is None:
            return ""
        if path not in self._images:
            from PIL import Image, ImageTk

            with Image.open(path) as picture:
                height = round(PICTURE_PX * picture.height / picture.width)
                small = picture.resize((PICTURE_PX, height), Image.LANCZOS)
            self._images[path] = ImageTk.PhotoImage(small, master=self)
        return self._images[path]


class TomoScoreThresholdWizard(Wizard):
    """Chooses the threshold on the histogram, or takes a number before tomograms are scored.

    It starts at the threshold of the preset; the chosen one becomes the custom threshold.
    """

    _targets = [
        (protocol, [name])
        for protocol in (ProtTomoScore, ProtTomoScoreFilter)
        for name in ("preset", "threshold")
    ]

    def show(self, form, *params):
        """Open the dialog, and write the chosen threshold into the form."""
        scored = scored_for(form.protocol)
        criteria = replace(form.protocol.getCriteria(), threshold=form.protocol.getThreshold())
        if scored.measured:
            dialog_ = ThresholdDialog(form.root, scored, criteria)
            if dialog_.resultYes():
                self._write(form, dialog_.value)
            return
        answer = dialog.askString(
            "TomoScore: threshold",
            "Threshold (octaves)",
            form.root,
            defaultValue=f"{criteria.threshold:g}",
            headerLabel="Nothing is scored yet: type a number from 0 (all) to 5 (4 nm).",
        )
        if answer is None:
            return
        dialog_ = typed_threshold(answer)
        if dialog_ is None:
            expected = f"Expected a number from 0 to {MAX_SCORE:g}, found {answer!r}"
            dialog.showError("TomoScore: threshold", expected, form.root)
            return
        self._write(form, dialog_)

    @staticmethod
    def _write(form, threshold):
        form.setVar("preset", CUSTOM)
        form.setVar("threshold", threshold)
