# SPDX-License-Identifier: GPL-3.0-or-later
"""Scipion's windows on a virtual display. Screenshots are saved in build/scipion-gui."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["project", "form", "wizard", "wizard-moved", "wizard-without-scores", "viewer"]
NAMES += ["histogram", "session", "tomogram", "images", "table"]
DOSE_NAMES = ["project", "form", "viewer", "session", "series", "images", "table"]
LIMIT_S = 1800
"""Time limit, much longer than a busy machine needs."""

pytestmark = pytest.mark.slow


@pytest.fixture
def display(tmp_path):
    """The name of a display with a window manager."""
    read, write = os.pipe()
    screen = ["-screen", "0", "1500x1000x24", "-displayfd", str(write)]
    server = subprocess.Popen(
        ["Xvfb", *screen], pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(write)
    name = ":" + os.read(read, 16).decode().strip()
    environ = {**os.environ, "DISPLAY": name, "HOME": str(tmp_path)}
    manager = subprocess.Popen(
        ["fluxbox"],
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + LIMIT_S
    while subprocess.run(
        ["xdotool", "get_desktop"], env=environ, stderr=subprocess.DEVNULL
    ).returncode:
        assert time.monotonic() < end, "the window manager does not come up"
        time.sleep(0.2)
    yield name
    manager.kill()  # fluxbox does not always end when it is asked to
    server.terminate()
    for process in (manager, server):
        process.wait()


def test_project_form_wizard_and_viewer_come_up(lab, project, display):
    entries = [lab.tomogram(f"TS_{n}", 0.35 * n) for n in range(14)]
    scored = lab.score(lab.source([*entries, lab.tomogram("X", None)]))
    assert scored.isFinished()
    assert pictures_of("gui_tour.py", project, display, "scipion-gui") == NAMES


def test_form_and_viewer_of_tomoscore_vs_dose_come_up(lab, project, display):
    bests = (30.0, 24.0, 500.0, 36.0, None)
    protocol = lab.dose(
        lab.source_of_series([lab.series(f"TS_{n}", b) for n, b in enumerate(bests)])
    )
    assert protocol.isFinished()
    assert pictures_of("dose_tour.py", project, display, "scipion-gui-dose") == DOSE_NAMES


def pictures_of(tour, project, display, folder):
    """Names of the screenshots that a tour of a project takes, in order."""
    pictures = ROOT / "build" / folder
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir(parents=True)
    script = str(Path(__file__).with_name(tour))
    command = [sys.executable, "-O", script, project.path, str(pictures)]  # as Scipion's own window
    browser = pictures / "browser"
    browser.write_text(f"#!/bin/sh\nsleep 3\necho \"$1\" > '{pictures}/asked-for.txt'\n")
    browser.chmod(0o755)
    environ = {**os.environ, "DISPLAY": display, "BROWSER": str(browser)}
    log = pictures / "log.txt"
    with open(log, "w") as output:
        running = subprocess.Popen(command, env=environ, stdout=output, stderr=output)
        children, end = [], time.monotonic() + LIMIT_S
        while running.poll() is None and time.monotonic() < end:
            children = psutil.Process(running.pid).children(recursive=True) or children
            time.sleep(0.5)
    for process in (running, *children):  # the metadata viewer outlives the window
        if psutil.pid_exists(process.pid):
            process.kill()
    said = log.read_text()
    assert "DONE" in said, said
    found = dict(path.stem.split("-", 1) for path in pictures.glob("*.png"))
    return [found[number] for number in sorted(found, key=int)]
