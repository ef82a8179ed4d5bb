# SPDX-License-Identifier: GPL-3.0-or-later
"""Read volumes from shards as batches for the network."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tomoscore_scipion.model.network import Measured
from tomoscore_scipion.training.augmentation import (
    NEIGHBOURS,
    fewer,
    lost_neighbours,
    without_neighbours,
)


@dataclass(frozen=True)
class Batch:
    """Network input and truth of v volumes of at most s slices of t tiles.

    Attributes:
        measured: statistics; padding tiles have weight 0.
        curves: (v, s, t, N_BANDS) float32, signed truth.
        content: (v, s, t, N_BANDS) float32, amount of structure, 0 to 1.
        below_nyquist: (v, N_BANDS) float32, fraction of each band below Nyquist.
    """

    measured: Measured
    curves: torch.Tensor
    content: torch.Tensor
    below_nyquist: torch.Tensor


class Shards:
    """The samples of a folder, by volume.

    Attributes:
        volumes: shard and slice indices of each volume.
        kind: (volumes,) kind of each volume, see `Sample`.
        correlated: (volumes,) bool, whether a volume has correlated noise added without tilts.
        specimen: (volumes,) index of the shard.
        contents: (volumes,) ingredients of the specimen, joined by "+".
    """

    def __init__(self, folder: Path) -> None:
        paths = sorted(folder.glob("v*.npz"))
        if not paths:
            raise FileNotFoundError(f"{folder}: expected shards (.npz), found none")
        self._parts = [dict(np.load(path)) for path in paths]
        self.volumes: list[tuple[int, np.ndarray]] = []
        labels: dict[str, list] = {name: [] for name in ("kind", "correlated", "contents")}
        for shard, part in enumerate(self._parts):
            has_data = part["weight"].sum(axis=1) > 0
            for volume in np.unique(part["volume"]):
                members = np.flatnonzero(has_data & (part["volume"] == volume))
                if len(members):
                    self.volumes.append((shard, members))
                    for name, values in labels.items():
                        values.append(part[name][members[0]])
        self.kind, self.correlated, self.contents = map(np.array, labels.values())
        self.specimen = np.array([shard for shard, _ in self.volumes])

    def select(self, mask: np.ndarray) -> Shards:
        """The volumes selected by a (volumes,) mask; arrays are not copied."""
        part = copy.copy(self)
        part.volumes = [volume for volume, is_selected in zip(self.volumes, mask) if is_selected]
        for name in ("kind", "correlated", "contents", "specimen"):
            setattr(part, name, getattr(self, name)[mask])
        return part

    def __len__(self) -> int:
        return len(self.volumes)

    def sample_means(self, every: int) -> torch.Tensor:
        """Means of every `every`-th tile that holds data, (n, OCTAVES, len(MEANS)) float32."""
        rows = []
        for shard, members in self.volumes:
            part = self._parts[shard]
            means = part["means"][members]
            flat = means.reshape(-1, *means.shape[2:])[::every]
            rows.append(flat[part["weight"][members].reshape(-1)[::every] > 0.5])
        return torch.from_numpy(np.concatenate(rows).astype(np.float32))

    def batch(self, indices: np.ndarray, rng: np.random.Generator | None) -> Batch:
        """Make a batch of some volumes.

        Args:
            indices: indices of the volumes.
            rng: source of randomness for augmentation and the choice of a ninth of the tiles; None
                for all tiles without augmentation.
        """
        columns: list[tuple] = []
        for index in indices:
            shard, members = self.volumes[index]
            if rng is not None:
                members = fewer(members, rng)
            columns.append(self._volume(self._parts[shard], members, rng))
        means, weight, log_power, persistence, curves, content, below_nyquist = zip(*columns)
        measured = Measured(*map(_stack, (means, weight, log_power, persistence)))
        shares = torch.from_numpy(np.stack(below_nyquist))
        return Batch(measured, _stack(curves), _stack(content), shares)

    def _volume(self, part: dict, members: np.ndarray, rng: np.random.Generator | None) -> tuple:
        tiles = _tiles(part["weight"][members].any(axis=0), rng)
        means, weight, curves, content = (
            part[name][members][:, tiles].astype(np.float32)
            for name in ("means", "weight", "curves", "content")
        )
        log_power, persistence = part["level"][members], part["persistence"][members]
        if rng is not None:
            first = lost_neighbours(rng)
            if first < len(NEIGHBOURS):
                means, persistence = without_neighbours(means, persistence, first)
        return means, weight, log_power, persistence, curves, content, part["share"][members[0]]


def _stack(arrays: tuple) -> torch.Tensor:
    """Stack arrays (s_i, t_i, ...) or (s_i, ...) to one float32 tensor, padded with 0."""
    shape = np.max([array.shape for array in arrays], axis=0)
    out = np.zeros((len(arrays), *shape), dtype=np.float32)
    for row, array in zip(out, arrays):
        row[tuple(slice(n) for n in array.shape)] = array
    return torch.from_numpy(out)


def _tiles(seen: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """Indices of all n x n tiles, n > 2, or of some tiles that hold data.

    Tiles are four cells wide and one cell apart, so every third tile of every third row covers the
    field. If only part of the field holds data, the same number of tiles is drawn from that part.

    Args:
        seen: (n * n,) whether a tile holds data.
        rng: source of randomness; None for all tiles.
    """
    n = round(len(seen) ** 0.5)
    grid = np.arange(n * n).reshape(n, n)
    if rng is None:
        return grid.ravel()
    if not seen.all():
        valid = np.flatnonzero(seen)
        return np.sort(rng.choice(valid, min(len(valid), (n // 3) ** 2), replace=False))
    y, x = rng.integers(0, 3, 2)
    last = n // 3 * 3
    return grid[y : y + last : 3, x : x + last : 3].ravel()
