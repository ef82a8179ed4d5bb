# SPDX-License-Identifier: GPL-3.0-or-later
"""Frequencies of real Fourier transforms, annuli of the bands, and filters.

Arrays of frequencies have the order of `rfft2` or `rfftn`: the last axis has n // 2 + 1 entries and
all axes start at frequency 0. Units are cycles per unit of `spacing`: 1/nm for a pixel in nm,
cycles per pixel for the default of 1. Most functions exist in two versions, for torch (float32) and
for numpy (float64).
"""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np
import torch

from tomoscore_scipion.records.bands import PERIODS_NM


def axes(n_y: int, n_x: int, spacing: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Frequencies of an rfft2 of n_y x n_x pixels along y, (n_y, 1), and x, (1, n_x // 2 + 1).

    Args:
        n_y: pixels along y.
        n_x: pixels along x.
        spacing: pixel size.
    """
    return torch.fft.fftfreq(n_y, spacing)[:, None], torch.fft.rfftfreq(n_x, spacing)[None, :]


def radius(n_y: int, n_x: int, spacing: float = 1.0) -> torch.Tensor:
    """|k| of an rfft2 of n_y x n_x pixels, (n_y, n_x // 2 + 1) float32.

    Args:
        n_y: pixels along y.
        n_x: pixels along x.
        spacing: pixel size.
    """
    return torch.hypot(*axes(n_y, n_x, spacing))


def filtered(images: torch.Tensor, transfer: torch.Tensor) -> torch.Tensor:
    """Multiply the rfft2 of images (..., y, x) by a transfer function that broadcasts to it."""
    return torch.fft.irfft2(torch.fft.rfft2(images) * transfer, s=tuple(images.shape[-2:]))


def numpy_axes(shape: Sequence[int], spacing: float = 1.0) -> tuple[np.ndarray, ...]:
    """Frequencies of an rfftn along each axis of a shape; they broadcast to the transform."""
    lines = [np.fft.fftfreq(n, spacing) for n in shape[:-1]]
    return np.ix_(*lines, np.fft.rfftfreq(shape[-1], spacing))


def numpy_radius(shape_yx: Sequence[int], spacing: float = 1.0) -> np.ndarray:
    """|k| of an rfft2 of images of a shape (y, x), (y, x // 2 + 1) float64."""
    k_y, k_x = numpy_axes(shape_yx, spacing)
    return np.asarray(np.hypot(k_y, k_x))


def numpy_filtered(images: np.ndarray, transfer: np.ndarray) -> np.ndarray:
    """Multiply the rfft2 of images (..., y, x) by a transfer function; the result is float32."""
    planes = np.fft.irfft2(np.fft.rfft2(images) * transfer, s=images.shape[-2:])
    return np.asarray(planes, dtype=np.float32)


def band_masks(frequency_per_nm: Any) -> list[Any]:
    """Mask of the annulus of each band of `PERIODS_NM`: 1 / coarse <= |k| < 1 / fine.

    Args:
        frequency_per_nm: |k| in 1/nm, an array or tensor of any shape.

    Returns:
        N_BANDS boolean arrays of this shape.
    """
    k = frequency_per_nm
    return [(k >= 1 / coarse) & (k < 1 / fine) for coarse, fine in PERIODS_NM]
