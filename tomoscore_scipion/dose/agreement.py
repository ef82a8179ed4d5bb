# SPDX-License-Identifier: GPL-3.0-or-later
"""Correlation of the tomogram of some views with the signal of all views, measured from the views.

The views of a tilt series show the same specimen with independent noise. Let B_v be the
back-projection of view v on a plane, and G_vu = <B_v, B_u> in a band of frequencies. Elements off
the diagonal of G contain signal only. For a tomogram T = sum w_v B_v and a reference
F = sum r_u B_u of all views,

    m = sum_{v != u} w_v G_vu r_u / sqrt(sum_{v u} w_v G_vu w_u  *  sum_{v != u} r_v G_vu r_u)

is the correlation of T, including its noise, with the signal of F, without the noise that T and F
share. F replaces the unknown specimen: over the doses of one series, m is proportional to R, the
correlation with the specimen, with a factor per band that is the R of F. Views that no longer match
the others (damaged, drifted, blurred) increase the power of T, but not the numerator.

F is the weighted back-projection of all views, each scaled to the signal of the first ones, so that
late views have the same weight for their angles as early ones. The signal of a view is the mean of
G_vu with its neighbours in angle, fitted by a sequence that does not increase in the order of
acquisition, as radiation damage is irreversible.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from tomoscore_scipion.model.normalisation import robust_spread
from tomoscore_scipion.model.tiles import TILE_NM
from tomoscore_scipion.records.bands import N_BANDS
from tomoscore_scipion.tomography import fourier

MIN_SIGNAL = 0.3
"""Smallest signal power, relative to that of the first views, to which a view is scaled in the
reference."""
MAX_DEVIATIONS = 4.0
"""Values beyond this many robust standard deviations, such as gold beads, are set to 0."""


@dataclass(frozen=True)
class Agreement:
    """Products G of all pairs of views in the tiles of slices.

    Attributes:
        gram: G, (n_slices, n_tiles, N_BANDS, n_views, n_views) float32; tiles have equal power.
        weights: weights w of the views in the tomogram of all views, (n_views,).
        angles_deg: tilt angles in degrees, (n_views,).
        order: indices of the views in the order of acquisition, (n_views,).
        reference: weights r of the views in the reference, (N_BANDS, n_views).
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
            decreasing = decreasing_fit(values)
            strongest = max(float(decreasing[0]), 1e-12)
            signal[band, self.order] = np.clip(decreasing / strongest, MIN_SIGNAL, 1.0)
        object.__setattr__(self, "reference", self.weights / np.sqrt(signal))

    def units(self, weights: np.ndarray, slices: slice) -> np.ndarray:
        """The three sums in m for each tile; those of several tiles are added.

        Args:
            weights: weights w of the views in each tomogram, (n_tomograms, n_views).
            slices: slices to use.

        Returns:
            (3, n_units, n_tomograms, N_BANDS): numerator, power of the tomogram, and power of the
            signal of the reference; a unit is a tile of a slice.
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
    """Correlation m of tomograms from the sums of their tiles.

    Args:
        units: (3, n_units, n_tomograms, N_BANDS) from `Agreement.units`.
        counts: weight of each tile, (..., n_units); 1 if None.

    Returns:
        (..., n_tomograms, N_BANDS), -1 to 1; 0 without signal.
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
        planes: back-projection of each view on the plane, (n_views, y, x).
        voxel_nm: pixel size in nm.

    Returns:
        (n_tiles, N_BANDS, n_views, n_views) float32, with a mean power of 1 per tile and band.
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
    """Set outliers of a plane (mean near 0) to 0."""
    return torch.where(plane.abs() > MAX_DEVIATIONS * robust_spread(plane.flatten()), 0.0, plane)


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
    """First pixels of half-overlapping tiles, spaced evenly from edge to edge."""
    count = max(1, round(2 * (n - size) / size) + 1)
    return [int(start) for start in np.round(np.linspace(0, n - size, count))]


def _band_masks(n_y: int, n_x: int, voxel_nm: float) -> list[torch.Tensor]:
    """The annulus of each band in an rfft2 of n_y x n_x pixels."""
    masks: list[torch.Tensor] = fourier.band_masks(fourier.radius(n_y, n_x, voxel_nm))
    return masks


def _shared_signal(gram: np.ndarray, by_angle: np.ndarray) -> np.ndarray:
    """Signal of each view: the mean product with both neighbours in angle.

    Args:
        gram: (N_BANDS, n_views, n_views).
        by_angle: indices of the views in the order of their angles, (n_views,).

    Returns:
        (N_BANDS, n_views).
    """
    ordered = gram[:, by_angle][:, :, by_angle]
    pairs = np.diagonal(ordered, offset=1, axis1=1, axis2=2)
    padded = np.concatenate([pairs[:, :1], pairs, pairs[:, -1:]], axis=1)
    shared = np.empty(gram.shape[:2])
    shared[:, by_angle] = (padded[:, 1:] + padded[:, :-1]) / 2
    return shared


def decreasing_fit(values: np.ndarray) -> np.ndarray:
    """Least-squares fit of a sequence that does not increase to values, (n,).

    Isotonic regression by pooling adjacent violators (Barlow et al., Statistical Inference under
    Order Restrictions, 1972).
    """
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
