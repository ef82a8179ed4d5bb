# SPDX-License-Identifier: GPL-3.0-or-later
"""The network: what was measured of the tiles of a volume in, signed resolvability curves out.

A curve is predicted per tile from what is measured there (texture.py), beside the gist of its slice
and of the volume, and beside how far each octave stands above the quietest slices of the volume.
Noise is the same all through a tomogram: what one tile is too small to tell, the volume tells.

Several members see the same and differ by the random numbers that they started from; the curve is
the mean of theirs, which errs less than any of them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from tomoscore_scipion.engine.bands import N_BANDS
from tomoscore_scipion.engine.texture import LEVELS, N_FEATURES

MEMBERS = 3
WIDTH = 192
GIST = 64
GISTS = MEMBERS * GIST
DROPPED = 0.1
"""Share of the head's units that training leaves out."""
WILD = 6.0
"""Features beyond so many standard deviations of the training samples are clipped."""
ABOVE = 3.0
"""Octaves stand at most so many decades above or below the quietest slices."""


class Member(nn.Module):
    """One member of the network; shapes as in `ResolvabilityNet`, features already scaled."""

    def __init__(self) -> None:
        super().__init__()
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

    def gist(self, scaled: torch.Tensor) -> torch.Tensor:
        """What each tile adds to the gist of its slice, (..., t, GIST)."""
        return F.gelu(self.sum_up(F.gelu(self.look(scaled))))

    def curves(
        self, scaled: torch.Tensor, gists: torch.Tensor, above: torch.Tensor
    ) -> torch.Tensor:
        """Curves (..., t, N_BANDS) of tiles beside the gists (..., 2 GIST) of slice and volume."""
        around = gists[..., None, :].expand(*scaled.shape[:-1], -1)
        curves: torch.Tensor = self.head(
            torch.cat([F.gelu(self.look(scaled)), around, above], dim=-1)
        )
        return curves


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
        self.members = nn.ModuleList(Member() for _ in range(MEMBERS))

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
        return self.each(features, weight, level).mean(dim=0)

    def each(
        self, features: torch.Tensor, weight: torch.Tensor, level: torch.Tensor
    ) -> torch.Tensor:
        """As `forward`, of every member: (MEMBERS, v, s, t, N_BANDS)."""
        summary = self.summary(features, weight, level)
        context = slice_contexts(summary, weight.sum(dim=-1) > 0)
        return self._each(features, level, context)

    def summary(
        self, features: torch.Tensor, weight: torch.Tensor, level: torch.Tensor
    ) -> torch.Tensor:
        """What a slice tells of its volume: (..., t, N_FEATURES) to (..., GISTS + LEVELS)."""
        share = weight / weight.sum(dim=-1, keepdim=True).clamp_min(1e-6)
        scaled = self._scaled(features)
        gists = [member.gist(scaled) for member in self.members]  # type: ignore[operator]
        energies = features[..., :LEVELS] + 2 * level[..., None, None]
        return torch.einsum("...tf,...t->...f", torch.cat([*gists, energies], dim=-1), share)

    def curves(
        self, features: torch.Tensor, level: torch.Tensor, context: torch.Tensor
    ) -> torch.Tensor:
        """Curves (..., t, N_BANDS) of slices (..., t, N_FEATURES) with their contexts (..., c)."""
        return self._each(features, level, context).mean(dim=0)

    def _each(
        self, features: torch.Tensor, level: torch.Tensor, context: torch.Tensor
    ) -> torch.Tensor:
        own, whole, floor = context.split([GISTS, GISTS, LEVELS], dim=-1)
        energies = features[..., :LEVELS] + 2 * level[..., None, None]
        above = (energies - floor[..., None, :]).clamp(-ABOVE, ABOVE)
        scaled = self._scaled(features)
        curves = []
        for member, *gists in zip(self.members, own.split(GIST, -1), whole.split(GIST, -1)):
            around = torch.cat(gists, dim=-1)
            curves.append(member.curves(scaled, around, above))  # type: ignore[operator]
        return torch.stack(curves)

    def last_layers(self) -> list[nn.Linear]:
        """The layer of each member that its curves come out of."""
        last = [member.head[-1] for member in self.members]  # type: ignore[index]
        return [layer for layer in last if isinstance(layer, nn.Linear)]

    def _scaled(self, features: torch.Tensor) -> torch.Tensor:
        return ((features - self.mean) / self.std).clamp(-WILD, WILD)

    def unfamiliar(self, features: torch.Tensor) -> torch.Tensor:
        """Share of (..., N_FEATURES) features that lie beyond all that was trained on, 0 to 1."""
        return ((features < self.least) | (features > self.most)).float().mean(dim=-1)


def slice_contexts(summary: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """What every slice is told of itself and of its volume.

    Args:
        summary: (v, s, GISTS + LEVELS) from `ResolvabilityNet.summary`.
        there: (v, s) bool, which slices exist; each volume has at least one.

    Returns:
        (v, s, 2 GISTS + LEVELS): gists of the slice, gists of the volume, and per octave the log10
        energy of the quietest quarter of its slices.
    """
    gist, energies = summary.split([GISTS, LEVELS], dim=-1)
    number = there.sum(dim=1)
    mean = (gist * there[..., None]).sum(dim=1) / number.clamp_min(1)[:, None]
    sorted_ = energies.masked_fill(~there[..., None], torch.inf).sort(dim=1).values
    quarter = ((number + 3) // 4)[:, None]
    quiet = torch.arange(summary.shape[1], device=summary.device)[None] < quarter
    floor = sorted_.masked_fill(~quiet[..., None], 0.0).sum(dim=1) / quarter.clamp_min(1)
    slices = summary.shape[1]
    whole = torch.cat([mean, floor], dim=-1)[:, None].expand(-1, slices, -1)
    return torch.cat([gist, whole], dim=-1)
