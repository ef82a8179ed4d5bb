# SPDX-License-Identifier: GPL-3.0-or-later
"""Augmentation: remove some slices of a volume, or their neighbours in z.

This imitates thin volumes and single images. Filters, contrast and rotations need no augmentation,
because the statistics do not depend on them.
"""

from __future__ import annotations

import numpy as np

from tomoscore_scipion.model.sampling import CHANNEL_NAMES, CHANNELS
from tomoscore_scipion.model.statistics import MEAN_TABLE, SECTORS

FEWER_SLICES = 0.3
"""Fraction of the volumes from which slices are removed."""
NEIGHBOURS_LOST = (0.12, 0.04, 0.06)
"""Fractions of the volumes that lose all neighbours, far and distant ones, or distant ones."""
NEIGHBOURS = CHANNEL_NAMES[1:]


def fewer(slices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Select all or some slices of a volume, (n,) indices in order; keeps at least one."""
    if len(slices) < 2 or rng.random() >= FEWER_SLICES:
        return slices
    kept_slices = rng.choice(slices, int(rng.integers(1, len(slices) + 1)), replace=False)
    return np.sort(kept_slices)


def lost_neighbours(rng: np.random.Generator) -> int:
    """Draw the nearest neighbour to remove from a volume; neighbours further away go too.

    Returns:
        Index in `NEIGHBOURS`, or CHANNELS - 1 for no loss.
    """
    luck = rng.random()
    return int(np.searchsorted(np.cumsum(NEIGHBOURS_LOST), luck, side="right"))


def without_neighbours(
    means: np.ndarray, persistence: np.ndarray, first: int
) -> tuple[np.ndarray, np.ndarray]:
    """Set the statistics of neighbours from `first` on to 0, as for slices without neighbours.

    Args:
        means: (..., len(MEANS)).
        persistence: (..., PERSISTENCE).
        first: index in `NEIGHBOURS` of the first neighbour to remove.
    """
    lost = np.array([bool(set(mean.channels) & set(NEIGHBOURS[first:])) for mean in MEAN_TABLE])
    sector = np.arange(CHANNELS - 1) >= first
    return (
        np.where(lost, np.float32(0), means),
        np.where(np.tile(sector, SECTORS), np.float32(0), persistence),
    )
