# SPDX-License-Identifier: GPL-3.0-or-later
"""The grid of tiles on a slice: cells of 48 nm, and overlapping tiles of 4 x 4 cells.

Each inner corner of the grid of cells is the centre of one tile. The grid of cells is centred on
the slice and covers it. Tiles at an edge consist of the cells that exist. The ground truth of
simulated slices uses the same tiles.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

CELL_PX = 32
"""Spacing of the tiles in pixels of 1.5 nm."""
TILE_CELLS = 4
"""Edge of a tile in cells; tiles at an edge of the slice have fewer."""
TILE_NM = 192.0
"""Edge of a tile, which the coarsest octave, 128-64 nm, needs."""
MIN_CELLS = 2


def cells_along(canonical_px: int) -> int:
    """Cells along an axis of a slice, from its size in pixels of 1.5 nm."""
    return max(math.ceil(canonical_px / CELL_PX), MIN_CELLS)


def tiles_along(canonical_px: int) -> int:
    """Tiles along an axis of a slice, from its size in pixels of 1.5 nm."""
    return cells_along(canonical_px) - 1


def cell_sum(images: torch.Tensor, cell_px: int) -> torch.Tensor:
    """Sums over square cells of `cell_px` pixels: (n, y, x) to (n, y / cell_px, x / cell_px)."""
    n, y, x = images.shape
    rows = images.reshape(n, y // cell_px, cell_px, x).sum(dim=2)  # contiguous axis first: faster
    return rows.reshape(n, y // cell_px, x // cell_px, cell_px).sum(dim=3)


def tile_sum(cells: torch.Tensor) -> torch.Tensor:
    """Sums over the existing cells of every tile: (n, y, x) to (n, y - 1, x - 1)."""
    summed = F.avg_pool2d(F.pad(cells, (1, 1, 1, 1))[None], TILE_CELLS, 1)[0]
    return summed * TILE_CELLS**2
