# SPDX-License-Identifier: GPL-3.0-or-later
"""What is corrected and stated on specimens that the model was not trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from tomoscore_scipion.engine.bands import N_SCORED
from tomoscore_scipion.engine.network import ResolvabilityNet

KERNEL = 0.7
"""Sigma in octaves of the neighbourhood in which errors are pooled."""
LEAST_SD = 0.05
UNCALIBRATED = {"score": [0.0, float(N_SCORED)], "sd": [1.0, 1.0]}
"""What stands in a card until errors have been measured."""


def error_by_score(found: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Root mean square error as a function of the predicted score.

    Args:
        found: (n,) predicted scores in octaves.
        truth: (n,) true ones.

    Returns:
        {"score": 0 to 5 in half octaves, "sd": octaves}, as `engine.tomogram.summarise` wants it.
    """
    if len(found) == 0 or found.shape != truth.shape:
        raise ValueError(f"expected as many scores as truths, got {found.shape}, {truth.shape}")
    grid = np.arange(0, N_SCORED + 0.01, 0.5)
    weight = np.exp(-0.5 * ((grid[:, None] - found[None, :]) / KERNEL) ** 2) + 1e-6
    variance = (weight * (found - truth) ** 2).sum(axis=1) / weight.sum(axis=1)
    sd = np.maximum(np.sqrt(variance), LEAST_SD)
    return {"score": grid.tolist(), "sd": np.round(sd, 3).tolist()}


def band_gains(found: np.ndarray, truth: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Factor per band that brings predicted curves closest to the truth, (N_BANDS,).

    Args:
        found: (n, N_BANDS) predicted mean curves of slices.
        truth: (n, N_BANDS) true ones.
        share: (n, N_BANDS) share of each band below Nyquist; bands beyond it do not count.
    """
    carried = share > 0
    cross = (found * truth * carried).sum(axis=0)
    power = (found**2 * carried).sum(axis=0)
    return np.asarray(cross / np.maximum(power, 1e-12))


@torch.no_grad()
def scale_output(network: ResolvabilityNet, gains: np.ndarray) -> None:
    """Multiply the curves that a network predicts by (N_BANDS,) factors, in its last layer."""
    last = network.head[-1]
    assert isinstance(last, torch.nn.Conv2d) and last.bias is not None
    factor = torch.as_tensor(gains, dtype=last.weight.dtype)
    last.weight *= factor[:, None, None, None]
    last.bias *= factor
