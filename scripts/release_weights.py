# SPDX-License-Identifier: GPL-3.0-or-later
"""Put weights into the package, with the figures of `tomoscore benchmark --json` in their card.

tomoscore benchmark --weights NEW.safetensors --json benchmark.json
python scripts/release_weights.py NEW.safetensors benchmark.json
python scripts/score_quantiles.py --write
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tomoscore_scipion.model.weights import FOLDER, load_weights, save_weights, sha256_of
from tomoscore_scipion.records.simulated_scores import SUFFIX


def main(argv: list[str] | None = None) -> int:
    """Replace the weights of the package; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("benchmark", type=Path, help="figures of these weights")
    args = parser.parse_args(argv)
    network, card = load_weights(args.weights)
    figures = json.loads(args.benchmark.read_text(encoding="utf-8"))
    measured = figures.pop("model")["sha256"]
    if measured != sha256_of(args.weights):
        print(f"{args.benchmark}: figures of other weights, sha256 {measured}", file=sys.stderr)
        return 1
    card["metrics"] = {"command": "tomoscore benchmark", **figures}
    for pattern in ("*.safetensors", "*" + SUFFIX):
        for old in FOLDER.glob(pattern):
            old.unlink()
    path = FOLDER / f"{card['name']}-{card['version']}.safetensors"
    save_weights(path, network, card)
    print(f"{path}: sha256 {sha256_of(path)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
