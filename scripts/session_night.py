# SPDX-License-Identifier: GPL-3.0-or-later
"""Endurance test of `tomoscore watch` with small tomograms that arrive one by one.

    python scripts/session_night.py [--tomograms 1000] [--every 1.0] [--keep]

Tomograms are written in parts, as AreTomo3 writes volumes, into the watched folder, with a row of
metrics each. The real engine scores them with random weights. Files are renamed, deleted, written
again and left incomplete; the watch is stopped once and killed once, and started again. Printed are
the time from the last byte to the record, and the memory of both processes. The exit status is 1
unless each tomogram has the expected record.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Sequence

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "session")]

from night_figures import print_trend, spread  # noqa: E402

SHAPE_ZYX = (4, 64, 64)
VOXEL_ANGSTROM = 15.0
SETTLE_S, POLL_S = 2.0, 5.0
IDLE_MINUTES = 1.0
PARTS = 4
REWRITTEN, RENAMED, DELETED, HALF = 97, 131, 173, 211
"""Period, in tomograms, of those that are written again, are first written under another name, are
deleted at once, or stay incomplete."""
LOOK_S = 0.25
RESTART_WINDOW_S = 30.0
"""Latencies of tomograms within this time of a restart are not typical."""


def write_weights(path: Path) -> None:
    """Write valid weights of a random network."""
    from small_model import CARD, random_network

    from tomoscore_scipion.model.weights import save_weights

    save_weights(path, random_network(), CARD)


def volume_bytes() -> bytes:
    """Bytes of the file of a small tomogram."""
    import mrcfile
    from small_model import speckle

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mrc"
        with mrcfile.new(path, speckle(SHAPE_ZYX)) as mrc:
            mrc.voxel_size = VOXEL_ANGSTROM
        return path.read_bytes()


def name_of(number: int) -> str:
    """The id of a tomogram, from its number, counted from 1."""
    return f"TS_{number:04d}_Vol"


class Night(threading.Thread):
    """A thread that writes tomograms.

    Attributes:
        came: {id: time of its last byte}.
        gone: ids of tomograms that were deleted at once.
        half: ids of tomograms that stay incomplete.
    """

    def __init__(self, folder: Path, count: int, every_s: float) -> None:
        super().__init__(daemon=True)
        self.came: dict[str, float] = {}
        self.gone: set[str] = set()
        self.half: set[str] = set()
        self._folder, self._count, self._every_s = folder, count, every_s
        self._content = volume_bytes()

    def run(self) -> None:
        """Write the tomograms one after the other."""
        from session_files import HEADING, metrics_row

        with open(self._folder / "TiltSeries_Metrics.csv", "w", buffering=1) as metrics:
            metrics.write(HEADING)
            begin = time.monotonic()
            for number in range(1, self._count + 1):
                self._make(number)
                metrics.write(metrics_row(f"TS_{number:04d}"))
                time.sleep(max(0.0, begin + number * self._every_s - time.monotonic()))

    def _make(self, number: int) -> None:
        ts_id = name_of(number)
        path = self._folder / f"{ts_id}.mrc"
        half = number % HALF == 0
        first = path.with_suffix(".part") if number % RENAMED == 0 else path
        self._write(first, self._content[:-1] if half else self._content)
        if first != path:
            first.rename(path)
        if number % DELETED == 0:
            path.unlink()
            self.gone.add(ts_id)
            return
        if number % REWRITTEN == 0:
            time.sleep(SETTLE_S / 2)
            self._write(path, self._content)
        if half:
            self.half.add(ts_id)
        else:
            self.came[ts_id] = time.time()

    def _write(self, path: Path, content: bytes) -> None:
        size = -(-len(content) // PARTS)
        with open(path, "wb", buffering=0) as file:
            for start in range(0, len(content), size):
                file.write(content[start : start + size])
                time.sleep(min(0.05, self._every_s / 10))


class Watcher:
    """The process of the watch, with its measurements.

    Attributes:
        seen: {id: time at which its record was read}.
        restarts: times of the restarts of the watch.
        memory: [(finished tomograms, MB of the watch, MB of the scoring process)].
    """

    def __init__(self, folder: Path, output: Path, weights: Path) -> None:
        self.seen: dict[str, float] = {}
        self.restarts: list[float] = []
        self.memory: list[tuple[int, float, float]] = []
        self._results = output / "results.jsonl"
        self._offset = 0
        command = [sys.executable, "-m", "tomoscore_scipion.engine", "watch", str(folder)]
        command += ["--output", str(output), "--pattern", "*_Vol.mrc", "--weights", str(weights)]
        command += ["--settle", str(SETTLE_S), "--poll", str(POLL_S), "--threads", "1"]
        self._command = [*command, "--idle", str(IDLE_MINUTES)]
        self._log = open(output.parent / "watch.log", "a")  # noqa: SIM115
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(self._command, cwd=ROOT, stderr=self._log)
        self._offset = 0

    def restart(self, signum: signal.Signals) -> None:
        """End the watch by a signal, and start it again."""
        self._process.send_signal(signum)
        self._process.wait()
        self.restarts.append(time.time())
        self._start()

    def look(self) -> bool:
        """Read new records and the memory. Returns whether the watch is running."""
        if self._results.exists():
            with open(self._results, "rb") as file:
                if file.seek(0, 2) < self._offset:  # the file was replaced
                    self._offset = 0
                file.seek(self._offset)
                lines = file.read()
            complete_lines = lines[: lines.rfind(b"\n") + 1]
            self._offset += len(complete_lines)
            for line in complete_lines.splitlines():
                self.seen.setdefault(json.loads(line)["ts_id"], time.time())
        self._sample()
        return self._process.poll() is None

    def _sample(self) -> None:
        watch = self._process.pid
        try:
            (engine,) = Path(f"/proc/{watch}/task/{watch}/children").read_text().split()
            sizes = resident_mb(watch), resident_mb(int(engine))
        except (OSError, ValueError):  # the process is not running
            return
        self.memory.append((len(self.seen), *sizes))

    @property
    def status(self) -> int | None:
        """Its exit status."""
        return self._process.poll()


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MB, from /proc.

    Raises:
        OSError: there is no such process.
        ValueError: the process has ended, and has no memory.
    """
    status = Path(f"/proc/{pid}/status").read_text()
    resident = re.search(r"VmRSS:\s+(\d+) kB", status)
    if resident is None:
        raise ValueError(f"process {pid} has no memory")
    return int(resident[1]) / 1000


def records_of(path: Path) -> dict[str, str]:
    """{id: status} of the results; a repeated id is an error."""
    from tomoscore_scipion.records.record_files import read_records

    records = read_records(str(path))
    status_of_id = {record.ts_id: record.status for record in records}
    if len(status_of_id) != len(records):
        raise SystemExit("an id has two records")
    return status_of_id


def main(argv: list[str] | None = None) -> int:
    """Run the test; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--tomograms", type=int, default=1000)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two of them")
    parser.add_argument("--keep", action="store_true", help="keep the folder, and print its name")
    args = parser.parse_args(argv)
    folder = Path(tempfile.mkdtemp(prefix="tomoscore-session-"))
    try:
        return run(folder, args.tomograms, args.every)
    finally:
        if args.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder)


def run(folder: Path, count: int, every_s: float) -> int:
    """Run the test in a folder; returns the exit status.

    Args:
        folder: folder for tomograms and results.
        count: number of tomograms.
        every_s: seconds between tomograms.
    """
    data, output = folder / "data", folder / "scores"
    data.mkdir()
    write_weights(folder / "weights.safetensors")
    begin = time.monotonic()
    night, watcher = (
        Night(data, count, every_s),
        Watcher(data, output, folder / "weights.safetensors"),
    )
    night.start()
    faults = [(count // 3, signal.SIGINT), (2 * count // 3, signal.SIGKILL)]
    while watcher.look():
        if faults and len(night.came) >= faults[0][0]:
            watcher.restart(faults.pop(0)[1])
        time.sleep(LOOK_S)
    watcher.look()
    print_figures(night, watcher, time.monotonic() - begin)
    return check(night, watcher, records_of(output / "results.jsonl"))


def print_figures(night: Night, watcher: Watcher, seconds: float) -> None:
    """Print latencies and memory."""
    print(f"{len(night.came)} whole tomograms in {seconds / 60:.1f} minutes")
    latencies = [
        (number, watcher.seen[ts_id] - came, is_usual(came, watcher.restarts))
        for number, (ts_id, came) in enumerate(night.came.items(), 1)
        if ts_id in watcher.seen
    ]
    print(f"seconds from last byte to record, all: {spread([s for _, s, _ in latencies])}")
    usual = [(number, latency) for number, latency, is_usual in latencies if is_usual]
    print(f"the same without those of the restarts: {spread([s for _, s in usual])}")
    print("                              median  first half  second half  per 1000 tomograms")
    print_trend("seconds to record", usual)
    print_trend("memory of the watch, MB", [(done, mb) for done, mb, _ in watcher.memory])
    print_trend("memory of the engine, MB", [(done, mb) for done, _, mb in watcher.memory])


def is_usual(came: float, restarts: Sequence[float]) -> bool:
    """Whether a tomogram arrived at no time near a restart."""
    return not any(
        restart - RESTART_WINDOW_S <= came <= restart + RESTART_WINDOW_S for restart in restarts
    )


def check(night: Night, watcher: Watcher, records: dict[str, str]) -> int:
    """Exit status: 1 unless each tomogram has the expected record."""
    scored = {ts_id for ts_id, status in records.items() if status == "ok"}
    failed = set(records) - scored
    expected = set(night.came)
    print(f"records: {len(scored)} ok, {len(failed)} failed; the watch ended with {watcher.status}")
    for title, wrong in (
        ("without a score", expected - scored),
        ("half-written, and not failed", night.half - failed),
        ("failed, and not half-written", failed - night.half),
        ("scored, and not there", scored - expected - night.gone),
    ):
        if wrong:
            print(f"{title}: {', '.join(sorted(wrong)[:5])}")
            return 1
    return int(watcher.status != 0)


if __name__ == "__main__":
    sys.exit(main())
