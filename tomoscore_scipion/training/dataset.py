# SPDX-License-Identifier: GPL-3.0-or-later
"""Random batches from shards on disk, augmented in ways that change nothing about quality."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tomoscore_scipion.engine.network import CELL_PX

FAR_ABSENT = 0.08
NEIGHBOURS_ABSENT = 0.08
TURNED_CONTRAST = 0.2
CROP_CELLS = 10
"""Training sees random windows of 10 x 10 cells (480 nm): more slices for the same time."""


@dataclass(frozen=True)
class Batch:
    """Network input and truth.

    Attributes:
        channels: (b, 3, y, x) float32.
        curves: (b, tiles, tiles, N_BANDS) float32, signed truth.
        weight: (b, tiles, tiles) float32, the share of each tile that carries data.
        share: (b, N_BANDS) float32, share of each band below Nyquist.
    """

    channels: torch.Tensor
    curves: torch.Tensor
    weight: torch.Tensor
    share: torch.Tensor


class Shards:
    """The samples of a folder; images stay on disk until they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(p for p in folder.glob("v*.npy") if ".part" not in p.name)
        if not self.paths:
            raise FileNotFoundError(f"{folder}: expected shards (.npy), found none")
        labels = [np.load(path.with_suffix(".npz")) for path in self.paths]
        self.curves = [part["curves"] for part in labels]
        self.weight = [part["weight"] for part in labels]
        self.share = [part["share"] for part in labels]
        self.kind = [part["kind"] for part in labels]
        self.index = [(s, i) for s, part in enumerate(self.curves) for i in range(len(part))]

    def __len__(self) -> int:
        return len(self.index)

    def batch(self, members: np.ndarray, rng: np.random.Generator | None) -> Batch:
        """The samples of some indices; augmented when there is a source of randomness."""
        channels, labels, share = [], [], []
        for member in members:
            shard, i = self.index[member]
            image = np.load(self.paths[shard], mmap_mode="r")[i]
            weight = self.weight[shard][i][..., None]
            truth = np.concatenate([self.curves[shard][i], weight], axis=-1).astype(np.float32)
            if rng is not None:
                image, truth = augment(rng, image, truth)
            channels.append(torch.from_numpy(image.astype(np.float32)))
            labels.append(torch.from_numpy(np.ascontiguousarray(truth)))
            share.append(torch.from_numpy(self.share[shard][i]))
        truths = torch.stack(labels)
        return Batch(torch.stack(channels), truths[..., :-1], truths[..., -1], torch.stack(share))


def augment(
    rng: np.random.Generator, image: np.ndarray, truth: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cut, turn, mirror, invert, and lose neighbours, as thin volumes and images have none.

    Args:
        rng: source of randomness.
        image: (3, y, x).
        truth: (tiles, tiles, n).
    """
    y, x = rng.integers(0, truth.shape[0] + 2 - CROP_CELLS, 2)
    image = image[:, CELL_PX * y :, CELL_PX * x :][
        :, : CELL_PX * CROP_CELLS, : CELL_PX * CROP_CELLS
    ]
    truth = truth[y : y + CROP_CELLS - 1, x : x + CROP_CELLS - 1]
    turns, mirror = int(rng.integers(4)), rng.random() < 0.5
    image, truth = np.rot90(image, turns, (1, 2)), np.rot90(truth, turns, (0, 1))
    if mirror:
        image, truth = image[:, ::-1], truth[::-1]
    image = np.array(image, dtype=np.float32)
    if rng.random() < TURNED_CONTRAST:
        image = -image
    luck = rng.random()
    if luck < NEIGHBOURS_ABSENT:
        image[1:] = 0
    elif luck < NEIGHBOURS_ABSENT + FAR_ABSENT:
        image[2:] = 0
    return image, truth
