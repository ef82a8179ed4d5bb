# SPDX-License-Identifier: GPL-3.0-or-later
"""Contrast transfer function of weak-phase objects.

Constants: Kirkland, Advanced Computing in Electron Microscopy (2nd ed., 2010).
"""

from __future__ import annotations

import math

import torch

from tomoscore_scipion.tilt_metadata.optics import SPHERICAL_ABERRATION_NM

WAVELENGTH_NM = 0.00197
"""Wavelength of electrons at 300 kV."""
_REST_ENERGY_KV = 510.999
_PLANCK_TIMES_C_NM_KV = 1.239842


def wavelength_nm(voltage_kv: float) -> float:
    """Relativistic wavelength of electrons, hc / sqrt(E (E + 2 m c^2)); 0.00197 nm at 300 kV."""
    return _PLANCK_TIMES_C_NM_KV / math.sqrt(voltage_kv * (voltage_kv + 2 * _REST_ENERGY_KV))


def ctf(
    frequency_per_nm: torch.Tensor,
    defocus_nm: float,
    amplitude_contrast: float,
    wavelength_nm: float = WAVELENGTH_NM,
    spherical_aberration_nm: float = SPHERICAL_ABERRATION_NM,
) -> torch.Tensor:
    """Contrast transfer function of a weak-phase object.

    Positive defocus is underfocus. Where the function is positive, dense matter is dark. The zeros
    are at pi lambda k^2 (defocus - Cs lambda^2 k^2 / 2) + asin(amplitude_contrast) = n pi.

    Args:
        frequency_per_nm: |k| in 1/nm, of any shape.
        defocus_nm: defocus in nm, positive for underfocus.
        amplitude_contrast: fraction of amplitude contrast, 0 to 1.
        wavelength_nm: wavelength of the electrons in nm.
        spherical_aberration_nm: spherical aberration in nm.

    Returns:
        Tensor of the same shape, -1 to 1.
    """
    k2 = frequency_per_nm**2
    spherical = 0.5 * spherical_aberration_nm * wavelength_nm**2 * k2
    phase = math.pi * wavelength_nm * k2 * (defocus_nm - spherical)
    return torch.sin(phase + math.asin(amplitude_contrast))
