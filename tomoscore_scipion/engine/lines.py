# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells lines and edges from noise, in one octave of a canonical slice.

- curvature: how the energy of an octave is spread over directions, as the missing wedge spreads it,
- coherence: how far the slopes of a neighbourhood share one direction, as along a membrane; of the
  structure tensor, Bigun and Granlund, Proc. ICCV 433 (1987); and how far that direction persists
  from slice to slice,
- envelopes across octaves: edges are strong in neighbouring octaves at the same place, where noise
  is strong independently; as in Portilla and Simoncelli, Int. J. Comput. Vision 40, 49 (2000).

All numbers are the same when a slice is mirrored, and when it is multiplied by a factor.
"""

from __future__ import annotations

import torch

from tomoscore_scipion.engine.pyramid import cell_sum, derivative, reduce

LINE_LEVELS = 5
"""Octaves whose curvature is measured, and whose coherence over two of their pixels."""
WIDE_LEVELS = 4
"""Octaves whose coherence is measured over four of their pixels too."""
CHANNELS_FOLLOWED = 3
"""Channels among which directions are followed: centre, near and far."""

_TINY = 1e-8


def line_sums(
    slopes: tuple[torch.Tensor, torch.Tensor],
    envelope: torch.Tensor,
    finer: torch.Tensor | None,
    level: int,
) -> torch.Tensor:
    """Cell sums of the products behind `line_features`.

    Args:
        slopes: derivatives (b, CHANNELS, y, x) of the octave along x and along y.
        envelope: (b, 1, y, x) absolute value of the centre's octave.
        finer: (b, 1, 2 y, 2 x) that of the next finer octave; None at the finest.
        level: 0 for the finest octave.

    Returns:
        (b, n, cells_y, cells_x).
    """
    sums = []
    if level < LINE_LEVELS:
        dx, dy = (slope[:, :CHANNELS_FOLLOWED] for slope in slopes)
        curvatures = derivative(dx[:, :1], 3), derivative(dy[:, :1], 2), derivative(dx[:, :1], 2)
        sums += [cell_sum(part**2, level) for part in curvatures]
        tensor = [reduce(part) for part in (dx**2 - dy**2, 2 * dx * dy, dx**2 + dy**2)]
        even, odd, _ = tensor
        shared = even[:, :1] * even[:, 1:] + odd[:, :1] * odd[:, 1:]
        sums += [*_coherence_sums(tensor, level + 1), 4 * cell_sum(shared, level + 1)]
        if level < WIDE_LEVELS:
            wide = [reduce(part[:, :1]) for part in tensor]
            sums += [4 * part for part in _coherence_sums(wide, level + 2)]
    if finer is not None:
        mean = reduce(finer)
        products = mean, mean**2, envelope, envelope**2, mean * envelope
        sums += [cell_sum(part, level) for part in products]
    return torch.cat(sums, dim=1)


def _coherence_sums(tensor: list[torch.Tensor], level: int) -> list[torch.Tensor]:
    """Sums of the squared direction and of the squared trace of a structure tensor."""
    even, odd, trace = tensor
    return [4 * cell_sum(even**2 + odd**2, level), 4 * cell_sum(trace**2, level)]


def line_features(
    means: torch.Tensor, energy: torch.Tensor, present: torch.Tensor, level: int
) -> torch.Tensor:
    """Numbers that describe the lines and edges of tiles, (b, n, tiles_y, tiles_x).

    Args:
        means: (b, m, tiles_y, tiles_x) means over tiles of what `line_sums` sums.
        energy: (b, 1, tiles_y, tiles_x) mean square of the octave, more than 0.
        present: (b, CHANNELS - 1, 1, 1), 1 for the neighbours that there are, else 0.
        level: 0 for the finest octave.
    """
    out, rest, n = [], means, CHANNELS_FOLLOWED
    if level < LINE_LEVELS:
        ends = [3, 3 + n, 3 + 2 * n, 2 + 3 * n]
        curvatures, directed, trace, shared, rest = means.tensor_split(ends, dim=1)
        out.append(torch.log10((curvatures + _TINY) / energy))
        norm = (directed[:, :1] * directed[:, 1:] + _TINY**4).sqrt()
        out += [_coherence(directed, trace), shared / norm * present[:, : n - 1]]
        if level < WIDE_LEVELS:
            directed, trace, rest = rest.tensor_split([1, 2], dim=1)
            out.append(_coherence(directed, trace))
    if level > 0:
        finer, finer_square, own, own_square, both = rest.split(1, dim=1)
        variance = (finer_square - finer**2).clamp_min(0)
        own_variance = (own_square - own**2).clamp_min(0)
        out.append((both - finer * own) / (variance * own_variance + _TINY**2).sqrt())
        out.append(torch.log10(variance + _TINY) - torch.log10(finer**2 + _TINY))
    return torch.cat(out, dim=1).clamp(-6, 6)


def _coherence(directed: torch.Tensor, trace: torch.Tensor) -> torch.Tensor:
    """Of the centre: 0 where slopes point everywhere, 1 where all lie along one line."""
    return directed[:, :1] / (trace[:, :1] + _TINY**2)
