# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured of the octaves of a slice, tile by tile: means of products of their images.

Nothing here is learned, and every octave is measured alike, so that what a network learns of one
scale holds for the others. Products stay means here, because means can be pooled over tiles, slices
and volumes; `features.py` makes ratios of them that do not depend on the strength of the octave.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tomoscore_scipion.model.normalisation import MARGIN_CELLS
from tomoscore_scipion.model.octaves import OCTAVES, Octave
from tomoscore_scipion.model.tiles import cell_sum, tile_sum

MEANS = (
    "energy_centre",  # squares of the images
    "energy_near",
    "energy_far",
    "energy_distant",
    "centre_near",  # products of two channels
    "centre_far",
    "centre_distant",
    "near_far",
    "near_distant",
    "far_distant",
    "amplitude",  # of the local wave, A, and its powers
    "amplitude_2",
    "amplitude_4",
    "cube",  # odd moment of the image
    "fourth",
    "absolute",
    "riesz_2",
    "tensor_2",  # length of the structure tensor over 2, 4 and 8 pixels
    "tensor_4",
    "tensor_8",
    "tensor_cell",  # over cells, and its two components
    "tensor_cos",
    "tensor_sin",
    "energy_2",  # squared mean of A^2 over 2, 4 and 8 pixels, and over cells
    "energy_4",
    "energy_8",
    "energy_cell",
    "coarse_2",  # A^2 of the next coarser octave
    "energy_coarse",  # products with the next coarser octave: of energies, of energy and image,
    "energy_image",
    "tensor_coarse",  # of structure tensors, and of phases
    "phase_coarse",
    "strength_near",  # products of absolute values with the neighbours
    "strength_far",
    "strength_distant",
)
"""Names of the means of a tile and octave, in order."""
PERSISTENCE = 6
"""Correlations with three neighbours in two sectors, of a slice and octave."""


def tile_means(octaves: list[Octave]) -> tuple[torch.Tensor, torch.Tensor]:
    """Means over every tile of a slice.

    Args:
        octaves: the octaves of the slice, finest first.

    Returns:
        (tiles_y, tiles_x, OCTAVES, len(MEANS)) float32 on the CPU, 0 where a tile has no data, and
        the share of the cells around the middle of each tile that carries data, (tiles_y,
        tiles_x), 0 to 1.
    """
    means: list[torch.Tensor] = []
    for number, octave in enumerate(octaves):
        coarser = octaves[number + 1] if number + 1 < OCTAVES else None
        count = tile_sum(_inner(cell_sum(octave.valid[None], octave.cell_px)))
        sums = tile_sum(_inner(_cell_sums(octave, coarser)))
        means.append((sums / count.clamp_min(1.0)).permute(1, 2, 0))
    return torch.stack(means, dim=2).float().cpu(), _core_share(octaves[0]).cpu()


def _core_share(octave: Octave) -> torch.Tensor:
    """Share of the four cells around the middle of each tile that carries data."""
    cells = _inner(cell_sum(octave.valid[None], octave.cell_px)) / octave.cell_px**2
    return F.avg_pool2d(cells, 2, stride=1)[0]


def _inner(cells: torch.Tensor) -> torch.Tensor:
    """Cells (n, y, x) without the margin of the window."""
    m = MARGIN_CELLS
    return cells[:, m:-m, m:-m]


def _cell_sums(octave: Octave, coarser: Octave | None) -> torch.Tensor:
    """Sums over cells of the products of `MEANS`, (len(MEANS), cells_y, cells_x)."""
    images, riesz = octave.images, octave.riesz
    centre = images[0]
    squares, rest = images.square(), riesz.square()
    energy = squares[0] + rest.sum(dim=0)
    tensor = torch.stack([rest[0] - rest[1], 2 * riesz[0] * riesz[1]])
    strength = images.abs()
    pairs = [images[i] * images[j] for i, j in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))]
    plain = [
        *squares,
        *pairs,
        energy.sqrt(),
        energy,
        energy.square(),
        centre * squares[0],
        squares[0].square(),
        strength[0],
        rest.sum(dim=0),
    ]
    cell = octave.cell_px
    sums = [cell_sum(image[None], cell) for image in plain]
    tensors, energies = _pooled(energy, tensor, cell)
    whole = cell_sum(tensor, cell)
    sums += [tensors, whole.norm(dim=0, keepdim=True), whole]
    sums += [energies, cell_sum(energy[None], cell) ** 2 / cell**2]
    sums.append(_with_coarser(energy, tensor, centre, riesz, coarser, cell))
    sums.append(cell_sum(strength[0] * strength[1:], cell))
    return torch.cat(sums)


def _pooled(
    energy: torch.Tensor, tensor: torch.Tensor, cell: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cell sums of structure tensor lengths and squared energies over 2, 4 and 8 pixels."""
    both = torch.cat([energy[None], tensor])
    tensors, energies, size = [], [], 1
    for wanted in (2, 4, 8):
        if wanted <= cell:
            both, size = F.avg_pool2d(both[None], 2)[0], wanted
        length = (both[1].square() + both[2].square()).sqrt()
        products = cell_sum(torch.stack([length, both[0].square()]), cell // size) * size**2
        tensors.append(products[0])
        energies.append(products[1])
    return torch.stack(tensors), torch.stack(energies)


def _with_coarser(
    energy: torch.Tensor,
    tensor: torch.Tensor,
    centre: torch.Tensor,
    riesz: torch.Tensor,
    coarser: Octave | None,
    cell: int,
) -> torch.Tensor:
    """Cell sums of the five products with the next coarser octave, 0 where there is none."""
    if coarser is None:
        n_y, n_x = (n // cell for n in energy.shape)
        return energy.new_zeros((5, n_y, n_x))
    stack = torch.cat([coarser.images[:1], coarser.riesz])
    image, along_y, along_x = F.interpolate(
        stack[None], scale_factor=2.0, mode="bilinear", align_corners=False
    )[0]
    squares = along_y.square() + along_x.square()
    total = image.square() + squares
    alignment = tensor[0] * (along_y.square() - along_x.square()) + tensor[1] * (
        2 * along_y * along_x
    )
    # Twice the phase of the coarser wave beside the phase of the finer one.
    doubled = centre * (image.square() - squares)
    doubled = doubled + 2 * image * (riesz[0] * along_y + riesz[1] * along_x)
    products = (total, energy * total, energy * image, alignment, doubled)
    return torch.cat([cell_sum(product[None], cell) for product in products])


def persistence_of(octaves: list[Octave]) -> torch.Tensor:
    """(OCTAVES, PERSISTENCE) of a slice: near, far and distant of one sector, then of the other.

    The sector that persists more comes first, so that turning a slice changes nothing.
    """
    both = torch.stack([octave.persistence for octave in octaves])
    first, second = both[:, 0].sum(), both[:, 1].sum()
    order = [0, 1] if first >= second else [1, 0]
    return both[:, order].flatten(1)
