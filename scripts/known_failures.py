# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw the tomograms with the largest errors of the shipped model, with truth and score.

They are the four worst of the 75 tomograms from which the interval of the score was computed.

python scripts/known_failures.py docs/images/known_failures.jpg
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from tomoscore_scipion.benchmark.fresh import fresh_tomograms
from tomoscore_scipion.engine import Scorer

CASES = (
    (700009, 1, "deconvolved"),
    (700007, 0, "not filtered, voxel 3.4 nm"),
    (700016, 1, "not filtered, voxel 1.7 nm"),
    (700023, 1, "low-pass filtered"),
)
"""Seed of the specimen, number of its acquisition, and title of the picture."""
ACQUISITIONS = 3


def main(argv: list[str] | None = None) -> int:
    """Simulate, score, draw; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, metavar="FILE.jpg")
    args = parser.parse_args(argv)
    scorer = Scorer.load(device="cpu")
    panels = []
    for seed, number, name in CASES:
        case = list(fresh_tomograms([seed], ACQUISITIONS))[number]
        predicted = scorer.score(case.stack, case.voxel_size_angstrom).tomoscore
        title = f"{name}\ntruth {case.truth['tomoscore']:.1f}, TomoScore {predicted:.1f}"
        panels.append((case.stack[len(case.stack) // 2], title))
        print(" ".join(title.split()), flush=True)
    draw(panels, args.output)
    return 0


def draw(panels: list[tuple[np.ndarray, str]], path: Path) -> None:
    """Panels of (y, x) images with their titles, side by side."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.9 * len(panels), 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    for panel, (image, title) in zip(figure.subplots(1, len(panels)), panels):
        low, high = np.percentile(image, (0.5, 99.5))
        panel.imshow(image, cmap="gray", vmin=low, vmax=high)
        panel.set_title(title, fontsize=10)
        panel.set_axis_off()
    figure.savefig(path, dpi=90, pil_kwargs={"quality": 82, "optimize": True})


if __name__ == "__main__":
    sys.exit(main())
