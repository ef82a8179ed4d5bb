# SPDX-License-Identifier: GPL-3.0-or-later
"""Adapt the denoiser "noise2noise" to the halves of one tomogram.

The weights in `denoisers.safetensors` are trained on the halves of many tomograms. Some further
steps on the halves of the tomogram itself adapt them to its noise and its specimen.
"""

from __future__ import annotations

from typing import Callable

import torch
import torch.nn.functional as F

from tomoscore_scipion.simulation.denoiser import (
    NOISE2NOISE,
    REACH,
    Denoiser,
    contexts,
    pretrained,
)

PATCH = 64
BATCH = 4
STEPS = (0, 24)
"""Training steps at strength 0 and at strength 1."""
RATE = 5e-4

Halves = Callable[[torch.Tensor], "tuple[torch.Tensor, torch.Tensor]"]
"""Function of heights in voxels; returns the planes of both halves, (z, y, x) each."""


def train(halves: Halves, heights: torch.Tensor, strength: float, seed: int) -> Denoiser:
    """Adapt the network to one tomogram.

    Args:
        halves: function that returns the planes of both halves at given heights.
        heights: heights in voxels to train on, about three.
        strength: 0 to 1, determines the number of training steps.
        seed: seed of the patches.
    """
    network = pretrained(NOISE2NOISE)
    n_steps = round(STEPS[0] + (STEPS[1] - STEPS[0]) * strength)
    if n_steps == 0:
        return network
    run = torch.arange(-REACH, REACH + 1)
    both = torch.stack([torch.stack(halves(height + run)) for height in heights])
    both = (both - both.mean()) / both.std().clamp_min(1e-12)
    examples = torch.stack([contexts(pair)[:, 0] for pair in both], dim=1)
    generator = torch.Generator().manual_seed(seed)
    network.train().requires_grad_(True)
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    with torch.enable_grad():
        for _ in range(n_steps):
            x, y = _patches(examples, generator)
            optimiser.zero_grad()
            F.mse_loss(network(x), y).backward()
            optimiser.step()
    return network.eval().requires_grad_(False)


def _patches(
    examples: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Random patches of one half, and the middle planes of the other half.

    Args:
        examples: (2, n, CONTEXT, y, x) of both halves.
        generator: source of randomness.
    """
    n, size_y, size_x = examples.shape[1], examples.shape[3], examples.shape[4]
    py, px = (4 * (min(PATCH, size) // 4) for size in (size_y, size_x))
    inputs, outputs = [], []
    for _ in range(BATCH):
        half = int(torch.randint(2, (1,), generator=generator))
        i = int(torch.randint(n, (1,), generator=generator))
        y = int(torch.randint(size_y - py + 1, (1,), generator=generator))
        x = int(torch.randint(size_x - px + 1, (1,), generator=generator))
        inputs.append(examples[half, i, :, y : y + py, x : x + px])
        outputs.append(examples[1 - half, i, REACH, y : y + py, x : x + px])
    return torch.stack(inputs), torch.stack(outputs)
