# SPDX-License-Identifier: GPL-3.0-or-later
"""The network: canonical slices in, signed resolvability curves of overlapping tiles out.

Fully convolutional. Two views of the same slice meet in a small head: learned features of three
scales, and plain statistics - energy per octave and channel, and the correlation between the slice
and its neighbours, which tells matter, that persists from slice to slice, from noise.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from tomoscore_scipion.engine.bands import N_BANDS

CELL_PX = 32
"""Spacing of the tiles; a tile is a window of 2 x 2 cells and its surroundings."""
CHANNELS = 3
WIDTHS = (24, 48, 96, 128)
OCTAVES = 5
RECEPTIVE_FIELD_PX = 169
"""254 nm at the canonical pixel: 106 of the features, 2 cells of their mean."""


class Stage(nn.Module):
    """Halves the resolution (symmetric under flips) and looks around once."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)
        self.look = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.look_norm = nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, inputs, y, x) to (b, outputs, y / 2, x / 2)."""
        x = F.relu(self.down(x))
        return F.relu(x + self.look_norm(self.look(x)))


class ResolvabilityNet(nn.Module):
    """Predicts resolvability curves per tile."""

    def __init__(self) -> None:
        super().__init__()
        inputs = (CHANNELS, *WIDTHS[:-1])
        self.stages = nn.ModuleList(Stage(i, o) for i, o in zip(inputs, WIDTHS))
        self.statistics_norm = nn.BatchNorm2d(6 * OCTAVES)
        self.head = nn.Sequential(
            nn.Conv2d(sum(WIDTHS[1:]) + 6 * OCTAVES, 160, 1),
            nn.GELU(),
            nn.Conv2d(160, 96, 1),
            nn.GELU(),
            nn.Conv2d(96, N_BANDS, 1),
        )

    def forward(self, channels: torch.Tensor) -> torch.Tensor:
        """Curves of tiles.

        Args:
            channels: (b, 3, y, x) float32, y and x multiples of 32 and at least 64.

        Returns:
            (b, N_BANDS, y / 32 - 1, x / 32 - 1) float32; tile (i, j) is centred on pixel
            (32 (i + 1), 32 (j + 1)). Signed, not clipped.
        """
        y, x = channels.shape[-2:]
        if channels.shape[1] != CHANNELS or y % CELL_PX or x % CELL_PX or min(y, x) < 2 * CELL_PX:
            raise ValueError(
                f"expected (b, {CHANNELS}, y, x) with y, x multiples of {CELL_PX} and at least "
                f"{2 * CELL_PX}, got {tuple(channels.shape)}"
            )
        features = [self.statistics_norm(octave_statistics(channels.float()))]
        seen = channels
        for level, stage in enumerate(self.stages):
            seen = stage(seen)
            if level:
                features.append(F.avg_pool2d(seen, CELL_PX >> (level + 1)).float())
        tiles = F.avg_pool2d(torch.cat(features, dim=1), 2, stride=1)
        curves: torch.Tensor = self.head(tiles)
        return curves.float()


def octave_statistics(channels: torch.Tensor) -> torch.Tensor:
    """Energies and correlations of the three channels per octave and cell.

    Args:
        channels: (b, 3, y, x) float32, y and x multiples of 32.

    Returns:
        (b, 6 * OCTAVES, y / 32, x / 32): per octave of a Haar-like pyramid the log10 of the three
        mean squares and the three correlations (centre-near, centre-far, near-far).
    """
    out = []
    image = channels
    for octave in range(OCTAVES):
        coarse = F.avg_pool2d(image, 2)
        detail = image - F.interpolate(coarse, scale_factor=2.0, mode="nearest")
        cell = CELL_PX >> octave
        square = F.avg_pool2d(detail**2, cell)
        pairs = torch.stack(
            [
                detail[:, 0] * detail[:, 1],
                detail[:, 0] * detail[:, 2],
                detail[:, 1] * detail[:, 2],
            ],
            dim=1,
        )
        cross = F.avg_pool2d(pairs, cell)
        power = torch.stack(
            [square[:, 0] * square[:, 1], square[:, 0] * square[:, 2], square[:, 1] * square[:, 2]],
            dim=1,
        )
        out += [torch.log10(square + 1e-6), cross / (power + 1e-12).sqrt()]
        image = coarse
    return torch.cat(out, dim=1)
