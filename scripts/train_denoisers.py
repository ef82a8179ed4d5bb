# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the denoisers of the simulation and write their weights.

The weights belong to the generator: other weights give other simulated tomograms, so that
GENERATOR_VERSION must be incremented. The weights in the package were made with these settings, but
with random numbers in another order.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from safetensors.torch import save_file

from tomoscore_scipion.simulation.denoiser import PATH
from tomoscore_scipion.training.denoisers import RECIPES, train


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=PATH, help="weights (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    tensors = {}
    for name in RECIPES:
        network, error = train(name, args.processes)
        print(f"{name}: mean squared error on held-out specimens {error:.3f}")
        for key, value in network.state_dict().items():
            tensors[f"{name}.{key}"] = value.half().contiguous()
    save_file(tensors, args.output)


if __name__ == "__main__":
    main()
