# SPDX-License-Identifier: GPL-3.0-or-later
"""Small files and workflows for the tests in a Scipion project, and access to their outputs."""

import json
import os
import sqlite3
import struct
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import psutil

THRESHOLD = 2.5
"""Lowest TomoScore that the protocols in tests accept."""

POLLS_PER_RELOAD = 20
"""After this many polls, a protocol is read again even if its database seems unchanged."""


def write_mrc(path, score, shape_zyx=(16, 64, 64), voxel_size=10.0):
    """Write a small tomogram for the fake engine, with the score as the header's mean value."""
    nz, ny, nx = shape_zyx
    header = bytearray(1024)
    struct.pack_into("<10i", header, 0, nx, ny, nz, 2, 0, 0, 0, nx, ny, nz)
    struct.pack_into("<6f", header, 40, *(voxel_size * n for n in (nx, ny, nz)), 90, 90, 90)
    struct.pack_into("<3i3f", header, 64, 1, 2, 3, 0.0, 5.0, score)
    struct.pack_into("<i", header, 88, 1)
    header[208:216] = b"MAP \x44\x44\x00\x00"
    with open(path, "wb") as file:
        file.write(header)
        file.truncate(1024 + 4 * nx * ny * nz)  # a sparse file of zeros
    return str(path)


class Lab:
    """Builds workflows in a project."""

    def __init__(self, project, folder):
        self.project = project
        self.folder = folder
        self._recipes = 0

    def tomogram(self, ts_id, score=3.0, name=None, **entry):
        """Entry of a recipe, and its tomogram file; score None makes a corrupt file."""
        path = self.folder / (name or f"{ts_id}.mrc")
        write_mrc(path, score or 0.0, entry.pop("shape_zyx", (16, 64, 64)))
        if score is None:
            path.write_bytes(b"not an MRC file")
        return {"tsId": ts_id, "path": str(path), **entry}

    def gated(self, name, *args, **entry):
        """Entry that a source emits only after `open_gate` was called with its name."""
        return self.tomogram(name, *args, after=str(self.folder / f"gate-{name}"), **entry)

    def open_gate(self, name):
        """Let a source emit a gated entry."""
        (self.folder / f"gate-{name}").touch()

    def series(self, ts_id, best=30.0, name=None, views=21, **entry):
        """Entry of a recipe for a tilt series, and its stack; best None makes a corrupt stack.

        The fake engine has its best score at the dose `best`; each view has 3 e/A^2.
        """
        path = self.folder / (name or f"{ts_id}.mrc")
        write_mrc(path, -1.0 if best is None else best, (views, 64, 64))
        return {"tsId": ts_id, "path": str(path), "views": views, **entry}

    def source(self, entries, wait=True, kind=None, **values):
        """Launch a source protocol that emits the entries: tomograms unless `kind` is given."""
        from tomoscore_testing.protocols import ProtTomoScoreTestSource

        self._recipes += 1
        recipe = self.folder / f"recipe-{self._recipes}.json"
        recipe.write_text(json.dumps(entries), encoding="utf-8")
        kind = kind or ProtTomoScoreTestSource
        source = self.project.newProtocol(kind, recipe=str(recipe), **values)
        self.launch(source, wait)
        assert not source.isFailed(), log_of(source)
        return source

    def source_of_series(self, entries, wait=True):
        """Launch a source protocol that emits tilt series."""
        from tomoscore_testing.protocols import ProtTomoScoreTestSeries

        return self.source(entries, wait, ProtTomoScoreTestSeries)

    def new(self, kind, source, output="Tomograms", **values):
        """A protocol with the output of another as its input; not launched.

        A ProtTomoScore has one worker by default, so that the order of scoring is known.
        The default threshold is `THRESHOLD`, whatever the presets are.
        """
        from tomoscore_scipion.protocols import ProtTomoScore, ProtTomoScoreFilter
        from tomoscore_scipion.records.verdict import CUSTOM

        if kind is ProtTomoScore:
            values.setdefault("numberOfThreads", 3)
        if kind in (ProtTomoScore, ProtTomoScoreFilter) and "preset" not in values:
            values = {"preset": CUSTOM, "threshold": THRESHOLD, **values}
        protocol = self.project.newProtocol(kind, **values)
        name = "inTomograms" if hasattr(protocol, "inTomograms") else "inTiltSeries"
        getattr(protocol, name).set(source)
        getattr(protocol, name).setExtended(output)
        return protocol

    def dose(self, source, output="TiltSeries", wait=True, **values):
        """Launch a ProtTomoScoreDose."""
        from tomoscore_scipion.protocols import ProtTomoScoreDose

        return self.launch(self.new(ProtTomoScoreDose, source, output, **values), wait)

    def score(self, source, output="Tomograms", wait=True, **values):
        """Launch a ProtTomoScore."""
        from tomoscore_scipion.protocols import ProtTomoScore

        return self.launch(self.new(ProtTomoScore, source, output, **values), wait)

    def launch(self, protocol, wait=True):
        self.project.launchProtocol(protocol, wait=wait)
        return protocol

    def resume(self, protocol, wait=True):
        """Continue a run, as Scipion's button does."""
        from pyworkflow.protocol import MODE_RESUME

        protocol.runMode.set(MODE_RESUME)
        return self.launch(protocol, wait)

    def restart(self, protocol, wait=True):
        """Restart a run, as Scipion's button does."""
        from pyworkflow.protocol import MODE_RESTART

        protocol.runMode.set(MODE_RESTART)
        return self.launch(protocol, wait)

    def forget(self, protocol, output):
        """Delete an output of a protocol."""
        self.project.getRunsGraph(refresh=True)
        protocol.setMapper(self.project.mapper)  # the protocol's mapper is closed after a stop
        self.project.deleteProtocolOutput(protocol, output)

    def processes(self, protocol, engines=True):
        """Ids of the processes of a protocol, with or without its engine processes.

        Processes are recognised by the project's folder too: protocol names repeat in projects.
        """
        folder = os.path.abspath(protocol.getWorkingDir())
        database = f" {self.project.path} {protocol.getDbPath()} "
        found = []
        for process in psutil.process_iter(["pid", "cmdline", "status"]):
            line = " ".join(process.info["cmdline"] or ())
            works = database in line or (engines and folder in line)
            if works and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process.info["pid"])
        return found

    def until(self, condition, *protocols, seconds=900):
        """Update protocols until `condition()` is true.

        The time limit is much longer than a busy machine needs.
        """
        end = time.monotonic() + seconds
        polls = 0
        while not condition():
            assert time.monotonic() < end, "\n".join(map(state_of, protocols))
            time.sleep(0.5)
            polls += 1
            for protocol in protocols:
                if polls % POLLS_PER_RELOAD == 0:  # Scipion may miss changes
                    protocol.lastUpdateTimeStamp.set(None)
                self.project._updateProtocol(protocol)


@contextmanager
def locked_repeatedly(path):
    """Lock a database repeatedly, 3 s each time; yields the list of the times of locking."""
    over, held = threading.Event(), []

    def lock():
        while not over.is_set():
            viewer = sqlite3.connect(os.path.abspath(path), timeout=60, isolation_level=None)
            try:
                viewer.execute("BEGIN EXCLUSIVE")
                held.append(time.monotonic())
                over.wait(3)
                viewer.execute("COMMIT")
            finally:
                viewer.close()
            over.wait(2)

    viewer = threading.Thread(target=lock)
    viewer.start()
    try:
        yield held
    finally:
        over.set()
        viewer.join()


def ids(protocol, name):
    """Sorted tsIds of an output, [] if the protocol does not have it."""
    tomograms = getattr(protocol, name, None)
    if tomograms is None:
        return []
    found = sorted(item.getTsId() for item in tomograms)
    tomograms.close()
    return found


def state_of(protocol):
    """State and log of a protocol, for the message of a test that timed out."""
    sets = [(name, str(out), out.getStreamState()) for name, out in protocol.iterOutputAttributes()]
    return f"{protocol.getStatus()} {protocol.getPid()} {sets}\n{log_of(protocol)[-6000:]}"


def log_of(protocol):
    """Standard output and standard error of a protocol."""
    paths = (protocol.getStdoutLog(), protocol.getStderrLog())
    return "\n".join(Path(path).read_text() for path in paths if os.path.exists(path))
