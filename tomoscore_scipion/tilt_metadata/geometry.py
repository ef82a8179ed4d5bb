# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert the alignment of AreTomo, Warp and RELION to the form of IMOD."""

from __future__ import annotations

import numpy as np


def transforms_about_axis(axis_deg: np.ndarray, offset_px: np.ndarray) -> np.ndarray:
    """Transforms p -> A (p - offset) that rotate the tilt axis to y.

    Args:
        axis_deg: angle of the tilt axis from y in degrees, (n_views,); A rotates by the negative
            angle.
        offset_px: offsets (x, y) in pixels of the image, (n_views, 2).

    Returns:
        Rows (A11, A12, DX), (A21, A22, DY), as in IMOD's .xf, (n_views, 2, 3).
    """
    angle = np.deg2rad(-axis_deg)
    cosine, sine = np.cos(angle), np.sin(angle)
    rotation = np.stack([np.stack([cosine, -sine], 1), np.stack([sine, cosine], 1)], 1)
    shift = -np.einsum("nij,nj->ni", rotation, offset_px)
    return np.concatenate([rotation, shift[:, :, None]], axis=2)
