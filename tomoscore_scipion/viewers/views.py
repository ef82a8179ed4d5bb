# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows that the viewers open; none of them blocks Scipion's own window."""

import threading
import webbrowser
from pathlib import Path

from pwem.viewers import EmPlotter
from pwem.viewers.mdviewer.viewer import MDView
from pyworkflow.protocol import params
from pyworkflow.viewer import DESKTOP_TKINTER, ProtocolViewer, View

from tomoscore_scipion.protocols.item_attributes import ATTRIBUTES, CURVE, THUMBNAIL

SHOWN_FIRST = ("id", "enabled", "_tsId", THUMBNAIL)


class TomoScoreTable(MDView):
    """The metadata viewer with thumbnails and the columns of this plugin, hidden by default.

    The volumes are not shown as images, because all files would be read.
    """

    _more = ()

    def getVisibleAndOrderLabels(self):
        """Visible columns, their order, and those shown as images."""
        ours = [name for name in (*ATTRIBUTES, *self._more) if name not in (THUMBNAIL, CURVE)]
        visible = " ".join((*SHOWN_FIRST, *ours, "_samplingRate"))
        order = " ".join((*SHOWN_FIRST, *ours, "_filename _samplingRate"))
        return visible, order, THUMBNAIL


class Page(View):
    """An HTML file in the user's browser."""

    def __init__(self, path):
        self.path = Path(path).resolve()

    @staticmethod
    def canBeShown():
        """Whether there is a browser."""
        try:
            return webbrowser.get() is not None
        except webbrowser.Error:
            return False

    def show(self):
        """Open the file in a thread, because a browser may need seconds to start."""
        uri = self.path.as_uri()
        threading.Thread(target=webbrowser.open_new_tab, args=(uri,), daemon=True).start()


class ResultsViewer(ProtocolViewer):
    """Base class of the viewers of a run."""

    _environments = [DESKTOP_TKINTER]

    @staticmethod
    def _addNothing(form, label, text):
        """Add a line with the reason why there are no results yet."""
        form.addParam("nothing", params.LabelParam, label=label, help=text)

    @staticmethod
    def _addChoice(form, name, choices, label, text, default=0):
        """Add a choice of one of several texts."""
        form.addParam(
            name,
            params.EnumParam,
            choices=choices,
            default=default,
            display=params.EnumParam.DISPLAY_COMBO,
            label=label,
            help=text,
        )

    def _images(self, param=None):
        """Show the chosen set in the viewer of the tomo plugin."""
        from tomo.viewers.views_tkinter_tree import TomoObjectDialogView

        return [TomoObjectDialogView(self.getTkRoot(), self.protocol, self._chosenOutput())]


def plot(title, draw, *content, size=(7.5, 5)):
    """A list with one window that shows a figure, as Scipion expects.

    Args:
        title: title of the window.
        draw: function of a matplotlib figure and the content, which fills the figure.
        content: arguments of `draw` after the figure.
        size: width and height in inches.
    """
    plotter = EmPlotter(windowTitle=title, figsize=size)
    plotter.tightLayoutOn = False
    draw(plotter.getFigure(), *content)
    return [plotter]
