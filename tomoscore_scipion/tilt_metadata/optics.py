# SPDX-License-Identifier: GPL-3.0-or-later
"""The contrast transfer of a tilt series, from its metadata."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SPHERICAL_ABERRATION_NM = 2.7e6
"""2.7 mm, of a common objective lens at 300 kV."""


@dataclass(frozen=True)
class Optics:
    """Contrast transfer of each view.

    Attributes:
        defocus_nm: underfocus of each view in nm, shape (n_views,).
        voltage_kv: acceleration voltage in kV.
        spherical_aberration_nm: spherical aberration of the objective lens in nm.
        amplitude_contrast: fraction of amplitude contrast, 0 to 1.
    """

    defocus_nm: np.ndarray
    voltage_kv: float = 300.0
    spherical_aberration_nm: float = SPHERICAL_ABERRATION_NM
    amplitude_contrast: float = 0.07

    @property
    def described(self) -> str:
        """Description for the record."""
        return (
            f"{self.voltage_kv:g} kV, Cs {1e-6 * self.spherical_aberration_nm:g} mm and an "
            f"amplitude contrast of {self.amplitude_contrast:g}"
        )
