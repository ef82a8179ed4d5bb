# SPDX-License-Identifier: GPL-3.0-or-later
"""Take screenshots of the form and the viewer of TomoScore vs dose; see gui_tour."""

import sys

import gui_tour
from gui_tour import CHANGE, WINDOW, shoot


def tour(window, project, pictures):
    """Each yield waits for the window opened before it."""
    from pyworkflow.gui.form import FormWindow

    from tomoscore_scipion.viewers import TomoScoreDoseViewer

    yield CHANGE
    shoot(window, pictures, "1-project")
    protocol = next(r for r in project.getRuns() if r.getClassName() == "ProtTomoScoreDose")
    form = FormWindow("Form", protocol, lambda *_: None, window)
    form.adjustSize()
    window.root.after(0, form.show)  # it returns when the program ends
    yield WINDOW
    shoot(window, pictures, "2-form")
    form.close()
    viewer = TomoScoreDoseViewer(project=project, protocol=protocol, parent=window)
    window.root.after(0, lambda: viewer.visualize(protocol, windows=window))
    yield WINDOW
    shoot(window, pictures, "3-viewer")
    for number, views in enumerate((viewer._session, viewer._series, viewer._images)):
        for view in views():
            window.root.after(0, view.show)
        yield WINDOW
        shoot(window, pictures, f"{4 + number}-{views.__name__.strip('_')}")
    for view in viewer._table():
        view.show()
    yield WINDOW
    shoot(window, pictures, "7-table")


if __name__ == "__main__":
    gui_tour.main(*sys.argv[1:], tour=tour)
