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

from tomoscore_scipion.engine.lines import line_features, line_sums
from tomoscore_scipion.engine.pyramid import (
    CELL_PX,
    TILE_CELLS,
    blur,
    cell_sum,
    derivative,
    expand,
    halve,
    reduce,
    tile_sum,
)
from tomoscore_scipion.engine.sampling import CHANNELS

LEVELS = 6
"""Octaves: periods of about 2 to 5 pixels, times 2 for each further one, 3 to 240 nm in all."""
FINE_LEVELS = 4
"""Octaves whose envelope is followed to two coarser scales."""
REACH_PX = 95
"""How far beyond a tile the coarsest octave looks."""
RECEPTIVE_FIELD_PX = TILE_CELLS * CELL_PX + 2 * REACH_PX

N_FEATURES = 205
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
    energies, rest, lines = [], [], []
    low, finer = channels, None
    for level in range(LEVELS):
        coarse = reduce(low) if level < LEVELS - 1 else None
        smooth = expand(coarse) if coarse is not None else blur(low)
        carried = (valid >= 0.5).float()
        band = (low - smooth) * carried
        slopes, envelope = (derivative(band, 3), derivative(band, 2)), band.abs()
        sums = _cell_sums(band, slopes, envelope, smooth[:, :1] * carried, level)
        edges = line_sums(slopes, envelope[:, :1], finer, level)
        number = tile_sum(cell_sum(carried, level))
        means, edge_means = (tile_sum(part) / number.clamp_min(1.0) for part in (sums, edges))
        energy, others = _features(means, present, level)
        there = number > 0
        energies.append(torch.log10(energy) * there)
        rest.append(others * there)
        lines.append(line_features(edge_means, energy, present, level) * there)
        finer = envelope[:, :1]
        if coarse is not None:
            low, valid = coarse, halve(valid)
    flags = present.expand(-1, -1, *energies[0].shape[-2:])
    return torch.cat([*energies, *rest, *lines, flags], dim=1)


def _cell_sums(
    band: torch.Tensor,
    slopes: tuple[torch.Tensor, torch.Tensor],
    envelope: torch.Tensor,
    smooth: torch.Tensor,
    level: int,
) -> torch.Tensor:
    """Sums over cells, (b, n, cells_y, cells_x), of the products that describe an octave."""
    dx, dy = slopes
    centre = band[:, :1]
    squares = centre**2
    sums = [cell_sum(band**2, level)]
    sums += [cell_sum(band[:, i : i + 1] * band[:, j : j + 1], level) for i, j in _CROSS]
    sums += [cell_sum(part, level) for part in (dx**2, dy**2)]
    sums += [cell_sum(part[:, :1] * part[:, 1:], level) for part in (dx, dy)]
    sums += [cell_sum(part, level) for part in (envelope, squares * centre, squares**2)]
    sums += [cell_sum(envelope[:, :1] * envelope[:, 1:], level)]
    sums += [cell_sum(part, level) for part in (envelope[:, :1] * smooth, smooth**2, smooth)]
    if level < FINE_LEVELS:
        sums += _envelope_details(envelope[:, :1], level)
    return torch.cat(sums, dim=1)


def _envelope_details(envelope: torch.Tensor, level: int) -> list[torch.Tensor]:
    """Cell sums of the squared details of an envelope one and two octaves coarser."""
    once = reduce(envelope)
    twice = reduce(once)
    first = cell_sum((once - expand(twice)) ** 2, level + 1)
    second = cell_sum((twice - blur(twice)) ** 2, level + 2)
    return [4 * first, 16 * second]


def _features(
    means: torch.Tensor, present: torch.Tensor, level: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Energy of the centre (b, 1, ...), and ratios that do not depend on it (b, n, ...)."""
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
    return own, torch.cat(out, dim=1)
