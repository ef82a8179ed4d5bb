# SPDX-License-Identifier: GPL-3.0-or-later
"""How simulated tomograms score: the quantiles that the help of the threshold's presets states.

Run as `python scripts/score_quantiles.py --write` in the environment of `make venv` whenever the
shipped weights change. It scores fresh simulated tomograms, on which no model was trained, and puts
the figures into SIMULATED_SCORES of tomoscore_scipion/records/verdict.py; about ten seconds per
tomogram on two cores.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any, Sequence

import numpy as np

VERDICT = Path(__file__).resolve().parents[1] / "tomoscore_scipion" / "protocols" / "verdict.py"
CONSTANT = re.compile(r"^SIMULATED_SCORES = \{\n.*?^\}\n", re.MULTILINE | re.DOTALL)
PERCENTS = (10, 25, 50, 75, 90)


def main(argv: list[str] | None = None) -> int:
    """Score, print, and write what was asked for; returns the exit status."""
    args = parse(argv)
    from tomoscore_scipion.benchmark.fresh import fresh_tomograms
    from tomoscore_scipion.engine import Scorer

    scorer = Scorer.load(device=args.device)
    seeds = range(args.seed, args.seed + args.specimens)
    scores = []
    for case in fresh_tomograms(seeds, args.acquisitions):
        scores.append(scorer.score(case.stack, case.voxel_size_angstrom).tomoscore)
        print(
            f"[{len(scores)}/{len(seeds) * args.acquisitions}] {scores[-1]:.2f}",
            file=sys.stderr,
            flush=True,
        )
    figures = figures_of(scores, scorer.model["sha256"])
    print(as_source(figures), end="")
    if args.write:
        write(args.file, figures)
    return 0


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--specimens", type=int, default=15)
    parser.add_argument("--acquisitions", type=int, default=2, help="tomograms of each specimen")
    parser.add_argument("--seed", type=int, default=700_000, help="of the first specimen")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--write", action="store_true", help="put the figures into the source")
    parser.add_argument("--file", type=Path, default=VERDICT, help="with the constant")
    return parser.parse_args(argv)


def figures_of(scores: Sequence[float], sha256: str) -> dict[str, Any]:
    """The figures of TomoScores in octaves, rounded to two digits."""
    found = np.percentile(scores, PERCENTS)
    quantiles = {percent: round(float(score), 2) for percent, score in zip(PERCENTS, found)}
    return {"sha256": sha256, "tomograms": len(scores), "quantiles": quantiles}


def as_source(figures: dict[str, Any]) -> str:
    """The figures as the lines of Python that define the constant."""
    return (
        "SIMULATED_SCORES = {\n"
        f'    "sha256": "{figures["sha256"]}",\n'
        f'    "tomograms": {figures["tomograms"]},\n'
        f'    "quantiles": {figures["quantiles"]},\n'
        "}\n"
    )


def write(path: Path, figures: dict[str, Any]) -> None:
    """Replace the constant in a source file.

    Raises:
        ValueError: it is not there, or twice.
    """
    source = path.read_text(encoding="utf-8")
    found = len(CONSTANT.findall(source))
    if found != 1:
        raise ValueError(f"{path}: expected one SIMULATED_SCORES, found {found}")
    path.write_text(CONSTANT.sub(lambda _: as_source(figures), source), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
