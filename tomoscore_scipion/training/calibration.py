# SPDX-License-Identifier: GPL-3.0-or-later
"""Calibration of intervals and of the out-of-distribution distance on held-out specimens."""

from __future__ import annotations

from typing import Any, Iterator

import numpy as np
import torch

from tomoscore_scipion.model.network import ResolvabilityNet
from tomoscore_scipion.records.bands import N_SCORED, Z_90
from tomoscore_scipion.training.dataset import Batch, Shards

HELD_OUT_BEYOND = 0.02
"""Fraction of the held-out volumes with an out-of-distribution distance above 1."""
MIN_VARIANCE = 0.05
"""Added to the variance of each ratio, because real data vary more than simulations."""
KERNEL = 0.7
"""Sigma in octaves of the Gaussian weight, over scores, with which errors are pooled."""
ALL_SCORES = 6.0
"""Weight, in tomograms, of the errors at all scores relative to the errors near one score. It
stabilises the estimate, since a few dozen tomograms are too few for one estimate per score."""
CONFIDENCE = 0.9
"""Fraction of the errors that an interval covers."""
BETWEEN_SESSIONS = 0.2
"""Standard deviation in octaves of the error that all tomograms of a session share, as far as the
tomograms of the calibration do not show it. With this value, intervals hold the truth of 89 % of
the tomograms of sessions of eight worlds (benchmarks/own_data.py, mean over the worlds)."""
OUT_OF_DISTRIBUTION_WIDTH = 0.5
"""Relative increase of an interval's width per unit of out-of-distribution distance above 1. The
value is chosen, not measured."""
UNCALIBRATED = {"score": [0.0, float(N_SCORED)], "below": [0.0, 0.0], "above": [0.0, 0.0]}
"""Interval of a card before errors are measured; it covers only the sampling error."""


def error_by_score(
    predicted: np.ndarray, truth: np.ndarray, sampling: np.ndarray | float = 0.0
) -> dict[str, Any]:
    """The model's error as a function of the predicted score.

    Errors are neither symmetric nor normally distributed: a few are large, and low scores are more
    often too high than too low. The interval is therefore chosen so that 5 % of the errors near a
    score are beyond each of its ends, as in conformal prediction (Lei et al., J. Am. Stat. Assoc.
    113, 1094 (2018)). `BETWEEN_SESSIONS` is then added in quadrature.

    Args:
        predicted: (n,) predicted scores in octaves.
        truth: (n,) true scores in octaves.
        sampling: (n,) standard deviation from the choice of slices and tiles, octaves. The errors
            include it, and it is subtracted here because `interval.interval` adds it.

    Returns:
        {"score": 0 to 5 in half octaves, "below": octaves, "above": octaves} for
        `model.interval.own_error`.
    """
    if len(predicted) == 0 or predicted.shape != truth.shape:
        raise ValueError(f"expected as many scores as truths, got {predicted.shape}, {truth.shape}")
    error = truth - predicted
    own = np.sign(error) * np.sqrt(np.maximum(error**2 - np.square(Z_90 * sampling), 0))
    order = np.argsort(own)
    grid = np.arange(0, N_SCORED + 0.01, 0.5)
    near = np.exp(-0.5 * ((grid[:, None] - predicted[None, order]) / KERNEL) ** 2)
    weight = near + ALL_SCORES / len(predicted)
    cumulative = np.cumsum(weight, axis=1) / weight.sum(axis=1, keepdims=True)
    beyond = (1 - CONFIDENCE) / 2
    low, high = (
        own[order][np.argmax(cumulative >= quantile, axis=1)] for quantile in (beyond, 1 - beyond)
    )
    sides = {"below": -low, "above": high}
    shared = Z_90 * BETWEEN_SESSIONS
    distances = {name: np.hypot(np.maximum(side, 0), shared) for name, side in sides.items()}
    rounded = {name: np.round(distance, 3).tolist() for name, distance in distances.items()}
    return {"score": grid.tolist(), **rounded}


@torch.inference_mode()
def fit_out_of_distribution(network: ResolvabilityNet, shards: Shards, held_out: Shards) -> None:
    """Set the reference of `ResolvabilityNet.out_of_distribution` from training volumes.

    The whitening matrix of an octave makes the covariance of its single-channel ratios 1. It is
    scaled so that 2 % of the held-out volumes have a distance above 1.

    Args:
        network: changed in place.
        shards: the training volumes.
        held_out: held-out volumes, which determine the scale.
    """
    ratios = torch.cat([network.single_channel_ratios(batch.measured) for batch in _all(shards)])
    middle = ratios.mean(dim=0)
    network.reference_mean.copy_(middle)
    for octave in range(ratios.shape[1]):
        offset = ratios[:, octave] - middle[octave]
        covariance = offset.T @ offset / len(offset) + MIN_VARIANCE * torch.eye(offset.shape[1])
        whitening = torch.linalg.inv(torch.linalg.cholesky(covariance)).T
        network.reference_whitening[octave].copy_(whitening)
    distances = torch.cat([network.out_of_distribution(batch.measured) for batch in _all(held_out)])
    network.reference_whitening /= max(float(torch.quantile(distances, 1 - HELD_OUT_BEYOND)), 1e-6)


def _all(shards: Shards) -> Iterator[Batch]:
    for start in range(0, len(shards), 32):
        yield shards.batch(np.arange(start, min(start + 32, len(shards))), None)
