# SPDX-License-Identifier: GPL-3.0-or-later
"""The mean of several trainings on the same samples, with an interval calibrated anew.

tomoscore train FOLDER ... --seed 4    (and in other folders with other seeds, on the same samples)
python scripts/mean_weights.py FOLDER OUTPUT.safetensors FOLDER/weights.safetensors ...
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from tomoscore_scipion.model.weights import load_weights, sha256_of
from tomoscore_scipion.training.dataset import Shards
from tomoscore_scipion.training.evaluate import compared_curves, metrics
from tomoscore_scipion.training.release import write_release


def main() -> None:
    """Average, measure, calibrate, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samples", type=Path, help="folder with train and held-out")
    parser.add_argument("output", type=Path)
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--calibration", type=int, default=20, metavar="SPECIMENS")
    args = parser.parse_args()
    loaded = [load_weights(path) for path in args.weights]
    network, card = loaded[0]
    states = [other.state_dict() for other, _ in loaded]
    mean = {name: torch.stack([s[name] for s in states]).mean(dim=0) for name in states[0]}
    network.load_state_dict(mean)
    shards, held_out = (Shards(args.samples / part) for part in ("train", "held-out"))
    card["held_out_volumes"] = metrics(*compared_curves(network, held_out))
    card["training"]["mean_of"] = [
        {"seed": other["training"]["seed"], "sha256": sha256_of(path)}
        for path, (_, other) in zip(args.weights, loaded)
    ]
    write_release(args.output, network, card, shards, held_out, args.calibration)
    print(f"{args.output}: sha256 {sha256_of(args.output)}")


if __name__ == "__main__":
    main()
