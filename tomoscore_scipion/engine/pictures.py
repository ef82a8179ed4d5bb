# SPDX-License-Identifier: GPL-3.0-or-later
"""Grey pictures of slices, small enough that a report can carry hundreds of them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

LONGEST_PX = 320
"""Pixels along the longer edge; smaller slices are not enlarged."""
LARGEST_BYTES = 14_000
"""Noise does not compress: first the quality is lowered until a picture is this small."""
QUALITIES = (80, 65, 50, 40)
SHRINK = 0.8
SMALLEST_PX = 64
STRETCH_PERCENT = (0.5, 99.5)
"""Percentiles of the values that become black and white."""


def picture(values: np.ndarray, longest_px: int = LONGEST_PX) -> Image.Image:
    """A slice as a grey picture, its row 0 at the bottom as tomography programs show it.

    Args:
        values: (y, x) float32; what is not finite is shown as the middle of the rest.
        longest_px: pixels along the longer edge, unless the slice is smaller.
    """
    from PIL import Image

    finite = np.isfinite(values)
    scaled = np.zeros(values.shape, dtype=np.float32)
    if finite.any():
        largest = float(np.abs(values[finite]).max()) or 1.0
        np.divide(values, np.float32(largest), out=scaled, where=finite)
        scaled[~finite] = np.median(scaled[finite])
    image = Image.fromarray(np.ascontiguousarray(scaled[::-1]))
    image = image.resize(_size(image.width, image.height, longest_px), Image.Resampling.BOX)
    small = np.asarray(image)
    low, high = np.percentile(small, STRETCH_PERCENT)
    grey = (small - low) / (high - low) if high > low else np.full(small.shape, 0.5)
    return Image.fromarray((np.clip(grey, 0.0, 1.0) * 255).round().astype(np.uint8))


def _size(width: int, height: int, longest_px: int) -> tuple[int, int]:
    share = min(1.0, longest_px / max(width, height))
    return max(1, round(width * share)), max(1, round(height * share))


def as_jpeg(image: Image.Image, largest_bytes: int = LARGEST_BYTES) -> bytes:
    """A picture as JPEG, in the best quality that fits; if none does, it is made smaller."""
    from PIL import Image

    while True:
        for quality in QUALITIES:
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=quality, optimize=True)
            if buffer.tell() <= largest_bytes or max(image.size) <= SMALLEST_PX:
                return buffer.getvalue()
        size = _size(image.width, image.height, round(SHRINK * max(image.size)))
        image = image.resize(size, Image.Resampling.BOX)
