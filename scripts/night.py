# SPDX-License-Identifier: GPL-3.0-or-later
"""Endurance test of the protocol: tomograms arrive for hours, with faults.

The real protocol runs in a real Scipion project with a fake engine that sleeps in proportion to the
size of a file. One tomogram in a hundred is corrupt. An engine is killed after a third of the
tomograms; the protocol is stopped after two thirds, and continued later. Meanwhile the outputs are
read repeatedly, and reports are made. At the end every tomogram must have exactly one verdict.
Printed are the latency from arrival to verdict, and memory and processor time of the process of the
protocol, for earlier and later tomograms: they should not increase with the number of tomograms.

Run as `python scripts/night.py` in the environment of `make venv-scipion`, or `make night`.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab import Lab

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests" / "scipion")]

from night_watch import Watch, print_figures  # noqa: E402

CORRUPT = 0.01
KILLED_AT, STOPPED_AT = 1 / 3, 2 / 3
STOPPED_S = 20.0
SHAPES_ZYX = ((32, 512, 512), (64, 512, 512), (128, 512, 512))
SECONDS_PER_MB = 0.01
WORKERS = 2


def main(argv: list[str]) -> int:
    """Run the test in a new project, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tomograms", type=int, default=1000)
    parser.add_argument("--interval", type=float, default=2.0, help="seconds between two")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="tomoscore-night-") as folder:
        lab = make_lab(Path(folder))
        watch = run_night(lab, args.tomograms, args.interval)
        print(f"{args.tomograms} tomograms, one every {args.interval:g} s, {WORKERS} workers")
        print_figures(watch)
        os.chdir("/")
    wrong = watch.without_one_verdict()
    print(f"without exactly one verdict: {wrong or 'none'}")
    return 1 if wrong else 0


def make_lab(folder: Path) -> Lab:
    """Make a project in an installation of Scipion with the fake engine."""
    from lab import Lab
    from scipion_home import install

    home = folder / "scipion"
    home.mkdir()
    install(home)
    import pyworkflow as pw
    from pyworkflow.project import Manager

    pw.Config.setDomain("pwem")
    pw.Config.getDomain().getProtocols()
    project = Manager().createProject("night")
    os.chdir(project.path)
    (folder / "tomograms").mkdir()
    return Lab(project, folder / "tomograms")


def run_night(lab: Lab, count: int, interval_s: float) -> Watch:
    """Run from the first tomogram to the last verdict.

    Args:
        lab: the Lab; the folder of its project is the current one.
        count: number of tomograms.
        interval_s: seconds between tomograms.

    Returns:
        The Watch with its measurements.
    """
    os.environ["FAKE_SECONDS_PER_MB"] = str(SECONDS_PER_MB)
    source = lab.source(recipe(lab, count, interval_s), wait=False)
    watch = Watch(lab.project, source, count)
    watch.until(lambda: hasattr(source, "Tomograms"))
    scored = lab.score(source, wait=False, numberOfThreads=WORKERS + 2, binThreads=1)
    watch.scored = scored
    try:
        cause_faults(lab, watch, count)
    finally:
        for protocol in (source, scored):
            if protocol.isActive():
                lab.project.stopProtocol(protocol)
    return watch


def cause_faults(lab: Lab, watch: Watch, count: int) -> None:
    """Kill an engine, stop and continue the protocol, and wait for its end."""
    scored = watch.scored
    watch.until(lambda: len(watch.arrivals()) >= KILLED_AT * count)
    with watch.disturbance():
        watch.until(watch.kill_an_engine)
    watch.until(lambda: len(watch.arrivals()) >= STOPPED_AT * count)
    with watch.disturbance():
        lab.project.stopProtocol(scored)
        end = time.monotonic() + STOPPED_S
        watch.until(lambda: time.monotonic() > end)
        lab.resume(scored, wait=False)
    watch.until(lambda: not scored.isActive())
    watch.end()


def recipe(lab: Lab, count: int, interval_s: float) -> list[dict[str, Any]]:
    """Entries of the source, with their times.

    Args:
        lab: the Lab, which makes the files.
        count: number of tomograms.
        interval_s: seconds between tomograms.
    """
    chance = random.Random(0)
    corrupt = set(chance.sample(range(count), max(1, round(CORRUPT * count))))
    entries = []
    for number in range(count):
        score = None if number in corrupt else round(chance.uniform(0, 5), 2)
        shape = chance.choice(SHAPES_ZYX)
        entry = lab.tomogram(f"TS_{number:04}", score, shape_zyx=shape)
        entries.append({**entry, "at": number * interval_s})
    return entries


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
