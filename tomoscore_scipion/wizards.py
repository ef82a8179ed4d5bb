# SPDX-License-Identifier: GPL-3.0-or-later
"""The wizard of the threshold: the scores, a line, and what it would accept and reject."""

import tkinter as tk

from pyworkflow.gui import dialog
from pyworkflow.wizard import Wizard

from tomoscore_scipion.protocols import ProtTomoScore, ProtTomoScoreFilter
from tomoscore_scipion.protocols.outputs import SCORE, SCORED_SET, scores_of
from tomoscore_scipion.protocols.verdict import LARGEST, accepted_by_threshold, in_words

STEP = 0.05


def scores_for(protocol):
    """{tsId: TomoScore} that a threshold of this protocol would split; {} when there are none.

    They are those of its own earlier run, or of an input that is scored already.
    """
    own = getattr(protocol, SCORED_SET, None)
    for tomograms in (own, protocol.inTomograms.get()):
        first = tomograms.getFirstItem() if tomograms is not None else None
        if first is not None and first.hasAttribute(SCORE):
            found = scores_of(tomograms)
            tomograms.close()
            return {key: score for key, score in found.items() if score is not None}
    return {}


def consequence(scores, threshold):
    """What a threshold does, in a line."""
    accepted = len(accepted_by_threshold(scores, threshold))
    rejected = len(scores) - accepted
    return f"From {in_words(threshold)} on: {accepted} accepted, {rejected} rejected"


def typed_threshold(text):
    """The threshold in octaves that somebody typed, None where it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0.0 <= value <= LARGEST else None


class ThresholdDialog(dialog.Dialog):
    """The histogram of scores with a line that a slider, or a click, moves.

    Attributes:
        value: the threshold in octaves.
    """

    def __init__(self, parent, scores, value):
        self.scores = scores
        self.value = value
        dialog.Dialog.__init__(self, parent, "TomoScore: threshold")

    def body(self, master):
        """Build the window; called by Dialog."""
        from matplotlib.backends.backend_tkagg import FigureCanvasTkAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 4), layout="tight")
        self._axes = figure.add_subplot()
        self._canvas = FigureCanvasTkAgg(figure, master)
        self._canvas.mpl_connect("button_press_event", self._clicked)
        self._canvas.get_tk_widget().grid(row=0, column=0, sticky="news")
        self._slider = tk.Scale(
            master,
            from_=0.0,
            to=LARGEST,
            resolution=STEP,
            orient=tk.HORIZONTAL,
            showvalue=True,
            command=self._moved,
        )
        self._slider.grid(row=1, column=0, sticky="ew", padx=40)
        self._text = tk.Label(master)
        self._text.grid(row=2, column=0, pady=5)
        self._slider.set(self.value)
        self._moved(self.value)

    def _clicked(self, event):
        if event.xdata is not None:
            self._slider.set(event.xdata)

    def _moved(self, value):
        from tomoscore_scipion.viewers.histogram import draw

        self.value = float(value)
        self._text.configure(text=consequence(self.scores, self.value))
        draw(self._axes, list(self.scores.values()), self.value)
        self._canvas.draw_idle()


class TomoScoreThresholdWizard(Wizard):
    """Chooses the threshold on the histogram, or takes a number when nothing is scored yet."""

    _targets = [(ProtTomoScore, ["threshold"]), (ProtTomoScoreFilter, ["threshold"])]

    def show(self, form, *params):
        """Open the dialog, and write what was chosen into the form."""
        scores = scores_for(form.protocol)
        value = form.protocol.threshold.get()
        if scores:
            chosen = ThresholdDialog(form.root, scores, value)
            if chosen.resultYes():
                form.setVar("threshold", chosen.value)
            return
        answer = dialog.askString(
            "TomoScore: threshold",
            "From TomoScore (octaves)",
            form.root,
            defaultValue=f"{value:g}",
            headerLabel="Nothing is scored yet: type a number from 0 (all) to 5 (4 nm).",
        )
        if answer is None:
            return
        chosen = typed_threshold(answer)
        if chosen is None:
            expected = f"Expected a number from 0 to {LARGEST:g}, found {answer!r}"
            dialog.showError("TomoScore: threshold", expected, form.root)
            return
        form.setVar("threshold", chosen)
