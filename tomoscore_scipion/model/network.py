# SPDX-License-Identifier: GPL-3.0-or-later
"""The network: predicts resolvability and content of each tile from the statistics of a volume.

The network predicts an octave from the ratios of this octave and of the next coarser one; for
octaves of 32 nm and coarser also from the ratios of the next finer one. Its inputs are the ratios
of the tile, of its slice and of the volume, and the power of the tile relative to other tiles of
the volume. All octaves share one set of weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from tomoscore_scipion.model.features import N_RATIOS, ODD, SINGLE_CHANNEL, energies, ratios
from tomoscore_scipion.model.octaves import OCTAVES
from tomoscore_scipion.model.statistics import PERSISTENCE
from tomoscore_scipion.records.bands import N_BANDS

ENCODER_WIDTH = 64
EMBEDDING_SIZE = 24
HEAD_WIDTH = 192
DROPOUT = 0.1
"""Dropout probability of the last hidden layer of the head."""
RATIO_NOISE = 0.2
"""Standard deviation of the Gaussian noise added to scaled ratios of slices and volumes in
training. A coarse octave has few waves, so an edge or a filter can change its ratios; the noise
keeps the network from depending on such changes."""
RATIO_LIMIT = 6.0
"""Scaled ratios are clipped to +- this many standard deviations of the training samples."""
LOW_QUANTILE, HIGH_QUANTILE = 0.1, 0.9
"""Quantiles over the tiles of a volume with which the power of a tile is compared."""
N_POWER_FEATURES = 7
"""Number of power features of a tile and octave, see `power_features`."""
FINER_FROM = 2
"""Index of the finest octave, 32-16 nm, whose prediction also uses the next finer octave. Visible
fine structure implies that coarser periods are visible too, and a slice holds few waves of those
periods. Finer octaves do not use it, so that a low-pass filter or a coarser voxel changes only the
predictions of the octaves that it affects."""
_OWN = N_RATIOS + N_POWER_FEATURES + 2 * (N_RATIOS + PERSISTENCE) + 3 * EMBEDDING_SIZE


@dataclass(frozen=True)
class Prediction:
    """Predictions of the network per tile.

    Attributes:
        curves: (..., N_BANDS) signed resolvability, not clipped.
        content: (..., N_BANDS) amount of structure to distinguish, 0 (none) to 1 (plenty).
    """

    curves: torch.Tensor
    content: torch.Tensor


@dataclass(frozen=True)
class Measured:
    """Statistics of v volumes of s slices of t tiles; padding has weight 0.

    Attributes:
        means: (v, s, t, OCTAVES, len(MEANS)) float32.
        weight: (v, s, t) fraction of each tile that holds data, 0 to 1.
        log_power: (v, s, OCTAVES) log10 power, comparable within a volume.
        persistence: (v, s, OCTAVES, PERSISTENCE).
    """

    means: torch.Tensor
    weight: torch.Tensor
    log_power: torch.Tensor
    persistence: torch.Tensor


class ResolvabilityNet(nn.Module):
    """Predicts resolvability curves and content of the tiles of volumes.

    Attributes:
        mean: (N_RATIOS,) mean of the ratios over the training samples.
        std: (N_RATIOS,) standard deviation of the ratios over the training samples.
        reference_mean: (OCTAVES, n) mean of the scaled single-channel ratios of training volumes.
        reference_whitening: (OCTAVES, n, n) matrix that whitens these ratios, scaled so that 2 % of
            the held-out volumes have an `out_of_distribution` above 1.
    """

    mean: torch.Tensor
    std: torch.Tensor
    reference_mean: torch.Tensor
    reference_whitening: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(N_RATIOS))
        self.register_buffer("std", torch.ones(N_RATIOS))
        self.register_buffer("reference_mean", torch.zeros(OCTAVES, len(SINGLE_CHANNEL)))
        self.register_buffer(
            "reference_whitening", torch.zeros(OCTAVES, len(SINGLE_CHANNEL), len(SINGLE_CHANNEL))
        )
        self.encoder = nn.Sequential(
            nn.Linear(N_RATIOS + N_POWER_FEATURES + OCTAVES, ENCODER_WIDTH),
            nn.GELU(),
            nn.Linear(ENCODER_WIDTH, EMBEDDING_SIZE + 1),
        )
        self.head = nn.Sequential(
            nn.Linear(3 * _OWN + OCTAVES, HEAD_WIDTH),
            nn.GELU(),
            nn.Linear(HEAD_WIDTH, 96),
            nn.GELU(),
            nn.Dropout(DROPOUT),
        )
        self.out = nn.Linear(96, 2)
        self.finest = nn.Linear(96, 2)

    def forward(self, measured: Measured) -> Prediction:
        """Curves and content of all tiles, (v, s, t, N_BANDS)."""
        tile_weight, slice_weight = normalised_weights(measured.weight)
        slice_means = torch.einsum("vstok,vst->vsok", measured.means, tile_weight)
        of_volume = ratios(torch.einsum("vsok,vs->vok", slice_means, slice_weight))
        sign = polarity(of_volume)
        tile = self._scaled(ratios(measured.means) * sign[:, None, None])
        strength = power_features(energies(measured.means, measured.log_power), measured.weight)
        one_hot = torch.eye(OCTAVES, device=tile.device).expand(*tile.shape[:3], -1, -1)
        encoded = self.encoder(torch.cat([tile, strength, one_hot], dim=-1))
        embedding, attention = F.gelu(encoded[..., :EMBEDDING_SIZE]), encoded[..., EMBEDDING_SIZE]
        slice_embedding = torch.einsum("vstog,vst->vsog", embedding, tile_weight)
        slice_context = [
            self._with_noise(self._scaled(ratios(slice_means) * sign[:, None])),
            measured.persistence,
            slice_embedding,
        ]
        volume_context = [
            self._with_noise(self._scaled(of_volume * sign)),
            torch.einsum("vsop,vs->vop", measured.persistence, slice_weight),
            torch.einsum("vsog,vs->vog", slice_embedding, slice_weight),
            attention_pool(embedding, attention, measured.weight),
        ]
        own = torch.cat([tile, strength], dim=-1)
        of_slices = torch.cat(slice_context, dim=-1)
        of_volumes = torch.cat(volume_context, dim=-1)
        # One slice at a time, because the first layer needs much more memory than the statistics.
        hidden = [
            self._hidden(own[:, s], torch.cat([of_slices[:, s], of_volumes], dim=-1))
            for s in range(own.shape[1])
        ]
        return self._prediction(torch.stack(hidden, dim=1))

    def _hidden(self, own: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Last hidden layer of the head for one slice of each volume, (v, t, OCTAVES, n).

        Args:
            own: (v, t, OCTAVES, n) features of the tiles.
            context: (v, OCTAVES, n) features of the slice and of its volume.
        """
        hidden = self._first_layer(own, context)
        for layer in list(self.head)[1:]:
            hidden = layer(hidden)
        return hidden

    def _first_layer(self, own: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """First layer of the head, (v, t, OCTAVES, HEAD_WIDTH), with arguments of `_hidden`.

        Its input is features of the octave, of the next coarser one, the number of the octave, and
        features of the next finer one; features are `own` and `context`. The context is the same
        for all tiles, so that its part of the product is computed once.
        """
        layer = self.head[0]
        assert isinstance(layer, nn.Linear)
        octave, coarser, number, finer = layer.weight.split([_OWN, _OWN, OCTAVES, _OWN], dim=1)

        def product(weight: torch.Tensor) -> torch.Tensor:
            of_tile, of_context = weight.split([own.shape[-1], context.shape[-1]], dim=1)
            return F.linear(own, of_tile) + F.linear(context, of_context)[:, None]

        out = product(octave) + (number.T + layer.bias)
        out[..., :-1, :] += product(coarser)[..., 1:, :]
        out[..., FINER_FROM:, :] += product(finer)[..., FINER_FROM - 1 : -1, :]
        return out

    def single_channel_ratios(self, measured: Measured) -> torch.Tensor:
        """Scaled single-channel ratios of whole volumes, (v, OCTAVES, n)."""
        tile_weight, slice_weight = normalised_weights(measured.weight)
        means = torch.einsum("vstok,vst,vs->vok", measured.means, tile_weight, slice_weight)
        of_volume = ratios(means)
        return self._scaled(of_volume * polarity(of_volume))[..., list(SINGLE_CHANNEL)]

    def out_of_distribution(self, measured: Measured) -> torch.Tensor:
        """Distance of volumes from the training volumes, (v,); 2 % of held-out volumes exceed 1.

        Root mean square over the octaves of the Mahalanobis distance of the single-channel ratios.
        """
        offset = self.single_channel_ratios(measured) - self.reference_mean
        distance = torch.einsum("voi,oij->voj", offset, self.reference_whitening)
        return (distance**2).mean(dim=(1, 2)).sqrt()

    def _scaled(self, values: torch.Tensor) -> torch.Tensor:
        return ((values - self.mean) / self.std).clamp(-RATIO_LIMIT, RATIO_LIMIT)

    def _with_noise(self, values: torch.Tensor) -> torch.Tensor:
        return values + RATIO_NOISE * torch.randn_like(values) if self.training else values

    def _prediction(self, hidden: torch.Tensor) -> Prediction:
        """Prediction per band, coarse to fine, from octaves, fine to coarse, (..., OCTAVES, n)."""
        octaves = self.out(hidden).flip(-2)
        bands = torch.cat([octaves, self.finest(hidden[..., :1, :])], dim=-2)
        assert bands.shape[-2] == N_BANDS
        return Prediction(bands[..., 0], torch.sigmoid(bands[..., 1]))


def polarity(of_volume: torch.Tensor) -> torch.Tensor:
    """Signs of ratios, (v, 1, N_RATIOS), that bring all volumes to the same contrast.

    With these signs the sum of the odd ratios is negative, as for dark matter: matter is sparse,
    and fine octaves are strong where coarse octaves are dark. The coarsest octave is excluded,
    because it has few waves.

    Args:
        of_volume: (v, OCTAVES, N_RATIOS) of whole volumes.
    """
    tail = of_volume[..., :-1, list(ODD)].sum(dim=(-2, -1))
    sign = torch.where(tail > 0, -1.0, 1.0).to(of_volume.dtype)
    out = torch.ones_like(of_volume[:, :1])
    out[..., list(ODD)] = sign[:, None, None]
    return out


def normalised_weights(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights of tiles in their slice, (v, s, t), and of slices in their volume, (v, s); sum 1."""
    total = weight.sum(dim=2, keepdim=True)
    exists = (total[..., 0] > 0).to(weight.dtype)
    return weight / total.clamp_min(1e-6), exists / exists.sum(dim=1, keepdim=True).clamp_min(1)


def attention_pool(
    embedding: torch.Tensor, attention: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Softmax-weighted mean embedding over the tiles of each volume, (v, OCTAVES, EMBEDDING_SIZE).

    The noise level is about the same throughout a tomogram, so the clearest tiles represent it.

    Args:
        embedding: (v, s, t, OCTAVES, EMBEDDING_SIZE).
        attention: (v, s, t, OCTAVES), logits of the softmax.
        weight: (v, s, t) fraction of each tile that holds data, 0 to 1.
    """
    logits = attention + weight.clamp_min(1e-9).log()[..., None]
    attention_weight = logits.flatten(1, 2).softmax(dim=1)
    return torch.einsum("vtog,vto->vog", embedding.flatten(1, 2), attention_weight)


def power_features(power: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Power of tiles relative to other tiles of their volume, per octave.

    Args:
        power: (v, s, t, OCTAVES) log10.
        weight: (v, s, t) fraction of each tile that holds data; tiles of weight 0 are ignored.

    Returns:
        (v, s, t, OCTAVES, N_POWER_FEATURES): differences of the tile from the mean of the slice and
        from the 10 %, 50 % and 90 % quantiles of the volume; standard deviation within the slice;
        median - 10 % quantile and 90 % quantile - median of the volume. Clipped to -3 to 3; 0
        where there is no data.
    """
    exists = weight > 0
    tile_weight, _ = normalised_weights(weight)
    in_slice = (power * tile_weight[..., None]).sum(dim=2, keepdim=True)
    spread = ((power - in_slice) ** 2 * tile_weight[..., None]).sum(dim=2, keepdim=True).sqrt()
    low, median, high = (
        quantile[:, None, None]
        for quantile in _quantiles(power, exists, (LOW_QUANTILE, 0.5, HIGH_QUANTILE))
    )
    full = torch.zeros_like(power)
    parts = [
        power - in_slice,
        power - low,
        power - median,
        power - high,
        full + spread,
        full + median - low,
        full + high - median,
    ]
    out = torch.stack(parts, dim=-1).clamp(-3, 3)
    return out * exists[..., None, None]


def _quantiles(
    power: torch.Tensor, exists: torch.Tensor, quantiles: tuple[float, ...]
) -> list[torch.Tensor]:
    """Quantiles over the tiles of each volume with weight > 0, (v, OCTAVES) each."""
    flat = power.flatten(1, 2).masked_fill(~exists.flatten(1, 2)[..., None], torch.inf)
    ordered = flat.sort(dim=1).values
    number = exists.flatten(1).sum(dim=1)
    out = []
    for quantile in quantiles:
        index = (quantile * (number - 1).clamp_min(0)).round().long()
        picked = ordered.gather(1, index[:, None, None].expand(-1, 1, power.shape[-1]))[:, 0]
        out.append(torch.where(torch.isfinite(picked), picked, torch.zeros_like(picked)))
    return out
