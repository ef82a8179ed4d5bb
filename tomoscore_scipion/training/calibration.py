# SPDX-License-Identifier: GPL-3.0-or-later
"""What is stated of a model on specimens that it was not trained on."""

from __future__ import annotations

from typing import Any, Iterator

import numpy as np
import torch

from tomoscore_scipion.model.aggregation import Z_90
from tomoscore_scipion.model.network import ResolvabilityNet
from tomoscore_scipion.records.bands import N_SCORED
from tomoscore_scipion.training.dataset import Batch, Shards

STRANGE = 0.02
"""Share of the volumes held out that may lie out of the model's depth."""
LEAST_VARIANCE = 0.05
"""Added to the variance of every shape: what hardly varies in simulation may vary in the field."""
KERNEL = 0.7
"""Sigma in octaves of the neighbourhood in which errors are pooled."""
ALL_SCORES = 6.0
"""Errors at all scores count as so many tomograms beside those at a score: a few dozen tomograms in
all are too few to tell neighbourhoods apart."""
HELD = 0.9
"""Share of the errors that an interval holds."""
LEAST_SD = 0.05
FEWEST = 20
"""Volumes of a kind below which nothing is said of it."""
STRANGE_WIDTH = 0.5
"""How much wider an interval gets per unit of strangeness beyond 1: a choice, not a measurement."""
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
        {"score": 0 to 5 in half octaves, "sd": octaves}, as `model.aggregation.summarise` wants it:
        `Z_90` of these are half of a 90 % interval.
    """
    if len(found) == 0 or found.shape != truth.shape:
        raise ValueError(f"expected as many scores as truths, got {found.shape}, {truth.shape}")
    own = ((found - truth) / Z_90) ** 2 - np.square(sampling)
    order = np.argsort(own)
    grid = np.arange(0, N_SCORED + 0.01, 0.5)
    near = np.exp(-0.5 * ((grid[:, None] - found[None, order]) / KERNEL) ** 2)
    weight = near + ALL_SCORES / len(found)
    held = np.cumsum(weight, axis=1) / weight.sum(axis=1, keepdims=True)
    variance = own[order][np.argmax(held >= HELD, axis=1)]
    sd = np.sqrt(np.maximum(variance, LEAST_SD**2))
    return {"score": grid.tolist(), "sd": np.round(sd, 3).tolist()}


def thin_factor(errors: np.ndarray, slices: np.ndarray) -> float:
    """How much larger errors are for single slices than for volumes of several, at least 1.

    Args:
        errors: (n,) of the scores of volumes held out, octaves.
        slices: (n,) slices of each.
    """
    single, several = np.abs(errors[slices == 1]), np.abs(errors[slices > 1])
    if len(single) < FEWEST or len(several) < FEWEST:
        return 1.0
    factor = np.quantile(single, HELD) / max(float(np.quantile(several, HELD)), 1e-6)
    return round(max(1.0, float(factor)), 3)


@torch.inference_mode()
def learn_the_usual(network: ResolvabilityNet, shards: Shards, held_out: Shards) -> None:
    """Give a network the shapes of the volumes that it knows, for its `strangeness`.

    The map of an octave makes the covariance of the shapes 1; its scale puts the distance of all
    but 2 % of the volumes held out below 1.
    """
    shapes = torch.cat([network.shapes(batch.measured) for batch in _all(shards)])
    middle = shapes.mean(dim=0)
    network.usual.copy_(middle)
    for octave in range(shapes.shape[1]):
        offset = shapes[:, octave] - middle[octave]
        covariance = offset.T @ offset / len(offset) + LEAST_VARIANCE * torch.eye(offset.shape[1])
        whitening = torch.linalg.inv(torch.linalg.cholesky(covariance)).T
        network.usual_map[octave].copy_(whitening)
    distances = torch.cat([network.strangeness(batch.measured) for batch in _all(held_out)])
    network.usual_map /= max(float(torch.quantile(distances, 1 - STRANGE)), 1e-6)


def _all(shards: Shards) -> Iterator[Batch]:
    for start in range(0, len(shards), 32):
        yield shards.batch(np.arange(start, min(start + 32, len(shards))), None)
