# SPDX-License-Identifier: GPL-3.0-or-later
"""Run time and memory of `tomoscore score`, compared with other programs on the same volume.

All programs are measured in one run on one machine, as processes including their start. Only lines
of one table can be compared, not tables of different machines. The files have just been written, so
that they are read from the page cache if it is large enough.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Iterator

# Only the standard library is imported: the peak memory of a child process includes the memory of
# this process.
HERE = Path(__file__).resolve().parent
SCORE = [sys.executable, "-m", "tomoscore_scipion.engine", "score", "--device", "cpu"]

VOLUME = ("float32", (200, 928, 928), 13.0)
LARGE = ("int8", (1000, 4096, 4096), 3.4)
QUICK = {"volume": ("float32", (40, 256, 256), 13.0), "large": ("int8", (100, 512, 512), 3.4)}
FURTHER = 3
"""Number of copies of the volume that are scored after it in one batch."""
ALL = 10**6
PEERS = (("read", ALL), ("power_spectrum", ALL), ("estimate_sigma", ALL), ("piqe", 0), ("quoll", 0))
"""Peers and their number of slices: all, or 0 for the number given by --sample."""
TITLES = {
    "read": "reading the file once",
    "power_spectrum": "power spectrum per slice (numpy)",
    "estimate_sigma": "estimate_sigma per slice (scikit-image)",
    "piqe": "PIQE per slice (pypiqe)",
    "quoll": "one-image FRC per slice (quoll)",
}


@dataclass(frozen=True)
class Run:
    """A finished process: exit status, wall time, peak resident memory, and output."""

    status: int
    seconds: float
    peak_mb: float
    out: str
    err: str


@dataclass(frozen=True)
class Row:
    """One line of the table; the note gives the reason if there is no number."""

    name: str
    seconds: float | None = None
    peak_mb: float | None = None
    note: str = ""


def run(command: list[str]) -> Run:
    """Run a process to its end."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
    return Run(process.returncode, seconds, usage.ru_maxrss / 1024, *texts)


def checked(command: list[str]) -> Run:
    """Run a process that must succeed."""
    process = run(command)
    if process.status != 0:
        message = process.err or process.out
        sys.exit(f"{' '.join(command)}\nended with status {process.status}:\n{message}")
    return process


def write_volume(path: Path, kind: str, shape_zyx: tuple[int, int, int], voxel: float) -> str:
    """Write a volume to time on; returns its name for the table."""
    shape = [str(n) for n in shape_zyx]
    checked([sys.executable, str(HERE / "volumes.py"), kind, str(path), *shape, str(voxel)])
    return f"{' x '.join(shape)} {kind} at {voxel:g} A"


def score_rows(folder: Path, volume: Path, name: str) -> Iterator[Row]:
    """The first tomogram, and each further one of a batch."""
    first = checked([*SCORE, str(volume)])
    yield Row(f"tomoscore score, {name}", first.seconds, first.peak_mb, "goal: 10 s, 1 GB")
    copies = [folder / f"copy{i}.mrc" for i in range(FURTHER)]
    for copy in copies:
        shutil.copyfile(volume, copy)
    batch = checked([*SCORE, str(volume), *(str(copy) for copy in copies)])
    for copy in copies:
        copy.unlink()
    each = (batch.seconds - first.seconds) / FURTHER
    yield Row(f"each further one of a batch of {FURTHER + 1}", each, batch.peak_mb, "goal: 3 s")


def peer_rows(volume: Path, sample: int, quoll_python: str | None) -> Iterator[Row]:
    """The peers on the same volume; times of a sample of slices are scaled up to all slices."""
    for name, n_slices in PEERS:
        python = quoll_python if name == "quoll" else sys.executable
        if not python:
            yield Row(TITLES[name], note="not run: name its Python with --quoll-python")
            continue
        process = run([python, str(HERE / "peers.py"), name, str(volume), str(n_slices or sample)])
        if process.status != 0:
            yield Row(TITLES[name], note=process.err.strip().splitlines()[-1])
            continue
        result = json.loads(process.out.splitlines()[-1])
        start = process.seconds - result["seconds"]
        scaled = start + result["seconds"] * result["of"] / result["slices"]
        partial = result["slices"] < result["of"]
        note = f"{result['slices']} of {result['of']} slices, scaled up" if partial else ""
        yield Row(TITLES[name], scaled, process.peak_mb, note)


def large_rows(folder: Path, large: tuple) -> Iterator[Row]:
    """A volume larger than most memories: sparse, the middle 30 % of its slices written."""
    path = folder / "large.mrc"
    n_z, n_y, n_x = large[1]
    needed, free = 0.35 * n_z * n_y * n_x, shutil.disk_usage(folder).free
    if free < needed:
        note = f"not run: needs {needed / 1e9:.1f} GB in {folder}, {free / 1e9:.1f} GB are free"
        yield Row("tomoscore score, the large volume", note=note)
        return
    name = write_volume(path, *large)
    process = checked([*SCORE, str(path)])
    path.unlink()
    note = "goal: 60 s, 1 GB; middle 30 % of the slices written, holes above and below"
    yield Row(f"tomoscore score, {name}", process.seconds, process.peak_mb, note)


def all_rows(folder: Path, args: argparse.Namespace) -> Iterator[Row]:
    """The whole benchmark in a folder that is empty afterwards."""
    volume = folder / "volume.mrc"
    name = write_volume(volume, *(QUICK["volume"] if args.quick else VOLUME))
    yield from score_rows(folder, volume, name)
    yield from peer_rows(volume, args.sample, args.quoll_python)
    volume.unlink()
    if not args.skip_large:
        yield from large_rows(folder, QUICK["large"] if args.quick else LARGE)


def line(row: Row, reference: float) -> str:
    """A row of the table; times are also given as multiples of the first row's."""
    seconds = "-" if row.seconds is None else f"{row.seconds:.1f}"
    ratio = "-" if row.seconds is None else f"{row.seconds / reference:.2f}"
    memory = "-" if row.peak_mb is None else f"{row.peak_mb:.0f}"
    return f"{row.name:62}{seconds:>9}{ratio:>9}{memory:>9}  {row.note}".rstrip()


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows here")
    parser.add_argument("--folder", metavar="DIR", help="where to make a temporary folder (8 GB)")
    parser.add_argument("--sample", type=int, default=8, metavar="N", help="slices of slow peers")
    parser.add_argument("--quoll-python", metavar="PATH", help="a Python that has quoll")
    parser.add_argument("--skip-large", action="store_true", help="leave out the large volume")
    parser.add_argument("--quick", action="store_true", help="tiny volumes: tests the benchmark")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    args = parse(argv)
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} CPU cores; whole processes, start included; memory is peak resident")
    print(f"{'':62}{'seconds':>9}{'ratio':>9}{'MB':>9}")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="tomoscore-speed-", dir=args.folder) as folder:
        for row in all_rows(Path(folder), args):
            rows.append(row)
            print(line(row, rows[0].seconds or 1.0), flush=True)
    if args.json:
        args.json.write_text(
            json.dumps({"cores": cores, "rows": [asdict(row) for row in rows]}, indent=2) + "\n",
            encoding="utf-8",
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
