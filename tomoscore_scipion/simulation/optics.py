# SPDX-License-Identifier: GPL-3.0-or-later
"""Image formation in a 300 kV microscope: weak-phase contrast transfer and beam attenuation.

Constants: Kirkland, Advanced Computing in Electron Microscopy (2nd ed., 2010).
"""

from __future__ import annotations

import math

import torch

WAVELENGTH_NM = 0.00197
SPHERICAL_ABERRATION_NM = 2.7e6
INTERACTION_RAD_PER_V_NM = 0.00653
PROTEIN_MINUS_ICE_V = 2.5
"""Mean inner potential of protein above vitreous ice, the unit of density."""


def ctf(
    frequency_per_nm: torch.Tensor, defocus_nm: float, amplitude_contrast: float
) -> torch.Tensor:
    """Contrast transfer of a weak-phase object, any shape in, same shape out, -1 to 1.

    Positive defocus is underfocus; positive values mean that dense matter is dark. Zeros lie where
    pi lambda k^2 (defocus - Cs lambda^2 k^2 / 2) + asin(amplitude_contrast) = n pi.
    """
    k2 = frequency_per_nm**2
    spherical = 0.5 * SPHERICAL_ABERRATION_NM * WAVELENGTH_NM**2 * k2
    phase = math.pi * WAVELENGTH_NM * k2 * (defocus_nm - spherical)
    return torch.sin(phase + math.asin(amplitude_contrast))


def phase_per_density_nm() -> float:
    """Phase shift in rad of 1 nm of matter of density 1 (protein minus ice)."""
    return INTERACTION_RAD_PER_V_NM * PROTEIN_MINUS_ICE_V


def transmitted(ice_nm: float, tilt_deg: torch.Tensor, mean_free_path_nm: float) -> torch.Tensor:
    """Share of the electrons that cross tilted ice without inelastic scattering, 0 to 1."""
    return torch.exp(-ice_nm / (mean_free_path_nm * torch.cos(torch.deg2rad(tilt_deg))))
