# SPDX-License-Identifier: GPL-3.0-or-later
"""Phase shift per density and attenuation at 300 kV; for the CTF see `tomography`.

Constants: Kirkland, Advanced Computing in Electron Microscopy (2nd ed., 2010).
"""

from __future__ import annotations

import torch

INTERACTION_RAD_PER_V_NM = 0.00653
PROTEIN_MINUS_ICE_V = 2.5
"""Mean inner potential of protein minus vitreous ice in V, the unit of density."""


def phase_per_density_nm() -> float:
    """Phase shift in rad of 1 nm of matter of density 1 (protein minus ice)."""
    return INTERACTION_RAD_PER_V_NM * PROTEIN_MINUS_ICE_V


def transmitted(ice_nm: float, tilt_deg: torch.Tensor, mean_free_path_nm: float) -> torch.Tensor:
    """Fraction of the electrons that pass tilted ice without inelastic scattering, 0 to 1.

    Args:
        ice_nm: thickness of the ice in nm, along the beam at 0 degrees.
        tilt_deg: tilt angles in degrees, of any shape.
        mean_free_path_nm: inelastic mean free path in nm.
    """
    return torch.exp(-ice_nm / (mean_free_path_nm * torch.cos(torch.deg2rad(tilt_deg))))
