# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes from shards, read from disk as batches of some of them are made for the network."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .augmentation import augmented, fewer


@dataclass(frozen=True)
class Batch:
    """Network input and truth of v volumes of at most s slices of t tiles.

    Attributes:
        features: (v, s, t, N_FEATURES) float32.
        curves: (v, s, t, N_BANDS) float32, signed truth.
        weight: (v, s, t) float32, the share of each tile that carries data; 0 where there is none.
        share: (v, N_BANDS) float32, share of each band below Nyquist.
        level: (v, s) float32.
    """

    features: torch.Tensor
    curves: torch.Tensor
    weight: torch.Tensor
    share: torch.Tensor
    level: torch.Tensor


class Shards:
    """The samples of a folder, by volume; blank slices are left out.

    Attributes:
        volumes: indices of the slices of each volume.
        kind: (volumes,) "tilt_series", "direct" or "null".
        correlated: (volumes,) bool, whether noise that is not white was put on it without tilts.
        specimen: (volumes,) which shard each is of.
        contents: (volumes,) ingredients of its specimen, joined by "+".
    """

    def __init__(self, folder: Path) -> None:
        paths = sorted(p for p in folder.glob("v*.npz") if p.with_suffix(".npy").exists())
        if not paths:
            raise FileNotFoundError(f"{folder}: expected shards (.npy and .npz), found none")
        parts = [dict(np.load(path)) for path in paths]
        self._features = [np.load(path.with_suffix(".npy"), mmap_mode="r") for path in paths]
        self._parts = parts
        self.volumes: list[tuple[int, np.ndarray]] = []
        labels: dict[str, list] = {name: [] for name in ("kind", "correlated", "contents")}
        for shard, part in enumerate(parts):
            seen = part["weight"].sum(axis=(1, 2)) > 0
            for volume in np.unique(part["volume"]):
                members = np.flatnonzero(seen & (part["volume"] == volume))
                if len(members):
                    self.volumes.append((shard, members))
                    for name, values in labels.items():
                        values.append(part[name][members[0]])
        self.kind, self.correlated, self.contents = map(np.array, labels.values())
        self.specimen = np.array([shard for shard, _ in self.volumes])

    def only(self, wanted: np.ndarray) -> Shards:
        """Some of the volumes, chosen by a (volumes,) mask; nothing is read or copied."""
        part = copy.copy(self)
        part.volumes = [volume for volume, kept in zip(self.volumes, wanted) if kept]
        for name in ("kind", "correlated", "contents", "specimen"):
            setattr(part, name, getattr(self, name)[wanted])
        return part

    def __len__(self) -> int:
        return len(self.volumes)

    def sample_features(self, every: int) -> np.ndarray:
        """(n, N_FEATURES) float32 of every so-manieth tile that carries data."""
        rows = []
        for shard, members in self.volumes:
            features = self._features[shard][members]
            flat = features.reshape(-1, features.shape[-1])[::every]
            rows.append(flat[self._parts[shard]["weight"][members].reshape(-1)[::every] > 0.5])
        return np.concatenate(rows).astype(np.float32)

    def batch(self, chosen: np.ndarray, rng: np.random.Generator | None) -> Batch:
        """Some volumes; augmented, with a quarter of their tiles, given a source of randomness."""
        columns: list[tuple] = []
        for index in chosen:
            shard, members = self.volumes[index]
            if rng is not None:
                members = fewer(members, rng)
            columns.append(self._volume(shard, members, rng))
        features, curves, weight, level, share = zip(*columns)
        stacked = [_stack(column) for column in (features, curves, weight, level)]
        return Batch(
            features=stacked[0],
            curves=stacked[1],
            weight=stacked[2],
            share=torch.from_numpy(np.stack(share)),
            level=stacked[3],
        )

    def _volume(self, shard: int, members: np.ndarray, rng: np.random.Generator | None) -> tuple:
        part, features = self._parts[shard], self._features[shard]
        tiles = _tiles(part["weight"].shape[1], rng)
        found = features[members][:, tiles].astype(np.float32)
        n = len(members)
        curves = part["curves"][members].reshape(n, -1, part["curves"].shape[-1])[:, tiles]
        weight = part["weight"][members].reshape(n, -1)[:, tiles]
        level = part["level"][members]
        if rng is not None:
            found, level = augmented(found, weight.astype(np.float32), level, rng)
        return found, curves, weight, level, part["share"][members[0]]


def _stack(arrays: tuple) -> torch.Tensor:
    """Arrays (s_i, ...) as one float32 tensor (v, s, ...), filled up with 0."""
    slices = max(len(array) for array in arrays)
    out = np.zeros((len(arrays), slices, *arrays[0].shape[1:]), dtype=np.float32)
    for row, array in zip(out, arrays):
        row[: len(array)] = array
    return torch.from_numpy(out)


def _tiles(n: int, rng: np.random.Generator | None) -> np.ndarray:
    """Indices of all of n x n tiles, n > 1, or of every other one of every other row."""
    grid = np.arange(n * n).reshape(n, n)
    if rng is None:
        return grid.ravel()
    y, x = rng.integers(0, 2, 2)
    last = n // 2 * 2
    return grid[y : y + last : 2, x : x + last : 2].ravel()
