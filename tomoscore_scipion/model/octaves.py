# SPDX-License-Identifier: GPL-3.0-or-later
"""Split a slice into whitened octaves: one image per octave of period, 8-4 nm to 128-64 nm.

A radial filter multiplies signal and noise at a frequency by the same factor, so it does not change
correlations within an octave. Division of a slice by its own smooth radial spectrum removes such
filters before any nonlinear step. Sharp annuli then separate the octaves.

Each octave comes with its Riesz transform, whose two images are a quarter of a period out of phase
along y and x: together they give amplitude, direction and phase of a local wave (the monogenic
signal of Felsberg and Sommer, IEEE Trans. Signal Process. 49, 3136 (2001)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F

from tomoscore_scipion.model.normalisation import MARGIN_CELLS, CanonicalSlice, robust_spread
from tomoscore_scipion.model.sampling import CHANNELS
from tomoscore_scipion.model.tiles import CELL_PX
from tomoscore_scipion.records.bands import N_SCORED, PERIODS_NM

OCTAVES = N_SCORED
"""Octaves that are measured, finest first: 8-4, 16-8, 32-16, 64-32, 128-64 nm."""
FINEST_NM = PERIODS_NM[N_SCORED - 1][1]
"""Finest period of the finest octave."""
EDGE_OCTAVES = 0.15
"""Half width of the soft edge of an annulus, in octaves."""
LIMIT = 4.0
"""Amplitudes above this multiple of the robust spread are compressed to their logarithm."""
BINS_PER_OCTAVE = 2
COARSEST_NM = 256.0
"""Coarsest period of the radial spectrum."""
MIN_RELATIVE_POWER = 1e-13
"""Minimum power of a bin relative to the largest; lower values are rounding errors of float32."""


@dataclass(frozen=True)
class Octave:
    """One octave of a slice.

    Attributes:
        images: (CHANNELS, y, x) whitened, in units of the robust spread of the centre; absent
            channels are 0.
        riesz: (2, y, x) Riesz transform of the centre along y and x.
        valid: (y, x) 1 where the slice has data, 0 elsewhere.
        cell_px: edge of a cell in pixels; the outermost `MARGIN_CELLS` cells are margin.
        log_power: log10 of the power before scaling to 1, comparable within a volume.
        persistence: (2, CHANNELS - 1) correlation of the centre with its neighbours, over the waves
            mostly along one axis and over the waves mostly along the other.
    """

    images: torch.Tensor
    riesz: torch.Tensor
    valid: torch.Tensor
    cell_px: int
    log_power: float
    persistence: torch.Tensor


def octaves(canonical: CanonicalSlice, device: torch.device) -> list[Octave]:
    """Compute the octaves of a slice that is not blank, finest first."""
    window = (canonical.images.shape[1], canonical.images.shape[2])
    grid = _grid(window, canonical.cells, canonical.voxel_nm, device)
    images = canonical.images.to(device)
    mask = canonical.valid.to(device)
    valid = grid.valid_pixels(mask)
    spectra = grid.cropped(torch.fft.rfft2(images))
    power = grid.radial_power(spectra[0])
    spectra = spectra * grid.whitening(power)
    area = math.log10(max(float(mask.mean()), 1e-6))
    out = []
    for number in range(OCTAVES):
        log_power = float(np.interp(grid.middle(number), np.arange(len(power)), power)) - area
        out.append(
            _octave(
                grid,
                spectra,
                valid[number],
                canonical,
                number,
                log_power + 2 * canonical.log_spread,
            )
        )
    return out


def _octave(
    grid: _Grid,
    spectra: torch.Tensor,
    valid: torch.Tensor,
    canonical: CanonicalSlice,
    number: int,
    log_power: float,
) -> Octave:
    shape = grid.shape(number)
    band = grid.part(spectra, number) * grid.annuli[number]
    persistence = _persistence(band, grid.sectors[number], canonical.present)
    centre = torch.cat([band, band[:1] * grid.riesz[number]])
    filtered = torch.fft.irfft2(centre, s=shape)
    spread = robust_spread(filtered[0][valid > 0])
    if spread > 0:
        filtered = filtered / spread
        log_power += 2 * math.log10(spread)
    images = filtered.new_zeros((CHANNELS, *shape))
    _compress(filtered[:1], filtered[-2:])
    rows = iter(filtered[:-2])
    for channel, exists in enumerate(canonical.present):
        if exists:
            image = next(rows)
            if channel:
                _compress(image[None])
            torch.mul(image, valid, out=images[channel])
    return Octave(images, filtered[-2:] * valid, valid, CELL_PX >> number, log_power, persistence)


def _compress(*parts: torch.Tensor) -> None:
    """Compress amplitudes above `LIMIT` to LIMIT + log(1 + excess), in place.

    Args:
        parts: (n, y, x) components; the amplitude is the root of their sum of squares.
    """
    squares = [component.square() for part in parts for component in part]
    amplitude = sum(squares[1:], squares[0]).sqrt()
    large = (amplitude > LIMIT).nonzero(as_tuple=True)
    beyond = amplitude[large]
    factor = (LIMIT + (beyond - LIMIT).log1p()) / beyond
    for part in parts:
        part[:, large[0], large[1]] *= factor


def _persistence(
    band: torch.Tensor, sectors: torch.Tensor, present: tuple[bool, ...]
) -> torch.Tensor:
    """(2, CHANNELS - 1) correlations of the centre with its neighbours in two sectors."""
    out = torch.zeros((2, CHANNELS - 1))
    power = (band.real**2 + band.imag**2).flatten(1)
    cross = (band[:1] * band[1:].conj()).real.flatten(1)
    weights = sectors.flatten(1)
    energy, shared = power @ weights.T, cross @ weights.T
    row = 0
    for channel, exists in enumerate(present[1:]):
        if exists:
            row += 1
            norm = (energy[0] * energy[row]).sqrt().clamp_min(1e-30)
            out[:, channel] = (shared[row - 1] / norm).cpu()
    return out


@lru_cache(maxsize=8)
def _grid(
    window: tuple[int, int], cells: tuple[int, int], voxel_nm: float, device: torch.device
) -> _Grid:
    return _Grid(window, cells, voxel_nm, device)


class _Grid:
    """Frequencies and filters of a window, computed once for all slices of its shape.

    Attributes:
        annuli: complex filter of each octave; includes the shift to the centres of its pixels.
        riesz: Riesz transform of each octave along y and x, (2, y, x) complex.
        sectors: weights (2, y, x) of the waves of each octave that run mostly along x, and along y.
    """

    def __init__(
        self, window: tuple[int, int], cells: tuple[int, int], voxel_nm: float, device: torch.device
    ) -> None:
        self._window, self._device = window, device
        self._size = tuple((count + 2 * MARGIN_CELLS) * CELL_PX for count in cells)
        self._width = tuple(n * voxel_nm for n in window)
        self._half = tuple(min(n, m - 1) // 2 for n, m in zip(self._size, window))
        self._half = tuple(h - (h == n // 2) for h, n in zip(self._half, self._size))
        kx, radius = self._frequencies(0)[1], self._radius(0)
        nyquist = 0.5 / voxel_nm * (1 + 1e-6)
        bin_position = BINS_PER_OCTAVE * torch.log2((radius * COARSEST_NM).clamp_min(1e-3))
        self._bins = BINS_PER_OCTAVE * round(math.log2(COARSEST_NM / FINEST_NM)) + 2
        inside = (bin_position > -1) & (bin_position < self._bins) & (radius <= nyquist)
        self._lower = bin_position.floor().clamp(0, self._bins - 2).long()
        self._upper_weight = (bin_position - self._lower).clamp(0, 1)
        twice = torch.where(kx > 0, 2.0, 1.0)[None, :].expand_as(radius)
        weight = (twice * inside).flatten().double()
        upper = self._upper_weight.flatten().double()
        self._weights = (weight * (1 - upper), weight * upper)
        self._number = self._binned(torch.ones_like(weight))
        self._below_nyquist = (radius <= nyquist).float()
        self._valid_before: tuple[torch.Tensor, list[torch.Tensor]]
        self._valid_before = torch.zeros((0, 0), device=device), []
        self.annuli = [self._make_annulus(i) for i in range(OCTAVES)]
        self.riesz = [self._make_riesz(i) for i in range(OCTAVES)]
        self.sectors = [self._make_sectors(i) for i in range(OCTAVES)]

    def _frequencies(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        (ny, nx), (wy, wx) = self.shape(number), self._width
        ky = torch.fft.fftfreq(ny, 1.0 / ny, device=self._device) / wy
        kx = torch.arange(nx // 2 + 1, device=self._device) / wx
        return ky, kx

    def _radius(self, number: int) -> torch.Tensor:
        ky, kx = self._frequencies(number)
        return torch.hypot(ky[:, None], kx[None, :])

    def shape(self, number: int) -> tuple[int, int]:
        """Pixels of an octave's images."""
        return self._size[0] >> number, self._size[1] >> number

    def middle(self, number: int) -> float:
        """Position of the middle of an octave in bins of the radial spectrum."""
        period = FINEST_NM * 2 ** (number + 0.5)
        return BINS_PER_OCTAVE * math.log2(COARSEST_NM / period)

    def cropped(self, spectra: torch.Tensor) -> torch.Tensor:
        """Crop or pad spectra (n, y, x) of the window to the grid of the finest octave."""
        (ny, nx), (hy, hx) = self._size, self._half
        out = spectra.new_zeros((len(spectra), ny, nx // 2 + 1))
        scale = 1.0 / math.sqrt(self._window[0] * self._window[1])
        out[:, : hy + 1, : hx + 1] = spectra[:, : hy + 1, : hx + 1] * scale
        out[:, -hy:, : hx + 1] = spectra[:, -hy:, : hx + 1] * scale
        return out

    def part(self, spectra: torch.Tensor, number: int) -> torch.Tensor:
        """Crop spectra from the grid of the finest octave to the grid of a coarser octave."""
        ny, nx = self.shape(number)
        if number == 0:
            return spectra
        low, high = spectra[:, : ny // 2, : nx // 2 + 1], spectra[:, -ny // 2 :, : nx // 2 + 1]
        return torch.cat([low, high], dim=1)

    def valid_pixels(self, mask: torch.Tensor) -> list[torch.Tensor]:
        """Mask of the pixels of each octave with data in half of their area, (y, x) of 0 or 1.

        The result is cached, because most slices of a volume have the mask of the previous slice.
        """
        before, pixels = self._valid_before
        if not torch.equal(mask, before):
            fractions = [
                F.adaptive_avg_pool2d(mask[None], self.shape(i))[0] for i in range(OCTAVES)
            ]
            pixels = [(fraction >= 0.5).float() for fraction in fractions]
            self._valid_before = mask, pixels
        return pixels

    def radial_power(self, spectrum: torch.Tensor) -> np.ndarray:
        """log10 of the mean power around each bin of the period, (bins,)."""
        power = self._binned((spectrum.real**2 + spectrum.imag**2).flatten().double())
        exists = self._number > 0.5
        means = power[exists] / self._number[exists]
        floor = max(MIN_RELATIVE_POWER * float(means.max(initial=0.0)), 1e-30)
        bins = np.arange(self._bins)
        return np.interp(bins, bins[exists], np.log10(np.maximum(means, floor)))

    def _binned(self, values: torch.Tensor) -> np.ndarray:
        """Weighted sums of the values of frequencies around each bin, (bins,)."""
        total = torch.zeros(self._bins, dtype=torch.float64, device=self._device)
        lower = self._lower.flatten()
        for offset, weights in enumerate(self._weights):
            total.index_add_(0, lower + offset, values * weights)
        return np.asarray(total.cpu().numpy())

    def whitening(self, power: np.ndarray) -> torch.Tensor:
        """Amplitude of the filter that makes a radial spectrum 1, (y, x)."""
        bins = torch.from_numpy(power).float().to(self._device)
        lower, upper = bins[self._lower], bins[self._lower + 1]
        return 10 ** (-0.5 * (lower + (upper - lower) * self._upper_weight)) * self._below_nyquist

    def _make_annulus(self, number: int) -> torch.Tensor:
        ky, kx = self._frequencies(number)
        radius = self._radius(number)
        # The finest octave begins at 0, the next one at 1, and so on.
        octave_position = torch.log2(1 / (radius * FINEST_NM).clamp_min(1e-6)) - number
        rise = ((octave_position + EDGE_OCTAVES) / (2 * EDGE_OCTAVES)).clamp(0, 1)
        fall = ((1 + EDGE_OCTAVES - octave_position) / (2 * EDGE_OCTAVES)).clamp(0, 1)
        mask = torch.sin(0.5 * math.pi * rise) * torch.sin(0.5 * math.pi * fall)
        phase = torch.zeros_like(mask)
        axes = zip((ky[:, None], kx), self._width, self.shape(number), self._window)
        for k, width, n, m in axes:
            phase = phase + 2 * math.pi * k * width * (0.5 / n - 0.5 / m)
        return torch.polar(mask, phase)

    def _make_riesz(self, number: int) -> torch.Tensor:
        ky, kx = self._frequencies(number)
        radius = self._radius(number).clamp_min(1e-9)
        both = torch.stack([ky[:, None] / radius, kx[None, :] / radius])
        return torch.complex(torch.zeros_like(both), -both)

    def _make_sectors(self, number: int) -> torch.Tensor:
        ky, kx = self._frequencies(number)
        along_x = (kx[None, :].abs() > ky[:, None].abs()).float()
        twice = torch.where(kx > 0, 2.0, 1.0)[None, :]
        return torch.stack([along_x * twice, (1 - along_x) * twice])
