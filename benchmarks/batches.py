# SPDX-License-Identifier: GPL-3.0-or-later
"""Use of the workers by batches, and the best number of workers for two cores.

First table: 1, 2, 4 and 8 workers with a fake engine that sleeps in proportion to the size of a
file. The time from the start of the first engine to the last verdict is compared with the ideal
list schedule (each tomogram to the worker that is free first, the largest first), and with the
limit: 15 % more, and 3 s per step for Scipion.

Second table (`--engine`): the real engine and its weights on the CPU, one process with two threads
compared with two processes with one thread, each with half of the tomograms. They are measured
alternately: on a machine with other load only their ratio is meaningful.

Run as `python benchmarks/batches.py [--engine]` in the environment of `make venv-scipion`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from heapq import heappop, heappush
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Sequence

if TYPE_CHECKING:
    from lab import Lab

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests" / "scipion")]

WORKERS = (1, 2, 4, 8)
SLICES = (16, 32, 64, 256)
"""Number of slices of 512 x 512 voxels: sparse files of 17 to 268 MB."""
COUNT = 64
SECONDS_PER_MB = 0.015
STEP_S = 3.0
REPEATS = 3
SHAPE_ZYX = (100, 928, 928)
VOXEL_SIZE = 13.0
SCORED = 6


def main(argv: list[str]) -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", action="store_true", help="threads of the real engine")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="tomoscore-batches-") as folder:
        (compare_threads if args.engine else compare_workers)(Path(folder))


def compare_workers(folder: Path) -> None:
    """The first table."""
    from night import make_lab

    lab = make_lab(folder)
    os.environ.update(FAKE_SECONDS_PER_MB=str(SECONDS_PER_MB), FAKE_LOG=str(folder / "log"))
    source, seconds = make_source(lab, COUNT)
    print("workers  batches  ideal  allowed  measured  protocol  (seconds)")
    for workers in WORKERS:
        ideal = list_schedule(seconds, workers)
        batches, measured, protocol = time_protocol(lab, source, workers)
        row = (ideal, allowed(ideal), measured, protocol)
        print(f"{workers:7}  {batches:7}  {'{:5.1f}  {:7.1f}  {:8.1f}  {:8.1f}'.format(*row)}")
    os.chdir("/")


def make_source(lab: Lab, count: int) -> tuple[Any, list[float]]:
    """A source of tomograms of several sizes, all of them complete, and the seconds of each."""
    chance = random.Random(0)
    shapes = [(chance.choice(SLICES), 512, 512) for _ in range(count)]
    entries = [lab.tomogram(f"TS_{n}", 3.0, shape_zyx=shape) for n, shape in enumerate(shapes)]
    seconds = [os.path.getsize(entry["path"]) / 1e6 * SECONDS_PER_MB for entry in entries]
    return lab.source(entries, chunk=count), seconds


def allowed(ideal: float) -> float:
    """Seconds that the protocol may take."""
    return 1.15 * ideal + STEP_S


def list_schedule(seconds: Sequence[float], workers: int) -> float:
    """Seconds until all are done, each by the worker that is free first, the longest first."""
    free = [0.0] * workers
    for each in sorted(seconds, reverse=True):
        heappush(free, heappop(free) + each)
    return max(free)


def time_protocol(lab: Lab, source: Any, workers: int) -> tuple[int, float, float]:
    """Batches, seconds from the first engine's start to the last verdict, and of the protocol."""
    log = Path(os.environ["FAKE_LOG"])
    log.unlink(missing_ok=True)
    begin = time.time()
    scored = lab.score(source, numberOfThreads=workers + 2)
    end = time.time()
    if not (scored.isFinished() and scored.scoredTomograms.getSize() == source.Tomograms.getSize()):
        raise SystemExit(scored.getErrorMessage())
    starts = [json.loads(line) for line in log.read_text().splitlines()]
    written = os.path.getmtime(scored.scoredTomograms.getFileName())
    return len(starts), written - min(start["begin"] for start in starts), end - begin


def compare_threads(folder: Path) -> None:
    """The second table."""
    path = make_volume(folder)
    ratios = []
    print("tomograms per minute: one process, two threads  two processes, one thread  ratio")
    for _ in range(REPEATS):
        one_process_rate = 60 * SCORED / time_engines(folder, path, processes=1, threads=2)
        two = 60 * SCORED / time_engines(folder, path, processes=2, threads=1)
        ratios.append(two / one_process_rate)
        print(f"{one_process_rate:46.1f}  {two:25.1f}  {two / one_process_rate:5.2f}", flush=True)
    print(f"median ratio {median(ratios):.2f}")


def make_volume(folder: Path) -> Path:
    """A tomogram of correlated noise."""
    import mrcfile
    import numpy as np
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(0)
    path = folder / "tomogram.mrc"
    with mrcfile.new_mmap(path, SHAPE_ZYX, mrc_mode=2, overwrite=True) as mrc:
        for plane in mrc.data:
            plane[:] = gaussian_filter(noise.normal(size=SHAPE_ZYX[1:]).astype(np.float32), 1)
        mrc.voxel_size = VOXEL_SIZE
        mrc.set_volume()
        mrc.update_header_stats()
    return path


def time_engines(folder: Path, path: Path, processes: int, threads: int) -> float:
    """Seconds until parallel engines have scored the same file `SCORED` times, with their start."""
    begin = time.monotonic()
    running = []
    for number in range(processes):
        items = range(number, SCORED, processes)
        tomograms = [{"ts_id": f"TS_{n}", "path": str(path)} for n in items]
        job, results = folder / f"{number}.json", folder / f"{number}.jsonl"
        job.write_text(json.dumps({"schema": 1, "device": "cpu", "tomograms": tomograms}))
        results.unlink(missing_ok=True)
        command = [sys.executable, "-m", "tomoscore_scipion.engine", "score", "--job", str(job)]
        command += ["--output", str(results), "--threads", str(threads), "--quiet"]
        running.append(subprocess.Popen(command))
    if any([process.wait() for process in running]):
        raise SystemExit("an engine failed")
    return time.monotonic() - begin


if __name__ == "__main__":
    main(sys.argv[1:])
