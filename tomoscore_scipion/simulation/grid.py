# SPDX-License-Identifier: GPL-3.0-or-later
"""The sampling of a simulated specimen and its spatial frequencies.

Specimens are periodic in x and y, so that every projection is complete and exact in Fourier space.
Lengths are in nm, frequencies in 1/nm; arrays have axes (z, y, x).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from tomoscore_scipion.tomography import fourier


@dataclass(frozen=True)
class Grid:
    """A square periodic field of `n` x `n` pixels of `pixel_nm`."""

    n: int = 512
    pixel_nm: float = 1.5

    def __post_init__(self) -> None:
        if self.n < 32 or self.n % 2 or self.pixel_nm <= 0:
            raise ValueError(f"expected an even n >= 32 and a positive pixel, got {self}")

    @property
    def width_nm(self) -> float:
        """Edge of the field in nm."""
        return self.n * self.pixel_nm

    def kx(self) -> torch.Tensor:
        """Frequencies along x in 1/nm, shape (n // 2 + 1,), in the order of rfft."""
        return torch.fft.rfftfreq(self.n, self.pixel_nm)

    def ky(self) -> torch.Tensor:
        """Frequencies along y in 1/nm, shape (n,), in the order of fft."""
        return torch.fft.fftfreq(self.n, self.pixel_nm)

    def radius(self) -> torch.Tensor:
        """|k| in 1/nm, shape (n, n // 2 + 1), of a two-dimensional rfft2."""
        return fourier.radius(self.n, self.n, self.pixel_nm)


def crop_spectrum(spectrum: torch.Tensor, n: int) -> torch.Tensor:
    """Resample an unnormalised rfft2 spectrum to an n x n field of the same width.

    Args:
        spectrum: (..., m, m // 2 + 1) complex, with m even.
        n: even size of the new field; frequencies beyond either Nyquist are dropped.

    Returns:
        (..., n, n // 2 + 1) complex, scaled so that irfft2 keeps the values of the field.
    """
    m = spectrum.shape[-2]
    if n == m:
        return spectrum
    half = min(n, m) // 2
    out = spectrum.new_zeros((*spectrum.shape[:-2], n, n // 2 + 1))
    out[..., :half, :half] = spectrum[..., :half, :half]
    out[..., -half + 1 :, :half] = spectrum[..., -half + 1 :, :half]
    return out * (n / m) ** 2
