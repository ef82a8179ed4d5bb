# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights that know nothing of lines yet, for a training to go on from.

The first weights were trained on 161 statistics per tile, before lines and edges were measured
(`engine/lines.py`). The new statistics get the scales of samples, and no say.

git show 2ca59ef:tomoscore_scipion/weights/tomoscore-0.1.0.safetensors > OLD.safetensors
python scripts/widen_weights.py OLD.safetensors FOLDER/train WIDE.safetensors
tomoscore train FOLDER --start WIDE.safetensors ...
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from tomoscore_scipion.engine.network import ResolvabilityNet
from tomoscore_scipion.engine.sampling import CHANNELS, INPUT_CONTRACT
from tomoscore_scipion.engine.texture import N_FEATURES
from tomoscore_scipion.engine.weights import read_card, save_weights
from tomoscore_scipion.training.dataset import Shards
from tomoscore_scipion.training.train import initial_network

OLD_FEATURES = 161


def main(argv: list[str] | None = None) -> int:
    """Write the weights; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("samples", type=Path, help="folder of shards")
    parser.add_argument("wide", type=Path)
    args = parser.parse_args(argv)
    network = initial_network(Shards(args.samples), None)
    widen(network, load_file(args.old))
    save_weights(args.wide, network, {**read_card(args.old), "input": INPUT_CONTRACT})
    print(args.wide)
    return 0


def widen(network: ResolvabilityNet, old: dict[str, torch.Tensor]) -> None:
    """Give a network the weights of one that knew the first and the last of its statistics."""
    flags = CHANNELS - 1
    known = [*range(OLD_FEATURES - flags), *range(N_FEATURES - flags, N_FEATURES)]
    state = network.state_dict()
    for name, value in old.items():
        if name == "least":
            state[name][known] = torch.minimum(state[name][known], value)
        elif name == "most":
            state[name][known] = torch.maximum(state[name][known], value)
        elif name == "look.weight":
            state[name].zero_()[:, known] = value
        elif name in ("mean", "std"):
            state[name][known] = value
        else:
            state[name].copy_(value)
    network.load_state_dict(state)


if __name__ == "__main__":
    sys.exit(main())
