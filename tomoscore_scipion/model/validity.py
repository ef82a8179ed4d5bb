# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a slice holds data: finite pixels outside empty borders and corners.

A border that an alignment or a rotation left empty is constant at first, but not after a filter, a
denoiser or Fourier binning. It differs from data in two ways: its local spread is far below that of
the field, and it touches the edge of the slice. A sharp filter leaves ripples of up to a quarter of
the field's spread in it. They differ from quiet ice in their mean over some blocks, which stays
that of the border. A smooth area that does not reach the edge is ice, and counts as data.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

BLOCK = 8
"""Edge in pixels of the blocks whose spread is compared."""
EMPTY = 0.04
"""Blocks with less than this fraction of the field's spread are empty if they reach an edge."""
RIPPLED, RIPPLED_AT_EDGE = 0.25, 0.35
"""Blocks with less than this fraction of the field's spread may be empty with ripples."""
LEVEL_TOLERANCE = 0.04
"""Means over 3 x 3 blocks of ripples differ by less than this fraction of the field's spread."""
ISLAND = 0.1
"""Separate parts of the field smaller than this fraction of the largest part are not data."""
STEP = 1.0
"""Next to an empty area, pixels that deviate towards it by more than this multiple of the field's
spread belong to the slope between the two."""
CLIFF = 3.0
"""An empty area further from the field's median than this multiple of the spread also covers
adjacent pixels of similar value."""
TYPICAL = 0.75
"""Quantile over blocks of their spread that is taken as the field's spread."""
LIVELY = 0.95
"""Blocks with less than a thousandth of this quantile of the spreads count as constant."""


def valid_pixels(plane: np.ndarray) -> np.ndarray:
    """Mask of the pixels that hold data.

    Args:
        plane: (y, x) float32.

    Returns:
        (y, x) bool. All False where the plane is constant; the mask of finite pixels where it is
        too small to be judged.
    """
    finite = np.isfinite(plane)
    if not finite.any():
        return finite
    if min(plane.shape) < 2 * BLOCK:
        return finite
    filled = plane if finite.all() else np.where(finite, plane, plane[finite].mean())
    blocks = _blocks(filled)
    spread = blocks.std(axis=(2, 3), dtype=np.float64)
    typical = _typical(spread)
    empty = _reaching_the_edge(spread <= EMPTY * typical)
    empty |= _rippled(spread, blocks.mean(axis=(2, 3), dtype=np.float64), typical)
    finite &= ~_thin_borders(filled, typical)
    if not empty.any():
        return finite
    valid = finite & ~_as_pixels(empty | _islands(~empty), plane.shape)
    nearest = ndimage.distance_transform_edt(valid, return_distances=False, return_indices=True)
    nearest_empty = filled[tuple(nearest)]
    valid &= ~_flat_margin(filled, valid, nearest_empty)
    return valid & ~_slope(filled, valid, nearest_empty)


def _rippled(spread: np.ndarray, means: np.ndarray, typical: float) -> np.ndarray:
    """Mask of the blocks of empty areas that a sharp filter has filled with ripples.

    Args:
        spread: (rows, columns), of blocks.
        means: the same shape, of blocks.
        typical: the spread of the field.
    """
    quiet = spread <= RIPPLED * typical
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        quiet[edge] = spread[edge] <= RIPPLED_AT_EDGE * typical
    labels, count = ndimage.label(_reaching_the_edge(quiet))
    if count == 0:
        return quiet & False
    around = ndimage.uniform_filter(means, 3, mode="nearest")
    number = np.arange(1, count + 1)
    middle = np.concatenate([[0.0], ndimage.median(around, labels, number)])[labels]
    is_level = (labels > 0) & (np.abs(around - middle) <= LEVEL_TOLERANCE * typical)
    # Data beside an empty area take part in the mean of the blocks at its rim.
    inside = ndimage.binary_erosion(labels > 0, np.ones((3, 3)), border_value=1)
    steady = ndimage.sum(is_level & inside, labels, number) >= 0.9 * ndimage.sum(
        inside, labels, number
    )
    large = ndimage.sum(inside, labels, number) >= 4
    rippled = np.concatenate([[False], steady & large])
    return np.asarray(rippled[labels])


def _thin_borders(plane: np.ndarray, typical: float) -> np.ndarray:
    """Mask of the outermost rows and columns that hardly vary, less than a block of them."""
    mask = np.zeros(plane.shape, dtype=bool)
    for turned, part in ((plane, mask), (plane.T, mask.T)):
        for lines, marks in ((turned, part), (turned[::-1], part[::-1])):
            run = 0
            while run < BLOCK and float(lines[run].std(dtype=np.float64)) <= EMPTY * typical:
                run += 1
            marks[:run] = True
    return mask


def _blocks(plane: np.ndarray) -> np.ndarray:
    """Blocks of 8 x 8 pixels, (rows, columns, 8, 8); the last ones end with the plane."""
    rows, columns = (np.minimum(np.arange(0, n, BLOCK), n - BLOCK) for n in plane.shape)
    windows = np.lib.stride_tricks.sliding_window_view(plane, (BLOCK, BLOCK))
    return windows[rows[:, None], columns]


def _typical(spread: np.ndarray) -> float:
    """The spread of a block of the field: of those that vary at all beside the livelier ones.

    A few wild pixels, far above the field, must not make all others look empty.
    """
    if spread.max() == 0:
        return 0.0
    lively = np.quantile(spread[spread > 0], LIVELY)
    return float(np.quantile(spread[spread > 1e-3 * lively], TYPICAL))


def _reaching_the_edge(empty: np.ndarray) -> np.ndarray:
    """Those of the empty blocks that are connected to the edge of the slice."""
    labels, count = ndimage.label(empty)
    if count == 0:
        return empty
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.isin(labels, np.unique(edge[edge > 0]))


def _as_pixels(blocks: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A mask of blocks as a mask of pixels."""
    rows, columns = (np.minimum(np.arange(n) // BLOCK, m - 1) for n, m in zip(shape, blocks.shape))
    return blocks[rows[:, None], columns]


def _islands(field: np.ndarray) -> np.ndarray:
    """Mask of the blocks that are left over of an empty area: small or narrow, and on their own.

    A filter by Fourier transform lets data ring on at the opposite edge of the slice.

    Args:
        field: (rows, columns) bool, the blocks that are not empty.
    """
    labels, count = ndimage.label(field)
    if count < 2:
        return np.zeros_like(field)
    number = np.arange(1, count + 1)
    sizes = ndimage.sum(field, labels, number)
    cores = ndimage.maximum(ndimage.binary_erosion(field, np.ones((3, 3))), labels, number)
    island = (sizes < ISLAND * sizes.max()) | (~cores.astype(bool) & (sizes < sizes.max()))
    return np.asarray(np.concatenate([[False], island])[labels])


def _flat_margin(plane: np.ndarray, valid: np.ndarray, nearest_empty: np.ndarray) -> np.ndarray:
    """Pixels of mixed blocks that go on with the value of the empty ones beside them.

    Args:
        plane: (y, x).
        valid: the same shape.
        nearest_empty: of each pixel the value of the nearest empty one.
    """
    around = ndimage.binary_dilation(~valid, iterations=BLOCK) & valid
    if not around.any():
        return around
    spread = float(plane[valid].std())
    return np.asarray(around & (np.abs(plane - nearest_empty) <= EMPTY * spread / 4))


def _slope(plane: np.ndarray, valid: np.ndarray, nearest_empty: np.ndarray) -> np.ndarray:
    """Pixels between an empty area of another level than the field's, and the field.

    A filter makes a slope of the step between the two, which is stronger than the specimen. Its
    lower half has values of the field: it is taken to be as wide as the upper half.

    Args:
        plane: (y, x).
        valid: the same shape.
        nearest_empty: of each pixel the value of the nearest empty one.
    """
    around = ndimage.binary_dilation(~valid, iterations=2 * BLOCK) & valid
    if not around.any():
        return around
    low, middle, high = np.percentile(plane[valid], [16, 50, 84])
    spread = float(high - low) / 2
    height = nearest_empty - middle
    relative_height = (plane - middle) / np.where(height == 0, 1, height)
    slope = (
        around
        & (np.abs(height) > STEP * spread)
        & (relative_height * np.abs(height) > STEP * spread)
    )
    # What lies at the edge of the slice may be too thin for a block, and is nearly as high.
    slope |= valid & (np.abs(height) > CLIFF * spread) & (relative_height > 0.5)
    rim = ndimage.binary_dilation(~valid) & around & (np.abs(height) > STEP * spread)
    first = slope & rim
    # Beside a sharp step only noise is on that side here and there.
    if 2 * first.sum() < rim.sum():
        return np.zeros_like(valid)
    upper = ndimage.binary_propagation(first, mask=slope)
    if not upper.any():
        return np.asarray(upper)
    outer = upper & ndimage.binary_dilation(valid & ~upper)
    falling = upper & (relative_height < 0.9)
    width = int(np.ceil(min(falling.sum() / max(1, outer.sum()), BLOCK)))
    return np.asarray(ndimage.binary_dilation(upper, iterations=width) & valid)
