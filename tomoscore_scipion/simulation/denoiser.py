# SPDX-License-Identifier: GPL-3.0-or-later
"""Denoising networks of the simulation: a small U-net, trained on many simulated tomograms.

The file `denoisers.safetensors` holds the weights of two networks:

- "noise2noise" predicts one half of the data from the other half (Lehtinen et al., ICML 2018), as
  cryoCARE does (Buchholz et al., ISBI 2019). `noise2noise.py` adapts it to a tomogram.
- "restored" predicts the density of the specimen, without noise and missing wedge. It represents
  networks that are trained on specimens of known density.

`training/denoisers.py` trains them; `scripts/train_denoisers.py` writes the file.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from tomoscore_scipion.simulation.recipe import TRAINED

CONTEXT = 5
"""Number of planes in the input of a network; the output is the middle plane."""
REACH = CONTEXT // 2
"""Number of planes above and below the middle plane in the input."""
CHANNELS = (16, 32, 48)
"""Channels at full, half and quarter resolution."""
NOISE2NOISE, RESTORED = TRAINED, "restored"
"""Names of the networks, and of the post-processings of a recipe that use them."""
PATH = Path(__file__).with_name("denoisers.safetensors")


class Denoiser(nn.Module):
    """A U-net of three levels; (n, CONTEXT, y, x) of unit variance to (n, y, x)."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c = CHANNELS
        self.first = _convolutions(CONTEXT, a)
        self.down = _convolutions(a, b)
        self.deep = _convolutions(b, c)
        self.up = _convolutions(b + c, b)
        self.last = _convolutions(a + b, a)
        self.out = nn.Conv2d(a, 1, 1)

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        """Denoised middle planes; y and x are multiples of 4."""
        fine = self.first(planes)
        half = self.down(F.avg_pool2d(fine, 2))
        deep = self.deep(F.avg_pool2d(half, 2))
        half = self.up(torch.cat([half, F.interpolate(deep, scale_factor=2.0)], 1))
        fine = self.last(torch.cat([fine, F.interpolate(half, scale_factor=2.0)], 1))
        out: torch.Tensor = self.out(fine)
        return out[:, 0]


def _convolutions(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, padding=1),
        nn.LeakyReLU(0.1),
        nn.Conv2d(n_out, n_out, 3, padding=1),
        nn.LeakyReLU(0.1),
    )


def pretrained(name: str) -> Denoiser:
    """A new network with the weights of `NOISE2NOISE` or `RESTORED`, in evaluation mode."""
    network = Denoiser()
    weights = _tensors()
    network.load_state_dict({key: weights[f"{name}.{key}"].float() for key in network.state_dict()})
    return network.eval().requires_grad_(False)


@lru_cache(maxsize=1)
def _tensors() -> dict[str, torch.Tensor]:
    return load_file(PATH)


def contexts(stack: torch.Tensor) -> torch.Tensor:
    """Contexts of planes: (..., z, y, x) to (..., z - 2 REACH, CONTEXT, y, x)."""
    return stack.unfold(-3, CONTEXT, 1).movedim(-1, -3)


def denoise(
    network: Denoiser, stack: torch.Tensor, planes_to_denoise: torch.Tensor
) -> torch.Tensor:
    """Denoise some planes of a tomogram; the first and last planes repeat beyond the ends.

    Args:
        network: the denoiser.
        stack: (z, y, x) planes, with the context of each plane to denoise.
        planes_to_denoise: (z,) bool, True for the planes to denoise.

    Returns:
        (n, y, x) denoised planes, with mean and scale of the stack.
    """
    ny, nx = stack.shape[1:]
    mean, scale = stack.mean(), stack.std().clamp_min(1e-12)
    padded = F.pad((stack - mean)[None] / scale, (0, -nx % 4, 0, -ny % 4), mode="replicate")[0]
    offsets = torch.arange(-REACH, REACH + 1)
    neighbours = planes_to_denoise.nonzero() + offsets
    with torch.no_grad():
        planes = [network(padded[row][None])[0] for row in neighbours.clamp(0, len(stack) - 1)]
    return scale * torch.stack(planes)[:, :ny, :nx] + mean
