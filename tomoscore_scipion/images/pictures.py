# SPDX-License-Identifier: GPL-3.0-or-later
"""Grey pictures of slices: one resize of the data themselves, then grey values, then a file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

DETAIL_PX = 480
"""Pixels along the longer edge of a picture to look at closely."""
THUMBNAIL_PX = 240
"""Pixels along the longer edge of a picture among many."""
WEBP_QUALITY, JPEG_QUALITY = 80, 90
"""What they lose of a noisy slice is less than 1 % of its variance.

At this quality a picture of 480 px takes about 100 kB where the slice is raw and noisy, 50 to
100 kB where it is denoised. With less its correlation with the ideal resize falls below 0.98."""
LOBES = 6
"""Of the Lanczos filter: with twice the usual three its edge in frequency is twice as steep."""
STRETCH_PERCENT = (0.25, 99.75)
"""Percentiles of the values that become black and white, unless they are outliers."""
LARGEST_DEVIATIONS = 3.5
"""Values farther from the median, in standard deviations of the middle 68 %, are outliers."""


def picture(values: np.ndarray, longest_px: int = DETAIL_PX) -> Image.Image:
    """A slice as a grey picture, its row 0 at the bottom as tomography programs show it.

    The values are resampled once, as float32, with a filter that keeps what is finer than a pixel
    from folding back. The limits of the grey values are those of the resampled picture.

    Args:
        values: (y, x) float32; what is not finite is shown as the middle of the rest.
        longest_px: pixels along the longer edge; smaller slices are not enlarged.
    """
    from PIL import Image

    return Image.fromarray(_grey(_resized(_finite(values)[::-1], longest_px)))


def grey_levels(values: np.ndarray, longest_px: int, shown_px: int) -> np.ndarray:
    """A slice as grey levels for a window that shrinks it once more.

    What a window shows with fewer pixels has less noise and less contrast. So 0 and 255 are the
    limits of the slice resampled to the size at which it is shown, and finer noise goes beyond
    them: the window has to resample before it clips.

    Args:
        values: (y, x) float32; what is not finite is shown as the middle of the rest.
        longest_px: pixels along the longer edge; smaller slices are not enlarged.
        shown_px: the same in the window.

    Returns:
        (y, x) float32, row 0 at the top; 0 is black and 255 white.
    """
    finite = _finite(values)[::-1]
    low, high = contrast_limits(_resized(finite, shown_px))
    if _is_constant(low, high):
        return np.full(finite.shape, 128.0, dtype=np.float32)
    return (_resized(finite, longest_px) - np.float32(low)) * np.float32(255 / (high - low))


def _finite(values: np.ndarray) -> np.ndarray:
    """Values scaled to at most 1, so that no sum overflows; the median where they are not finite.

    Returns:
        (y, x) float32.
    """
    finite = np.isfinite(values)
    scaled = np.zeros(values.shape, dtype=np.float32)
    if finite.any():
        largest = float(np.abs(values[finite]).max()) or 1.0
        np.divide(values, np.float32(largest), out=scaled, where=finite)
        scaled[~finite] = np.median(scaled[finite])
    return scaled


def _resized(values: np.ndarray, longest_px: int) -> np.ndarray:
    """A slice with at most so many pixels along its longer edge, (y, x) float32."""
    share = min(1.0, longest_px / max(values.shape))
    if share == 1.0:
        return values
    (n_y, n_x), values = values.shape, np.ascontiguousarray(values)
    to_y, to_x = (_weights(n, max(1, round(n * share))) for n in (n_y, n_x))
    return np.asarray(to_y @ values @ to_x.T)


def _weights(length: int, wanted: int) -> np.ndarray:
    """Lanczos resampling of `length` pixels to fewer as a matrix, (wanted, length) float32."""
    step = length / wanted
    centres = (np.arange(wanted) + 0.5) * step - 0.5
    distance = (np.arange(length) - centres[:, None]) / step
    weights = np.sinc(distance) * np.sinc(distance / LOBES) * (np.abs(distance) < LOBES)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def _grey(values: np.ndarray) -> np.ndarray:
    """Values as 8 bits between robust limits; 128 everywhere where they are constant."""
    low, high = contrast_limits(values)
    if _is_constant(low, high):
        return np.full(values.shape, 128, dtype=np.uint8)
    return np.asarray((np.clip((values - low) / (high - low), 0, 1) * 255).round(), dtype=np.uint8)


def _is_constant(low: float, high: float) -> bool:
    return high - low <= 1e-6 * max(abs(low), abs(high))


def contrast_limits(values: np.ndarray) -> tuple[float, float]:
    """The values that become black and white.

    They are percentiles, drawn towards the median where they are outliers, such as gold beads.
    Areas of one value, such as the empty border of an aligned tomogram, do not count.

    Args:
        values: (y, x), finite.
    """
    varied = np.zeros(values.shape, dtype=bool)
    across, down = values[:, 1:] != values[:, :-1], values[1:] != values[:-1]
    varied[:, 1:] |= across
    varied[:, :-1] |= across
    varied[1:] |= down
    varied[:-1] |= down
    counted = values[varied] if varied.any() else values
    percents = (STRETCH_PERCENT[0], 16.0, 50.0, 84.0, STRETCH_PERCENT[1])
    low, lower, middle, upper, high = (float(v) for v in np.percentile(counted, percents))
    low = max(low, middle - LARGEST_DEVIATIONS * (middle - lower))
    high = min(high, middle + LARGEST_DEVIATIONS * (upper - middle))
    return (low, high) if high > low else (float(counted.min()), float(counted.max()))


def as_jpeg(image: Image.Image) -> bytes:
    """A picture as JPEG, which every viewer of tables reads."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return buffer.getvalue()


def as_webp(image: Image.Image) -> bytes:
    """A picture as WebP, which loses a third of what JPEG does in as many bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=WEBP_QUALITY)
    return buffer.getvalue()
