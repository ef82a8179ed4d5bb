# SPDX-License-Identifier: GPL-3.0-or-later
"""Alignment as AreTomo, Warp and RELION write it, in IMOD's form."""

from __future__ import annotations

import numpy as np


def transforms_about_axis(axis_deg: np.ndarray, offset_px: np.ndarray) -> np.ndarray:
    """Transforms that bring a point p of the image to A (p - offset), with the tilt axis along y.

    Args:
        axis_deg: angle of the tilt axis from y, (n_views,); A turns by as much the other way.
        offset_px: (x, y) in pixels of the image, (n_views, 2).

    Returns:
        Rows (A11, A12, DX), (A21, A22, DY), as in IMOD's .xf, (n_views, 2, 3).
    """
    angle = np.deg2rad(-axis_deg)
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.stack([np.stack([cosine, -sine], 1), np.stack([sine, cosine], 1)], 1)
    shift = -np.einsum("nij,nj->ni", turn, offset_px)
    return np.concatenate([turn, shift[:, :, None]], axis=2)
