# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute quantiles of the scores of simulated tomograms, for the help text of the presets.

Run as `python scripts/score_quantiles.py --write` in the environment of `make venv` after each
change of the shipped weights. The tomograms were not used in training. The figures are written
beside the shipped weights; about ten seconds per tomogram on two cores.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Sequence

import numpy as np

from tomoscore_scipion.model.weights import shipped_weights_path
from tomoscore_scipion.records.simulated_scores import write_simulated_scores

PERCENTS = (10, 25, 50, 75, 90)


def main(argv: list[str] | None = None) -> int:
    """Score, print, and write the figures if requested; returns the exit status."""
    args = parse(argv)
    from tomoscore_scipion.benchmark.fresh import fresh_tomograms
    from tomoscore_scipion.engine import Scorer

    scorer = Scorer.load(device=args.device)
    seeds = range(args.seed, args.seed + args.specimens)
    scores = []
    for case in fresh_tomograms(seeds, args.acquisitions):
        score = scorer.score(case.stack, case.voxel_size_angstrom).tomoscore
        assert score is not None
        scores.append(score)
        print(
            f"[{len(scores)}/{len(seeds) * args.acquisitions}] {scores[-1]:.2f}",
            file=sys.stderr,
            flush=True,
        )
    figures = figures_of(scores, scorer.model["sha256"])
    print(json.dumps(figures))
    if args.write:
        print(write_simulated_scores(args.beside or shipped_weights_path(), figures))
    return 0


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--specimens", type=int, default=15)
    parser.add_argument("--acquisitions", type=int, default=2, help="tomograms of each specimen")
    parser.add_argument("--seed", type=int, default=700_000, help="of the first specimen")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--write", action="store_true", help="write the figures beside the weights")
    parser.add_argument("--beside", type=Path, help="other weights than those that ship")
    return parser.parse_args(argv)


def figures_of(scores: Sequence[float], sha256: str) -> dict[str, Any]:
    """The quantiles of TomoScores in octaves, rounded to two digits."""
    levels = np.percentile(scores, PERCENTS)
    quantiles = {str(percent): round(float(score), 2) for percent, score in zip(PERCENTS, levels)}
    return {"sha256": sha256, "tomograms": len(scores), "quantiles": quantiles}


if __name__ == "__main__":
    sys.exit(main())
