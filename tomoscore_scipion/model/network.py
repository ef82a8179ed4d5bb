# SPDX-License-Identifier: GPL-3.0-or-later
"""The network: what was measured of the tiles of a volume in, resolvability and content out.

Every octave is judged by itself and its neighbours: from its ratios and those of the next coarser
octave, from 32 nm on those of the next finer one too, in the tile, in its slice and in the volume,
and from how its power stands against that of the same octave elsewhere in the volume. One set of
weights serves all octaves.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from tomoscore_scipion.model.features import N_RATIOS, ODD, energies, ratios
from tomoscore_scipion.model.octaves import OCTAVES
from tomoscore_scipion.model.statistics import PERSISTENCE
from tomoscore_scipion.records.bands import N_BANDS

LOOK = 64
GIST = 24
WIDTH = 192
DROPPED = 0.1
"""Share of the units of the head's last layer that training leaves out."""
JITTER = 0.2
"""Noise on the ratios of slices and volumes in training, in their standard deviations: what an edge
or a filter changes of the few waves of a coarse octave must not decide."""
WILD = 6.0
"""Ratios beyond so many standard deviations of the training samples are clipped."""
QUIET, LOUD = 0.1, 0.9
"""Quantiles of the power of a volume's tiles that a tile is compared with."""
STRENGTHS = 7
"""Numbers of a tile and octave that tell of its power."""
SHAPES = slice(9, 28)
"""The ratios of the centre alone, which every volume has."""
FINER_FROM = 2
"""The finest octave, 32-16 nm, that the next finer one helps to judge: matter whose fine structure
is seen is seen at coarser periods too, of which a slice holds few waves. Finer octaves have no such
help, so that neither a low-pass nor the voxel size changes what is said of an octave that both
leave."""
_N_SHAPES = SHAPES.stop - SHAPES.start
_OWN = N_RATIOS + STRENGTHS + 2 * (N_RATIOS + PERSISTENCE) + 3 * GIST


@dataclass(frozen=True)
class Prediction:
    """What the network says of tiles.

    Attributes:
        curves: (..., N_BANDS) signed resolvability, not clipped.
        content: (..., N_BANDS) what there is to distinguish, 0 to 1.
    """

    curves: torch.Tensor
    content: torch.Tensor


@dataclass(frozen=True)
class Measured:
    """What is measured of v volumes of s slices of t tiles; those that do not exist weigh 0.

    Attributes:
        means: (v, s, t, OCTAVES, len(MEANS)) float32.
        weight: (v, s, t) share of each tile that carries data.
        level: (v, s, OCTAVES) log10 power, comparable within a volume.
        persistence: (v, s, OCTAVES, PERSISTENCE).
    """

    means: torch.Tensor
    weight: torch.Tensor
    level: torch.Tensor
    persistence: torch.Tensor


class ResolvabilityNet(nn.Module):
    """Predicts the curves and the content of the tiles of volumes."""

    mean: torch.Tensor
    std: torch.Tensor
    usual: torch.Tensor
    usual_map: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(N_RATIOS))
        self.register_buffer("std", torch.ones(N_RATIOS))
        self.register_buffer("usual", torch.zeros(OCTAVES, _N_SHAPES))
        self.register_buffer("usual_map", torch.zeros(OCTAVES, _N_SHAPES, _N_SHAPES))
        self.look = nn.Sequential(
            nn.Linear(N_RATIOS + STRENGTHS + OCTAVES, LOOK), nn.GELU(), nn.Linear(LOOK, GIST + 1)
        )
        self.head = nn.Sequential(
            nn.Linear(3 * _OWN + OCTAVES, WIDTH),
            nn.GELU(),
            nn.Linear(WIDTH, 96),
            nn.GELU(),
            nn.Dropout(DROPPED),
        )
        self.out = nn.Linear(96, 2)
        self.finest = nn.Linear(96, 2)

    def forward(self, measured: Measured) -> Prediction:
        """Curves and content of all tiles, (v, s, t, N_BANDS)."""
        share, slice_share = shares(measured.weight)
        slice_means = torch.einsum("vstok,vst->vsok", measured.means, share)
        of_volume = ratios(torch.einsum("vsok,vs->vok", slice_means, slice_share))
        sign = polarity(of_volume)
        tile = self._scaled(ratios(measured.means) * sign[:, None, None])
        strength = strengths(energies(measured.means, measured.level), measured.weight)
        place = torch.eye(OCTAVES, device=tile.device).expand(*tile.shape[:3], -1, -1)
        looked = self.look(torch.cat([tile, strength, place], dim=-1))
        gist, clarity = F.gelu(looked[..., :GIST]), looked[..., GIST]
        slice_gist = torch.einsum("vstog,vst->vsog", gist, share)
        around = [
            self._jittered(self._scaled(ratios(slice_means) * sign[:, None])),
            measured.persistence,
            slice_gist,
        ]
        whole = [
            self._jittered(self._scaled(of_volume * sign)),
            torch.einsum("vsop,vs->vop", measured.persistence, slice_share),
            torch.einsum("vsog,vs->vog", slice_gist, slice_share),
            clearest_gist(gist, clarity, measured.weight),
        ]
        own = torch.cat([tile, strength], dim=-1)
        contexts = torch.cat(around, dim=-1), torch.cat(whole, dim=-1)
        hidden = [
            self._hidden(own[:, s], contexts[0][:, s], contexts[1]) for s in range(own.shape[1])
        ]
        return self._prediction(torch.stack(hidden, dim=1))

    def _hidden(self, own: torch.Tensor, around: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
        """The head's last layer for the tiles of one slice of each volume, (v, t, OCTAVES, n).

        One slice at a time: what the head is given is many times what is measured.

        Args:
            own: (v, t, OCTAVES, n) of the tiles.
            around: (v, OCTAVES, n) of the slice.
            whole: (v, OCTAVES, n) of the volume.
        """
        context = torch.cat([around, whole], dim=-1)[:, None].expand(-1, own.shape[1], -1, -1)
        known = torch.cat([own, context], dim=-1)
        none = torch.zeros_like(known)
        coarser = torch.cat([known[..., 1:, :], none[..., :1, :]], dim=-2)
        finer = torch.cat([none[..., :FINER_FROM, :], known[..., FINER_FROM - 1 : -1, :]], dim=-2)
        place = torch.eye(OCTAVES, device=own.device).expand(*own.shape[:2], -1, -1)
        hidden: torch.Tensor = self.head(torch.cat([known, coarser, place, finer], dim=-1))
        return hidden

    def shapes(self, measured: Measured) -> torch.Tensor:
        """Ratios of whole volumes that tell of the shape of what is there, (v, OCTAVES, n)."""
        share, slice_share = shares(measured.weight)
        means = torch.einsum("vstok,vst,vs->vok", measured.means, share, slice_share)
        found = ratios(means)
        return self._scaled(found * polarity(found))[..., SHAPES]

    def strangeness(self, measured: Measured) -> torch.Tensor:
        """Distance of volumes from those trained on, (v,); 1 where 2 % of such lie beyond.

        The Mahalanobis distance of their shapes per octave, root mean square over the octaves.
        """
        offset = self.shapes(measured) - self.usual
        distance = torch.einsum("voi,oij->voj", offset, self.usual_map)
        return (distance**2).mean(dim=(1, 2)).sqrt()

    def _scaled(self, values: torch.Tensor) -> torch.Tensor:
        return ((values - self.mean) / self.std).clamp(-WILD, WILD)

    def _jittered(self, values: torch.Tensor) -> torch.Tensor:
        return values + JITTER * torch.randn_like(values) if self.training else values

    def _prediction(self, hidden: torch.Tensor) -> Prediction:
        """Bands, coarse to fine, of octaves, fine to coarse, (..., OCTAVES, n)."""
        octaves = self.out(hidden).flip(-2)
        found = torch.cat([octaves, self.finest(hidden[..., :1, :])], dim=-2)
        assert found.shape[-2] == N_BANDS
        return Prediction(found[..., 0], torch.sigmoid(found[..., 1]))


def with_finer(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors of a network whose octaves did not see finer ones, as those of one that ignores them.

    Args:
        tensors: by name; those of a network of now come back as they are.
    """
    name, before = "head.0.weight", 2 * _OWN + OCTAVES
    weight = tensors.get(name)
    if weight is None or weight.shape != (WIDTH, before):
        return tensors
    return {**tensors, name: F.pad(weight, (0, _OWN))}


def polarity(of_volume: torch.Tensor) -> torch.Tensor:
    """Signs of ratios, (v, 1, N_RATIOS), that make the contrast of each volume the same.

    The odd ratios of all octaves but the coarsest, which has few waves, sum to less than 0 then:
    matter is sparse, and dark, and its fine octaves are strong where coarser ones are dark.

    Args:
        of_volume: (v, OCTAVES, N_RATIOS) of whole volumes.
    """
    tail = of_volume[..., :-1, list(ODD)].sum(dim=(-2, -1))
    sign = torch.where(tail > 0, -1.0, 1.0).to(of_volume.dtype)
    out = torch.ones_like(of_volume[:, :1])
    out[..., list(ODD)] = sign[:, None, None]
    return out


def shares(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Share of each tile in its slice, (v, s, t), and of each slice in its volume, (v, s)."""
    total = weight.sum(dim=2, keepdim=True)
    there = (total[..., 0] > 0).to(weight.dtype)
    return weight / total.clamp_min(1e-6), there / there.sum(dim=1, keepdim=True).clamp_min(1)


def clearest_gist(gist: torch.Tensor, clarity: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Gist of the tiles of each volume in which an octave is clearest, (v, OCTAVES, GIST).

    Noise is the same all through a tomogram: what is seen in its clearest places tells how much.

    Args:
        gist: (v, s, t, OCTAVES, GIST).
        clarity: (v, s, t, OCTAVES), by the softmax of which tiles count.
        weight: (v, s, t) share of each tile that carries data.
    """
    logits = clarity + weight.clamp_min(1e-9).log()[..., None]
    share = logits.flatten(1, 2).softmax(dim=1)
    return torch.einsum("vtog,vto->vog", gist.flatten(1, 2), share)


def strengths(power: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """How tiles stand against others of their volume, per octave.

    Args:
        power: (v, s, t, OCTAVES) log10.
        weight: (v, s, t); tiles of weight 0 do not count.

    Returns:
        (v, s, t, OCTAVES, STRENGTHS): above the mean of the slice, above the quiet, the median and
        the loud tiles of the volume; spread within the slice, and of the volume from quiet to
        median and to loud. 0 where there is no data.
    """
    there = weight > 0
    share, _ = shares(weight)
    in_slice = (power * share[..., None]).sum(dim=2, keepdim=True)
    spread = ((power - in_slice) ** 2 * share[..., None]).sum(dim=2, keepdim=True).sqrt()
    quiet, middle, loud = (
        quantile[:, None, None] for quantile in _quantiles(power, there, (QUIET, 0.5, LOUD))
    )
    full = torch.zeros_like(power)
    parts = [
        power - in_slice,
        power - quiet,
        power - middle,
        power - loud,
        full + spread,
        full + middle - quiet,
        full + loud - middle,
    ]
    out = torch.stack(parts, dim=-1).clamp(-3, 3)
    return out * there[..., None, None]


def _quantiles(
    power: torch.Tensor, there: torch.Tensor, wanted: tuple[float, ...]
) -> list[torch.Tensor]:
    """Quantiles over the tiles of each volume that exist, (v, OCTAVES) each."""
    flat = power.flatten(1, 2).masked_fill(~there.flatten(1, 2)[..., None], torch.inf)
    ordered = flat.sort(dim=1).values
    number = there.flatten(1).sum(dim=1)
    out = []
    for share in wanted:
        place = (share * (number - 1).clamp_min(0)).round().long()
        picked = ordered.gather(1, place[:, None, None].expand(-1, 1, power.shape[-1]))[:, 0]
        out.append(torch.where(torch.isfinite(picked), picked, torch.zeros_like(picked)))
    return out
