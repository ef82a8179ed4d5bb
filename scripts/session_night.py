# SPDX-License-Identifier: GPL-3.0-or-later
"""A night of `tomoscore watch`, scaled: small tomograms that come one by one, and its figures.

    python scripts/session_night.py [--tomograms 1000] [--every 1.0] [--keep]

Tomograms are written in pieces, as AreTomo3 writes its volumes, into a folder that the command
watches, with a row of metrics each. The real engine scores them, with weights that know nothing and
are made for it. On the way files are renamed, deleted, written again and left half-written, and the
watch is stopped once and killed once, and started again. Prints how long each took from its last
byte to its record, and the memory of both processes; ends with status 1 where a tomogram has not
the one record that it should have.
"""

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

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "session")]

from night_figures import print_trend, spread  # noqa: E402

SHAPE_ZYX = (4, 64, 64)
VOXEL_ANGSTROM = 15.0
SETTLE_S, POLL_S = 2.0, 5.0
IDLE_MINUTES = 1.0
PIECES = 4
REWRITTEN, RENAMED, DELETED, HALF = 97, 131, 173, 211
"""Every so many-th tomogram is written again, comes under another name first, is deleted as soon
as it is there, or is never finished."""
LOOK_S = 0.25
AROUND_S = 30.0
"""Latencies of tomograms that came so shortly before a restart, or during it, are not usual."""


def write_weights(path):
    """Weights that are valid in every respect and know nothing."""
    from small_model import CARD, random_network

    from tomoscore_scipion.model.weights import save_weights

    save_weights(path, random_network(), CARD)


def volume_bytes():
    """A small tomogram as a file holds it."""
    import mrcfile
    from small_model import speckle

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mrc"
        with mrcfile.new(path, speckle(SHAPE_ZYX)) as mrc:
            mrc.voxel_size = VOXEL_ANGSTROM
        return path.read_bytes()


def name_of(number):
    """The id of a tomogram, by its number from 1."""
    return f"TS_{number:04d}_Vol"


class Night(threading.Thread):
    """Who makes tomograms.

    Attributes:
        came: {id: when its last byte was written}.
        gone: ids that were deleted at once.
        half: ids of those that were never finished.
    """

    def __init__(self, folder, count, every_s):
        super().__init__(daemon=True)
        self.came, self.gone, self.half = {}, set(), set()
        self._folder, self._count, self._every_s = folder, count, every_s
        self._content = volume_bytes()

    def run(self):
        """Make one after another."""
        from session_files import HEADING, metrics_row

        with open(self._folder / "TiltSeries_Metrics.csv", "w", buffering=1) as metrics:
            metrics.write(HEADING)
            begin = time.monotonic()
            for number in range(1, self._count + 1):
                self._make(number)
                metrics.write(metrics_row(f"TS_{number:04d}"))
                time.sleep(max(0.0, begin + number * self._every_s - time.monotonic()))

    def _make(self, number):
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

    def _write(self, path, content):
        size = -(-len(content) // PIECES)
        with open(path, "wb", buffering=0) as file:
            for start in range(0, len(content), size):
                file.write(content[start : start + size])
                time.sleep(min(0.05, self._every_s / 10))


class Watcher:
    """The watch, and who looks on.

    Attributes:
        seen: {id: when its record was there}.
        restarts: when the watch was started again.
        memory: [(tomograms done, MB of the watch, MB of the process that scores)].
    """

    def __init__(self, folder, output, weights):
        self.seen, self.restarts, self.memory = {}, [], []
        self._results = output / "results.jsonl"
        self._offset = 0
        command = [sys.executable, "-m", "tomoscore_scipion.engine", "watch", str(folder)]
        command += ["--output", str(output), "--pattern", "*_Vol.mrc", "--weights", str(weights)]
        command += ["--settle", str(SETTLE_S), "--poll", str(POLL_S), "--threads", "1"]
        self._command = [*command, "--idle", str(IDLE_MINUTES)]
        self._log = open(output.parent / "watch.log", "a")  # noqa: SIM115
        self._start()

    def _start(self):
        self._process = subprocess.Popen(self._command, cwd=ROOT, stderr=self._log)
        self._offset = 0

    def restart(self, signum):
        """End the watch by a signal, and start it again."""
        self._process.send_signal(signum)
        self._process.wait()
        self.restarts.append(time.time())
        self._start()

    def look(self):
        """Note new records and the memory; whether the watch is still there."""
        if self._results.exists():
            with open(self._results, "rb") as file:
                if file.seek(0, 2) < self._offset:  # written anew
                    self._offset = 0
                file.seek(self._offset)
                lines = file.read()
            whole = lines[: lines.rfind(b"\n") + 1]
            self._offset += len(whole)
            for line in whole.splitlines():
                self.seen.setdefault(json.loads(line)["ts_id"], time.time())
        self._sample()
        return self._process.poll() is None

    def _sample(self):
        watch = self._process.pid
        try:
            (engine,) = Path(f"/proc/{watch}/task/{watch}/children").read_text().split()
            sizes = [resident_mb(watch), resident_mb(engine)]
        except (OSError, ValueError, AttributeError):  # it has just ended, or has not begun
            return
        self.memory.append((len(self.seen), *sizes))

    @property
    def status(self):
        """Its exit status."""
        return self._process.poll()


def resident_mb(pid):
    """Memory of a process in MB, from Linux' own files."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) / 1000


def records_of(path):
    """{id: status} of the results; an id that is there twice is an error."""
    from tomoscore_scipion.records.record_files import read_records

    records = read_records(str(path))
    found = {record.ts_id: record.status for record in records}
    if len(found) != len(records):
        raise SystemExit("an id has two records")
    return found


def main(argv=None):
    """Have the night; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--tomograms", type=int, default=1000)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two of them")
    parser.add_argument("--keep", action="store_true", help="keep the folder, and print its name")
    args = parser.parse_args(argv)
    folder = Path(tempfile.mkdtemp(prefix="tomoscore-session-"))
    try:
        return have(folder, args.tomograms, args.every)
    finally:
        if args.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder)


def have(folder, count, every_s):
    """Have the night in a folder; returns the exit status."""
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


def print_figures(night, watcher, seconds):
    """What the night cost."""
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


def is_usual(came, restarts):
    """Whether a tomogram came while all was well."""
    return not any(restart - AROUND_S <= came <= restart + AROUND_S for restart in restarts)


def check(night, watcher, records):
    """Exit status: 1 where a tomogram has not the record that it should have."""
    whole = {ts_id for ts_id, status in records.items() if status == "ok"}
    failed = set(records) - whole
    expected = set(night.came)
    print(f"records: {len(whole)} ok, {len(failed)} failed; the watch ended with {watcher.status}")
    for what, wrong in (
        ("without a score", expected - whole),
        ("half-written, and not failed", night.half - failed),
        ("failed, and not half-written", failed - night.half),
        ("scored, and not there", whole - expected - night.gone),
    ):
        if wrong:
            print(f"{what}: {', '.join(sorted(wrong)[:5])}")
            return 1
    return int(watcher.status != 0)


if __name__ == "__main__":
    sys.exit(main())
