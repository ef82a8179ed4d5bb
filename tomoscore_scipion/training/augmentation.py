# SPDX-License-Identifier: GPL-3.0-or-later
"""What training takes away from a volume: some of its slices, or their neighbours in z.

Thin volumes and single images have neither. Nothing else is changed: filters, contrast and turns
change nothing of what is measured.
"""

from __future__ import annotations

import numpy as np

from tomoscore_scipion.model.sampling import CHANNEL_NAMES, CHANNELS
from tomoscore_scipion.model.statistics import MEAN_TABLE, SECTORS

FEWER_SLICES = 0.3
"""Share of the volumes that are seen with some of their slices only."""
NEIGHBOURS_LOST = (0.12, 0.04, 0.06)
"""Share of the volumes that lose near, far and distant, far and distant, or distant neighbours."""
NEIGHBOURS = CHANNEL_NAMES[1:]


def fewer(slices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """All or some of the slices of a volume, (n,) indices in order, at least one."""
    if len(slices) < 2 or rng.random() >= FEWER_SLICES:
        return slices
    chosen = rng.choice(slices, int(rng.integers(1, len(slices) + 1)), replace=False)
    return np.sort(chosen)


def lost_neighbours(rng: np.random.Generator) -> int:
    """The first of the neighbours that a volume loses, and with it those further away.

    Returns:
        0 to CHANNELS - 1, the last of which stands for none.
    """
    luck = rng.random()
    return int(np.searchsorted(np.cumsum(NEIGHBOURS_LOST), luck, side="right"))


def without_neighbours(
    means: np.ndarray, persistence: np.ndarray, first: int
) -> tuple[np.ndarray, np.ndarray]:
    """What is measured of slices that have no neighbours from the `first` on.

    Args:
        means: (..., len(MEANS)).
        persistence: (..., PERSISTENCE).
        first: place in `NEIGHBOURS`.
    """
    lost = np.array([bool(set(mean.channels) & set(NEIGHBOURS[first:])) for mean in MEAN_TABLE])
    sector = np.arange(CHANNELS - 1) >= first
    return (
        np.where(lost, np.float32(0), means),
        np.where(np.tile(sector, SECTORS), np.float32(0), persistence),
    )
