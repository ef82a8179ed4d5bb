# SPDX-License-Identifier: GPL-3.0-or-later
"""The microscope's optics during a tilt series, as metadata say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SPHERICAL_ABERRATION_NM = 2.7e6
"""Of a common 300 kV objective: 2.7 mm."""


@dataclass(frozen=True)
class Optics:
    """Contrast transfer of each view.

    Attributes:
        defocus_nm: underfocus of each view, shape (n_views,).
        voltage_kv: of the microscope.
        spherical_aberration_nm: of its objective.
        amplitude_contrast: 0 to 1.
    """

    defocus_nm: np.ndarray
    voltage_kv: float = 300.0
    spherical_aberration_nm: float = SPHERICAL_ABERRATION_NM
    amplitude_contrast: float = 0.07

    @property
    def described(self) -> str:
        """The microscope in words."""
        return (
            f"{self.voltage_kv:g} kV, Cs {1e-6 * self.spherical_aberration_nm:g} mm and an "
            f"amplitude contrast of {self.amplitude_contrast:g}"
        )
