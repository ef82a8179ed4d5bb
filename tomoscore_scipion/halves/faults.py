# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with two halves, seen from a block in the middle of them and of their tomogram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tomoscore_scipion.halves import block as blocks
from tomoscore_scipion.halves.block import Block, Lag
from tomoscore_scipion.halves.errors import HalvesError
from tomoscore_scipion.halves.files import Halves
from tomoscore_scipion.reading.volume import Volume

BY_FRAME, BY_TILT, UNKNOWN = "by-frame", "by-tilt", "unknown"

EQUAL = 1 - 1e-6
"""Correlation from which on two volumes are the same but for rounding."""
UNRELATED = 20.0
"""A correlation of phases below so many standard deviations is chance: other specimens reach 9,
halves of noisy single slices 60."""
FAR = 1
"""Voxels by which a half may lie off the tomogram."""
CLEARLY = 1.3
"""A peak so many times the value without displacement is a displacement."""
SHARED_NOISE = 0.95
"""No tilt series has so much signal at Nyquist that its halves correlate like this."""
SAME_ANGLES = 0.97
"""Correlation of the spokes of halves of frames: 0.98 and more in simulation; of halves of tilts
at most 0.94, most of them below 0.8."""
BLURRED_SPOKES = 0.7
FILLED_WEDGE = 0.002
"""Power where no view was taken: 0.0007 in a real back-projection, 0.0024 and more after a trained
denoiser."""
FOLLOWING = 0.15
"""How far noise follows features: at most 0.1 in halves of frames, 0.2 to 0.9 after denoisers."""
FOLLOWING_IN_A_SLICE = 0.25


@dataclass(frozen=True)
class Seen:
    """What a block tells of halves that are sound.

    Attributes:
        kind: `BY_FRAME`, `BY_TILT`, or `UNKNOWN` where the volume is too thin to tell.
        max_tilt_deg: half of the tilt range; None where it does not show.
    """

    kind: str
    max_tilt_deg: float | None


def examine(volume: Volume, halves: Halves, slab_z: tuple[int, int]) -> Seen:
    """Look at halves and their tomogram.

    Raises:
        HalvesError: the halves say nothing of the tomogram; the message says why.
        TomogramError: a file cannot be read any more.
    """
    block = blocks.block_of(volume.shape_zyx, slab_z, volume.voxel_size_angstrom / 10)
    values = [blocks.read_block(half, block) for half in halves]
    names = tuple(str(half.path) for half in halves)
    for name, half in zip(names, values):
        if not half.any() or float(half.std()) == 0:
            raise HalvesError(f"the half {name} is constant in the middle of the slab: empty?")
    one, other = (blocks.spectrum(half) for half in values)
    whole = blocks.spectrum(blocks.read_block(volume, block))
    _check_copies(whole, one, other, names)
    _check_places([blocks.lag_of(whole, half, block) for half in (one, other)], names)
    if blocks.finest_correlation(one, other, block) > SHARED_NOISE:
        raise HalvesError(
            "the halves correlate up to Nyquist: they share their noise, as when both are made "
            "from one volume; name reconstructions from separate frames or tilts"
        )
    follows = blocks.noise_follows_features(values[0], values[1], block.voxel_nm)
    spokes = blocks.spokes_in_common(one, other, block)
    _check_noise(blocks.power_in_wedge(one, block), follows, spokes, block)
    if spokes is None:
        return Seen(UNKNOWN, blocks.max_tilt_of(one, block))
    kind = BY_FRAME if spokes >= SAME_ANGLES else BY_TILT
    return Seen(kind, blocks.max_tilt_of(one, block))


def _check_copies(
    whole: np.ndarray, one: np.ndarray, other: np.ndarray, names: tuple[str, ...]
) -> None:
    if blocks.correlation(one, other) > EQUAL:
        raise HalvesError(
            f"{names[0]} and {names[1]} hold the same volume: name the tomogram of the odd and the "
            "one of the even frames or tilts"
        )
    for name, half in zip(names, (one, other)):
        if abs(blocks.correlation(whole, half)) > EQUAL:
            raise HalvesError(f"the half {name} holds the tomogram itself: name the half")


def _check_places(lags: list[Lag], names: tuple[str, ...]) -> None:
    """Stop where halves are not of this tomogram, lie elsewhere, or have the other contrast."""
    for name, lag in zip(names, lags):
        if abs(lag.peak) < UNRELATED:
            raise HalvesError(
                f"the half {name} has nothing in common with the tomogram: is it of another tilt "
                "series, or turned or displaced by far?"
            )
        if max(map(abs, lag.shift)) > FAR and abs(lag.peak) > CLEARLY * abs(lag.at_zero):
            z, y, x = lag.shift
            raise HalvesError(
                f"the half {name} is displaced by ({x}, {y}, {z}) voxels in (x, y, z) from the "
                "tomogram: reconstruct it with the same alignment, thickness and z shift"
            )
    if lags[0].peak * lags[1].peak < 0:
        raise HalvesError(
            f"{names[0]} and {names[1]} have opposite contrast: multiply one of them by -1"
        )


def _check_noise(wedge: float, follows: float, spokes: float | None, block: Block) -> None:
    """Stop where a method that is not linear, such as a trained denoiser, has changed halves."""
    if block.is_deep:
        blurred = spokes is None or BLURRED_SPOKES < spokes < SAME_ANGLES
        denoised = wedge > FILLED_WEDGE and (follows > FOLLOWING or blurred)
    else:
        denoised = follows > FOLLOWING_IN_A_SLICE
    if denoised:
        raise HalvesError(
            "the halves are denoised or have a filled missing wedge: what noise is left in them "
            "depends on the features, so that their correlation says too much; name the halves as "
            "they were reconstructed"
        )
