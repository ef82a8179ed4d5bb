# SPDX-License-Identifier: GPL-3.0-or-later
"""A model that knows nothing but answers like one, and small things to feed it."""

import numpy as np
import torch
import torch.nn.functional as F

from tomoscore_scipion.engine.bands import N_BANDS
from tomoscore_scipion.engine.inference import SliceCurves
from tomoscore_scipion.engine.network import ResolvabilityNet
from tomoscore_scipion.engine.sampling import CHANNELS, INPUT_CONTRACT
from tomoscore_scipion.engine.texture import tile_features

CARD = {
    "schema": 1,
    "name": "random",
    "version": "0.0.1",
    "licence": "GPL-3.0-or-later",
    "input": INPUT_CONTRACT,
    "interval": {"score": [0, 5], "sd": [0.3, 0.3]},
    "familiar": {"share": 1.0},
}
"""What `save_weights` needs to be told."""


def random_network(seed=0):
    """A network of random weights whose scores lie mid-range and differ from slice to slice."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ResolvabilityNet()
        fine = torch.randn(8, CHANNELS, 96, 96)
        coarse = torch.randn(8, CHANNELS, 24, 24)
    images = fine + F.interpolate(coarse, scale_factor=4.0, mode="bilinear")
    images *= torch.linspace(0.3, 1.5, 8)[:, None, None, None]
    features = tile_features(images).flatten(2).transpose(1, 2)[None]
    weight, level = torch.ones(features.shape[:3]), torch.zeros(features.shape[:2])
    with torch.no_grad():
        network.mean.copy_(features.mean(dim=(0, 1, 2)))
        network.std.copy_(features.std(dim=(0, 1, 2)).clamp_min(1e-2))
        curves = network.eval()(features, weight, level)
        gain = 0.15 / curves.std(dim=(0, 1, 2))
        last = network.head[-1]
        last.weight *= gain[:, None]
        last.bias -= curves.mean(dim=(0, 1, 2))
        last.bias *= gain
        last.bias += 0.35
    return network


def speckle(shape, seed=0, dtype="float32"):
    """Noise with some structure and a dark long tail, of any shape (..., y, x)."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(shape)
    rows, columns = np.roll(noise, 1, axis=-1), np.roll(noise, 2, axis=-2)
    mixed = noise + rows + columns
    return (mixed - 0.2 * mixed**2).astype(dtype)


def curves_of(levels, tiles=3, weight=1.0, spread=0.0, seed=0):
    """SliceCurves at z = 0, 1, ...: every band of slice i at levels[i], and noise on the tiles."""
    rng = np.random.default_rng(seed)
    pieces = []
    for z, level in enumerate(levels):
        noise = spread * rng.standard_normal((tiles, tiles, N_BANDS))
        curves = torch.from_numpy((level + noise).astype("float32"))
        pieces.append(SliceCurves(z, curves, torch.full((tiles, tiles), float(weight))))
    return pieces
