# SPDX-License-Identifier: GPL-3.0-or-later
"""Statistics of the octaves of a slice, tile by tile: means of products of their images.

The statistics are fixed, not learned, and the same for all octaves, so that a network can apply
what it learned at one scale to the others. This module averages products, because means can be
pooled over tiles, slices and volumes; `features.py` turns means into ratios independent of the
gain.

Symbols of the formulas: c, n, f, d are the images of the centre and of the near, far and distant
neighbour; r = (r_y, r_x) is the Riesz transform of c, A^2 = c^2 + |r|^2 its squared amplitude and
T = (r_y^2 - r_x^2, 2 r_y r_x) its structure tensor. [x]_k is the mean of x over k x k pixels (cell:
over a cell). A prime marks the next coarser octave.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Callable

import torch
import torch.nn.functional as F

from tomoscore_scipion.model.normalisation import MARGIN_CELLS
from tomoscore_scipion.model.octaves import Octave
from tomoscore_scipion.model.sampling import CHANNEL_NAMES
from tomoscore_scipion.model.tiles import cell_sum, tile_sum

SECTORS = 2
PERSISTENCE = SECTORS * (len(CHANNEL_NAMES) - 1)
"""Number of correlations of a slice and octave with its neighbours, in all sectors."""
POOLED_PX = (2, 4, 8)
"""Edges k of the k x k pixel squares for means of energies and structure tensors."""


class Products:
    """Images of an octave and sums of their products over cells.

    Args:
        octave: the octave.
        coarser: the next coarser octave of the same slice; None for the coarsest.
    """

    def __init__(self, octave: Octave, coarser: Octave | None) -> None:
        self.images, self.riesz = octave.images, octave.riesz
        self.centre = octave.images[0]
        self._coarser, self._cell_px = coarser, octave.cell_px

    def cells(self, image: torch.Tensor) -> torch.Tensor:
        """Sums of an image (y, x) over cells, (cells_y, cells_x)."""
        return cell_sum(image[None], self._cell_px)[0]

    def product(self, one: int, other: int) -> torch.Tensor:
        """Sums over cells of the product of two channels."""
        return self.cells(self.images[one] * self.images[other])

    def absolute(self, channel: int) -> torch.Tensor:
        """Sums over cells of |c| times the absolute value of a neighbour."""
        return self.cells(self.magnitude * self.images[channel].abs())

    @cached_property
    def square(self) -> torch.Tensor:
        """c^2, (y, x)."""
        return self.centre.square()

    @cached_property
    def magnitude(self) -> torch.Tensor:
        """|c|, (y, x)."""
        return self.centre.abs()

    @cached_property
    def riesz_energy(self) -> torch.Tensor:
        """|r|^2, (y, x)."""
        return self.riesz.square().sum(dim=0)

    @cached_property
    def energy(self) -> torch.Tensor:
        """A^2, (y, x)."""
        return self.square + self.riesz_energy

    @cached_property
    def tensor(self) -> torch.Tensor:
        """T, (2, y, x)."""
        along_y, along_x = self.riesz
        return torch.stack([along_y.square() - along_x.square(), 2 * along_y * along_x])

    @cached_property
    def tensor_cells(self) -> torch.Tensor:
        """Sums of T over cells, (2, cells_y, cells_x)."""
        return cell_sum(self.tensor, self._cell_px)

    @cached_property
    def energy_cells(self) -> torch.Tensor:
        """Sums over cells of [A^2]_cell^2."""
        return self.cells(self.energy) ** 2 / self._cell_px**2

    @cached_property
    def pooled(self) -> dict[int, torch.Tensor]:
        """Sums over cells of |[T]_k| and [A^2]_k^2, (2, cells_y, cells_x) for each k.

        A k larger than the edge of a cell is replaced by that edge.
        """
        both, size, out = torch.cat([self.energy[None], self.tensor]), 1, {}
        for size_px in POOLED_PX:
            if size_px <= self._cell_px:
                both, size = F.avg_pool2d(both[None], 2)[0], size_px
            length = (both[1].square() + both[2].square()).sqrt()
            products = torch.stack([length, both[0].square()])
            out[size_px] = cell_sum(products, self._cell_px // size) * size**2
        return out

    @cached_property
    def with_coarser(self) -> torch.Tensor:
        """Sums over cells of the products with the coarser octave, (5, ...); 0 without one."""
        energy, tensor, centre, riesz = self.energy, self.tensor, self.centre, self.riesz
        if self._coarser is None:
            n_y, n_x = (n // self._cell_px for n in energy.shape)
            return energy.new_zeros((5, n_y, n_x))
        stack = torch.cat([self._coarser.images[:1], self._coarser.riesz])
        image, along_y, along_x = F.interpolate(
            stack[None], scale_factor=2.0, mode="bilinear", align_corners=False
        )[0]
        squares = along_y.square() + along_x.square()
        total = image.square() + squares
        alignment = tensor[0] * (along_y.square() - along_x.square()) + tensor[1] * (
            2 * along_y * along_x
        )
        # Compare twice the phase of the coarser wave with the phase of the finer one.
        doubled = centre * (image.square() - squares)
        doubled = doubled + 2 * image * (riesz[0] * along_y + riesz[1] * along_x)
        products = (total, energy * total, energy * image, alignment, doubled)
        return torch.stack([self.cells(product) for product in products])


@dataclass(frozen=True)
class Mean:
    """A mean over the cells of a tile.

    Attributes:
        name: unique name of the mean.
        formula: averaged quantity, in the symbols of the module docstring.
        sums: function that returns the sums over cells, (cells_y, cells_x).
        channels: required neighbours; the mean is 0 without them.
        coarser: whether the next coarser octave is required; the mean is 0 without one.
    """

    name: str
    formula: str
    sums: Callable[[Products], torch.Tensor]
    channels: tuple[str, ...] = ()
    coarser: bool = False


Sums = Callable[[Products], torch.Tensor]


def _product(one: int, other: int) -> Sums:
    return lambda products: products.product(one, other)


def _absolute(channel: int) -> Sums:
    return lambda products: products.absolute(channel)


def _pooled(size: int, row: int) -> Sums:
    return lambda products: products.pooled[size][row]


def _with_coarser(row: int) -> Sums:
    return lambda products: products.with_coarser[row]


_N, _F, _D = ((name,) for name in CHANNEL_NAMES[1:])

MEAN_TABLE = (
    Mean("energy_centre", "c^2", lambda p: p.cells(p.square)),
    Mean("energy_near", "n^2", _product(1, 1), _N),
    Mean("energy_far", "f^2", _product(2, 2), _F),
    Mean("energy_distant", "d^2", _product(3, 3), _D),
    Mean("centre_near", "c n", _product(0, 1), _N),
    Mean("centre_far", "c f", _product(0, 2), _F),
    Mean("centre_distant", "c d", _product(0, 3), _D),
    Mean("near_far", "n f", _product(1, 2), _N + _F),
    Mean("near_distant", "n d", _product(1, 3), _N + _D),
    Mean("far_distant", "f d", _product(2, 3), _F + _D),
    Mean("amplitude", "A", lambda p: p.cells(p.energy.sqrt())),
    Mean("amplitude_2", "A^2", lambda p: p.cells(p.energy)),
    Mean("amplitude_4", "A^4", lambda p: p.cells(p.energy.square())),
    Mean("cube", "c^3", lambda p: p.cells(p.centre * p.square)),
    Mean("fourth", "c^4", lambda p: p.cells(p.square.square())),
    Mean("absolute", "|c|", lambda p: p.cells(p.magnitude)),
    Mean("riesz_2", "|r|^2", lambda p: p.cells(p.riesz_energy)),
    Mean("tensor_2", "|[T]_2|", _pooled(2, 0)),
    Mean("tensor_4", "|[T]_4|", _pooled(4, 0)),
    Mean("tensor_8", "|[T]_8|", _pooled(8, 0)),
    Mean("tensor_cell", "|[T]_cell|", lambda p: p.tensor_cells.norm(dim=0)),
    Mean("tensor_cos", "T_1", lambda p: p.tensor_cells[0]),
    Mean("tensor_sin", "T_2", lambda p: p.tensor_cells[1]),
    Mean("energy_2", "[A^2]_2^2", _pooled(2, 1)),
    Mean("energy_4", "[A^2]_4^2", _pooled(4, 1)),
    Mean("energy_8", "[A^2]_8^2", _pooled(8, 1)),
    Mean("energy_cell", "[A^2]_cell^2", lambda p: p.energy_cells),
    Mean("coarse_2", "A'^2", _with_coarser(0), coarser=True),
    Mean("energy_coarse", "A^2 A'^2", _with_coarser(1), coarser=True),
    Mean("energy_image", "A^2 c'", _with_coarser(2), coarser=True),
    Mean("tensor_coarse", "T . T'", _with_coarser(3), coarser=True),
    Mean("phase_coarse", "c (c'^2 - |r'|^2) + 2 c' r . r'", _with_coarser(4), coarser=True),
    Mean("strength_near", "|c n|", _absolute(1), _N),
    Mean("strength_far", "|c f|", _absolute(2), _F),
    Mean("strength_distant", "|c d|", _absolute(3), _D),
)
"""All means of a tile and octave, in order."""
MEANS = tuple(mean.name for mean in MEAN_TABLE)
"""Names of the means, in order."""


def tile_means(octaves: list[Octave]) -> tuple[torch.Tensor, torch.Tensor]:
    """Means over every tile of a slice.

    Args:
        octaves: the octaves of the slice, finest first.

    Returns:
        Means (tiles_y, tiles_x, OCTAVES, len(MEANS)), float32 on the CPU, 0 where a tile has no
        data; and the fraction of the four central cells of each tile that holds data, (tiles_y,
        tiles_x), 0 to 1.
    """
    means: list[torch.Tensor] = []
    for octave, coarser in zip(octaves, (*octaves[1:], None)):
        count = tile_sum(_inner(cell_sum(octave.valid[None], octave.cell_px)))
        products = Products(octave, coarser)
        sums = torch.stack([mean.sums(products) for mean in MEAN_TABLE])
        means.append((tile_sum(_inner(sums)) / count.clamp_min(1.0)).permute(1, 2, 0))
    return torch.stack(means, dim=2).float().cpu(), _core_fraction(octaves[0]).cpu()


def _core_fraction(octave: Octave) -> torch.Tensor:
    """Fraction of the four central cells of each tile that holds data."""
    cells = _inner(cell_sum(octave.valid[None], octave.cell_px)) / octave.cell_px**2
    return F.avg_pool2d(cells, 2, stride=1)[0]


def _inner(cells: torch.Tensor) -> torch.Tensor:
    """Cells (n, y, x) without the margin of the window."""
    m = MARGIN_CELLS
    return cells[:, m:-m, m:-m]


def persistence_of(octaves: list[Octave]) -> torch.Tensor:
    """(OCTAVES, PERSISTENCE) of a slice: near, far and distant of one sector, then of the other.

    The sector with the larger correlations comes first, so that rotations of a slice by 90 degrees
    do not change the result.
    """
    both = torch.stack([octave.persistence for octave in octaves])
    first, second = both[:, 0].sum(), both[:, 1].sum()
    order = [0, 1] if first >= second else [1, 0]
    return both[:, order].flatten(1)
