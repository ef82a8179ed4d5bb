# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw cases in which the shipped model is wrong, each with its truth and its score.

python scripts/known_failures.py docs/images/known_failures.jpg
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Callable, Iterator

import numpy as np
import torch
from scipy import ndimage

from tomoscore_scipion.engine import Scorer
from tomoscore_scipion.simulation.acquisition import Microscope
from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.recipe import Recipe
from tomoscore_scipion.simulation.specimen import random_specimen
from tomoscore_scipion.simulation.summary import truth_summary

GRID = Grid(n=256)
VOXEL = 10 * GRID.pixel_nm
RECIPE = Recipe(total_dose=80.0, max_tilt_deg=60.0, defocus_nm=4000.0)
NOISE_FREE = replace(RECIPE, total_dose=1e5, damage=False)
PLANES = 8


def main(argv: list[str] | None = None) -> int:
    """Simulate, score, draw; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, metavar="FILE.jpg")
    args = parser.parse_args(argv)
    scorer = Scorer.load(device="cpu")
    panels = []
    for name, volume, voxel, truth in cases():
        found = scorer.score(volume, voxel).tomoscore
        panels.append(
            (volume[len(volume) // 2], f"{name}\ntruth {truth:.1f}, TomoScore {found:.1f}")
        )
        print(" ".join(panels[-1][1].split()), flush=True)
    draw(panels, args.output)
    return 0


def cases() -> Iterator[tuple[str, np.ndarray, float, float]]:
    """Name, volume (z, y, x), voxel size in angstrom, and true TomoScore."""
    specimen = random_specimen(
        np.random.default_rng(1), GRID, ("contamination",), (60.0, 60.0), empty=False
    )
    microscope = Microscope(specimen)
    volume, truth = planes_of(microscope, NOISE_FREE, PLANES)
    yield "eight slices without any noise", volume, VOXEL, truth
    volume, truth = planes_of(microscope, RECIPE, PLANES)
    yield "the same with the usual noise", volume, VOXEL, truth
    volume, truth = planes_of(microscope, RECIPE, 2 * PLANES, blurred)
    yield "sixteen blurred slices", volume, VOXEL, truth
    cut = volume.reshape(PLANES, 2, GRID.n // 2, 2, GRID.n // 2, 2).mean(axis=(1, 3, 5))
    yield "the same, binned to eight", cut, 2 * VOXEL, truth
    white = np.random.default_rng(0).standard_normal((PLANES, GRID.n, GRID.n))
    smooth = ndimage.gaussian_filter(white, (2.0, 0.0, 0.0), mode="wrap")
    yield "noise, the same through slices", smooth, VOXEL, 0.0


def blurred(volume: np.ndarray) -> np.ndarray:
    """Without anything finer than 8 nm, with coarse noise."""
    smooth = ndimage.gaussian_filter(volume, 3.0 / GRID.pixel_nm)
    noise = np.random.default_rng(2).standard_normal(volume.shape)
    noise = ndimage.gaussian_filter(noise, 2.0, mode="wrap")
    return (smooth / smooth.std() + 0.5 * noise / noise.std()).astype(np.float32)


def planes_of(
    microscope: Microscope,
    recipe: Recipe,
    count: int,
    change: Callable[[np.ndarray], np.ndarray] = lambda volume: volume,
) -> tuple[np.ndarray, float]:
    """The middle planes of a tomogram, changed, and their true score."""
    acquisition = microscope.acquire(np.random.default_rng(5), recipe, headroom=1.0)
    first = (acquisition.n_z - count) // 2
    planes = change(acquisition.planes(range(first, first + count)).numpy())
    curves = [acquisition.truth(torch.from_numpy(p), first + z) for z, p in enumerate(planes)]
    truth = truth_summary(torch.stack(curves).numpy(), (0, count - 1), VOXEL)
    return planes, truth["tomoscore"]


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
