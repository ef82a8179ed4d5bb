# SPDX-License-Identifier: GPL-3.0-or-later
"""Processing of a tomogram after reconstruction: filters and denoisers.

Each function takes a stack of adjacent planes, (z, y, x) float32, and a `strength` of 0 to 1, and
returns the processed stack. `learned_like` and `wedge_fill` imitate the texture of neural denoisers
(local, signal-dependent, three-dimensional) without training. `restored` is a trained denoiser.
"noise2noise" needs the halves of the tomogram; see `noise2noise.py`.
"""

from __future__ import annotations

import math
from typing import Callable

import torch
import torch.nn.functional as F

from tomoscore_scipion.simulation import denoiser
from tomoscore_scipion.simulation.recipe import TRAINED, Recipe
from tomoscore_scipion.tomography import fourier

DIFFUSED_PER_STEP = 0.14
"""Fraction of the difference between neighbours that flows per step; stable below 1 / 6."""


def _spread(stack: torch.Tensor) -> float:
    return max(float(stack.std()), 1e-12)


def _radius(stack: torch.Tensor) -> torch.Tensor:
    """|k| of the rfft2 of the planes, in cycles per pixel."""
    return fourier.radius(stack.shape[-2], stack.shape[-1])


def _smooth_z(stack: torch.Tensor, sigma_px: float) -> torch.Tensor:
    """Gaussian filter along z, truncated at the ends of the stack."""
    n = len(stack)
    offset = torch.arange(n)[:, None] - torch.arange(n)[None, :]
    kernel = torch.exp(-0.5 * (offset / max(sigma_px, 1e-3)) ** 2)
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    return torch.einsum("ij,jyx->iyx", kernel, stack)


def _local_mean(stack: torch.Tensor, sigma_px: float) -> torch.Tensor:
    """Gaussian mean within planes and over three adjacent planes."""
    transfer = torch.exp(-2 * (torch.pi * sigma_px * _radius(stack)) ** 2)
    return _smooth_z(fourier.filtered(stack, transfer).clamp_min(0), 0.8)


def none(stack: torch.Tensor, strength: float) -> torch.Tensor:
    """No processing."""
    return stack


def gaussian(stack: torch.Tensor, strength: float) -> torch.Tensor:
    """Isotropic Gaussian filter with a sigma of 0.4 to 3 pixels."""
    sigma = _gaussian_sigma(strength)
    transfer = torch.exp(-2 * (torch.pi * sigma * _radius(stack)) ** 2)
    return _smooth_z(fourier.filtered(stack, transfer), sigma)


def _gaussian_sigma(strength: float) -> float:
    return 0.4 + 2.6 * strength**2


def lowpass(stack: torch.Tensor, strength: float) -> torch.Tensor:
    """Sharp low-pass filter in the planes, with an edge of a few per cent of Nyquist."""
    cut = 0.5 * (0.95 - 0.8 * strength)
    return fourier.filtered(stack, torch.sigmoid((cut - _radius(stack)) / 0.012))


def median(stack: torch.Tensor, strength: float) -> torch.Tensor:
    """Median over 3 x 3 pixels of each plane, applied twice at high strength."""
    for _ in range(1 + int(strength > 0.6)):
        padded = F.pad(stack[:, None], (1, 1, 1, 1), mode="reflect")[:, 0]
        ny, nx = stack.shape[-2:]
        shifted = [padded[:, i : i + ny, j : j + nx] for i in range(3) for j in range(3)]
        stack = torch.stack(shifted).median(dim=0).values
    return stack


def nlm(stack: torch.Tensor, strength: float) -> torch.Tensor:
    """Non-local means (Buades 2005): patches of 5 x 5, search within 3 pixels, plane by plane."""
    h2 = (0.4 + 0.8 * strength) ** 2 * _spread(stack) ** 2
    total, weights = stack.clone(), torch.ones_like(stack)
    for dy in range(-3, 4):
        for dx in range(-3, 4):
            if dy or dx:
                other = stack.roll((dy, dx), (1, 2))
                distance = F.avg_pool2d((stack - other)[:, None] ** 2, (1, 5), 1, (0, 2))
                distance = F.avg_pool2d(distance, (5, 1), 1, (2, 0))[:, 0]
                weight = torch.exp(-distance / h2)
                total += weight * other
                weights += weight
    return total / weights


def diffusion(stack: torch.Tensor, strength: float) -> torch.Tensor:
    """Anisotropic diffusion (Perona and Malik 1990) in three dimensions."""
    kappa = (0.5 + 1.5 * strength) * _spread(stack)
    out = stack.clone()
    for _ in range(_diffusion_steps(strength)):
        change = torch.zeros_like(out)
        for axis in range(3):
            step = torch.diff(out, dim=axis)
            flow = step * torch.exp(-((step / kappa) ** 2))
            size = out.shape[axis]
            change.narrow(axis, 0, size - 1).add_(flow)
            change.narrow(axis, 1, size - 1).sub_(flow)
        out += DIFFUSED_PER_STEP * change
    return out


def _diffusion_steps(strength: float) -> int:
    return 5 + int(15 * strength)


def learned_like(stack: torch.Tensor, strength: float) -> torch.Tensor:
    """Scale octave bands by their local energy, as learned denoisers keep matter-like structure."""
    stack = _smooth_z(stack, _learned_sigma_z(strength))
    radius = _radius(stack)
    rest = stack
    out = torch.zeros_like(stack)
    for octave, edge in enumerate((0.25, 0.125, 0.0625, 0.03125)):
        low = fourier.filtered(rest, torch.exp(-0.7 * (radius / edge) ** 2))
        band, rest = rest - low, low
        energy = _local_mean(band**2, 1.2 * 2**octave)
        floor = energy.flatten()[:: max(1, energy.numel() // 20000)].median()
        noise = floor * (0.5 + 1.5 * strength) * (1.0 if octave < 3 else 0.5)
        out += band * (1 - noise / energy.clamp_min(1e-20)).clamp(0, 1)
    return out + rest


def _learned_sigma_z(strength: float) -> float:
    return 0.3 + 1.2 * strength


def wedge_fill(stack: torch.Tensor, strength: float) -> torch.Tensor:
    """Smooth along z and x except where detail is strong, as programs that fill the wedge do."""
    smooth = _smooth_z(stack, _wedge_sigma_z(strength))
    radius = _radius(stack)
    smooth = fourier.filtered(smooth, torch.exp(-2 * (torch.pi * (0.8 + strength) * radius) ** 2))
    spread = _spread(smooth)
    return spread * torch.tanh(smooth / spread) + 0.3 * (1 - strength) * smooth


def _wedge_sigma_z(strength: float) -> float:
    return 1.0 + 3.0 * strength


def deconvolution(stack: torch.Tensor, strength: float) -> torch.Tensor:
    """A Wiener-like boost of coarse features, as tilt-series deconvolution filters do."""
    radius = _radius(stack)
    boost = 1 + 10 ** (0.5 + strength) * torch.exp(-((radius / (0.02 + 0.06 * strength)) ** 2))
    return fourier.filtered(stack, boost * torch.exp(-((radius / (0.5 - 0.3 * strength)) ** 4)))


def restored(stack: torch.Tensor, strength: float) -> torch.Tensor:
    """The trained denoiser "restored"; below a strength of 0.5 a fraction of the input remains."""
    network = denoiser.pretrained(denoiser.RESTORED)
    clean = denoiser.denoise(network, stack, torch.ones(len(stack), dtype=torch.bool))
    return stack + min(1.0, 0.6 + 0.8 * strength) * (clean - stack)


OPERATIONS: dict[str, Callable[[torch.Tensor, float], torch.Tensor]] = {
    "none": none,
    "gaussian": gaussian,
    "lowpass": lowpass,
    "median": median,
    "nlm": nlm,
    "diffusion": diffusion,
    "learned_like": learned_like,
    "wedge_fill": wedge_fill,
    "deconvolution": deconvolution,
    "restored": restored,
}
"""Post-processing functions by their names in a recipe."""


def apply(stack: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """Post-process planes without halves; "noise2noise" is replaced by `restored`."""
    name = "restored" if recipe.post == TRAINED else recipe.post
    return OPERATIONS[name](stack, recipe.strength)


def reach(name: str, strength: float) -> int:
    """Number of planes above and below a plane that affect its result noticeably.

    This is 2.5 sigma for Gaussians, and 2 sigma of the spread of a point for diffusion.
    """
    sigma = {
        "gaussian": _gaussian_sigma(strength),
        "diffusion": 0.8 * (2 * DIFFUSED_PER_STEP * _diffusion_steps(strength)) ** 0.5,
        "learned_like": _learned_sigma_z(strength),
        "wedge_fill": _wedge_sigma_z(strength),
    }.get(name, 0.0)
    local = {"learned_like": 2, "restored": denoiser.REACH}.get(name, 0)
    return math.ceil(2.5 * sigma) + local
