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

    Volumes themselves are not drawn, since all of them would be read.
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
        """Open it in a thread, since a browser may need seconds to start."""
        uri = self.path.as_uri()
        threading.Thread(target=webbrowser.open_new_tab, args=(uri,), daemon=True).start()


class ResultsViewer(ProtocolViewer):
    """Base class of the viewers of a run."""

    _environments = [DESKTOP_TKINTER]

    @staticmethod
    def _addNothing(form, label, text):
        """Add a line that says why there is nothing to show yet."""
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
        """The chosen set in tomo's own viewer."""
        from tomo.viewers.views_tkinter_tree import TomoObjectDialogView

        return [TomoObjectDialogView(self.getTkRoot(), self.protocol, self._chosenOutput())]


def plot(title, draw, *content, size=(7.5, 5)):
    """A window with a figure, in a list as Scipion takes it.

    Args:
        title: of the window.
        draw: function of a matplotlib figure and the content, which fills the figure.
        content: what is drawn.
        size: width and height in inches.
    """
    plotter = EmPlotter(windowTitle=title, figsize=size)
    plotter.tightLayoutOn = False
    draw(plotter.getFigure(), *content)
    return [plotter]
