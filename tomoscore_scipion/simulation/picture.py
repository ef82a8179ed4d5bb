# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert single slices to pictures: stretched contrast, resized, 8 bits, some with JPEG loss."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image

RESIZED = (0.55, 1.9)
"""Range of the ratio of new to old number of pixels along an axis."""
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
        plane: (m, m) plane of the tomogram, with any gain and offset.
        voxel_nm: pixel of the plane in nm.

    Returns:
        The picture, (n, n) float32 with integers from 0 to 255, of the same field and contrast
        sign, n even; and its pixel in nm. Compute the truth from the picture, because the
        conversion loses structure.
    """
    values = plane.numpy().astype(np.float32)
    clip = float(rng.choice([0.0, 0.1, 0.35, 1.0, 2.0]))
    low, high = np.percentile(values, [clip, 100 - clip])
    stretched = (values - low) / max(float(high - low), 1e-12) * 255
    before = bool(rng.random() < 0.6)  # conversion to 8 bits before resizing, as for screenshots
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
    """Even number of pixels; unchanged with a probability of 1/4."""
    if rng.random() < 0.25:
        return size
    return max(32, 2 * round(size * float(np.exp(rng.uniform(*np.log(RESIZED)))) / 2))


def _resized(rng: np.random.Generator, image: Image.Image, size: int) -> Image.Image:
    """Resample by one of `METHODS`; without anti-aliasing with a probability of 1/4."""
    method = METHODS[int(rng.integers(len(METHODS)))]
    if rng.random() < 0.75:
        return image.resize((size, size), method)
    step = image.width / size
    affine = (step, 0, 0.5 * step - 0.5, 0, step, 0.5 * step - 0.5)
    kind = Image.Resampling.BILINEAR if rng.random() < 0.5 else Image.Resampling.BICUBIC
    moved = image.transform((size, size), Image.Transform.AFFINE, affine, kind)
    return moved
