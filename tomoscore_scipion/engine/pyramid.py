# SPDX-License-Identifier: GPL-3.0-or-later
"""A pyramid of octaves of an image, and sums over the cells and tiles of its levels.

The Laplacian pyramid of Burt and Adelson, IEEE Trans. Commun. 31, 532 (1983), with the filter
[1 3 3 1] / 8, which keeps cells and pixels aligned. All images are (b, c, y, x) float32.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

CELL_PX = 32
"""Spacing of the tiles, in pixels of the finest level."""
TILE_CELLS = 4
"""A tile has 4 x 4 cells (192 nm), as the tiles of the truth; at an edge what there is of them."""


def reduce(images: torch.Tensor) -> torch.Tensor:
    """Half the size after the filter [1 3 3 1] / 8 along both axes."""
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    rows = padded[:, :, 0:-2:2] + padded[:, :, 3::2]
    rows = rows + 3 * (padded[:, :, 1:-2:2] + padded[:, :, 2:-1:2])
    out = rows[..., 0:-2:2] + rows[..., 3::2] + 3 * (rows[..., 1:-2:2] + rows[..., 2:-1:2])
    return out / 64


def expand(images: torch.Tensor) -> torch.Tensor:
    """Twice the size by linear interpolation."""
    return F.interpolate(images, scale_factor=2.0, mode="bilinear", align_corners=False)


def blur(images: torch.Tensor) -> torch.Tensor:
    """The filter [1 2 1] / 4 along both axes."""
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    rows = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    return (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 16


def halve(images: torch.Tensor) -> torch.Tensor:
    """Means over 2 x 2 pixels."""
    rows = images[:, :, 0::2] + images[:, :, 1::2]
    return (rows[..., 0::2] + rows[..., 1::2]) / 4


def derivative(images: torch.Tensor, axis: int) -> torch.Tensor:
    """Central differences (next less previous) along an axis, 0 at its ends."""
    out = torch.zeros_like(images)
    size = images.shape[axis]
    if size > 2:
        ahead, behind = images.narrow(axis, 2, size - 2), images.narrow(axis, 0, size - 2)
        out.narrow(axis, 1, size - 2).copy_(ahead - behind)
    return out


def cell_sum(products: torch.Tensor, level: int) -> torch.Tensor:
    """Sums over the cells of a level, 0 the finest: (b, n, y, x) to (b, n, cells_y, cells_x)."""
    step = CELL_PX >> level
    b, n, y, x = products.shape
    return products.reshape(b, n, y // step, step, x // step, step).sum(dim=5).sum(dim=3)


def tile_sum(cells: torch.Tensor) -> torch.Tensor:
    """Sums over the cells of every tile, as far as they exist: one tile less along y and x."""
    padded = F.pad(cells, (1, 1, 1, 1))
    y, x = cells.shape[-2] - 1, cells.shape[-1] - 1
    rows = torch.stack([padded[:, :, i : i + y] for i in range(TILE_CELLS)]).sum(dim=0)
    return torch.stack([rows[..., i : i + x] for i in range(TILE_CELLS)]).sum(dim=0)
