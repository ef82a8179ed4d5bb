# SPDX-License-Identifier: GPL-3.0-or-later
"""How well the tomogram of some views agrees with what all views say: measured, not predicted.

A tilt series knows more than a tomogram made of it: views of different angles and doses show the
same specimen with independent noise. Let B_v be the back-projection of view v on a plane and
G_vu = <B_v, B_u> in a band of frequencies. Off the diagonal G holds signal only. For a tomogram
T = sum w_v B_v and a reference F = sum r_u B_u of all views,

    m = sum_{v != u} w_v G_vu r_u / sqrt(sum_{v u} w_v G_vu w_u  *  sum_{v != u} r_v G_vu r_u)

is the correlation of T, noise and all, with the signal of F, free of the noise that both share.
F takes the place of the specimen, which nobody knows: m follows R, the correlation with the
specimen, over the doses of one series up to a factor per band, which is that of F itself. Views
that no longer fit the others (damaged, drifted, blurred) add to T's power and not to its agreement.

F is the weighted back-projection of all views, each brought to the signal of the first ones, so
that late views stand for their angles as early ones do. The signal of a view is what it shares with
its neighbours in angle, taken to fall, or to stay, in the order of acquisition: damage does not
heal.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from tomoscore_scipion.model.normalisation import robust_spread
from tomoscore_scipion.records.bands import N_BANDS
from tomoscore_scipion.tomography import fourier

TILE_NM = 192.0
"""Edge of a tile: what the coarsest band needs."""
FAINTEST = 0.3
"""Share of the first views' signal power down to which a view is amplified in the reference."""
OUTLIER = 4.0
"""Values beyond so many robust standard deviations of a view's plane are set to 0: gold beads."""


@dataclass(frozen=True)
class Agreement:
    """Products of all pairs of views in tiles of slices.

    Attributes:
        gram: (n_slices, n_tiles, N_BANDS, n_views, n_views) float32; tiles have equal power.
        weights: of all views in the whole tomogram, (n_views,).
        angles_deg: (n_views,).
        order: the views in the order of acquisition, (n_views,).
    """

    gram: np.ndarray
    weights: np.ndarray
    angles_deg: np.ndarray
    order: np.ndarray
    reference: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        pooled = self.gram.sum(axis=(0, 1), dtype=np.float64)
        shared = _shared_signal(pooled, np.argsort(self.angles_deg, kind="stable"))
        signal = np.empty_like(shared)
        for band, values in enumerate(shared[:, self.order]):
            falling = falling_fit(values)
            strongest = max(float(falling[0]), 1e-12)
            signal[band, self.order] = np.clip(falling / strongest, FAINTEST, 1.0)
        object.__setattr__(self, "reference", self.weights / np.sqrt(signal))

    def units(self, weights: np.ndarray, slices: slice) -> np.ndarray:
        """The sums that make m, for each tile, so that any choice of tiles is a sum.

        Args:
            weights: of the views of each tomogram, (n_tomograms, n_views).
            slices: which slices.

        Returns:
            (3, n_units, n_tomograms, N_BANDS): agreement, power of the tomogram, and power of the
            reference's signal; a unit is a tile of a slice.
        """
        gram = self.gram[slices].reshape(-1, *self.gram.shape[2:]).astype(np.float64)
        off = gram * (1 - np.eye(gram.shape[-1]))
        shared = (off @ self.reference[..., None])[..., 0]
        agreement = np.einsum("kv,tbv->tkb", weights, shared)
        power = np.einsum("kv,tbvk->tkb", weights, gram @ weights.T)
        reference = np.einsum("bv,tbv->tb", self.reference, shared)
        reference = np.broadcast_to(reference[:, None], agreement.shape)
        return np.stack([agreement, power, reference])


def correlation(units: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """The m of tomograms from the sums of their tiles, -1 to 1; 0 where there is no signal.

    Args:
        units: (3, n_units, n_tomograms, N_BANDS) from `Agreement.units`.
        counts: how often each tile counts, (..., n_units); once when None.

    Returns:
        (..., n_tomograms, N_BANDS).
    """
    n_units = units.shape[1]
    counts = np.ones(n_units) if counts is None else counts
    agreement, power, reference = np.tensordot(counts, units, axes=([-1], [1])).swapaxes(0, -3)
    usable = (power > 0) & (reference > 0)
    product = np.where(usable, power * reference, 1.0)
    return np.where(usable, np.clip(agreement / np.sqrt(product), -1, 1), 0.0)


def gram_of(planes: torch.Tensor, voxel_nm: float) -> np.ndarray:
    """Products of all pairs of views in the tiles of one plane.

    Args:
        planes: back-projections of each view on the plane, (n_views, y, x).
        voxel_nm: their pixel.

    Returns:
        (n_tiles, N_BANDS, n_views, n_views) float32, per tile and band of mean power 1.
    """
    planes = torch.stack([_without_outliers(plane) for plane in planes])
    size = [min(round(TILE_NM / voxel_nm), n) for n in planes.shape[1:]]
    window = torch.hann_window(size[0], periodic=False)[:, None] * torch.hann_window(
        size[1], periodic=False
    )
    masks = _band_masks(size[0], size[1], voxel_nm)
    grams = []
    for y in _starts(planes.shape[1], size[0]):
        for x in _starts(planes.shape[2], size[1]):
            tile = planes[:, y : y + size[0], x : x + size[1]]
            tile = (tile - tile.mean(dim=(1, 2), keepdim=True)) * window
            grams.append(_gram_per_band(torch.fft.rfft2(tile), masks))
    return np.stack(grams)


def _without_outliers(plane: torch.Tensor) -> torch.Tensor:
    """A plane of mean near 0 with what sticks out of it blanked."""
    return torch.where(plane.abs() > OUTLIER * robust_spread(plane.flatten()), 0.0, plane)


def _gram_per_band(spectra: torch.Tensor, masks: list[torch.Tensor]) -> np.ndarray:
    grams = np.zeros((N_BANDS, len(spectra), len(spectra)), dtype=np.float32)
    for band, mask in enumerate(masks):
        values = torch.view_as_real(spectra[:, mask]).flatten(1)
        gram = (values @ values.T).numpy()
        power = float(np.trace(gram))
        if power > 0:
            grams[band] = gram * (len(gram) / power)
    return grams


def _starts(n: int, size: int) -> list[int]:
    """Where half-overlapping tiles begin, spread evenly from edge to edge."""
    count = max(1, round(2 * (n - size) / size) + 1)
    return [int(start) for start in np.round(np.linspace(0, n - size, count))]


def _band_masks(n_y: int, n_x: int, voxel_nm: float) -> list[torch.Tensor]:
    """The annulus of each band in an rfft2 of n_y x n_x pixels."""
    masks: list[torch.Tensor] = fourier.band_masks(fourier.radius(n_y, n_x, voxel_nm))
    return masks


def _shared_signal(gram: np.ndarray, by_angle: np.ndarray) -> np.ndarray:
    """What each view shares with its neighbours in angle.

    Args:
        gram: (N_BANDS, n_views, n_views).
        by_angle: the views in the order of their angles.

    Returns:
        (N_BANDS, n_views), the mean over both neighbours.
    """
    ordered = gram[:, by_angle][:, :, by_angle]
    pairs = np.diagonal(ordered, offset=1, axis1=1, axis2=2)
    padded = np.concatenate([pairs[:, :1], pairs, pairs[:, -1:]], axis=1)
    shared = np.empty(gram.shape[:2])
    shared[:, by_angle] = (padded[:, 1:] + padded[:, :-1]) / 2
    return shared


def falling_fit(values: np.ndarray) -> np.ndarray:
    """The closest sequence to (n,) values that never rises: pooling adjacent violators."""
    means: list[float] = []
    counts: list[int] = []
    for value in values.tolist():
        means.append(value)
        counts.append(1)
        while len(means) > 1 and means[-2] < means[-1]:
            mean, count = means.pop(), counts.pop()
            means[-1] = (means[-1] * counts[-1] + mean * count) / (counts[-1] + count)
            counts[-1] += count
    return np.repeat(means, counts)
