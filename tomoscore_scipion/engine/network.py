# SPDX-License-Identifier: GPL-3.0-or-later
"""The network: what was measured of the tiles of a volume in, signed resolvability curves out.

A curve is predicted per tile from what is measured there (texture.py), beside the gist of its slice
and of the volume, and beside how far each octave stands above the quietest slices of the volume.
Noise is the same all through a tomogram: what one tile is too small to tell, the volume tells.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from tomoscore_scipion.engine.bands import N_BANDS
from tomoscore_scipion.engine.texture import LEVELS, N_FEATURES

WIDTH = 192
GIST = 64
DROPPED = 0.2
"""Share of the head's units that training leaves out."""
WILD = 6.0
"""Features beyond so many standard deviations of the training samples are clipped."""
ABOVE = 3.0
"""Octaves stand at most so many decades above or below the quietest slices."""


class ResolvabilityNet(nn.Module):
    """Predicts the curves of tiles, one volume at a time or several at once.

    Shapes: v volumes of s slices of t tiles each; tiles and slices that do not exist have weight 0.
    """

    mean: torch.Tensor
    std: torch.Tensor
    least: torch.Tensor
    most: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, start in (("mean", 0.0), ("std", 1.0), ("least", -1e9), ("most", 1e9)):
            self.register_buffer(name, torch.full((N_FEATURES,), start))
        self.look = nn.Linear(N_FEATURES, WIDTH)
        self.sum_up = nn.Linear(WIDTH, GIST)
        self.head = nn.Sequential(
            nn.Linear(WIDTH + 2 * GIST + LEVELS, 160),
            nn.GELU(),
            nn.Dropout(DROPPED),
            nn.Linear(160, 96),
            nn.GELU(),
            nn.Dropout(DROPPED),
            nn.Linear(96, N_BANDS),
        )

    def forward(
        self, features: torch.Tensor, weight: torch.Tensor, level: torch.Tensor
    ) -> torch.Tensor:
        """Curves of all tiles of some volumes.

        Args:
            features: (v, s, t, N_FEATURES) float32 from `texture.tile_features`.
            weight: (v, s, t) share of each tile that carries data.
            level: (v, s) log10 of the spread of each slice, comparable within a volume.

        Returns:
            (v, s, t, N_BANDS) float32, signed, not clipped.
        """
        summary = self.summary(features, weight, level)
        context = slice_contexts(summary, weight.sum(dim=-1) > 0)
        return self.curves(features, level, context)

    def summary(
        self, features: torch.Tensor, weight: torch.Tensor, level: torch.Tensor
    ) -> torch.Tensor:
        """What a slice tells of its volume: (..., t, N_FEATURES) to (..., GIST + LEVELS)."""
        share = weight / weight.sum(dim=-1, keepdim=True).clamp_min(1e-6)
        gist = F.gelu(self.sum_up(self._look(features)))
        energies = features[..., :LEVELS] + 2 * level[..., None, None]
        both = torch.cat([gist, energies], dim=-1)
        return torch.einsum("...tf,...t->...f", both, share)

    def curves(
        self, features: torch.Tensor, level: torch.Tensor, context: torch.Tensor
    ) -> torch.Tensor:
        """Curves (..., t, N_BANDS) of slices (..., t, N_FEATURES) with their contexts (..., c)."""
        gists, floor = context.split([2 * GIST, LEVELS], dim=-1)
        energies = features[..., :LEVELS] + 2 * level[..., None, None]
        above = (energies - floor[..., None, :]).clamp(-ABOVE, ABOVE)
        around = gists[..., None, :].expand(*features.shape[:-1], -1)
        curves: torch.Tensor = self.head(torch.cat([self._look(features), around, above], dim=-1))
        return curves

    def _look(self, features: torch.Tensor) -> torch.Tensor:
        return F.gelu(self.look(((features - self.mean) / self.std).clamp(-WILD, WILD)))

    def unfamiliar(self, features: torch.Tensor) -> torch.Tensor:
        """Share of (..., N_FEATURES) features that lie beyond all that was trained on, 0 to 1."""
        return ((features < self.least) | (features > self.most)).float().mean(dim=-1)


def slice_contexts(summary: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """What every slice is told of itself and of its volume.

    Args:
        summary: (v, s, GIST + LEVELS) from `ResolvabilityNet.summary`.
        there: (v, s) bool, which slices exist; each volume has at least one.

    Returns:
        (v, s, 2 GIST + LEVELS): gist of the slice, gist of the volume, and per octave the log10
        energy of the quietest quarter of its slices.
    """
    gist, energies = summary.split([GIST, LEVELS], dim=-1)
    number = there.sum(dim=1)
    mean = (gist * there[..., None]).sum(dim=1) / number.clamp_min(1)[:, None]
    sorted_ = energies.masked_fill(~there[..., None], torch.inf).sort(dim=1).values
    quarter = ((number + 3) // 4)[:, None]
    quiet = torch.arange(summary.shape[1], device=summary.device)[None] < quarter
    floor = sorted_.masked_fill(~quiet[..., None], 0.0).sum(dim=1) / quarter.clamp_min(1)
    slices = summary.shape[1]
    whole = torch.cat([mean, floor], dim=-1)[:, None].expand(-1, slices, -1)
    return torch.cat([gist, whole], dim=-1)
