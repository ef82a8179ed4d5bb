# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw a good and a poor simulated tomogram of one specimen with their scores.

python scripts/good_and_poor.py docs/images/good_and_poor.jpg
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import matplotlib
import numpy as np
from score_ladder import QUALITY, RUNGS, SEED, request_for, show

from tomoscore_scipion.engine import Scorer
from tomoscore_scipion.records.bands import readable_scale
from tomoscore_scipion.simulation.simulated import simulate

GOOD, POOR = RUNGS[3], RUNGS[1]
"""Rungs of the ladder: a good tilt series of a cell, and a failed one."""


def main(argv: list[str] | None = None) -> int:
    """Simulate, score and draw; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, metavar="FILE.jpg")
    args = parser.parse_args(argv)
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    scorer = Scorer.load(device="cpu")
    figure, axes = plt.subplots(1, 2, figsize=(8.0, 4.5))
    for panel, (text, recipe) in zip(axes, (GOOD, POOR)):
        stack, truth = simulate(SEED, request_for(recipe))
        score = scorer.score(stack, truth["voxel_size_angstrom"])
        low, high = score.tomoscore_interval or (0.0, 0.0)
        show(
            panel, stack[stack.shape[0] // 2].astype(np.float32), truth["voxel_size_angstrom"] / 10
        )
        panel.set_title(f"TomoScore {score.tomoscore:.1f}  ({readable_scale(score.scale_nm)})")
        panel.set_xlabel(f"90 % interval {low:.1f} to {high:.1f}; true {truth['tomoscore']:.1f}")
        print(
            f"{' '.join(text.split())}: {score.tomoscore:.2f}, true {truth['tomoscore']:.2f}",
            flush=True,
        )
    figure.tight_layout(pad=0.6)
    figure.savefig(args.output, dpi=90, pil_kwargs={"quality": QUALITY, "optimize": True})
    return 0


if __name__ == "__main__":
    sys.exit(main())
