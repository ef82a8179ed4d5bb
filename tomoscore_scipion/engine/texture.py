# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured of a canonical slice, tile by tile: energies, persistence and shape per octave.

A tile is described by averages over its pixels, octave by octave of a pyramid:

- energy of the slice and of its neighbours: the power spectrum,
- correlation with the neighbours in z, of the image and of its derivatives along x and along y:
  matter persists from slice to slice, noise only as far as the missing wedge makes it,
- moments: matter is sparse and skewed where noise is Gaussian,
- envelope: how the strength of an octave varies on coarser scales, from slice to slice, and with
  the coarser density, as edges and crowded places make it vary.

Nothing here is learned. Wavelet statistics tell textures apart as in Portilla and Simoncelli,
Int. J. Comput. Vision 40, 49 (2000), and in the scattering transform of Mallat (2012). All numbers
are the same when a slice is mirrored.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tomoscore_scipion.engine.sampling import CHANNELS

CELL_PX = 32
"""Spacing of the tiles."""
TILE_CELLS = 4
"""A tile has 4 x 4 cells (192 nm), as the tiles of the truth; at an edge what there is of them."""
LEVELS = 6
"""Octaves: periods of about 2 to 5 pixels, times 2 for each further one, 3 to 240 nm in all."""
FINE_LEVELS = 4
"""Octaves whose envelope is followed to two coarser scales."""
REACH_PX = 95
"""How far beyond a tile the coarsest octave looks."""
RECEPTIVE_FIELD_PX = TILE_CELLS * CELL_PX + 2 * REACH_PX

N_FEATURES = 161
"""How many numbers describe a tile."""

_TINY = 1e-8
_NEIGHBOURS = CHANNELS - 1
_CROSS = tuple((i, j) for i in range(CHANNELS) for j in range(i + 1, CHANNELS))


def tile_features(channels: torch.Tensor) -> torch.Tensor:
    """Describe every tile of slices.

    Pixels that are exactly 0 in the centre channel carry no data and do not count; tiles without
    data have all features 0.

    Args:
        channels: (b, CHANNELS, y, x) float32 in the standard position, y and x multiples of 32 and
            at least 64.

    Raises:
        ValueError: another shape.

    Returns:
        (b, N_FEATURES, y / 32 - 1, x / 32 - 1) float32; tile (i, j) is centred on pixel
        (32 (i + 1), 32 (j + 1)). First come the log10 energies of the centre, finest octave first.
    """
    y, x = channels.shape[-2:]
    if channels.shape[1] != CHANNELS or y % CELL_PX or x % CELL_PX or min(y, x) < 2 * CELL_PX:
        raise ValueError(
            f"expected (b, {CHANNELS}, y, x) with y, x multiples of {CELL_PX} and at least "
            f"{2 * CELL_PX}, got {tuple(channels.shape)}"
        )
    valid = (channels[:, :1] != 0).float()
    present = (channels[:, 1:].abs().amax(dim=(2, 3)) > 0).float()[:, :, None, None]
    energies, rest = [], []
    low = channels
    for level in range(LEVELS):
        coarse = _reduce(low) if level < LEVELS - 1 else None
        smooth = _expand(coarse) if coarse is not None else _blur(low)
        carried = (valid >= 0.5).float()
        weight = _tile_sum(_cell_sum(carried, CELL_PX >> level))
        sums = _cell_sums((low - smooth) * carried, smooth[:, :1] * carried, level)
        means = _tile_sum(sums) / weight.clamp_min(1.0)
        energy, others = _features(means, present, level)
        energies.append(energy * (weight > 0))
        rest.append(others * (weight > 0))
        if coarse is not None:
            low, valid = coarse, _halve(valid)
    flags = present.expand(-1, -1, *energies[0].shape[-2:])
    return torch.cat([*energies, *rest, flags], dim=1)


def _cell_sums(band: torch.Tensor, smooth: torch.Tensor, level: int) -> torch.Tensor:
    """Sums over cells, (b, n, cells_y, cells_x), of the products that describe an octave."""
    step = CELL_PX >> level
    dx, dy = _derivative(band, 3), _derivative(band, 2)
    centre, envelope = band[:, :1], band.abs()
    squares = centre**2
    sums = [_cell_sum(band**2, step)]
    sums += [_cell_sum(band[:, i : i + 1] * band[:, j : j + 1], step) for i, j in _CROSS]
    sums += [_cell_sum(part, step) for part in (dx**2, dy**2)]
    sums += [_cell_sum(part[:, :1] * part[:, 1:], step) for part in (dx, dy)]
    sums += [_cell_sum(part, step) for part in (envelope, squares * centre, squares**2)]
    sums += [_cell_sum(envelope[:, :1] * envelope[:, 1:], step)]
    sums += [_cell_sum(part, step) for part in (envelope[:, :1] * smooth, smooth**2, smooth)]
    if level < FINE_LEVELS:
        sums += _envelope_details(envelope[:, :1], step)
    return torch.cat(sums, dim=1)


def _envelope_details(envelope: torch.Tensor, step: int) -> list[torch.Tensor]:
    """Cell sums of the squared details of an envelope one and two octaves coarser."""
    once = _reduce(envelope)
    twice = _reduce(once)
    first = _cell_sum((once - _expand(twice)) ** 2, step // 2)
    second = _cell_sum((twice - _blur(twice)) ** 2, step // 4)
    return [4 * first, 16 * second]


def _features(
    means: torch.Tensor, present: torch.Tensor, level: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log energy of the centre (b, 1, ...), and ratios that do not depend on it (b, n, ...)."""
    sizes = [CHANNELS, len(_CROSS), CHANNELS, CHANNELS, _NEIGHBOURS, _NEIGHBOURS, CHANNELS]
    sizes += [1, 1, _NEIGHBOURS, 1, 1, 1] + ([1, 1] if level < FINE_LEVELS else [])
    parts = means.split(sizes, dim=1)
    energy, cross, dx, dy, dx_cross, dy_cross, envelope, cube, fourth, both = parts[:10]
    with_coarse, coarse_square, coarse = parts[10:13]
    own = energy[:, :1] + _TINY
    spread = (energy - envelope**2).clamp_min(0) + _TINY
    coarse_spread = (coarse_square - coarse**2).clamp_min(0) + _TINY
    first = torch.tensor([i for i, _ in _CROSS], device=means.device)
    second = torch.tensor([j for _, j in _CROSS], device=means.device)
    shared = both - envelope[:, :1] * envelope[:, 1:]
    out = [
        torch.log10((energy[:, 1:] + _TINY) / own).clamp(-4, 4) * present,
        cross / (energy[:, first] * energy[:, second] + _TINY**2).sqrt(),
        torch.log10((dx[:, :1] + _TINY) / own),
        torch.log10((dy[:, :1] + _TINY) / own),
        dx_cross / (dx[:, :1] * dx[:, 1:] + _TINY**2).sqrt(),
        dy_cross / (dy[:, :1] * dy[:, 1:] + _TINY**2).sqrt(),
        torch.log10((fourth + _TINY**2) / own**2).clamp(-2, 3),
        (cube / own**1.5).clamp(-6, 6),
        torch.log10((envelope[:, :1] ** 2 + _TINY) / own),
        shared / (spread[:, :1] * spread[:, 1:]).sqrt() * present,
        (with_coarse - envelope[:, :1] * coarse) / (spread[:, :1] * coarse_spread).sqrt(),
    ]
    out += [torch.log10((detail + _TINY) / own) for detail in parts[13:]]
    return torch.log10(own), torch.cat(out, dim=1)


def _derivative(images: torch.Tensor, axis: int) -> torch.Tensor:
    """Central differences along an axis, 0 at its ends."""
    out = torch.zeros_like(images)
    size = images.shape[axis]
    if size > 2:
        ahead, behind = images.narrow(axis, 2, size - 2), images.narrow(axis, 0, size - 2)
        out.narrow(axis, 1, size - 2).copy_(ahead - behind)
    return out


def _reduce(images: torch.Tensor) -> torch.Tensor:
    """Half the size of (b, c, y, x) images after the filter [1 3 3 1] / 8 along both axes."""
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    rows = padded[:, :, 0:-2:2] + padded[:, :, 3::2]
    rows = rows + 3 * (padded[:, :, 1:-2:2] + padded[:, :, 2:-1:2])
    out = rows[..., 0:-2:2] + rows[..., 3::2] + 3 * (rows[..., 1:-2:2] + rows[..., 2:-1:2])
    return out / 64


def _expand(images: torch.Tensor) -> torch.Tensor:
    """Twice the size of (b, c, y, x) images by linear interpolation."""
    return F.interpolate(images, scale_factor=2.0, mode="bilinear", align_corners=False)


def _blur(images: torch.Tensor) -> torch.Tensor:
    """The filter [1 2 1] / 4 along both axes of (b, c, y, x) images."""
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    rows = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    return (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 16


def _halve(images: torch.Tensor) -> torch.Tensor:
    """Means over 2 x 2 pixels."""
    rows = images[:, :, 0::2] + images[:, :, 1::2]
    return (rows[..., 0::2] + rows[..., 1::2]) / 4


def _cell_sum(products: torch.Tensor, step: int) -> torch.Tensor:
    """Sums over cells of step x step pixels: (b, n, y, x) to (b, n, y / step, x / step)."""
    b, n, y, x = products.shape
    return products.reshape(b, n, y // step, step, x // step, step).sum(dim=5).sum(dim=3)


def _tile_sum(cells: torch.Tensor) -> torch.Tensor:
    """Sums over the cells of every tile, as far as they exist: one tile less along y and x."""
    padded = F.pad(cells, (1, 1, 1, 1))
    y, x = cells.shape[-2] - 1, cells.shape[-1] - 1
    rows = torch.stack([padded[:, :, i : i + y] for i in range(TILE_CELLS)]).sum(dim=0)
    return torch.stack([rows[..., i : i + x] for i in range(TILE_CELLS)]).sum(dim=0)
