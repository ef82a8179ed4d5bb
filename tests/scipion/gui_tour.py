# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the project's window, the form, the wizard and the viewer, and takes a picture of each.

Run as `python gui_tour.py PROJECT_FOLDER PICTURES_FOLDER` on a display with a window manager. It
prints DONE at its end; any error in a callback ends it with its traceback.
"""

import os
import subprocess
import sys
import tkinter as tk
import traceback

STEP_MS = 3500


def fail(*error):
    traceback.print_exception(*error)
    os._exit(1)


tk.Tk.report_callback_exception = staticmethod(fail)


def shoot(folder, name):
    subprocess.run(["import", "-window", "root", os.path.join(folder, f"{name}.png")], check=True)


def tour(window, project, pictures):
    """Each yield is a pause in which what was opened comes up."""
    from pyworkflow.gui.form import FormWindow
    from pyworkflow.viewer import DESKTOP_TKINTER

    from tomoscore_scipion.viewers import TomoScoreViewer
    from tomoscore_scipion.wizards import TomoScoreThresholdWizard

    yield 2
    shoot(pictures, "1-project")
    scored = next(r for r in project.getRuns() if r.getClassName() == "ProtTomoScore")
    scored.preset.set(3)
    form = FormWindow("Form", scored, lambda *_: None, window)
    form.adjustSize()
    window.root.after(0, form.show)  # it returns when the program ends
    yield 1
    shoot(pictures, "2-form")
    wizard = TomoScoreThresholdWizard()
    window.root.after(0, lambda: wizard.show(form))
    yield 1
    shoot(pictures, "3-wizard")
    dialog = next(w for w in form.root.winfo_children() if w.winfo_class() == "Toplevel")
    dialog._slider.set(1.0)
    yield 1
    shoot(pictures, "4-wizard-moved")
    dialog._handleResult(0)
    yield 1
    assert form.protocol is scored
    assert float(form.widgetDict["threshold"].get()) == 1.0, form.widgetDict["threshold"].get()
    form.close()
    viewer = TomoScoreViewer(project=project, protocol=scored, parent=window)
    assert DESKTOP_TKINTER in viewer._environments
    window.root.after(0, lambda: viewer.visualize(scored, windows=window))
    yield 1
    shoot(pictures, "5-viewer")
    for view in viewer._histogram():
        window.root.after(0, view.show)
    yield 1
    shoot(pictures, "6-histogram")
    for view in viewer._images():
        window.root.after(0, view.show)
    yield 2
    shoot(pictures, "7-images")
    for view in viewer._table():
        view.show()
    yield 4
    shoot(pictures, "8-table")


def main(path, pictures):
    import pyworkflow as pw

    pw.Config.setDomain("pwem")
    domain = pw.Config.getDomain()
    domain.getProtocols()
    domain.getViewers()
    from pyworkflow.gui.project import ProjectWindow

    settings = pw.project.Project(domain, path)
    settings.load()
    settings.getSettings().setProtocolView("Tomography")
    settings.saveSettings()
    window = ProjectWindow(path)
    steps = tour(window, window.project, pictures)

    def step():
        try:
            pauses = next(steps)
        except StopIteration:
            print("DONE", flush=True)
            os._exit(0)
        except BaseException:
            fail(*sys.exc_info())
        window.root.after(STEP_MS * pauses, step)

    window.root.after(STEP_MS, step)
    window.show()


if __name__ == "__main__":
    main(*sys.argv[1:])
