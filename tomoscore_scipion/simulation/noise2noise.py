# SPDX-License-Identifier: GPL-3.0-or-later
"""A trained denoiser: a small network predicts one half of the data from the other half.

The method is Noise2Noise (Lehtinen et al., ICML 2018) on the halves of one tomogram, as in
cryo-CARE (Buchholz et al., ISBI 2019). The network has `CONTEXT` planes as input and the middle
plane as output. It starts from the least-squares linear combination of smoothed planes and learns a
correction.
"""

from __future__ import annotations

from typing import Callable

import torch
import torch.nn.functional as F
from torch import nn

from tomoscore_scipion.tomography import fourier

CONTEXT = 5
REACH = CONTEXT // 2
"""Number of planes above and below the middle plane in the network's input."""
CHANNELS = (8, 16, 24)
"""Channels at full, half and quarter resolution."""
PATCH = 64
BATCH = 8
STEPS = (16, 40)
"""Training steps at strength 0 and at strength 1."""
RATE = 4e-3
SMOOTHINGS = (0.0, 0.8, 1.6, 3.2)
"""Sigmas in pixels of the smoothed planes in the linear combination."""

Halves = Callable[[torch.Tensor], "tuple[torch.Tensor, torch.Tensor]"]
"""Function of heights in voxels; returns the planes of both halves, (z, y, x) each."""


class Denoiser(nn.Module):
    """A U-net of three levels on top of a linear filter; (n, CONTEXT, y, x) to (n, y, x)."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        a, b, c = CHANNELS
        self.scale = scale
        self.first = _convolutions(CONTEXT, a)
        self.down = _convolutions(a, b)
        self.deep = _convolutions(b, c)
        self.up = _convolutions(b + c, b)
        self.last = _convolutions(a + b, a)
        self.out = nn.Conv2d(a, 1, 1)
        self.linear = nn.Parameter(torch.zeros(2 * len(SMOOTHINGS)))

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        """Denoised middle planes; y and x are multiples of 4."""
        fine = self.first(planes)
        half = self.down(F.avg_pool2d(fine, 2))
        deep = self.deep(F.avg_pool2d(half, 2))
        half = self.up(torch.cat([half, F.interpolate(deep, scale_factor=2.0)], 1))
        fine = self.last(torch.cat([fine, F.interpolate(half, scale_factor=2.0)], 1))
        return self.out(fine)[:, 0] + torch.einsum("k,nkyx->nyx", self.linear, smoothed(planes))


def _convolutions(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, padding=1),
        nn.LeakyReLU(0.1),
        nn.Conv2d(n_out, n_out, 3, padding=1),
        nn.LeakyReLU(0.1),
    )


def smoothed(planes: torch.Tensor) -> torch.Tensor:
    """Smoothed middle planes and smoothed context means, (n, 2 x len(SMOOTHINGS), y, x)."""
    pair = torch.stack([planes[:, REACH], planes.mean(dim=1)], dim=1)
    k_y, k_x = fourier.axes(pair.shape[2], pair.shape[3])
    k2 = k_y**2 + k_x**2
    spectra = torch.fft.rfft2(pair)
    parts = [
        torch.fft.irfft2(spectra * torch.exp(-19.74 * sigma**2 * k2), s=pair.shape[2:])
        for sigma in SMOOTHINGS
    ]
    return torch.cat(parts, dim=1)


def train(halves: Halves, heights: torch.Tensor, strength: float, seed: int) -> Denoiser:
    """Train a network on the halves of one tomogram.

    Args:
        halves: function that returns the planes of both halves at given heights.
        heights: heights in voxels to train on, about three.
        strength: 0 to 1, determines the number of training steps.
        seed: seed of initial weights and patches.
    """
    run = torch.arange(-REACH - 1, REACH + 2)
    both = [torch.stack(halves(height + run)) for height in heights]
    scale = max(float(both[0].std()), 1e-12)
    examples = torch.cat([_contexts(stack / scale) for stack in both], dim=1)
    generator = torch.Generator().manual_seed(seed)
    network = Denoiser(scale)
    _initialise(network, generator)
    targets = examples[:, :, REACH]
    flat = torch.cat([smoothed(part) for part in examples]).transpose(0, 1).flatten(1)
    target = torch.cat([targets[1], targets[0]]).flatten()
    gram = flat @ flat.T / flat.shape[1]
    gram += 1e-3 * gram.diagonal().mean() * torch.eye(len(gram)) + 1e-12 * torch.eye(len(gram))
    with torch.no_grad():
        network.linear.copy_(torch.linalg.solve(gram, flat @ target / flat.shape[1]))
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    n_steps = round(STEPS[0] + (STEPS[1] - STEPS[0]) * strength)
    with torch.enable_grad():
        for step in range(n_steps):
            optimiser.param_groups[0]["lr"] = RATE * (1 - 0.8 * step / n_steps)
            x, y = _patches(examples, targets, generator)
            optimiser.zero_grad()
            F.mse_loss(network(x), y).backward()
            optimiser.step()
    return network.eval().requires_grad_(False)


def _contexts(halves: torch.Tensor) -> torch.Tensor:
    """Contexts of planes: (2, z, y, x) to (2, n, CONTEXT, y, x)."""
    return halves.unfold(1, CONTEXT, 1).movedim(-1, 2)


def _initialise(network: Denoiser, generator: torch.Generator) -> None:
    """Set random weights (He) from a separate generator; the head starts near 0."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                fan = module.weight[0].numel()
                noise = torch.randn(module.weight.shape, generator=generator)
                module.weight.copy_(noise * (2 / fan) ** 0.5)
                if module.bias is not None:
                    module.bias.zero_()
        network.out.weight.mul_(0.05)


def _patches(
    examples: torch.Tensor, targets: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Random patches of one half, and the middle planes of the other half."""
    n, size_y, size_x = examples.shape[1], examples.shape[3], examples.shape[4]
    py, px = (4 * (min(PATCH, size) // 4) for size in (size_y, size_x))
    inputs, outputs = [], []
    for _ in range(BATCH):
        half = int(torch.randint(2, (1,), generator=generator))
        i = int(torch.randint(n, (1,), generator=generator))
        y = int(torch.randint(size_y - py + 1, (1,), generator=generator))
        x = int(torch.randint(size_x - px + 1, (1,), generator=generator))
        inputs.append(examples[half, i, :, y : y + py, x : x + px])
        outputs.append(targets[1 - half, i, y : y + py, x : x + px])
    return torch.stack(inputs), torch.stack(outputs)


def denoise(
    network: Denoiser, stack: torch.Tensor, planes_to_denoise: torch.Tensor
) -> torch.Tensor:
    """Denoise some planes of a tomogram; the first and last planes repeat beyond the ends.

    Args:
        network: denoiser from `train` on the halves of this tomogram.
        stack: (z, y, x) planes of the full data, with the context of each plane to denoise.
        planes_to_denoise: bool mask or indices (n,) of the planes to denoise.

    Returns:
        (n, y, x) denoised planes.
    """
    ny, nx = stack.shape[1:]
    neighbours = torch.arange(len(stack))[planes_to_denoise][:, None] + torch.arange(
        -REACH, REACH + 1
    )
    padded = F.pad(stack[None] / network.scale, (0, -nx % 4, 0, -ny % 4), mode="replicate")[0]
    planes = [network(padded[context][None])[0] for context in neighbours.clamp(0, len(stack) - 1)]
    return network.scale * torch.stack(planes)[:, :ny, :nx]
