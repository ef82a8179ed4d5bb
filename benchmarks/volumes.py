# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes to time on, written as .mrc; their content is noise and smooth shapes, not a specimen.

Run as `volumes.py float32|int8 FILE Z Y X VOXEL_SIZE_ANGSTROM`.
"""

from __future__ import annotations

import sys
from typing import Iterator

import mrcfile
import numpy as np

from tomoscore_scipion.tomography import fourier

FILLED = 0.3
"""Share of the slices of an int8 volume, in its middle, that are written; the others are holes."""
DISTINCT = 16
"""Different slices of an int8 volume; they take turns."""


def smooth_shapes(rng: np.random.Generator, shape_yx: tuple[int, int]) -> np.ndarray:
    """Blobs some tens of pixels wide, mean 0 and standard deviation 1, float32 (y, x)."""
    k_y, k_x = fourier.numpy_axes(shape_yx)
    spectrum = np.fft.rfft2(rng.standard_normal(shape_yx)) * np.exp(-(k_y**2 + k_x**2) * 2e3)
    spectrum[0, 0] = 0
    shapes = np.fft.irfft2(spectrum, s=shape_yx)
    return (shapes / shapes.std()).astype(np.float32)


def slices(n: int, shape_yx: tuple[int, int], seed: int = 0) -> Iterator[np.ndarray]:
    """Slices whose shapes change slowly with z, under white noise twice as strong; float32."""
    rng = np.random.default_rng(seed)
    first, second = smooth_shapes(rng, shape_yx), smooth_shapes(rng, shape_yx)
    for z in range(n):
        noise = rng.standard_normal(shape_yx, dtype=np.float32)
        yield np.cos(z / 20) * first + np.sin(z / 20) * second + 2 * noise


def write(
    kind: str, path: str, shape_zyx: tuple[int, int, int], voxel_size_angstrom: float
) -> None:
    """Write a volume of float32, or a sparse one of int8 of which only the middle is filled."""
    n_z, shape_yx = shape_zyx[0], shape_zyx[1:]
    mode = {"int8": 0, "float32": 2}[kind]
    with mrcfile.new_mmap(path, shape_zyx, mrc_mode=mode, overwrite=True) as mrc:
        mrc.voxel_size = voxel_size_angstrom
        if kind == "float32":
            for z, image in enumerate(slices(n_z, shape_yx)):
                mrc.data[z] = image
            return
        images = [
            np.clip(image * 16, -128, 127).astype(np.int8) for image in slices(DISTINCT, shape_yx)
        ]
        filled = round(FILLED * n_z)
        first = (n_z - filled) // 2
        for z in range(first, first + filled):
            mrc.data[z] = images[z % DISTINCT]


if __name__ == "__main__":
    kind, path, n_z, n_y, n_x, voxel_size = sys.argv[1:]
    write(kind, path, (int(n_z), int(n_y), int(n_x)), float(voxel_size))
