# SPDX-License-Identifier: GPL-3.0-or-later
"""Radiation damage and dose weighting (Grant and Grigorieff, eLife 2015, 10.7554/eLife.06980)."""

from __future__ import annotations

import torch


def critical_dose(frequency_per_nm: torch.Tensor) -> torch.Tensor:
    """Ne(k) in e/A^2 at 300 kV: 0.245 k^-1.665 + 2.81 with k in 1/A; infinite at k = 0."""
    return 0.245 * (frequency_per_nm / 10.0) ** -1.665 + 2.81


def surviving_amplitude(
    frequency_per_nm: torch.Tensor, accumulated_dose: torch.Tensor
) -> torch.Tensor:
    """exp(-N / (2 Ne(k))) after N e/A^2; the two arguments broadcast. 1 to 0."""
    return torch.exp(-accumulated_dose / (2.0 * critical_dose(frequency_per_nm)))
