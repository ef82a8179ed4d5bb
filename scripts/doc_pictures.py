# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the pictures of windows in docs/images: run a workflow, open its windows, take pictures.

python scripts/doc_pictures.py FOLDER SESSION OTHER docs/images

SESSION and OTHER are folders of tomograms of the same names, made as in docs/tutorial.rst from the
same tilt series in two ways. FOLDER becomes a Scipion installation with one project. Required are a
display with a window manager (such as Xvfb and fluxbox), xdotool, ImageMagick, chromium, and the
environment of `make venv-scipion`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tkinter as tk
import traceback
from pathlib import Path
from typing import Any, Iterator

from demo_scipion import run, set_environment

PROJECT = "TomoScoreTutorial"
VOXEL_ANGSTROM = 16.0
SETTLE_MS = 8000
"""Time from the opening of a window until it is drawn, ms."""
POLL_MS = 500
SMALL = ["-strip", "+dither", "-colors", "128", "-define", "png:compression-level=9"]


def workflow(session: Path, other: Path) -> tuple[Any, Any, Any]:
    """The project of the tutorial, made unless it exists.

    Args:
        session: folder of tomograms.
        other: folder of the same tomograms, reconstructed in another way.

    Returns:
        The project, the protocol that scored, and the protocol that compared.
    """
    import pyworkflow as pw
    from pyworkflow.object import Pointer
    from pyworkflow.project import Manager

    pw.Config.setDomain("pwem")
    pw.Config.getDomain().getProtocols()
    pw.Config.getDomain().getViewers()
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
        files: dict[str, Any] = {
            "filesPath": str(folder),
            "filesPattern": "*.mrc",
            "samplingRate": VOXEL_ANGSTROM,
        }
        imported = run(project, ProtImportTomograms, **files)
        scored.append(run(project, ProtTomoScore, imported, "Tomograms", writeMaps=True))
    compared = project.newProtocol(ProtTomoScoreCompare, setNames="well aligned, misaligned")
    for tomogram in scored:
        compared.inSets.append(Pointer(tomogram, extended="scoredTomograms"))
    project.launchProtocol(compared, wait=True)
    print("\n".join([*scored[0].summary(), *compared.summary()]), flush=True)
    return project, scored[0], compared


def windows(title: str) -> list[str]:
    """The ids of the visible windows with a title."""
    search = ["xdotool", "search", "--onlyvisible", "--name", title]
    return subprocess.run(search, stdout=subprocess.PIPE, text=True).stdout.split()


def take(title: str, path: Path) -> None:
    """Take a picture of the newest window with a title; pictures with noise are stored as JPEG."""
    small = SMALL if path.suffix == ".png" else ["-strip", "-resize", "1150x>", "-quality", "70"]
    window = windows(title)[-1]
    subprocess.run(["xdotool", "windowraise", window], check=True)
    time.sleep(1)  # until the window is redrawn where others covered it
    subprocess.run(["import", "-window", window, *small, str(path)], check=True)


def tour(window: Any, project: Any, scored: Any, compared: Any, pictures: Path) -> Iterator[str]:
    """Open windows in turn; each yield waits for the window with that title."""
    from pyworkflow.gui.form import FormWindow

    from tomoscore_scipion.viewers import TomoScoreCompareViewer, TomoScoreViewer
    from tomoscore_scipion.wizards import TomoScoreThresholdWizard

    form = FormWindow("TomoScore form", scored, lambda *_: None, window)
    form.adjustSize()
    window.root.after(0, form.show)
    yield "TomoScore form"
    take("TomoScore form", pictures / "form.png")
    form.protocol.preset.set(3)
    window.root.after(0, lambda: TomoScoreThresholdWizard().show(form))
    yield "TomoScore: threshold"
    take("TomoScore: threshold", pictures / "wizard.jpg")
    next(w for w in form.root.winfo_children() if w.winfo_class() == "Toplevel")._handleResult(0)
    yield "TomoScore form"
    form.close()
    yield PROJECT
    viewer = TomoScoreViewer(project=project, protocol=scored, parent=window)
    window.root.after(0, lambda: viewer.visualize(scored, windows=window))
    yield "Protocol Viewer"
    take("Protocol Viewer", pictures / "viewer.png")
    viewer.tomogram.set(2)
    for view in viewer._tomogram():
        view.show()
    yield f"TomoScore: {viewer._chosenRow().ts_id}"
    take(f"TomoScore: {viewer._chosenRow().ts_id}", pictures / "one_tomogram.jpg")
    for view in viewer._table():
        view.show()
    yield "Metadata:"
    for change in (("windowmove", "0", "0"), ("windowsize", "1400", "700")):
        command = ["xdotool", change[0], windows("Metadata:")[-1], *change[1:]]
        subprocess.run(command, check=True)
    yield "Metadata:"
    take("Metadata:", pictures / "table.jpg")
    shown = TomoScoreCompareViewer(project=project, protocol=compared, parent=window)
    shown.setProtocol(compared)
    for view in shown._plot():
        view.show()
    yield "TomoScore: comparison"
    take("TomoScore: comparison", pictures / "compare.png")


def report(scored: Any, pictures: Path) -> None:
    """Take a picture of the report in a browser."""
    page = Path(scored._getExtraPath("report.html")).resolve().as_uri()
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    path = pictures / "report.png"
    size = ["--window-size=1240,1510", f"--screenshot={path}"]
    subprocess.run(["chromium", *options, *size, page], check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["convert", str(path), "-resize", "72%", *SMALL, str(path)], check=True)


def fail(*error: Any) -> None:
    """End the program at any error in a window."""
    traceback.print_exception(*error)
    os._exit(1)


def main(folder: Path, session: Path, other: Path, pictures: Path) -> None:
    """Run the workflow, open its windows and take pictures; ends the process."""
    set_environment(folder)
    project, scored, compared = workflow(session, other)
    report(scored, pictures)
    tk.Tk.report_callback_exception = staticmethod(fail)
    from pyworkflow.gui.project import ProjectWindow

    window = ProjectWindow(project.path)
    steps = tour(window, window.project, scored, compared, pictures)

    def step() -> None:
        try:
            wait(next(steps))
        except StopIteration:
            os._exit(0)
        except BaseException:
            fail(*sys.exc_info())

    def wait(title: str) -> None:
        if windows(title):
            window.root.after(SETTLE_MS, step)
        else:
            window.root.after(POLL_MS, wait, title)

    window.root.after(SETTLE_MS, step)
    window.show()


if __name__ == "__main__":
    main(*(Path(name).resolve() for name in sys.argv[1:]))
