# SPDX-License-Identifier: GPL-3.0-or-later
"""Calibration on specimens that a model was not trained on: intervals, out of distribution."""

from __future__ import annotations

from typing import Any, Iterator

import numpy as np
import torch

from tomoscore_scipion.model.aggregation import Z_90
from tomoscore_scipion.model.network import ResolvabilityNet
from tomoscore_scipion.records.bands import N_SCORED
from tomoscore_scipion.training.dataset import Batch, Shards

HELD_OUT_BEYOND = 0.02
"""Fraction of the held-out volumes with an out-of-distribution distance above 1."""
MIN_VARIANCE = 0.05
"""Added to the variance of every ratio, since real data vary more than simulations."""
KERNEL = 0.7
"""Sigma in octaves of the neighbourhood in which errors are pooled."""
ALL_SCORES = 6.0
"""Weight, in tomograms, of the errors at all scores relative to those near a score. A few dozen
tomograms are too few to distinguish neighbourhoods."""
CONFIDENCE = 0.9
"""Fraction of the errors that an interval covers."""
MIN_SD = 0.05
MIN_VOLUMES = 20
"""Smallest number of volumes of a kind for a figure of this kind."""
OUT_OF_DISTRIBUTION_WIDTH = 0.5
"""How much wider an interval gets per unit of out-of-distribution distance
beyond 1: a choice, not a measurement."""
UNCALIBRATED = {"score": [0.0, float(N_SCORED)], "sd": [0.0, 0.0]}
"""Interval of a card before errors are measured: it covers the sampling error only."""


def error_by_score(
    predicted: np.ndarray, truth: np.ndarray, sampling: np.ndarray | float = 0.0
) -> dict[str, Any]:
    """The model's own error as a function of the predicted score.

    Errors are not normally distributed: a few are large, and an average of squares would widen the
    intervals of all tomograms. Instead the interval covers 90 % of the errors near a score, as in
    conformal prediction (Lei et al., J. Am. Stat. Assoc. 113, 1094 (2018)).

    Args:
        predicted: (n,) predicted scores in octaves.
        truth: (n,) true ones.
        sampling: (n,) standard deviation by the choice of slices and tiles, octaves; errors hold
            it too, and an interval adds it again, so that it is taken out.

    Returns:
        {"score": 0 to 5 in half octaves, "sd": octaves}, as `model.aggregation.summarise` wants it:
        `Z_90` of these are half of a 90 % interval.
    """
    if len(predicted) == 0 or predicted.shape != truth.shape:
        raise ValueError(f"expected as many scores as truths, got {predicted.shape}, {truth.shape}")
    own = ((predicted - truth) / Z_90) ** 2 - np.square(sampling)
    order = np.argsort(own)
    grid = np.arange(0, N_SCORED + 0.01, 0.5)
    near = np.exp(-0.5 * ((grid[:, None] - predicted[None, order]) / KERNEL) ** 2)
    weight = near + ALL_SCORES / len(predicted)
    cumulative = np.cumsum(weight, axis=1) / weight.sum(axis=1, keepdims=True)
    variance = own[order][np.argmax(cumulative >= CONFIDENCE, axis=1)]
    sd = np.sqrt(np.maximum(variance, MIN_SD**2))
    return {"score": grid.tolist(), "sd": np.round(sd, 3).tolist()}


def thin_factor(errors: np.ndarray, slices: np.ndarray) -> float:
    """Ratio of the errors of single slices to those of volumes of several slices, at least 1.

    Args:
        errors: (n,) of the scores of volumes held out, octaves.
        slices: (n,) slices of each.
    """
    single, several = np.abs(errors[slices == 1]), np.abs(errors[slices > 1])
    if len(single) < MIN_VOLUMES or len(several) < MIN_VOLUMES:
        return 1.0
    factor = np.quantile(single, CONFIDENCE) / max(float(np.quantile(several, CONFIDENCE)), 1e-6)
    return round(max(1.0, float(factor)), 3)


@torch.inference_mode()
def fit_out_of_distribution(network: ResolvabilityNet, shards: Shards, held_out: Shards) -> None:
    """Set the reference of `ResolvabilityNet.out_of_distribution` from training volumes.

    The whitening matrix of an octave makes the covariance of its single-channel ratios 1. It is
    scaled so that 2 % of the held-out volumes have a distance above 1.

    Args:
        network: changed in place.
        shards: the training volumes.
        held_out: volumes that set the scale.
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
