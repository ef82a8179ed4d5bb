# SPDX-License-Identifier: GPL-3.0-or-later
"""Radiation damage and dose weighting (Grant and Grigorieff, eLife 2015, 10.7554/eLife.06980)."""

from __future__ import annotations

import torch


def critical_dose(frequency_per_nm: torch.Tensor) -> torch.Tensor:
    """Critical dose Ne(k) = 0.245 k^-1.665 + 2.81 e/A^2 at 300 kV, k in 1/A; infinite at k = 0."""
    return 0.245 * (frequency_per_nm / 10.0) ** -1.665 + 2.81


def surviving_amplitude(
    frequency_per_nm: torch.Tensor, accumulated_dose: torch.Tensor
) -> torch.Tensor:
    """Amplitude exp(-N / (2 Ne(k))) after a dose N in e/A^2, 0 to 1; the arguments broadcast."""
    return torch.exp(-accumulated_dose / (2.0 * critical_dose(frequency_per_nm)))
