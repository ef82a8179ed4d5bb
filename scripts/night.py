# SPDX-License-Identifier: GPL-3.0-or-later
"""A facility's night: tomograms come for hours, some are corrupt, and things go wrong.

The real protocol in a real Scipion project, with a fake engine that sleeps in proportion to the
size of a file.  One tomogram in a hundred is corrupt; when a third has come an engine is killed;
when two thirds have come the protocol is stopped, and continued after a while.  All the time
somebody looks at the outputs, and makes a report now and then.  In the end every tomogram has to
have exactly one verdict.  Printed are the latency from arrival to verdict, and memory and
processor time of the protocol's process, for earlier and for later tomograms: they should not grow
with the number that is done.

Run as `python scripts/night.py` in the environment of `make venv-scipion`; `make night` does.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests" / "scipion")]

from night_watch import Watch, print_figures  # noqa: E402

CORRUPT = 0.01
KILLED_AT, STOPPED_AT = 1 / 3, 2 / 3
STOPPED_S = 20.0
SHAPES_ZYX = ((32, 512, 512), (64, 512, 512), (128, 512, 512))
SECONDS_PER_MB = 0.01
WORKERS = 2


def main(argv):
    """Have a night in a project of its own, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tomograms", type=int, default=1000)
    parser.add_argument("--interval", type=float, default=2.0, help="seconds between two")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="tomoscore-night-") as folder:
        lab = make_lab(Path(folder))
        watch = have_night(lab, args.tomograms, args.interval)
        print(f"{args.tomograms} tomograms, one every {args.interval:g} s, {WORKERS} workers")
        print_figures(watch)
        os.chdir("/")
    wrong = watch.without_one_verdict()
    print(f"without exactly one verdict: {wrong or 'none'}")
    return 1 if wrong else 0


def make_lab(folder):
    """A new project in an installation of Scipion with the fake engine."""
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


def have_night(lab, count, interval_s):
    """From the first tomogram to the last verdict.

    Args:
        lab: a Lab; its project's folder is the working one.
        count: number of tomograms.
        interval_s: seconds between two.

    Returns:
        What was seen of it, a Watch.
    """
    os.environ["FAKE_SECONDS_PER_MB"] = str(SECONDS_PER_MB)
    source = lab.source(recipe(lab, count, interval_s), wait=False)
    watch = Watch(lab.project, source, count)
    watch.until(lambda: hasattr(source, "Tomograms"))
    scored = lab.score(source, wait=False, numberOfThreads=WORKERS + 2, binThreads=1)
    watch.scored = scored
    try:
        let_things_happen(lab, watch, count)
    finally:
        for protocol in (source, scored):
            if protocol.isActive():
                lab.project.stopProtocol(protocol)
    return watch


def let_things_happen(lab, watch, count):
    """An engine is killed, and the protocol is stopped and continued; to the end of the night."""
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


def recipe(lab, count, interval_s):
    """What the source emits, and when."""
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
