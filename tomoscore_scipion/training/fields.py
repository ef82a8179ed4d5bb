# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a simulated field that is written as a tomogram, and a filter of that tomogram.

Simulated fields are periodic; real ones are not. A part of a field has edges that do not fit each
other, and a filter applied to it in Fourier space carries each edge over to the opposite one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from tomoscore_scipion.model.inference import MeasuredSlice
from tomoscore_scipion.model.tiles import CELL_PX
from tomoscore_scipion.tomography import fourier

WHOLE_FIELD_ODDS = 0.35
"""Fraction of the volumes with the whole field."""
MIN_CELLS = 3
"""Smallest width of a part, in cells of 48 nm."""
FILTERED = 0.35
"""Fraction of the volumes to which a filter is applied."""
EXPONENTS = (-1.0, 0.6)
"""Range of the power of the frequency that such a filter multiplies by."""


@dataclass(frozen=True)
class Field:
    """A rectangle of cells of a square field.

    Attributes:
        cells: cells across the whole field.
        rows: first cell along y, and the number of cells.
        columns: the same along x.
        exponent: of the radial filter that is applied to the planes; 0 for none.
    """

    cells: int
    rows: tuple[int, int]
    columns: tuple[int, int]
    exponent: float = 0.0

    def of_plane(self, plane: np.ndarray) -> np.ndarray:
        """The rectangle of a plane (y, x) of the whole field, filtered."""
        y, x = (_pixels(part, n / self.cells) for part, n in zip(self._parts, plane.shape))
        part = plane[y, x]
        return power_law_filter(part, self.exponent) if self.exponent else part

    def of_tiles(self, values: torch.Tensor) -> torch.Tensor:
        """Values (tiles, tiles, ...) of the tiles of the whole field, 0 outside the rectangle."""
        out = torch.zeros_like(values)
        out[self._tiles] = values[self._tiles]
        return out

    def expanded(self, measured: MeasuredSlice) -> MeasuredSlice:
        """Statistics of the rectangle, placed among the tiles of the whole field."""
        tiles = (self.cells - 1, self.cells - 1)
        means = measured.means.new_zeros((*tiles, *measured.means.shape[2:]))
        weight = measured.weight.new_zeros(tiles)
        if not measured.blank:
            means[self._tiles], weight[self._tiles] = measured.means, measured.weight
        return replace(measured, means=means, weight=weight)

    @property
    def _parts(self) -> tuple[tuple[int, int], tuple[int, int]]:
        return self.rows, self.columns

    @property
    def _tiles(self) -> tuple[slice, slice]:
        (y, height), (x, width) = self._parts
        return slice(y, y + height - 1), slice(x, x + width - 1)


def _pixels(part: tuple[int, int], pixels_per_cell: float) -> slice:
    """Pixels of a row of cells, not one more than fit into them."""
    first = round(part[0] * pixels_per_cell)
    return slice(first, first + int(part[1] * pixels_per_cell))


def power_law_filter(plane: np.ndarray, exponent: float) -> np.ndarray:
    """A plane (y, x) whose Fourier transform is multiplied by a power of the frequency."""
    k = fourier.numpy_radius(plane.shape)
    k[0, 0] = 1 / max(plane.shape)
    return fourier.numpy_filtered(plane, k**exponent)


def random_field(rng: np.random.Generator, field_px: int) -> Field:
    """Draw a part of a field, or the whole, and a filter; `field_px` pixels of 1.5 nm."""
    cells = field_px // CELL_PX
    rows = columns = (0, cells)
    if rng.random() >= WHOLE_FIELD_ODDS:
        rows, columns = _random_part(rng, cells), _random_part(rng, cells)
    exponent = float(rng.uniform(*EXPONENTS)) if rng.random() < FILTERED else 0.0
    return Field(cells, rows, columns, exponent)


def _random_part(rng: np.random.Generator, cells: int) -> tuple[int, int]:
    count = int(rng.integers(min(MIN_CELLS, cells), cells + 1))
    return int(rng.integers(0, cells - count + 1)), count
