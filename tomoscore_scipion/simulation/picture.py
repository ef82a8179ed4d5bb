# SPDX-License-Identifier: GPL-3.0-or-later
"""Single slices as pictures: contrast stretched, resized, 8 bits, some as JPEG."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image

RESIZED = (0.55, 1.9)
"""Range of the new number of pixels over the old."""
METHODS = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
    Image.Resampling.BOX,
)


def as_picture(
    rng: np.random.Generator, plane: torch.Tensor, voxel_nm: float
) -> tuple[torch.Tensor, float]:
    """Make a picture of one plane.

    Args:
        rng: source of randomness.
        plane: (m, m) of the tomogram, of any gain and offset.
        voxel_nm: its pixel.

    Returns:
        (n, n) float32 of whole numbers from 0 to 255 that shows the same field with the same sign,
        n even, and its pixel in nm. The truth must be computed from this picture, because
        structure is lost.
    """
    values = plane.numpy().astype(np.float32)
    clip = float(rng.choice([0.0, 0.1, 0.35, 1.0, 2.0]))
    low, high = np.percentile(values, [clip, 100 - clip])
    stretched = (values - low) / max(float(high - low), 1e-12) * 255
    before = bool(rng.random() < 0.6)  # 8 bits first, resized on the screen
    if before:
        stretched = np.rint(np.clip(stretched, 0, 255))
    image = Image.fromarray(stretched.astype(np.float32), mode="F")
    size = _new_size(rng, len(values))
    if size != len(values):
        image = _resized(rng, image, size)
    bits = np.rint(np.clip(np.asarray(image), 0, 255)).astype(np.uint8)
    if rng.random() < 0.3:
        file = io.BytesIO()
        Image.fromarray(bits).save(file, "JPEG", quality=int(rng.integers(60, 98)))
        bits = np.asarray(Image.open(file).convert("L"))
    picture = torch.from_numpy(bits.astype(np.float32))
    return picture, voxel_nm * len(values) / size


def _new_size(rng: np.random.Generator, size: int) -> int:
    """Even number of pixels; unchanged in one of four."""
    if rng.random() < 0.25:
        return size
    return max(32, 2 * round(size * float(np.exp(rng.uniform(*np.log(RESIZED)))) / 2))


def _resized(rng: np.random.Generator, image: Image.Image, size: int) -> Image.Image:
    """Resampled by one of `METHODS`; one of four without protection from aliasing."""
    method = METHODS[int(rng.integers(len(METHODS)))]
    if rng.random() < 0.75:
        return image.resize((size, size), method)
    step = image.width / size
    affine = (step, 0, 0.5 * step - 0.5, 0, step, 0.5 * step - 0.5)
    kind = Image.Resampling.BILINEAR if rng.random() < 0.5 else Image.Resampling.BICUBIC
    moved = image.transform((size, size), Image.Transform.AFFINE, affine, kind)
    return moved
