# SPDX-License-Identifier: GPL-3.0-or-later
"""Tilt angles of the views, from the power of a volume in Fourier space.

A view at a tilt angle t about y fills the central plane kz = kx tan(t) (Fourier slice theorem). In
the plane of kz and kx, power is high along one line per view, zero beyond the largest tilt, and
zero near the kz axis: the missing wedge.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from tomoscore_scipion.halves.block import Block

MIN_ANGULAR_SPREAD = 0.15
"""Smallest standard deviation of the logarithm of power over angles; below it single views cannot
be seen."""
BACKGROUND_SIGMA_PX = (4.0, 2.0)
"""Sigma of the Gaussian along kz and kx that estimates the power between views."""
AXIS_DEG = 14.0
"""Half angle of a cone around the kz axis that no view reaches."""


def angular_correlation(odd: np.ndarray, even: np.ndarray, block: Block) -> float | None:
    """Correlation of the angular distributions of power of two halves.

    It is near 1 if both halves have the same tilt angles, as halves of frames do, and lower if they
    have different ones, as halves of tilts do.

    Args:
        odd: spectrum of the first half.
        even: spectrum of the second half, the same shape.
        block: their block.

    Returns:
        -1 to 1; None if the block is too thin, or single views cannot be seen.
    """
    if not block.is_deep:
        return None
    axis = _tilt_axis(odd, block)
    _, k_perp, examined = _frequencies(block, axis)
    examined = examined & (np.abs(k_perp) > block.max_frequency / 5)
    logs = [np.log((np.abs(half) ** 2).sum(axis=axis) + 1e-30) for half in (odd, even)]
    smooth = [ndimage.gaussian_filter(log, BACKGROUND_SIGMA_PX) for log in logs]
    first, second = ((log - background)[examined] for log, background in zip(logs, smooth))
    if min(first.std(), second.std()) < MIN_ANGULAR_SPREAD:
        return None
    return float(np.corrcoef(first, second)[0, 1])


def _frequencies(block: Block, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frequencies kz and perpendicular to a tilt axis (1: y, 2: x), and which are examined.

    The three arrays have the same shape.
    """
    kz, ky, kx = block.frequencies()
    k_perp = kx[:, 0] if axis == 1 else ky[:, :, 0]
    kz, k_perp = np.broadcast_arrays(kz[:, :, 0], k_perp)
    radius = np.hypot(kz, k_perp)
    return kz, k_perp, (radius > block.max_frequency / 3) & (radius < block.max_frequency)


def _tilt_axis(spectrum: np.ndarray, block: Block) -> int:
    """Tilt axis, 1 for y or 2 for x: the axis with less power beyond tilts of 75 degrees."""
    beyond = []
    for axis in (1, 2):
        kz, k_perp, examined = _frequencies(block, axis)
        steep = examined & (np.abs(kz) > math.tan(math.radians(75)) * np.abs(k_perp))
        power = (np.abs(spectrum) ** 2).sum(axis=axis)
        beyond.append(float(power[steep].sum()) / max(float(power[examined].sum()), 1e-30))
    return 1 if beyond[0] <= beyond[1] else 2


def power_in_wedge(spectrum: np.ndarray, block: Block) -> float:
    """Power in the missing wedge relative to the power near the kx-ky plane, at 16 to 4 nm.

    It is near 0 for a reconstruction, also after linear filters, and larger if a method that is not
    linear has filled the missing wedge.

    Args:
        spectrum: spectrum of a half.
        block: its block.

    Returns:
        Ratio of mean powers, the largest of two octaves.
    """
    kz, ky, kx = block.frequencies()
    flat, radius = np.hypot(ky, kx), np.sqrt(kz**2 + ky**2 + kx**2)
    ratios = []
    for low, high in ((1 / 16, 1 / 8), (1 / 8, 1 / 4)):
        shell = (radius > low) & (radius < min(high, block.max_frequency))
        near_axis = shell & (flat < math.tan(math.radians(AXIS_DEG)) * np.abs(kz))
        near_plane = shell & (np.abs(kz) < 0.5 * flat)
        if near_axis.sum() > 50 and near_plane.any():
            inside, outside = (
                float((np.abs(spectrum[m]) ** 2).mean()) for m in (near_axis, near_plane)
            )
            ratios.append(inside / max(outside, 1e-30))
    return max(ratios, default=0.0)


def max_tilt_of(spectrum: np.ndarray, block: Block) -> float | None:
    """Estimate the tilt range from the angles at which the power ends.

    Args:
        spectrum: spectrum of a half.
        block: its block.

    Returns:
        Half of the tilt range in degrees, 20 to 80; None if it cannot be determined.
    """
    if not block.is_deep:
        return None
    axis = _tilt_axis(spectrum, block)
    kz, k_perp, examined = _frequencies(block, axis)
    examined = examined & (k_perp > 0)
    power = (np.abs(spectrum) ** 2).sum(axis=axis)
    return _end_of(power[examined], np.degrees(np.arctan2(kz[examined], k_perp[examined])))


def _end_of(power: np.ndarray, angle: np.ndarray) -> float | None:
    """Half of the range of angles with power, degrees; None outside 20 to 80 degrees."""
    edges = np.arange(-90, 91, 3)
    number, _ = np.histogram(angle, edges)
    total, _ = np.histogram(angle, edges, weights=power)
    mean = total / np.maximum(number, 1)
    has_power = mean > 0.1 * np.median(mean[(edges[:-1] > -31) & (edges[:-1] < 30)])
    first, last = int(has_power.argmax()), len(has_power) - int(has_power[::-1].argmax())
    half = float(edges[last] - edges[first]) / 2
    return half if 20 <= half <= 80 else None
