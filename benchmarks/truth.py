# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare TomoScore and general image metrics on images with a known truth.

Two sets of images of simple shapes, one with white noise and one with correlated noise; all methods
get the same 2D images. The figure is the rank correlation with the true TomoScore. A metric may
rise or fall with quality: its sign is chosen for a positive correlation with white noise, and is
the same for correlated noise.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import mrcfile
import numpy as np

from tomoscore_scipion.benchmark.figures import rank_correlation
from tomoscore_scipion.benchmark.phantoms import VOXEL_NM, phantoms
from tomoscore_scipion.engine import Scorer
from tomoscore_scipion.records.bands import N_SCORED

HERE = Path(__file__).resolve().parent
PEERS = {
    "quoll": "one-image FRC (quoll)",
    "brisque": "BRISQUE",
    "piqe": "PIQE (pypiqe)",
    "estimate_sigma": "estimate_sigma (scikit-image)",
    "blur_effect": "blur_effect (scikit-image)",
    "power_spectrum": "log ratio of the power spectrum",
}
NOISES = ("white", "correlated")


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write what was asked for; returns the exit status."""
    args = parse(argv)
    images, truths = {}, {}
    for noise in NOISES:
        some = list(phantoms(range(args.seed, args.seed + args.phantoms), noise == "correlated"))
        images[noise] = np.stack([case.stack[len(case.stack) // 2] for case in some])
        truths[noise] = np.array([case.truth for case in some])
    scorer = Scorer.load(args.weights, args.device)
    rows = {"TomoScore": {noise: scores(scorer, images[noise]) for noise in NOISES}}
    with tempfile.TemporaryDirectory() as folder:
        for name, title in PEERS.items():
            python = args.quoll_python if name == "quoll" else sys.executable
            if not python:
                print(f"{title}: not run: name its Python with --quoll-python", file=sys.stderr)
                continue
            found = {
                noise: peer_values(python, name, Path(folder, f"{noise}.mrc"), images[noise])
                for noise in NOISES
            }
            values = {noise: value for noise, value in found.items() if value is not None}
            if len(values) == len(NOISES):
                rows[title] = values
    for title, values in rows.items():
        report_silence(title, values)
    figures = {title: correlations(values, truths) for title, values in rows.items()}
    print(f"rank correlation with the truth of {args.phantoms} images per kind of noise\n")
    print(f"{'':34} {'white':>10} {'correlated':>10}")
    for title, row in figures.items():
        print(f"{title:34} " + " ".join(f"{row[noise]:10.2f}" for noise in NOISES))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if args.plot:
        plot(args.plot, rows["TomoScore"], truths)
    return 0


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phantoms", type=int, default=120, help="images per kind of noise")
    parser.add_argument("--seed", type=int, default=600000, help="of the first image")
    parser.add_argument("--quoll-python", metavar="PATH", help="a Python that has quoll")
    parser.add_argument("--weights", type=Path, help="other weights than those that ship")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="scores against truths")
    return parser.parse_args(argv)


def scores(scorer: Scorer, images: np.ndarray) -> np.ndarray:
    """TomoScore of each image, (n,)."""
    return np.array([scorer.score(image, 10 * VOXEL_NM).tomoscore for image in images])


def peer_values(python: str, name: str, path: Path, images: np.ndarray) -> np.ndarray | None:
    """Values of a peer for each image, (n,), NaN if it fails; None if it is not installed."""
    if not path.exists():
        mrcfile.write(path, images.astype(np.float32), voxel_size=10 * VOXEL_NM)
    command = [python, str(HERE / "peers.py"), name, str(path), str(len(images))]
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode != 0:
        print(f"{PEERS[name]}: {process.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return np.array(json.loads(process.stdout.splitlines()[-1])["values"], dtype=float)


def report_silence(title: str, values: dict) -> None:
    """Print the number of images for which a metric gives no value."""
    for noise in NOISES:
        silent = int((~np.isfinite(values[noise])).sum())
        if silent:
            total = len(values[noise])
            print(f"{title}: no value for {silent} of {total} images, {noise} noise")


def correlations(values: dict, truths: dict) -> dict[str, float]:
    """Rank correlation per kind of noise, over the images with a value; positive for white."""
    correlation = {}
    for noise in NOISES:
        is_known = np.isfinite(values[noise])
        correlation[noise] = rank_correlation(values[noise][is_known], truths[noise][is_known])
    sign = 1 if correlation["white"] >= 0 else -1
    return {noise: round(sign * value, 4) for noise, value in correlation.items()}


def plot(path: Path, scores: dict, truths: dict) -> None:
    """Scores against truths, one panel per kind of noise."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 4), sharex=True, sharey=True)
    for panel, noise in zip(axes, NOISES):
        panel.plot([0, N_SCORED], [0, N_SCORED], color="0.7", lw=1)
        panel.plot(truths[noise], scores[noise], "o", ms=4, color="#0072B2")
        panel.set(title=f"{noise} noise", xlabel="truth (octaves)", aspect="equal")
    axes[0].set_ylabel("TomoScore (octaves)")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
