# SPDX-License-Identifier: GPL-3.0-or-later
"""Overhead of Scipion: run time of the protocol and of the engine on the same tomograms.

The last column is the step of the protocol "filter by TomoScore" on the result.

Run as `python benchmarks/scipion_overhead.py [COUNT ...]` in the environment of `make
venv-scipion`. The tomograms are small (64 x 64 x 16), so that nearly all of the time is overhead.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Sequence

import mrcfile
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
from demo_scipion import set_environment  # noqa: E402

COUNTS = (1, 10, 50)
SHAPE_ZYX = (16, 64, 64)
VOXEL_SIZE = 16.0
THREADS = 2


def main(counts: Sequence[int]) -> None:
    """Print a line per count."""
    with tempfile.TemporaryDirectory() as folder:
        set_environment(Path(folder))
        project = make_project()
        print("tomograms  engine  protocol  overhead  filter  (seconds)")
        for count in counts:
            tomograms = Path(folder) / f"tomograms-{count}"
            make_tomograms(tomograms, count)
            engine = time_engine(tomograms)
            protocol, scored = time_protocol(project, tomograms)
            split = time_filter(project, scored)
            seconds = (engine, protocol, protocol - engine, split)
            print(f"{count:9}  {'{:6.1f}  {:8.1f}  {:8.1f}  {:6.2f}'.format(*seconds)}", flush=True)


def make_project() -> Any:
    """A project, with its folder as the working one."""
    import pyworkflow as pw
    from pyworkflow.project import Manager

    pw.Config.setDomain("pwem")
    pw.Config.getDomain().getProtocols()
    project = Manager().createProject("overhead")
    os.chdir(project.path)
    return project


def make_tomograms(folder: Path, count: int) -> None:
    """Small tomograms of noise."""
    folder.mkdir()
    noise = np.random.default_rng(0)
    for number in range(count):
        with mrcfile.new(folder / f"TS_{number:03d}.mrc") as mrc:
            mrc.set_data(noise.normal(size=SHAPE_ZYX).astype(np.float32))
            mrc.voxel_size = VOXEL_SIZE
            mrc.set_volume()


def time_engine(folder: Path) -> float:
    """Seconds of the command line on all tomograms of a folder, including its start."""
    paths = sorted(str(path) for path in folder.glob("*.mrc"))
    command = [sys.executable, "-m", "tomoscore_scipion.engine", "score", *paths]
    options = ["--threads", str(THREADS), "--device", "cpu", "--output", str(folder / "out.jsonl")]
    begin = time.perf_counter()
    subprocess.run([*command, *options, "--quiet"], check=True)
    return time.perf_counter() - begin


def time_protocol(project: Any, folder: Path) -> tuple[float, Any]:
    """Seconds of the protocol on the same tomograms, including its start, and the protocol."""
    from tomo.protocols import ProtImportTomograms

    from tomoscore_scipion.protocols import ProtTomoScore

    imported = project.newProtocol(
        ProtImportTomograms,
        filesPath=str(folder),
        filesPattern="*.mrc",
        samplingRate=VOXEL_SIZE,
    )
    project.launchProtocol(imported, wait=True)
    scored = project.newProtocol(ProtTomoScore, numberOfThreads=3, binThreads=THREADS)
    scored.inTomograms.set(imported)
    scored.inTomograms.setExtended("Tomograms")
    begin = time.perf_counter()
    project.launchProtocol(scored, wait=True)
    seconds = time.perf_counter() - begin
    if not scored.isFinished():
        raise SystemExit(scored.getErrorMessage())
    return seconds, scored


def time_filter(project: Any, scored: Any) -> float:
    """Seconds of the step that splits the scored tomograms."""
    from tomoscore_scipion.protocols import ProtTomoScoreFilter

    protocol = project.newProtocol(ProtTomoScoreFilter, criterion=1, count=1)
    protocol.inTomograms.set(scored)
    protocol.inTomograms.setExtended("scoredTomograms")
    project.launchProtocol(protocol, wait=True)
    if not protocol.isFinished():
        raise SystemExit(protocol.getErrorMessage())
    (step,) = protocol.loadSteps()
    return step.getElapsedTime().total_seconds()


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or COUNTS)
