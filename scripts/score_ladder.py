# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw the same simulated specimen, imaged so that its true TomoScore is about 0, 1, 2, 3, 4, 5.

python scripts/score_ladder.py docs/images/score_ladder.jpg

Each picture is the middle slice of a tomogram of one specimen. The number above it is the true
score of that slice, computed from the noise-free specimen without a network.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tomoscore_scipion.records.bands import readable_scale, scale_nm
from tomoscore_scipion.simulation.simulated import Request, simulate

SEED = 30
"""The specimen of `make demo`."""
FIELD_NM, THICKNESS_NM, VOXEL_NM = 384.0, (70.0, 100.0), 1.5

PERFECT = {
    "damage": False,
    "misalignment_nm": 0.0,
    "defocus_nm": 500.0,
    "ctf_correction": "phase_flip",
    "filter": "ramp",
    "linear_interpolation": False,
}
RUNGS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("2 e/A\u00b2,\nmisaligned by 30 nm", {"total_dose": 2.0, "misalignment_nm": 30.0}),
    ("30 e/A\u00b2,\nmisaligned by 12 nm", {"total_dose": 30.0, "misalignment_nm": 12.0}),
    ("60 e/A\u00b2,\nmisaligned by 6 nm", {"total_dose": 60.0, "misalignment_nm": 6.0}),
    (
        "a good tilt series,\n80 e/A\u00b2, aligned to 2.5 nm",
        {"total_dose": 80.0, "misalignment_nm": 2.5},
    ),
    (
        "no radiation damage,\n15 times the electrons of 3",
        {**PERFECT, "total_dose": 1200.0, "misalignment_nm": 1.0},
    ),
    (
        "no noise, no damage,\ntilts to 75 degrees",
        {**PERFECT, "total_dose": 1e5, "max_tilt_deg": 75.0, "tilt_step_deg": 1.0},
    ),
)
"""Title of each rung, and its recipe (see simulation/recipe.py)."""
QUALITY = 82
"""Quality of the JPEG."""


def rung(recipe: dict[str, Any]) -> tuple[np.ndarray, float]:
    """The middle slice of a tomogram, (y, x), matter dark, and its true score in octaves."""
    stack, truth = simulate(SEED, request_for(recipe))
    middle = truth["slices"][len(truth["slices"]) // 2]
    return stack[middle["z"]].astype(np.float32), middle["tomoscore"]


def request_for(recipe: dict[str, Any]) -> Request:
    """The specimen, imaged by a recipe."""
    fixed = {"voxel_nm": VOXEL_NM, **recipe}
    return Request(quality="good", field_nm=FIELD_NM, thickness_nm=THICKNESS_NM, fixed=fixed)


def draw(slices: list[tuple[np.ndarray, float]], path: Path) -> None:
    """The rungs in two rows, with a scale bar, as one picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(9.0, 7.1))
    for panel, (image, score), (text, _) in zip(axes.flat, slices, RUNGS):
        show(panel, image, VOXEL_NM)
        panel.set_title(f"{score:.1f}  ({readable_scale(scale_nm(round(score, 1)))})", fontsize=12)
        panel.set_xlabel(text, fontsize=9)
    figure.tight_layout(pad=0.6, h_pad=1.4)
    figure.savefig(path, dpi=100, pil_kwargs={"quality": QUALITY, "optimize": True})


def show(panel: Any, image: np.ndarray, voxel_nm: float) -> None:
    """Draw a slice (y, x) into a matplotlib axes, with a scale bar."""
    low, high = np.percentile(image, (0.5, 99.5))
    panel.imshow(image[::-1], cmap="gray", vmin=low, vmax=high)
    panel.set_xticks([])
    panel.set_yticks([])
    edge = image.shape[0] / 20
    x, y = [edge, edge + 100.0 / voxel_nm], image.shape[0] - edge
    panel.plot(x, [y, y], color="white", linewidth=4, solid_capstyle="butt")
    panel.text(edge, y - edge / 2, "100 nm", color="white", fontsize=9)


def main(argv: list[str] | None = None) -> int:
    """Simulate and draw; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, metavar="FILE.jpg")
    args = parser.parse_args(argv)
    slices = []
    for text, recipe in RUNGS:
        slices.append(rung(recipe))
        print(f"{slices[-1][1]:.2f}  {' '.join(text.split())}", flush=True)
    draw(slices, args.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
