# SPDX-License-Identifier: GPL-3.0-or-later
"""How a network does on shards: per band, per slice, and beside a constant predictor."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from tomoscore_scipion.benchmark.figures import rank_correlation
from tomoscore_scipion.engine.bands import N_BANDS, tomoscore
from tomoscore_scipion.engine.network import ResolvabilityNet

from .dataset import Shards
from .train import mean_curves


@torch.inference_mode()
def slice_curves(network: ResolvabilityNet, shards: Shards, batch: int = 32) -> tuple:
    """Predicted and true mean curves, (n, N_BANDS) each, share (n, N_BANDS), and kinds (n,)."""
    found, truth, share, kinds = [], [], [], []
    for start in range(0, len(shards), batch):
        chosen = np.arange(start, min(start + batch, len(shards)))
        part = shards.batch(chosen, None)
        there = part.weight.sum(dim=2) > 0
        curves = network(part.features, part.weight, part.level)
        found.append(mean_curves(curves, part.weight)[0][there])
        truth.append(mean_curves(part.curves, part.weight)[0][there])
        share.append(part.share[:, None].expand(-1, there.shape[1], -1)[there])
        kinds.append(np.repeat(shards.kind[chosen], there.sum(dim=1).numpy()))
    return (*(torch.cat(x).numpy() for x in (found, truth, share)), np.concatenate(kinds))


def scores(found: np.ndarray, truth: np.ndarray, share: np.ndarray) -> tuple:
    """Predicted and true TomoScores, (n,) each, of (n, N_BANDS) curves."""
    return tuple(
        np.array([float(tomoscore(curve, part)) for curve, part in zip(curves, share)])
        for curves in (found, truth)
    )


def metrics(found: np.ndarray, truth: np.ndarray, share: np.ndarray, kinds: np.ndarray) -> dict:
    """Slice-level figures of predicted against true curves."""
    score, true = scores(found, truth, share)
    null = kinds == "null"
    figures: dict[str, Any] = {
        "slices": len(score),
        "rank_correlation": rank_correlation(score, true),
        "mean_absolute_error": float(np.abs(score - true).mean()),
        "constant_predictor_error": float(np.abs(true - np.median(true)).mean()),
        "bias": float((score - true).mean()),
        "nulls_highest": float(score[null].max()) if null.any() else None,
        "nulls_mean": float(score[null].mean()) if null.any() else None,
    }
    for kind in ("tilt_series", "direct"):
        chosen = kinds == kind
        if chosen.sum() > 2:
            figures[f"{kind}_rank_correlation"] = rank_correlation(score[chosen], true[chosen])
            figures[f"{kind}_error"] = float(np.abs(score - true)[chosen].mean())
    bands = []
    for band in range(N_BANDS):
        carried = share[:, band] > 0
        bands.append(float(np.corrcoef(found[carried, band], truth[carried, band])[0, 1]))
    figures["band_correlation"] = bands
    return {name: _rounded(value) for name, value in figures.items()}


def _rounded(value: Any) -> Any:
    """Four digits; None where there is no number."""
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return None if value is None or not np.isfinite(value) else round(float(value), 4)
