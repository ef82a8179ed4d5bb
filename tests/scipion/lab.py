# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests in a Scipion project have in common: small files, workflows, what came out."""

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
"""From which TomoScore on the protocols of tests accept."""

LOOKS = 20
"""After so many looks at a protocol it is read again though its database seems unchanged."""


def write_mrc(path, score, shape_zyx=(16, 64, 64), voxel_size=10.0):
    """A small tomogram for the fake engine: the score stands in the header's mean."""
    nz, ny, nx = shape_zyx
    header = bytearray(1024)
    struct.pack_into("<10i", header, 0, nx, ny, nz, 2, 0, 0, 0, nx, ny, nz)
    struct.pack_into("<6f", header, 40, *(voxel_size * n for n in (nx, ny, nz)), 90, 90, 90)
    struct.pack_into("<3i3f", header, 64, 1, 2, 3, 0.0, 5.0, score)
    struct.pack_into("<i", header, 88, 1)
    header[208:216] = b"MAP \x44\x44\x00\x00"
    with open(path, "wb") as file:
        file.write(header)
        file.truncate(1024 + 4 * nx * ny * nz)  # zeros, which take no room
    return str(path)


class Lab:
    """Builds workflows in a project: what the tests have in common."""

    def __init__(self, project, folder):
        self.project = project
        self.folder = folder
        self._recipes = 0

    def tomogram(self, ts_id, score=3.0, name=None, **entry):
        """A recipe's entry and its file; score None makes a corrupt one."""
        path = self.folder / (name or f"{ts_id}.mrc")
        write_mrc(path, score or 0.0, entry.pop("shape_zyx", (16, 64, 64)))
        if score is None:
            path.write_bytes(b"not an MRC file")
        return {"tsId": ts_id, "path": str(path), **entry}

    def gated(self, name, *args, **entry):
        """An entry that a source emits when `open_gate` was called with its name."""
        return self.tomogram(name, *args, after=str(self.folder / f"gate-{name}"), **entry)

    def open_gate(self, name):
        """Let a source emit a gated entry."""
        (self.folder / f"gate-{name}").touch()

    def series(self, ts_id, best=30.0, name=None, views=21, **entry):
        """A recipe's entry of a tilt series and its stack; best None makes a corrupt stack.

        The fake engine finds the best score at the best dose; the views have 3 e/A^2 each.
        """
        path = self.folder / (name or f"{ts_id}.mrc")
        write_mrc(path, -1.0 if best is None else best, (views, 64, 64))
        return {"tsId": ts_id, "path": str(path), "views": views, **entry}

    def source(self, entries, wait=True, kind=None, **values):
        """A source protocol that emits the entries: tomograms, or what its kind does."""
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
        """A source protocol that emits tilt series."""
        from tomoscore_testing.protocols import ProtTomoScoreTestSeries

        return self.source(entries, wait, ProtTomoScoreTestSeries)

    def new(self, kind, source, output="Tomograms", **values):
        """A protocol with the output of another as its input; not launched.

        A ProtTomoScore has one worker unless told otherwise: what is scored when is known then.
        The threshold is `THRESHOLD` unless told otherwise, whatever the presets are.
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
        """A launched ProtTomoScoreDose."""
        from tomoscore_scipion.protocols import ProtTomoScoreDose

        return self.launch(self.new(ProtTomoScoreDose, source, output, **values), wait)

    def score(self, source, output="Tomograms", wait=True, **values):
        """A launched ProtTomoScore."""
        from tomoscore_scipion.protocols import ProtTomoScore

        return self.launch(self.new(ProtTomoScore, source, output, **values), wait)

    def launch(self, protocol, wait=True):
        self.project.launchProtocol(protocol, wait=wait)
        return protocol

    def resume(self, protocol, wait=True):
        """Continue, as the button does."""
        from pyworkflow.protocol import MODE_RESUME

        protocol.runMode.set(MODE_RESUME)
        return self.launch(protocol, wait)

    def restart(self, protocol, wait=True):
        """Begin anew, as the button does."""
        from pyworkflow.protocol import MODE_RESTART

        protocol.runMode.set(MODE_RESTART)
        return self.launch(protocol, wait)

    def forget(self, protocol, output):
        """Remove an output, as if it had never been published."""
        self.project.getRunsGraph(refresh=True)
        protocol.setMapper(self.project.mapper)  # its own is closed after a stop
        self.project.deleteProtocolOutput(protocol, output)

    def processes(self, protocol, engines=True):
        """The ids of the processes that work for a protocol, with its engines or without.

        The project's folder is part of it: other projects have protocols of the same names.
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
        """Wait until something is true of protocols, which are updated meanwhile.

        The limit is for what never happens: it is far from what a busy machine needs.
        """
        end = time.monotonic() + seconds
        looks = 0
        while not condition():
            assert time.monotonic() < end, "\n".join(map(state_of, protocols))
            time.sleep(0.5)
            looks += 1
            for protocol in protocols:
                if looks % LOOKS == 0:  # Scipion may have missed what was written while it read
                    protocol.lastUpdateTimeStamp.set(None)
                self.project._updateProtocol(protocol)


@contextmanager
def locked_again_and_again(path):
    """Somebody holds a database for seconds, lets go, and holds it again; a list of the times."""
    over, held = threading.Event(), []

    def view():
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

    viewer = threading.Thread(target=view)
    viewer.start()
    try:
        yield held
    finally:
        over.set()
        viewer.join()


def ids(protocol, name):
    """The tsIds of an output, [] where it is not there."""
    tomograms = getattr(protocol, name, None)
    if tomograms is None:
        return []
    found = sorted(item.getTsId() for item in tomograms)
    tomograms.close()
    return found


def state_of(protocol):
    """What a protocol is doing, for the message of a test that waited in vain."""
    sets = [(name, str(out), out.getStreamState()) for name, out in protocol.iterOutputAttributes()]
    return f"{protocol.getStatus()} {protocol.getPid()} {sets}\n{log_of(protocol)[-6000:]}"


def log_of(protocol):
    """What a protocol printed."""
    paths = (protocol.getStdoutLog(), protocol.getStderrLog())
    return "\n".join(Path(path).read_text() for path in paths if os.path.exists(path))
