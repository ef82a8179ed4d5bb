# SPDX-License-Identifier: GPL-3.0-or-later
"""Take screenshots of the project window, the form, the wizard and the viewer.

Run as `python gui_tour.py PROJECT_FOLDER PICTURES_FOLDER` on a display with a window manager. It
prints DONE at its end; an error in a callback ends it with a traceback.
"""

import os
import subprocess
import sys
import time
import tkinter as tk
import traceback

SETTLE_MS = 3500
"""Time from the opening of a window until it is drawn."""
POLL_MS = 500
LIMIT_S = 600
WINDOW, CHANGE = "a new window", "a change in one that is there"
"""Events that a step of the tour waits for."""


def fail(*error):
    traceback.print_exception(*error)
    os._exit(1)


tk.Tk.report_callback_exception = staticmethod(fail)


def shoot(window, folder, name):
    window.root.update()  # draw pending changes
    subprocess.run(["import", "-window", "root", os.path.join(folder, f"{name}.png")], check=True)


def tour(window, project, pictures):
    """Each yield waits for the window opened before it."""
    from pyworkflow.gui.form import FormWindow
    from pyworkflow.viewer import DESKTOP_TKINTER

    from tomoscore_scipion.viewers import TomoScoreViewer
    from tomoscore_scipion.wizards import TomoScoreThresholdWizard

    yield CHANGE
    shoot(window, pictures, "1-project")
    scored = next(r for r in project.getRuns() if r.getClassName() == "ProtTomoScore")
    scored.preset.set(3)
    form = FormWindow("Form", scored, lambda *_: None, window)
    form.adjustSize()
    window.root.after(0, form.show)  # it returns when the program ends
    yield WINDOW
    shoot(window, pictures, "2-form")
    wizard = TomoScoreThresholdWizard()
    window.root.after(0, lambda: wizard.show(form))
    yield WINDOW
    shoot(window, pictures, "3-wizard")
    dialog = next(w for w in form.root.winfo_children() if w.winfo_class() == "Toplevel")
    dialog._slider.set(1.0)
    yield CHANGE
    shoot(window, pictures, "4-wizard-moved")
    dialog._handleResult(0)
    yield CHANGE
    assert_equal(form.protocol, scored)
    assert_equal(float(form.widgetDict["threshold"].get()), 1.0)
    form.close()
    unscored = next(r for r in project.getRuns() if not hasattr(r, "scoredTomograms"))
    form = FormWindow("Form", protocol_on(project, unscored), lambda *_: None, window)
    window.root.after(0, form.show)
    yield WINDOW
    window.root.after(0, lambda: wizard.show(form))
    yield WINDOW
    shoot(window, pictures, "5-wizard-without-scores")
    entry = next(w for w in form.root.winfo_children() if w.winfo_class() == "Toplevel")
    entry.tkvalue.set("1.75")
    entry._handleResult(0)
    yield CHANGE
    assert_equal(float(form.widgetDict["threshold"].get()), 1.75)
    form.close()
    viewer = TomoScoreViewer(project=project, protocol=scored, parent=window)
    assert_equal(DESKTOP_TKINTER in viewer._environments, True)
    window.root.after(0, lambda: viewer.visualize(scored, windows=window))
    yield WINDOW
    shoot(window, pictures, "6-viewer")
    for view in viewer._histogram():
        window.root.after(0, view.show)
    yield WINDOW
    shoot(window, pictures, "7-histogram")
    viewer.tomogram.set(9)
    for name, make in (("8-session", viewer._session), ("9-tomogram", viewer._tomogram)):
        for view in make():  # matplotlib shows all open figures
            window.root.after(0, view.show)
        yield WINDOW
        shoot(window, pictures, name)
    for view in viewer._images():
        window.root.after(0, view.show)
    yield WINDOW
    shoot(window, pictures, "10-images")
    for view in viewer._table():
        view.show()
    yield WINDOW
    shoot(window, pictures, "11-table")
    asked = os.path.join(pictures, "asked-for.txt")
    begin = time.monotonic()
    for view in viewer._report():
        view.show()
    assert_equal(time.monotonic() - begin < 2.0, True)  # although the browser is slow
    while not os.path.exists(asked):
        yield CHANGE
    with open(asked, encoding="utf-8") as file:
        assert_equal(file.read().strip().endswith("/extra/report.html"), True)


def protocol_on(project, source):
    """A protocol with a custom threshold on tomograms without scores."""
    from tomoscore_scipion.protocols import ProtTomoScore

    protocol = project.newProtocol(ProtTomoScore, preset=3)
    protocol.inTomograms.set(source)
    protocol.inTomograms.setExtended("Tomograms")
    return protocol


def assert_equal(found, expected):
    """Compare two values; Scipion's windows run with -O, which disables `assert`."""
    if found != expected:
        raise AssertionError(f"expected {expected!r}, found {found!r}")


def windows():
    """Ids of the visible windows."""
    search = ["xdotool", "search", "--onlyvisible", "--name", "."]
    return set(subprocess.run(search, stdout=subprocess.PIPE, text=True).stdout.split())


def main(path, pictures, tour=tour):
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
        before = windows()
        try:
            wanted = next(steps)
        except StopIteration:
            print("DONE", flush=True)
            os._exit(0)
        except BaseException:
            fail(*sys.exc_info())
        wait(wanted, before, time.monotonic() + LIMIT_S)

    def wait(wanted, before, end):
        if wanted is WINDOW and not windows() - before:
            if time.monotonic() > end:
                fail(TimeoutError, TimeoutError(f"{wanted} did not come up"), None)
            window.root.after(POLL_MS, wait, wanted, before, end)
        else:
            window.root.after(SETTLE_MS, step)

    window.root.after(SETTLE_MS, step)
    window.show()


if __name__ == "__main__":
    main(*sys.argv[1:])
