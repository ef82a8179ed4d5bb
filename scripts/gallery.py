# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw slices of simulated tomograms in the order of their true score.

With --beside, slices of the user's tomograms are drawn below, to see what the simulator lacks.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot as plt

from tomoscore_scipion.benchmark.fresh import fresh_tomograms
from tomoscore_scipion.engine import Scorer
from tomoscore_scipion.reading.volume import open_volume
from tomoscore_scipion.simulation.grid import Grid

FIELD_PX = 384
WIDTH_NM = 400.0
"""Width of all pictures, nm."""
COLUMNS = 5


def main(argv: list[str] | None = None) -> int:
    """Draw; returns the exit status."""
    args = parse(argv)
    scorer = Scorer.load(args.weights, "cpu")
    cases = list(fresh_tomograms(range(args.seed, args.seed + args.specimens), 3, Grid(n=FIELD_PX)))
    truths = np.array([case.truth["tomoscore"] for case in cases])
    steps = np.linspace(0, args.top, COLUMNS * args.rows)
    remaining = set(range(len(cases)))
    panels = []
    for step in steps:
        best = min(remaining, key=lambda index: abs(truths[index] - step))
        remaining.remove(best)
        case = cases[best]
        middle = case.truth["slices"][len(case.truth["slices"]) // 2]["z"]
        predicted = scorer.score(case.stack, case.voxel_size_angstrom).tomoscore
        title = f"truth {truths[best]:.1f}, TomoScore {predicted:.1f}"
        panels.append((case.stack[middle], case.voxel_size_angstrom, title))
    for path in args.beside:
        with open_volume(path) as volume:
            image = np.array(volume.read_slice(volume.shape_zyx[0] // 2))
            panels.append((image, volume.voxel_size_angstrom, path.stem))
    draw(panels, args.output)
    return 0


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, metavar="FILE.png")
    parser.add_argument("--specimens", type=int, default=12, help="three tomograms of each")
    parser.add_argument("--rows", type=int, default=1, help=f"of {COLUMNS} slices each")
    parser.add_argument("--top", type=float, default=4.0, help="highest true score drawn")
    parser.add_argument("--seed", type=int, default=800000)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--beside", type=Path, nargs="*", default=[], metavar="TOMOGRAM")
    return parser.parse_args(argv)


def draw(panels: list[tuple[np.ndarray, float, str]], path: Path) -> None:
    """Panels of (y, x) images, voxel size in angstrom and title, matter dark, as one picture."""
    rows = -(-len(panels) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(2.6 * COLUMNS, 2.85 * rows), squeeze=False)
    for panel in axes.flat:
        panel.set_axis_off()
    for panel, (image, voxel, title) in zip(axes.flat, panels):
        size = round(10 * WIDTH_NM / voxel)
        y, x = (max(0, (n - size) // 2) for n in image.shape)
        part = image[y : y + size, x : x + size].astype(np.float32)
        part = part if ((part - part.mean()) ** 3).mean() <= 0 else -part
        panel.imshow(part, cmap="gray", vmin=np.percentile(part, 1), vmax=np.percentile(part, 99))
        panel.set_title(title, fontsize=9)
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=75)


if __name__ == "__main__":
    sys.exit(main())
