# SPDX-License-Identifier: GPL-3.0-or-later
"""Image formation at 300 kV: phase per density and attenuation; the CTF is the engine's.

Constants: Kirkland, Advanced Computing in Electron Microscopy (2nd ed., 2010).
"""

from __future__ import annotations

import torch

INTERACTION_RAD_PER_V_NM = 0.00653
PROTEIN_MINUS_ICE_V = 2.5
"""Mean inner potential of protein above vitreous ice, the unit of density."""


def phase_per_density_nm() -> float:
    """Phase shift in rad of 1 nm of matter of density 1 (protein minus ice)."""
    return INTERACTION_RAD_PER_V_NM * PROTEIN_MINUS_ICE_V


def transmitted(ice_nm: float, tilt_deg: torch.Tensor, mean_free_path_nm: float) -> torch.Tensor:
    """Share of the electrons that cross tilted ice without inelastic scattering, 0 to 1.

    Args:
        ice_nm: thickness of the ice in nm.
        tilt_deg: tilt angles in degrees, of any shape.
        mean_free_path_nm: inelastic mean free path in nm.
    """
    return torch.exp(-ice_nm / (mean_free_path_nm * torch.cos(torch.deg2rad(tilt_deg))))
