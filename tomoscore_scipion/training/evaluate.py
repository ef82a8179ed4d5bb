# SPDX-License-Identifier: GPL-3.0-or-later
"""Accuracy of a network on shards, per band and per volume, and of a constant predictor."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from tomoscore_scipion.benchmark.figures import rank_correlation
from tomoscore_scipion.model.network import ResolvabilityNet
from tomoscore_scipion.records.bands import N_BANDS, tomoscore
from tomoscore_scipion.training.dataset import Shards
from tomoscore_scipion.training.samples import NOISE_ONLY, PHANTOM, TILT_SERIES
from tomoscore_scipion.training.train import volume_curves


@torch.inference_mode()
def compared_curves(network: ResolvabilityNet, shards: Shards, batch: int = 32) -> tuple:
    """Predicted and true curves of volumes.

    Args:
        network: the network.
        shards: the volumes.
        batch: volumes per batch.

    Returns:
        Predicted curves (n, N_BANDS), true curves (n, N_BANDS), fraction of each band below Nyquist
        (n, N_BANDS), and kinds (n,).
    """
    predicted, truth, below_nyquist = [], [], []
    for start in range(0, len(shards), batch):
        part = shards.batch(np.arange(start, min(start + batch, len(shards))), None)
        prediction, weight = network(part.measured), part.measured.weight
        predicted.append(volume_curves(prediction.curves, prediction.content, weight))
        truth.append(volume_curves(part.curves, part.content, weight))
        below_nyquist.append(part.below_nyquist)
    return (*(torch.cat(x).numpy() for x in (predicted, truth, below_nyquist)), shards.kind)


def scores(predicted: np.ndarray, truth: np.ndarray, below_nyquist: np.ndarray) -> tuple:
    """Predicted and true TomoScores, (n,) each, of (n, N_BANDS) curves.

    Args:
        predicted: (n, N_BANDS) predicted curves.
        truth: (n, N_BANDS) true curves.
        below_nyquist: (n, N_BANDS) fraction of each band below Nyquist.
    """
    return tuple(
        np.array([float(tomoscore(curve, part)) for curve, part in zip(curves, below_nyquist)])
        for curves in (predicted, truth)
    )


def metrics(
    predicted: np.ndarray, truth: np.ndarray, below_nyquist: np.ndarray, kinds: np.ndarray
) -> dict:
    """Accuracy of predicted curves of volumes against true curves.

    Args:
        predicted: (n, N_BANDS) predicted curves.
        truth: (n, N_BANDS) true curves.
        below_nyquist: (n, N_BANDS) fraction of each band below Nyquist.
        kinds: (n,) kinds of the volumes, see `samples.Sample`.

    Returns:
        The figures of a card's "held_out_volumes", rounded to four digits.
    """
    score, true = scores(predicted, truth, below_nyquist)
    noise_only = kinds == NOISE_ONLY
    figures: dict[str, Any] = {
        "volumes": len(score),
        "rank_correlation": rank_correlation(score, true),
        "mean_absolute_error": float(np.abs(score - true).mean()),
        "constant_predictor_error": float(np.abs(true - np.median(true)).mean()),
        "bias": float((score - true).mean()),
        "nulls_highest": float(score[noise_only].max()) if noise_only.any() else None,
        "nulls_mean": float(score[noise_only].mean()) if noise_only.any() else None,
    }
    for kind in (TILT_SERIES, PHANTOM):
        of_kind = kinds == kind
        if of_kind.sum() > 2:
            figures[f"{kind}_rank_correlation"] = rank_correlation(score[of_kind], true[of_kind])
            figures[f"{kind}_error"] = float(np.abs(score - true)[of_kind].mean())
    bands = []
    for band in range(N_BANDS):
        carried = below_nyquist[:, band] > 0
        bands.append(float(np.corrcoef(predicted[carried, band], truth[carried, band])[0, 1]))
    figures["band_correlation"] = bands
    return {name: _rounded(value) for name, value in figures.items()}


def _rounded(value: Any) -> Any:
    """Round to four digits; None for values that are not finite."""
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return None if value is None or not np.isfinite(value) else round(float(value), 4)
