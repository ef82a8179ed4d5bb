# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the pictures of windows in docs/images: runs a workflow, opens its windows, takes pictures.

python scripts/doc_pictures.py FOLDER SESSION OTHER docs/images

SESSION and OTHER are folders of tomograms of the same names, as docs/tutorial.rst makes them: the
same tilt series in two ways. FOLDER becomes a Scipion installation with one project. It needs a
display with a window manager (Xvfb and fluxbox do), xdotool, ImageMagick and chromium, and the
environment of `make venv-scipion`.
"""

import os
import subprocess
import sys
import time
import tkinter as tk
import traceback
from pathlib import Path

from demo_scipion import run, set_environment

PROJECT = "TomoScoreTutorial"
VOXEL_ANGSTROM = 16.0
SETTLE_MS = 4000
"""From a window's coming up until it is drawn."""
SMALL = ["-strip", "-colors", "128", "-define", "png:compression-level=9"]


def workflow(session, other):
    """The project of the tutorial, made unless it is there; (project, scored, compared)."""
    import pyworkflow as pw
    from pyworkflow.object import Pointer
    from pyworkflow.project import Manager

    pw.Config.setDomain("pwem")
    pw.Config.getDomain().getProtocols()
    from tomo.protocols import ProtImportTomograms

    from tomoscore_scipion.protocols import ProtTomoScore, ProtTomoScoreCompare

    manager = Manager()
    if manager.hasProject(PROJECT):
        project = manager.loadProject(PROJECT)
        os.chdir(project.path)
        runs = {run.getClassName(): run for run in reversed(project.getRuns())}
        return project, runs["ProtTomoScore"], runs["ProtTomoScoreCompare"]
    project = manager.createProject(PROJECT)
    os.chdir(project.path)
    scored = []
    for folder in (session, other):
        files = {"filesPath": str(folder), "filesPattern": "*.mrc", "samplingRate": VOXEL_ANGSTROM}
        imported = run(project, ProtImportTomograms, **files)
        scored.append(run(project, ProtTomoScore, imported, "Tomograms", writeMaps=True))
    compared = project.newProtocol(ProtTomoScoreCompare, setNames="well aligned, misaligned")
    for one in scored:
        compared.inSets.append(Pointer(one, extended="scoredTomograms"))
    project.launchProtocol(compared, wait=True)
    print("\n".join([*scored[0].summary(), *compared.summary()]), flush=True)
    return project, scored[0], compared


def take(title, path, *options):
    """A picture of the newest window of a title."""
    found = subprocess.run(
        ["xdotool", "search", "--onlyvisible", "--name", title], stdout=subprocess.PIPE, text=True
    ).stdout.split()
    subprocess.run(["import", "-window", found[-1], *options, *SMALL, str(path)], check=True)


def tour(window, project, scored, compared, pictures):
    """Each yield lets the windows that were opened before it come up."""
    from pyworkflow.gui.form import FormWindow

    from tomoscore_scipion.viewers import TomoScoreCompareViewer, TomoScoreViewer
    from tomoscore_scipion.wizards import TomoScoreThresholdWizard

    form = FormWindow("TomoScore form", scored, lambda *_: None, window)
    form.adjustSize()
    window.root.after(0, form.show)
    yield
    take("TomoScore form", pictures / "box.png")
    form.protocol.preset.set(3)
    window.root.after(0, lambda: TomoScoreThresholdWizard().show(form))
    yield
    take("TomoScore: threshold", pictures / "wizard.png")
    next(w for w in form.root.winfo_children() if w.winfo_class() == "Toplevel")._handleResult(0)
    yield
    form.close()
    yield
    viewer = TomoScoreViewer(project=project, protocol=scored, parent=window)
    window.root.after(0, lambda: viewer.visualize(scored, windows=window))
    yield
    take("Protocol Viewer", pictures / "viewer.png")
    viewer.tomogram.set(len(viewer._scored) // 2)
    for view in viewer._tomogram():
        view.show()
    yield
    take(f"TomoScore: {viewer._chosenId()}", pictures / "one_tomogram.png")
    for view in viewer._table():
        view.show()
    yield
    yield
    subprocess.run("xdotool search --name Metadata: windowsize 1150 560", shell=True, check=True)
    yield
    take("Metadata:", pictures / "table.png")
    shown = TomoScoreCompareViewer(project=project, protocol=compared, parent=window)
    shown.setProtocol(compared)
    for view in shown._plot():
        view.show()
    yield
    take("TomoScore: comparison", pictures / "compare.png")


def report(scored, pictures):
    """The report in a browser."""
    page = Path(scored._getExtraPath("report.html")).resolve().as_uri()
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    path = pictures / "report.png"
    size = ["--window-size=1240,1290", f"--screenshot={path}"]
    subprocess.run(["chromium", *options, *size, page], check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["convert", str(path), "-resize", "72%", *SMALL, str(path)], check=True)


def fail(*error):
    """Any error in a window ends the program."""
    traceback.print_exception(*error)
    os._exit(1)


def main(folder, session, other, pictures):
    """Run, open, take; ends the process."""
    session, other, pictures = (Path(name).resolve() for name in (session, other, pictures))
    set_environment(Path(folder).resolve())
    project, scored, compared = workflow(session, other)
    report(scored, pictures)
    tk.Tk.report_callback_exception = staticmethod(fail)
    from pyworkflow.gui.project import ProjectWindow

    window = ProjectWindow(project.path)
    steps = tour(window, window.project, scored, compared, pictures)

    def step():
        try:
            next(steps)
        except StopIteration:
            os._exit(0)
        except BaseException:
            fail(*sys.exc_info())
        window.root.after(SETTLE_MS, step)

    window.root.after(SETTLE_MS, step)
    time.sleep(0.1)
    window.show()


if __name__ == "__main__":
    main(*sys.argv[1:])
