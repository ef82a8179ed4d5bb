# SPDX-License-Identifier: GPL-3.0-or-later
"""Mask of the data in a slice: finite pixels outside empty borders and corners.

Alignment or rotation can leave an empty border. The border is constant at first, but no longer
after a filter, a denoiser or Fourier binning. It differs from data in two ways: its local spread is
far below the spread of the field, and it touches the edge of the slice. A sharp filter leaves
ripples of up to a quarter of the field's spread in the border. Ripples differ from quiet ice in
that their mean over several blocks equals the value of the border. A smooth area that does not
reach the edge of the slice is ice, and counts as data.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

BLOCK = 8
"""Edge in pixels of the blocks; the local spread is computed per block."""
EMPTY = 0.04
"""Blocks with less than this fraction of the field's spread are empty if they reach an edge."""
RIPPLED, RIPPLED_AT_EDGE = 0.25, 0.35
"""Blocks with less than this fraction of the field's spread may be empty with ripples."""
LEVEL_TOLERANCE = 0.04
"""Means over 3 x 3 blocks of ripples differ by less than this fraction of the field's spread."""
ISLAND = 0.1
"""Isolated parts of the field smaller than this fraction of the largest part are not data."""
STEP = 1.0
"""Pixels next to an empty area belong to the slope between field and empty area if they deviate
from the field's median towards the empty area by more than this multiple of the field's spread."""
CLIFF = 3.0
"""If an empty area differs from the field's median by more than this multiple of the spread,
adjacent pixels of similar value belong to it too."""
TYPICAL = 0.75
"""Quantile of the spreads of the blocks that is used as the field's spread."""
LIVELY = 0.95
"""Blocks with less than a thousandth of this quantile of the spreads count as constant."""


def valid_pixels(plane: np.ndarray) -> np.ndarray:
    """Mask of the pixels that hold data.

    Args:
        plane: (y, x) float32.

    Returns:
        (y, x) bool. All False if the plane is constant; the mask of finite pixels if the plane is
        too small for this analysis.
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
        spread: (rows, columns), spread of each block.
        means: (rows, columns), mean of each block.
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
    # Data beside an empty area contribute to the means of the blocks at its rim.
    inside = ndimage.binary_erosion(labels > 0, np.ones((3, 3)), border_value=1)
    steady = ndimage.sum(is_level & inside, labels, number) >= 0.9 * ndimage.sum(
        inside, labels, number
    )
    large = ndimage.sum(inside, labels, number) >= 4
    rippled = np.concatenate([[False], steady & large])
    return np.asarray(rippled[labels])


def _thin_borders(plane: np.ndarray, typical: float) -> np.ndarray:
    """Mask of the outermost rows and columns that hardly vary, if thinner than a block."""
    mask = np.zeros(plane.shape, dtype=bool)
    for turned, part in ((plane, mask), (plane.T, mask.T)):
        for lines, marks in ((turned, part), (turned[::-1], part[::-1])):
            run = 0
            while run < BLOCK and float(lines[run].std(dtype=np.float64)) <= EMPTY * typical:
                run += 1
            marks[:run] = True
    return mask


def _blocks(plane: np.ndarray) -> np.ndarray:
    """Blocks of 8 x 8 pixels, (rows, columns, 8, 8); the last blocks end at the plane's edge."""
    rows, columns = (np.minimum(np.arange(0, n, BLOCK), n - BLOCK) for n in plane.shape)
    windows = np.lib.stride_tricks.sliding_window_view(plane, (BLOCK, BLOCK))
    return windows[rows[:, None], columns]


def _typical(spread: np.ndarray) -> float:
    """The spread of the field: a quantile of the spreads of the blocks that are not constant.

    A quantile is used because a few extreme pixels must not make all other blocks look empty.
    """
    if spread.max() == 0:
        return 0.0
    lively = np.quantile(spread[spread > 0], LIVELY)
    return float(np.quantile(spread[spread > 1e-3 * lively], TYPICAL))


def _reaching_the_edge(empty: np.ndarray) -> np.ndarray:
    """Mask of the empty blocks that are connected to the edge of the slice."""
    labels, count = ndimage.label(empty)
    if count == 0:
        return empty
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.isin(labels, np.unique(edge[edge > 0]))


def _as_pixels(blocks: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Convert a mask of blocks to a mask of pixels."""
    rows, columns = (np.minimum(np.arange(n) // BLOCK, m - 1) for n, m in zip(shape, blocks.shape))
    return blocks[rows[:, None], columns]


def _islands(field: np.ndarray) -> np.ndarray:
    """Mask of small or narrow isolated groups of blocks, which belong to an empty area.

    Filtering by Fourier transform is periodic: data at one edge cause ringing at the opposite edge.

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
    """Mask of pixels at the rim of an empty area that have the value of the empty area.

    Args:
        plane: (y, x).
        valid: (y, x) bool, pixels that hold data so far.
        nearest_empty: (y, x), value of the empty pixel nearest to each pixel.
    """
    around = ndimage.binary_dilation(~valid, iterations=BLOCK) & valid
    if not around.any():
        return around
    spread = float(plane[valid].std())
    return np.asarray(around & (np.abs(plane - nearest_empty) <= EMPTY * spread / 4))


def _slope(plane: np.ndarray, valid: np.ndarray, nearest_empty: np.ndarray) -> np.ndarray:
    """Mask of the slope between the field and an empty area of a different value.

    A filter turns the step between the two into a slope, which is stronger than the specimen. The
    half of the slope next to the field has values of the field; it is assumed to be as wide as the
    half next to the empty area.

    Args:
        plane: (y, x).
        valid: (y, x) bool, pixels that hold data so far.
        nearest_empty: (y, x), value of the empty pixel nearest to each pixel.
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
    # An empty area at the edge of the slice can be thinner than a block; its value is nearly full.
    slope |= valid & (np.abs(height) > CLIFF * spread) & (relative_height > 0.5)
    rim = ndimage.binary_dilation(~valid) & around & (np.abs(height) > STEP * spread)
    first = slope & rim
    # Beside a sharp step, isolated pixels deviate in this direction through noise alone.
    if 2 * first.sum() < rim.sum():
        return np.zeros_like(valid)
    upper = ndimage.binary_propagation(first, mask=slope)
    if not upper.any():
        return np.asarray(upper)
    outer = upper & ndimage.binary_dilation(valid & ~upper)
    falling = upper & (relative_height < 0.9)
    width = int(np.ceil(min(falling.sum() / max(1, outer.sum()), BLOCK)))
    if width == 0:  # iterations=0 would dilate without end
        return upper
    return np.asarray(ndimage.binary_dilation(upper, iterations=width) & valid)
