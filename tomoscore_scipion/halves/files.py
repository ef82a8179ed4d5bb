# SPDX-License-Identifier: GPL-3.0-or-later
"""Open the files of two halves, and check that their headers fit each other and the tomogram."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Iterator, Tuple

from tomoscore_scipion.halves.errors import HalvesError
from tomoscore_scipion.reading.volume import Volume, open_volume
from tomoscore_scipion.reading.voxel_size import TOLERANCE
from tomoscore_scipion.records.errors import TomogramError

Halves = Tuple[Volume, Volume]
UNKNOWN_SIZE_ANGSTROM = 1.0
"""Many programs write this voxel size if it is unknown."""


@contextmanager
def open_halves(paths: tuple[str, str], volume: Volume, size_was_given: bool) -> Iterator[Halves]:
    """Open the halves of a tomogram.

    Args:
        paths: files of both halves.
        volume: the tomogram, open.
        size_was_given: whether the voxel size of the tomogram was given by the user and takes
            precedence over the headers.

    Raises:
        HalvesError: a half cannot be read, both halves or a half and the tomogram are one file, or
            shapes or voxel sizes differ.
    """
    _check_names(paths, volume)
    with _opened(paths[0], volume) as odd, _opened(paths[1], volume) as even:
        for half in (odd, even):
            _check_shape(half, volume)
        _check_sizes(odd, even, volume, size_was_given)
        yield odd, even


def _check_names(paths: tuple[str, str], volume: Volume) -> None:
    if _is_same(paths[0], paths[1]):
        raise HalvesError(
            f"both halves are the file {paths[0]}: name the tomogram of the odd and the one of the "
            "even frames or tilts"
        )
    for path in paths:
        if volume.path is not None and _is_same(path, volume.path):
            raise HalvesError(f"the half {path} is the tomogram itself: name the file of the half")


def _is_same(first: str, second: str) -> bool:
    return os.path.realpath(first) == os.path.realpath(second)


def _opened(path: str, volume: Volume) -> Volume:
    """Open a half; if its header has no valid voxel size, the one of the tomogram is used."""
    try:
        return open_volume(path)
    except TomogramError:
        pass
    try:
        return open_volume(path, volume.voxel_size_angstrom)
    except TomogramError as error:
        raise HalvesError(f"a half cannot be read: {error}") from error


def _check_shape(half: Volume, volume: Volume) -> None:
    if half.shape_zyx != volume.shape_zyx:
        raise HalvesError(
            f"the half {half.path} has the shape {_shape(half)}, expected that of the tomogram, "
            f"{_shape(volume)} (z, y, x): reconstruct it in the same way"
        )


def _shape(volume: Volume) -> str:
    return " x ".join(str(n) for n in volume.shape_zyx)


def _check_sizes(odd: Volume, even: Volume, volume: Volume, size_was_given: bool) -> None:
    """Check that all known voxel sizes are equal."""
    sizes = [(half, half.voxel_size_angstrom) for half in (odd, even)]
    known_sizes = [(half, size) for half, size in sizes if size != UNKNOWN_SIZE_ANGSTROM]
    if not size_was_given:
        known_sizes.append((volume, volume.voxel_size_angstrom))
    for half, size in known_sizes[:-1]:
        last, expected = known_sizes[-1]
        if abs(size - expected) > TOLERANCE * max(size, expected):
            raise HalvesError(
                f"the half {half.path} has a voxel size of {size:g} A, expected {expected:g} A as "
                f"{last.path} has: name halves of one reconstruction, or correct the header"
            )
