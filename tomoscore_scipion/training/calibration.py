# SPDX-License-Identifier: GPL-3.0-or-later
"""What is corrected and stated on specimens that the model was not trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from tomoscore_scipion.engine.bands import N_SCORED
from tomoscore_scipion.engine.network import ResolvabilityNet
from tomoscore_scipion.engine.tomogram import Z_90

from .dataset import Shards

LEAST_UNFAMILIAR = 0.03
"""So many features may always be beyond the training samples before it is worth a warning."""
KERNEL = 0.7
"""Sigma in octaves of the neighbourhood in which errors are pooled."""
HELD = 0.9
"""Share of the errors that an interval holds."""
LEAST_SD = 0.05
UNCALIBRATED = {"score": [0.0, float(N_SCORED)], "sd": [0.0, 0.0]}
"""What stands in a card until errors have been measured: intervals hold the sampling error only."""


def error_by_score(
    found: np.ndarray, truth: np.ndarray, sampling: np.ndarray | float = 0.0
) -> dict[str, Any]:
    """The model's own error as a function of the predicted score, as 90 % of the errors have it.

    Errors are not normal: some tomograms are far off, and would widen the intervals of all others
    if their squares were averaged. So 90 % of the errors around a score are held, as in conformal
    prediction (Lei et al., J. Am. Stat. Assoc. 113, 1094 (2018)).

    Args:
        found: (n,) predicted scores in octaves.
        truth: (n,) true ones.
        sampling: (n,) standard deviation by the choice of slices and tiles, octaves; errors hold
            it too, and an interval adds it again, so that it is taken out.

    Returns:
        {"score": 0 to 5 in half octaves, "sd": octaves}, as `engine.tomogram.summarise` wants it:
        `Z_90` of these are half of a 90 % interval.
    """
    if len(found) == 0 or found.shape != truth.shape:
        raise ValueError(f"expected as many scores as truths, got {found.shape}, {truth.shape}")
    own = ((found - truth) / Z_90) ** 2 - np.square(sampling)
    order = np.argsort(own)
    grid = np.arange(0, N_SCORED + 0.01, 0.5)
    weight = np.exp(-0.5 * ((grid[:, None] - found[None, order]) / KERNEL) ** 2) + 1e-6
    held = np.cumsum(weight, axis=1) / weight.sum(axis=1, keepdims=True)
    variance = own[order][np.argmax(held >= HELD, axis=1)]
    sd = np.sqrt(np.maximum(variance, LEAST_SD**2))
    return {"score": grid.tolist(), "sd": np.round(sd, 3).tolist()}


def band_gains(found: np.ndarray, truth: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Factor per band that brings predicted curves closest to the truth, (N_BANDS,).

    Args:
        found: (n, N_BANDS) predicted mean curves of slices or tomograms.
        truth: (n, N_BANDS) true ones.
        share: (n, N_BANDS) share of each band below Nyquist; bands beyond it do not count.
    """
    found, truth = (np.where(share > 0, curves, 0.0) for curves in (found, truth))
    cross = (found * truth).sum(axis=0)
    power = (found**2).sum(axis=0)
    return np.asarray(cross / np.maximum(power, 1e-12))


@torch.no_grad()
def scale_output(network: ResolvabilityNet, gains: np.ndarray) -> None:
    """Multiply the curves that a network predicts by (N_BANDS,) factors, in its last layer."""
    last = network.head[-1]
    assert isinstance(last, torch.nn.Linear)
    factor = torch.as_tensor(gains, dtype=last.weight.dtype)
    last.weight.mul_(factor[:, None])
    last.bias.mul_(factor)


@torch.inference_mode()
def familiar_share(network: ResolvabilityNet, shards: Shards) -> float:
    """The share of unfamiliar features that all but 1 % of held-out volumes stay below.

    Measured as the engine measures it, on the mean features of slices; at least `LEAST_UNFAMILIAR`.
    """
    shares = []
    for index in range(len(shards)):
        part = shards.batch(np.array([index]), None)
        weight = part.weight / part.weight.sum(dim=2, keepdim=True).clamp_min(1e-6)
        means = (part.features * weight[..., None]).sum(dim=2)
        shares.append(float(network.unfamiliar(means).mean()))
    return max(LEAST_UNFAMILIAR, round(float(np.quantile(shares, 0.99)), 4))
