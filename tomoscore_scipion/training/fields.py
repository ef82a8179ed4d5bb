# SPDX-License-Identifier: GPL-3.0-or-later
"""Crop and filter simulated fields, to imitate the edges of real tomograms.

Simulated fields are periodic, real fields are not. Opposite edges of a cropped field do not match,
and a filter in Fourier space carries each edge over to the opposite edge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from tomoscore_scipion.model.inference import MeasuredSlice
from tomoscore_scipion.model.tiles import CELL_PX
from tomoscore_scipion.tomography import fourier

WHOLE_FIELD_ODDS = 0.35
"""Fraction of the volumes that keep the whole field."""
MIN_CELLS = 3
"""Minimum width of a cropped field, in cells of 48 nm."""
FILTERED = 0.35
"""Fraction of the volumes with a filter."""
EXPONENTS = (-1.0, 0.6)
"""Range of the exponent p of the filter |k|^p."""


@dataclass(frozen=True)
class Field:
    """A rectangle of cells of a square field.

    Attributes:
        cells: cells across the whole field.
        rows: first cell along y, and the number of cells.
        columns: first cell along x, and the number of cells.
        exponent: exponent of the radial power-law filter of the planes; 0 for no filter.
    """

    cells: int
    rows: tuple[int, int]
    columns: tuple[int, int]
    exponent: float = 0.0

    def of_plane(self, plane: np.ndarray) -> np.ndarray:
        """Crop a plane (y, x) of the whole field to the rectangle, and filter it."""
        y, x = (_pixels(part, n / self.cells) for part, n in zip(self._parts, plane.shape))
        part = plane[y, x]
        return power_law_filter(part, self.exponent) if self.exponent else part

    def of_tiles(self, values: torch.Tensor) -> torch.Tensor:
        """Values (tiles, tiles, ...) of the tiles of the whole field, 0 outside the rectangle."""
        out = torch.zeros_like(values)
        out[self.tiles] = values[self.tiles]
        return out

    def expanded(self, measured: MeasuredSlice) -> MeasuredSlice:
        """Statistics of the rectangle on the grid of tiles of the whole field, padded with 0."""
        tiles = (self.cells - 1, self.cells - 1)
        means = measured.means.new_zeros((*tiles, *measured.means.shape[2:]))
        weight = measured.weight.new_zeros(tiles)
        if not measured.blank:
            means[self.tiles], weight[self.tiles] = measured.means, measured.weight
        return replace(measured, means=means, weight=weight)

    @property
    def _parts(self) -> tuple[tuple[int, int], tuple[int, int]]:
        return self.rows, self.columns

    @property
    def tiles(self) -> tuple[slice, slice]:
        """Rows and columns of the rectangle's tiles among those of the whole field."""
        (y, height), (x, width) = self._parts
        return slice(y, y + height - 1), slice(x, x + width - 1)


def _pixels(part: tuple[int, int], pixels_per_cell: float) -> slice:
    """Range of whole pixels within a row of cells."""
    first = round(part[0] * pixels_per_cell)
    return slice(first, first + int(part[1] * pixels_per_cell))


def power_law_filter(plane: np.ndarray, exponent: float) -> np.ndarray:
    """Multiply the Fourier transform of a plane (y, x) by a power of the frequency."""
    k = fourier.numpy_radius(plane.shape)
    k[0, 0] = 1 / max(plane.shape)
    return fourier.numpy_filtered(plane, k**exponent)


def random_field(rng: np.random.Generator, field_px: int) -> Field:
    """Draw a rectangle, or the whole field, and a filter; `field_px` is in pixels of 1.5 nm."""
    cells = field_px // CELL_PX
    rows = columns = (0, cells)
    if rng.random() >= WHOLE_FIELD_ODDS:
        rows, columns = _random_part(rng, cells), _random_part(rng, cells)
    exponent = float(rng.uniform(*EXPONENTS)) if rng.random() < FILTERED else 0.0
    return Field(cells, rows, columns, exponent)


def _random_part(rng: np.random.Generator, cells: int) -> tuple[int, int]:
    count = int(rng.integers(min(MIN_CELLS, cells), cells + 1))
    return int(rng.integers(0, cells - count + 1)), count
