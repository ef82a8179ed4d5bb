# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure a running protocol: times of the verdicts, memory and processor time of its process.

The outputs are read as a viewer does, and reports are made of them.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Callable, Iterator

import psutil
from night_figures import print_trend, spread

SETS = ("acceptedTomograms", "rejectedTomograms", "failedTomograms")
LOOK_S = 0.5
REPORT_S = 60.0
START_LOOKS = 20
"""Smallest number of samples of a process; the others only started the protocol."""
BEFORE_S, AFTER_S = 15.0, 60.0
"""Latencies of tomograms that arrive within this time before or after a fault are not typical."""


class Watch:
    """Measurements of a run.

    Attributes:
        scored: the protocol; None before it exists.
        readings: seconds of each reading of an output.
        reports: seconds of each report.
    """

    def __init__(self, project: Any, source: Any, count: int) -> None:
        self.scored: Any = None
        self.readings: list[float] = []
        self.reports: list[float] = []
        self._project, self._source, self._count = project, source, count
        # {number of a tomogram, from 1: {set: time of its first reading}}
        self._seen: dict[int, dict[str, float]] = {}
        # (process, finished tomograms, MB, seconds of processor time)
        self._samples: list[tuple[int, int, float, float]] = []
        self._disturbed: list[tuple[float, float]] = []  # (from, to)
        self._report: subprocess.Popen[bytes] | None = None  # the process that makes one
        self._reported = 0.0  # its start
        self._next_report = time.monotonic() + REPORT_S / 3

    def until(self, condition: Callable[[], bool]) -> None:
        """Measure until a condition is true.

        Raises:
            RuntimeError: the protocol failed.
        """
        while not condition():
            time.sleep(LOOK_S)
            for protocol in (self._source, self.scored):
                if protocol is not None:
                    self._project._updateProtocol(protocol)
            self.look()
            if self.scored is not None and self.scored.isFailed():
                raise RuntimeError(self.scored.getErrorMessage())

    @contextmanager
    def disturbance(self) -> Iterator[None]:
        """Context of a fault."""
        begin = time.time()
        yield
        self._disturbed.append((begin - BEFORE_S, time.time() + AFTER_S))

    def kill_an_engine(self) -> bool:
        """Kill one of the scoring processes. Returns whether there was one."""
        folder = os.path.abspath(self.scored.getWorkingDir())
        for process in psutil.process_iter(["cmdline"]):
            arguments = process.info["cmdline"] or []
            if "--job" in arguments and any(word.startswith(folder) for word in arguments):
                with suppress(psutil.NoSuchProcess):  # it may just have ended
                    process.kill()
                    return True
        return False

    def look(self) -> None:
        """Read the outputs, sample the process, and make a report at intervals."""
        if self.scored is None:
            return
        for name in SETS:
            for number in self._ids_in(name):
                self._seen.setdefault(number, {}).setdefault(name, time.time())
        self._sample()
        if self._report is not None and self._report.poll() is not None:
            self._end_report()
        elif self._report is None and self._seen and time.monotonic() > self._next_report:
            self._begin_report()

    def end(self) -> None:
        """Measure once more, and wait for the last report."""
        self.look()
        if self._report is not None:
            self._end_report()

    def _ids_in(self, name: str) -> list[int]:
        tomograms = getattr(self.scored, name, None)
        if tomograms is None:
            return []
        begin = time.monotonic()
        file = f"file:{os.path.abspath(tomograms.getFileName())}?mode=ro"
        with closing(sqlite3.connect(file, uri=True, timeout=60)) as database:
            rows = database.execute("SELECT id FROM Objects").fetchall()
        self.readings.append(time.monotonic() - begin)
        return [number for (number,) in rows]

    def _sample(self) -> None:
        pid = self.scored.getPid()
        if not (self.scored.isActive() and pid and psutil.pid_exists(pid)):
            return
        try:
            process = psutil.Process(pid)
            memory, cpu = process.memory_info().rss / 1e6, process.cpu_times()
        except psutil.NoSuchProcess:
            return
        self._samples.append((pid, len(self._seen), memory, cpu.user + cpu.system))

    def _begin_report(self) -> None:
        """Start a process that makes a report."""
        folder = Path(self.scored.getWorkingDir()) / "extra"
        results = sorted(map(str, folder.glob("batches/*/results.jsonl")))
        program = [sys.executable, "-m", "tomoscore_scipion.engine", "report", *results]
        self._reported = time.monotonic()
        self._next_report = self._reported + REPORT_S
        self._report = subprocess.Popen(
            [*program, "--output", str(folder / "night.html")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def _end_report(self) -> None:
        assert self._report is not None
        said = self._report.communicate()[1].decode()
        if self._report.returncode:
            raise RuntimeError(f"the report failed: {said}")
        self.reports.append(time.monotonic() - self._reported)
        self._report = None
        if not self.scored.summary():
            raise RuntimeError("there is no summary")

    # --------------------------- figures -------------------------------------
    def arrivals(self) -> list[float]:
        """Arrival times of the tomograms."""
        path = Path(self._source.getWorkingDir()) / "extra" / "arrivals"
        return [float(line) for line in path.read_text().split()] if path.exists() else []

    def sizes(self) -> dict[str, int]:
        """{set: number of its tomograms}."""
        return {name: sum(name in seen for seen in self._seen.values()) for name in SETS}

    def without_one_verdict(self) -> dict[int, list[str]]:
        """{number of a tomogram: its sets} of tomograms that are not in exactly one set."""
        sets = {n: sorted(self._seen.get(n, ())) for n in range(1, self._count + 1)}
        return {number: names for number, names in sets.items() if len(names) != 1}

    def latencies(self) -> list[tuple[int, float, bool]]:
        """[(number, seconds from arrival to verdict, whether there was no fault)]."""
        latencies = []
        for number, came in enumerate(self.arrivals(), 1):
            if number in self._seen:
                usual = not any(begin <= came <= end for begin, end in self._disturbed)
                seconds = min(self._seen[number].values()) - came
                latencies.append((number, seconds, usual))
        return latencies

    def lives(self) -> list[list[tuple[int, float, float]]]:
        """Samples (finished tomograms, MB, seconds of processor time) of each process."""
        lives: dict[int, list[tuple[int, float, float]]] = {}
        for pid, done, mb, cpu in self._samples:
            lives.setdefault(pid, []).append((done, mb, cpu))
        return [samples for samples in lives.values() if len(samples) > START_LOOKS]


def print_figures(watch: Watch) -> None:
    """Print verdicts, latencies, memory and processor time, with their trends."""
    print("verdicts: " + ", ".join(f"{name} {size}" for name, size in watch.sizes().items()))
    latencies = watch.latencies()
    print(f"latency, all: {spread([seconds for _, seconds, _ in latencies])} s")
    print("                              median  first half  second half  per 1000 tomograms")
    usual = [(number, seconds) for number, seconds, is_usual in latencies if is_usual]
    print_trend("latency when all is well, s", usual)
    for life, samples in enumerate(watch.lives(), 1):
        print_trend(f"memory of process {life}, MB", [(done, mb) for done, mb, _ in samples])
        print_trend("processor time, s per 100", rates(samples))
    print(f"readings of outputs {len(watch.readings)}: {spread(watch.readings)} s")
    print(f"reports {len(watch.reports)}: {spread(watch.reports)} s")


def rates(samples: list[tuple[int, float, float]], step: int = 50) -> list[tuple[int, float]]:
    """[(finished tomograms, seconds of processor time per 100 tomograms)] of a process."""
    seconds_per_100, before = [], samples[0]
    for sample in samples:
        if sample[0] >= before[0] + step:
            seconds_per_100.append(
                (sample[0], 100 * (sample[2] - before[2]) / (sample[0] - before[0]))
            )
            before = sample
    return seconds_per_100
