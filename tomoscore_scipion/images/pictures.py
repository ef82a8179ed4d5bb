# SPDX-License-Identifier: GPL-3.0-or-later
"""Grey-scale pictures of slices: resampled data, scaled to grey values and encoded."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

DETAIL_PX = 480
"""Pixels along the longer edge of a detailed picture."""
THUMBNAIL_PX = 240
"""Pixels along the longer edge of a thumbnail."""
WEBP_QUALITY, JPEG_QUALITY = 80, 90
"""At these qualities less than 1 % of the variance of a noisy slice is lost.

A picture of 480 px has about 100 kB for a raw slice and 50 to 100 kB for a denoised one. At a lower
quality its correlation with the resampled data is less than 0.98."""
LOBES = 6
"""Lobes of the Lanczos filter; with twice the usual 3, its cut-off is twice as steep."""
STRETCH_PERCENT = (0.25, 99.75)
"""Percentiles of the values that are shown black and white, unless they are outliers."""
MAX_DEVIATIONS = 3.5
"""Largest distance of black and white from the median, in standard deviations (middle 68 %)."""


def picture(values: np.ndarray, longest_px: int = DETAIL_PX) -> Image.Image:
    """Grey-scale picture of a slice, with row 0 at the bottom, as tomography programs show it.

    The values are resampled once, as float32, with an anti-aliasing filter. The limits of the grey
    values are those of the resampled picture.

    Args:
        values: (y, x) float32; values that are not finite are replaced by the median of the others.
        longest_px: pixels along the longer edge; smaller slices are not enlarged.
    """
    from PIL import Image

    return Image.fromarray(_grey(_resized(_finite(values)[::-1], longest_px)))


def grey_levels(values: np.ndarray, longest_px: int, shown_px: int) -> np.ndarray:
    """Grey values of a slice for a window that reduces it once more.

    A reduced picture has less noise and less contrast. The limits 0 and 255 are therefore those of
    the slice at the size of the window, and finer noise exceeds them: the window must resample
    before it clips.

    Args:
        values: (y, x) float32; values that are not finite are replaced by the median of the others.
        longest_px: pixels along the longer edge; smaller slices are not enlarged.
        shown_px: pixels along the longer edge in the window.

    Returns:
        (y, x) float32, row 0 at the top; 0 is black and 255 white.
    """
    finite = _finite(values)[::-1]
    low, high = contrast_limits(_resized(finite, shown_px))
    if _is_constant(low, high):
        return np.full(finite.shape, 128.0, dtype=np.float32)
    return (_resized(finite, longest_px) - np.float32(low)) * np.float32(255 / (high - low))


def _finite(values: np.ndarray) -> np.ndarray:
    """Values divided by the largest magnitude, so that sums do not overflow.

    Returns:
        (y, x) float32; the median in place of values that are not finite.
    """
    finite = np.isfinite(values)
    scaled = np.zeros(values.shape, dtype=np.float32)
    if finite.any():
        largest = float(np.abs(values[finite]).max()) or 1.0
        np.divide(values, np.float32(largest), out=scaled, where=finite)
        scaled[~finite] = np.median(scaled[finite])
    return scaled


def _resized(values: np.ndarray, longest_px: int) -> np.ndarray:
    """Resample a slice to at most `longest_px` pixels along the longer edge, (y, x) float32."""
    factor = min(1.0, longest_px / max(values.shape))
    if factor == 1.0:
        return values
    (n_y, n_x), values = values.shape, np.ascontiguousarray(values)
    to_y, to_x = (_weights(n, max(1, round(n * factor))) for n in (n_y, n_x))
    return np.asarray(to_y @ values @ to_x.T)


def _weights(length: int, new_length: int) -> np.ndarray:
    """Matrix of Lanczos resampling, (new_length, length) float32."""
    step = length / new_length
    centres = (np.arange(new_length) + 0.5) * step - 0.5
    distance = (np.arange(length) - centres[:, None]) / step
    weights = np.sinc(distance) * np.sinc(distance / LOBES) * (np.abs(distance) < LOBES)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def _grey(values: np.ndarray) -> np.ndarray:
    """Values scaled to 0 to 255 (uint8) between `contrast_limits`; 128 if they are constant."""
    low, high = contrast_limits(values)
    if _is_constant(low, high):
        return np.full(values.shape, 128, dtype=np.uint8)
    return np.asarray((np.clip((values - low) / (high - low), 0, 1) * 255).round(), dtype=np.uint8)


def _is_constant(low: float, high: float) -> bool:
    return high - low <= 1e-6 * max(abs(low), abs(high))


def contrast_limits(values: np.ndarray) -> tuple[float, float]:
    """Values to show black and white: percentiles, limited to exclude outliers such as gold beads.

    Constant areas, such as the empty border of an aligned tomogram, are ignored.

    Args:
        values: (y, x), finite.

    Returns:
        Black and white value.
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
    low = max(low, middle - MAX_DEVIATIONS * (middle - lower))
    high = min(high, middle + MAX_DEVIATIONS * (upper - middle))
    return (low, high) if high > low else (float(counted.min()), float(counted.max()))


def as_jpeg(image: Image.Image) -> bytes:
    """Encode a picture as JPEG, which all table viewers can show."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return buffer.getvalue()


def as_webp(image: Image.Image) -> bytes:
    """Encode a picture as WebP, with a third of the error of a JPEG of the same size."""
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=WEBP_QUALITY)
    return buffer.getvalue()
