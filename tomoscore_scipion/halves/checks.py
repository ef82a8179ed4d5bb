# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of two halves against each other and their tomogram, on a block in their middle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tomoscore_scipion.halves.block import (
    Block,
    Lag,
    block_of,
    correlation,
    lag_of,
    read_block,
    spectrum,
)
from tomoscore_scipion.halves.errors import HalvesError
from tomoscore_scipion.halves.files import Halves
from tomoscore_scipion.halves.shared_noise import finest_correlation, noise_follows_features
from tomoscore_scipion.halves.tilt_angles import angular_correlation, max_tilt_of, power_in_wedge
from tomoscore_scipion.reading.volume import Volume
from tomoscore_scipion.records.halves_block import BY_FRAME, BY_TILT, UNKNOWN

MIN_IDENTICAL = 1 - 1e-6
"""Smallest correlation of two volumes that differ by rounding only."""
MIN_RELATED_PEAK = 20.0
"""Smallest phase correlation of a half and its tomogram, in standard deviations. Other specimens
reach 9, halves of noisy single slices 60."""
MAX_SHIFT = 1
"""Largest displacement between a half and the tomogram, in voxels."""
MIN_PEAK_RATIO = 1.3
"""Smallest ratio of the peak to the value without displacement that shows a displacement."""
MAX_NYQUIST_CORRELATION = 0.95
"""Largest correlation of halves near Nyquist; no tilt series has so much signal there."""
MIN_SAME_ANGLES = 0.97
"""Smallest angular correlation of halves of frames: at least 0.98 in simulations. Halves of tilts
have at most 0.94, most of them less than 0.8."""
MIN_BLURRED_ANGLES = 0.7
"""Denoised halves have an angular correlation from here to `MIN_SAME_ANGLES`."""
MAX_WEDGE_POWER = 0.002
"""Largest power in the missing wedge: 0.0007 in a back-projection of real data, at least 0.0024
after a trained denoiser."""
MAX_NOISE_CORRELATION = 0.15
"""Largest correlation of local noise with local signal: at most 0.1 in halves of frames, 0.2 to 0.9
after denoisers."""
MAX_NOISE_CORRELATION_THIN = 0.25
"""The same for volumes that are too thin to resolve tilt angles."""


@dataclass(frozen=True)
class Acquisition:
    """How two valid halves were acquired.

    Attributes:
        kind: halves of frames (`BY_FRAME`) or of tilts (`BY_TILT`); `UNKNOWN` if the volume is too
            thin to distinguish them.
        max_tilt_deg: half of the tilt range; None if it cannot be determined.
    """

    kind: str
    max_tilt_deg: float | None


def check_halves(volume: Volume, halves: Halves, slab_z: tuple[int, int]) -> Acquisition:
    """Check halves against each other and their tomogram.

    Args:
        volume: the tomogram, open.
        halves: both halves, open.
        slab_z: first and last plane of the specimen, inclusive.

    Raises:
        HalvesError: the score cannot be measured from these halves; the message says why.
        TomogramError: a file cannot be read.
    """
    block = block_of(volume.shape_zyx, slab_z, volume.voxel_size_angstrom / 10)
    values = [read_block(half, block) for half in halves]
    names = tuple(str(half.path) for half in halves)
    for name, half in zip(names, values):
        if not half.any() or float(half.std()) == 0:
            raise HalvesError(f"the half {name} is constant in the middle of the slab: empty?")
    odd, even = (spectrum(half) for half in values)
    full = spectrum(read_block(volume, block))
    _check_copies(full, odd, even, names)
    _check_displacements([lag_of(full, half, block) for half in (odd, even)], names)
    if finest_correlation(odd, even, block) > MAX_NYQUIST_CORRELATION:
        raise HalvesError(
            "the halves correlate up to Nyquist: they share their noise, as when both are made "
            "from one volume; name reconstructions from separate frames or tilts"
        )
    noise = noise_follows_features(values[0], values[1], block.voxel_nm)
    angular = angular_correlation(odd, even, block)
    _check_noise(power_in_wedge(odd, block), noise, angular, block)
    if angular is None:
        return Acquisition(UNKNOWN, max_tilt_of(odd, block))
    kind = BY_FRAME if angular >= MIN_SAME_ANGLES else BY_TILT
    return Acquisition(kind, max_tilt_of(odd, block))


def _check_copies(
    full: np.ndarray, odd: np.ndarray, even: np.ndarray, names: tuple[str, ...]
) -> None:
    if correlation(odd, even) > MIN_IDENTICAL:
        raise HalvesError(
            f"{names[0]} and {names[1]} hold the same volume: name the tomogram of the odd and the "
            "one of the even frames or tilts"
        )
    for name, half in zip(names, (odd, even)):
        if abs(correlation(full, half)) > MIN_IDENTICAL:
            raise HalvesError(f"the half {name} holds the tomogram itself: name the half")


def _check_displacements(lags: list[Lag], names: tuple[str, ...]) -> None:
    """Check that the halves are of this tomogram, not displaced, and of the same contrast."""
    for name, lag in zip(names, lags):
        if abs(lag.peak) < MIN_RELATED_PEAK:
            raise HalvesError(
                f"the half {name} has nothing in common with the tomogram: is it of another tilt "
                "series, or turned or displaced by far?"
            )
        is_peak = abs(lag.peak) > MIN_PEAK_RATIO * abs(lag.at_zero)
        if max(map(abs, lag.shift)) > MAX_SHIFT and is_peak:
            z, y, x = lag.shift
            raise HalvesError(
                f"the half {name} is displaced by ({x}, {y}, {z}) voxels in (x, y, z) from the "
                "tomogram: reconstruct it with the same alignment, thickness and z shift"
            )
    if lags[0].peak * lags[1].peak < 0:
        raise HalvesError(
            f"{names[0]} and {names[1]} have opposite contrast: multiply one of them by -1"
        )


def _check_noise(wedge: float, noise: float, angular: float | None, block: Block) -> None:
    """Check that the halves were not changed by a denoiser or another non-linear method."""
    if block.is_deep:
        blurred = angular is None or MIN_BLURRED_ANGLES < angular < MIN_SAME_ANGLES
        denoised = wedge > MAX_WEDGE_POWER and (noise > MAX_NOISE_CORRELATION or blurred)
    else:
        denoised = noise > MAX_NOISE_CORRELATION_THIN
    if denoised:
        raise HalvesError(
            "the halves are denoised or have a filled missing wedge: what noise is left in them "
            "depends on the features, so that their correlation says too much; name the halves as "
            "they were reconstructed"
        )
