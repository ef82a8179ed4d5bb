# SPDX-License-Identifier: GPL-3.0-or-later
"""What training changes of a volume: what others of the same quality would have, or not have.

Some of its slices are taken away, some of their neighbours in z, as in thin volumes; and octaves
are made stronger or weaker all through the volume, as a filter does, which changes no
resolvability: the correlation within a band is the same after sharpening or deconvolution.
"""

from __future__ import annotations

import numpy as np
import torch

from tomoscore_scipion.engine.pyramid import CELL_PX
from tomoscore_scipion.engine.sampling import CHANNELS
from tomoscore_scipion.engine.texture import LEVELS, tile_features

FEWER_SLICES = 0.3
"""Share of the volumes that are seen with some of their slices only."""
NEIGHBOURS_LOST = (0.03, 0.03, 0.06)
"""Share of the volumes that lose near, far and distant, far and distant, or distant neighbours."""
FILTERED = 0.2
"""Share of the volumes whose octaves are made stronger or weaker."""
TILT, BEND, ROUGHNESS = 0.5, 0.4, 0.15
"""Standard deviations, log10 of power, of a filter's slope from the middle octave to the ends, of
its curvature, and of single octaves."""


def fewer(slices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """All or some of the slices of a volume, (n,) indices in order, at least one."""
    if len(slices) < 2 or rng.random() >= FEWER_SLICES:
        return slices
    kept = rng.choice(slices, int(rng.integers(1, len(slices) + 1)), replace=False)
    return np.sort(kept)


def augmented(
    features: np.ndarray, weight: np.ndarray, level: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Features and levels of a volume that lost neighbours or was filtered, or neither.

    Args:
        features: (s, t, N_FEATURES) float32.
        weight: (s, t), the share of each tile that carries data.
        level: (s,) log10 of the spread that was set to 1.
        rng: source of randomness.
    """
    features = np.where(_lost(rng), np.float32(0), features)
    if rng.random() < FILTERED:
        return filtered(features, weight, level, _random_gains(rng))
    return features, level


def filtered(
    features: np.ndarray, weight: np.ndarray, level: np.ndarray, gains: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Features and levels of a volume after a filter.

    Args:
        features: (s, t, N_FEATURES) float32.
        weight: (s, t), the share of each tile that carries data.
        level: (s,) log10 of the spread that was set to 1.
        gains: (LEVELS,) log10 of the factor of each octave's power, finest octave first.

    Returns:
        Features with the energies of slices whose spread is 1 again, and levels.
    """
    there = weight > 0
    energies = features[..., :LEVELS]
    before, after = (
        ((10.0**powers).sum(axis=-1) * weight).sum(axis=-1) + 1e-9
        for powers in (energies, energies + gains)
    )
    louder = np.log10(after / before)  # 0 where none of a slice's tiles carries data
    changed = features.copy()
    moved = energies + gains - louder[:, None, None]
    changed[..., :LEVELS] = np.where(there[..., None], moved, energies)
    return changed, level + louder / 2


def _random_gains(rng: np.random.Generator) -> np.ndarray:
    octave = np.linspace(-1, 1, LEVELS)
    tilt, bend = rng.normal(0, TILT), rng.normal(0, BEND)
    return tilt * octave + bend * octave**2 + rng.normal(0, ROUGHNESS, LEVELS)


def neighbour_features() -> list[np.ndarray]:
    """(N_FEATURES,) bool per neighbour: what is 0 when that channel is absent."""
    noise = torch.randn(
        (1, CHANNELS, 4 * CELL_PX, 4 * CELL_PX), generator=torch.Generator().manual_seed(0)
    )
    masks = []
    for channel in range(1, CHANNELS):
        without = noise.clone()
        without[:, channel] = 0
        masks.append((tile_features(without)[0, :, 1, 1] == 0).numpy())
    return masks


_NEIGHBOUR_FEATURES = neighbour_features()


def _lost(rng: np.random.Generator) -> np.ndarray:
    """Features of the neighbours that a volume loses, as thin ones have none; (N_FEATURES,)."""
    luck = rng.random()
    lost = np.zeros_like(_NEIGHBOUR_FEATURES[0])
    for first, limit in enumerate(np.cumsum(NEIGHBOURS_LOST)):
        if luck < limit:
            for mask in _NEIGHBOUR_FEATURES[first:]:
                lost = lost | mask
            break
    return lost
