# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes from shards, as batches for the network."""

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
        measured: statistics; tiles that do not exist have weight 0.
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
        volumes: shard, and indices of the slices, of each volume.
        kind: (volumes,) see `Sample`.
        correlated: (volumes,) bool, whether it has noise that is not white, added without tilts.
        specimen: (volumes,) index of the shard.
        contents: (volumes,) ingredients of its specimen, joined by "+".
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
        """(n, OCTAVES, len(MEANS)) float32 of every n-th tile that holds data, n = `every`."""
        rows = []
        for shard, members in self.volumes:
            part = self._parts[shard]
            means = part["means"][members]
            flat = means.reshape(-1, *means.shape[2:])[::every]
            rows.append(flat[part["weight"][members].reshape(-1)[::every] > 0.5])
        return torch.from_numpy(np.concatenate(rows).astype(np.float32))

    def batch(self, indices: np.ndarray, rng: np.random.Generator | None) -> Batch:
        """Volumes as a batch.

        Args:
            indices: indices of the volumes.
            rng: source of randomness for augmentation, with a ninth of the tiles; None for neither.
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
    """Arrays (s_i, t_i, ...) or (s_i, ...) as one float32 tensor, filled up with 0."""
    shape = np.max([array.shape for array in arrays], axis=0)
    out = np.zeros((len(arrays), *shape), dtype=np.float32)
    for row, array in zip(out, arrays):
        row[tuple(slice(n) for n in array.shape)] = array
    return torch.from_numpy(out)


def _tiles(seen: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """Indices of all of n x n tiles, n > 2, or of some of those that carry data.

    Tiles are four cells wide and one cell apart: every third one of every third row still covers
    the field. Where the field is a part only, as many of its tiles are drawn.

    Args:
        seen: (n * n,) whether a tile carries data.
        rng: None for all tiles.
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
