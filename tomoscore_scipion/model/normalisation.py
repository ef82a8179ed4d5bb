# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepare slices for measurement: mask, gain, background and window.

Empty borders are masked. The slice is scaled to unit spread and a smooth background is subtracted.
The slice is then padded to a window with soft edges, which avoids a cross in its Fourier transform.
All steps are linear, because a nonlinear step before the whitening in `octaves.py` would act
differently on a filtered tomogram.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F

from tomoscore_scipion.model.sampling import (
    CANONICAL_NM,
    ReadPlane,
    SlicePlan,
    canonical_shape,
    mean_plane,
)
from tomoscore_scipion.model.tiles import CELL_PX, cells_along
from tomoscore_scipion.model.validity import valid_pixels

CLIP_SPREADS = 1e4
"""Values are clipped to +- this many robust spreads, which keeps the precision of float32."""
BACKGROUND_SIGMA_NM = 60.0
"""Sigma of the Gaussian weights of the local linear fits that give the background."""
BACKGROUND_STEP_NM = 12.0
"""Width of the blocks; the lines are fitted to the means of the blocks."""
MARGIN_CELLS = 1
"""Width in cells of the margin in which a slice fades out."""
MIN_SPREAD = 1e-3
"""A slice is blank if less than this fraction of its spread remains without the background."""
MIN_VOXEL_NM = 0.8
"""Finer slices are binned first, because no period below 3 nm is measured."""


@dataclass(frozen=True)
class CanonicalSlice:
    """A slice, prepared for measurement.

    Attributes:
        z: plane of the volume at its centre.
        images: (n, y, x) float32, the channels that exist, in a window of whole cells with
            `MARGIN_CELLS` around it; 0 where there is no data, fading out in the margin.
        present: whether each channel exists; the first one, the centre, always exists.
        valid: (y, x) float32, 1 where the window holds data, 0 elsewhere.
        cells: (rows, columns) of cells in the window, without the margin.
        voxel_nm: pixel of the images.
        shape: (rows, columns) of pixels of the slice, in the middle of the window.
        blank: whether the slice is constant or nearly constant; images are 0 then.
        log_spread: log10 of the spread before scaling, in units of the file; 0 when blank.
        not_finite: whether the slice holds NaN or inf, which are masked.
    """

    z: int
    images: torch.Tensor
    present: tuple[bool, ...]
    valid: torch.Tensor
    cells: tuple[int, int]
    voxel_nm: float
    shape: tuple[int, int]
    blank: bool
    log_spread: float = 0.0
    not_finite: bool = False


def canonical_slice(read: ReadPlane, plan: SlicePlan, voxel_size_nm: float) -> CanonicalSlice:
    """Read the planes of a plan and prepare them.

    Args:
        read: function of z that returns this plane as a (y, x) float32 array.
        plan: the planes to read.
        voxel_size_nm: voxel size in nm.
    """
    channels = [
        mean_plane(read, channel.planes, channel.weights) if channel else None
        for channel in plan.channels
    ]
    centre = channels[0]
    assert centre is not None
    valid = valid_pixels(centre)
    for neighbour in channels[1:]:
        if neighbour is not None:  # where a neighbour has no data, its persistence is unknown
            valid &= np.isfinite(neighbour)
    canonical = normalise(plan.z, channels, valid, voxel_size_nm)
    return replace(canonical, not_finite=not bool(np.isfinite(centre).all()))


def normalise(
    z: int, channels: list[np.ndarray | None], valid: np.ndarray, voxel_size_nm: float
) -> CanonicalSlice:
    """Prepare one slice. Neighbours get the gain and offset of the centre.

    Args:
        z: index of the centre plane, copied to the result.
        channels: centre, near, far and distant, (y, x) float32 or None.
        valid: (y, x) bool, where all channels have data.
        voxel_size_nm: voxel size in nm.
    """
    centre = channels[0]
    assert centre is not None
    canonical = canonical_shape(centre.shape[0], centre.shape[1], voxel_size_nm)
    cells = (cells_along(canonical[0]), cells_along(canonical[1]))
    present = tuple(channel is not None for channel in channels)
    offset, gain = _robust_range(centre, valid)
    images = [_scaled(c, valid, offset, gain) for c in channels if c is not None and gain > 0]
    mask = torch.from_numpy(valid.astype(np.float32))
    if images:
        stack, mask, voxel = _averaged(torch.stack(images), mask, voxel_size_nm)
        stack = without_background(stack, mask, voxel)
        spread = robust_spread(stack[0][mask > 0.5])
        if spread >= MIN_SPREAD:
            window = _window(stack, cells, voxel, fade=True)
            inside = _window(mask[None], cells, voxel, fade=False)[0]
            log_spread = math.log10(gain)
            shape = (stack.shape[1], stack.shape[2])
            return CanonicalSlice(
                z, window, present, inside, cells, voxel, shape, False, log_spread
            )
    empty = torch.zeros((1, CELL_PX, CELL_PX))
    return CanonicalSlice(z, empty, present, empty[0], cells, voxel_size_nm, (0, 0), True)


def _scaled(plane: np.ndarray, valid: np.ndarray, offset: float, gain: float) -> torch.Tensor:
    """(plane - offset) / gain, 0 where there is no data."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = plane - np.float32(offset)
        scaled /= np.float32(gain)
    np.clip(scaled, -CLIP_SPREADS, CLIP_SPREADS, out=scaled)
    scaled[~valid | np.isnan(scaled)] = 0
    return torch.from_numpy(scaled)


def _averaged(
    images: torch.Tensor, mask: torch.Tensor, voxel_nm: float
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Bin images with pixels below `MIN_VOXEL_NM`; returns images, mask and pixel in nm."""
    factor = int(MIN_VOXEL_NM / voxel_nm)
    if factor < 2:
        return images, mask, voxel_nm
    pooled = F.avg_pool2d((images * mask)[None], factor, ceil_mode=True)[0]
    weight = F.avg_pool2d(mask[None], factor, ceil_mode=True)[0]
    return pooled / weight.clamp_min(1e-3), (weight > 0.5).float(), voxel_nm * factor


def _robust_range(plane: np.ndarray, valid: np.ndarray) -> tuple[float, float]:
    """Median and robust spread of the valid pixels; the spread is 0 for a constant plane."""
    values = plane[valid]
    if values.size == 0:
        return 0.0, 0.0
    values = values[:: max(1, values.size // 65536)].astype(np.float64)
    low, middle, high = np.percentile(values, [16, 50, 84])
    spread = (high - low) / 2
    if spread == 0:
        spread = float(values.std())
    # Differences of the size of float32 rounding are not signal.
    limits = np.finfo(np.float32)
    negligible = max(8 * limits.eps * max(abs(low), abs(high)), limits.tiny)
    return float(middle), float(spread) if spread > negligible else 0.0


def robust_spread(values: torch.Tensor) -> float:
    """Half the distance between the 16 % and 84 % quantiles, which is robust against outliers."""
    if values.numel() == 0:
        return 0.0
    values = values.flatten()[:: max(1, values.numel() // 65536)]
    low, high = np.percentile(values.cpu().numpy(), [16, 84])  # far faster than torch.quantile
    return float(high - low) / 2


def without_background(images: torch.Tensor, mask: torch.Tensor, pixel_nm: float) -> torch.Tensor:
    """Subtract a smooth background from images (n, y, x); the result is 0 where there is no data.

    Areas without data are filled and lines are fitted up to the edges, because the background would
    otherwise end in a step or a bend that is not a feature of the specimen.

    Args:
        images: (n, y, x).
        mask: (y, x), 1 where there is data.
        pixel_nm: pixel size in nm.
    """
    step = max(1, round(BACKGROUND_STEP_NM / pixel_nm))
    sigma_px = BACKGROUND_SIGMA_NM / pixel_nm
    if not bool(mask.all()):
        images = _filled(images - _fitted_plane(images, mask), mask, step, sigma_px)
    blocks = math.ceil(mask.shape[0] / step), math.ceil(mask.shape[1] / step)
    pooled = F.adaptive_avg_pool2d(images, blocks)  # symmetric under reflection
    along_y, along_x = (local_lines(n, m, sigma_px) for n, m in zip(mask.shape, blocks))
    return (images - along_y @ pooled @ along_x.T) * mask


def _filled(images: torch.Tensor, mask: torch.Tensor, step: int, sigma_px: float) -> torch.Tensor:
    """Fill images (n, y, x) where there is no data with a smooth continuation."""
    pooled = F.avg_pool2d((images * mask)[None], step, ceil_mode=True)[0]
    weight = F.avg_pool2d(mask[None], step, ceil_mode=True)[0]
    both = gaussian_blur(torch.cat([pooled, weight[None]]), sigma_px / step)
    smooth = F.interpolate(
        (both[:-1] / both[-1].clamp_min(1e-3))[None],
        scale_factor=float(step),
        mode="bilinear",
        align_corners=False,
    )[0]
    smooth = smooth[:, : images.shape[1], : images.shape[2]]
    return torch.where(mask > 0, images, smooth)


@lru_cache(maxsize=16)
def local_lines(n: int, blocks: int, sigma_px: float) -> torch.Tensor:
    """Matrix of a local linear smoother, (n, blocks); keeps straight lines, also at the ends.

    Each pixel gets the value of the line fitted to the block means around it with Gaussian weights
    (local linear regression: Cleveland, J. Am. Stat. Assoc. 74, 829 (1979)).

    Args:
        n: number of pixels.
        blocks: number of blocks, as `adaptive_avg_pool1d` makes them.
        sigma_px: sigma of the weights in pixels.
    """
    pixels = torch.arange(n, dtype=torch.float64)
    middles = F.adaptive_avg_pool1d(pixels[None], blocks)[0]
    offset = (middles[None, :] - pixels[:, None]) / sigma_px
    weight = torch.exp(-0.5 * offset**2)
    s0, s1, s2 = ((weight * offset**power).sum(dim=1, keepdim=True) for power in (0, 1, 2))
    s2 = s2 + 1e-6 * s0  # a single block has no slope
    lines = weight * (s2 - s1 * offset)
    return (lines / lines.sum(dim=1, keepdim=True)).float()


def _fitted_plane(images: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Least-squares planes a + b y + c x of (n, y, x) images over their valid pixels."""
    ny, nx = mask.shape
    y = torch.linspace(-1, 1, ny, dtype=torch.float64)[:, None]
    x = torch.linspace(-1, 1, nx, dtype=torch.float64)[None, :]
    weight = mask.double()
    rows, columns = weight.sum(dim=1, keepdim=True), weight.sum(dim=0, keepdim=True)
    moments = torch.stack(
        [
            weight.sum(),
            (rows * y).sum(),
            (columns * x).sum(),
            (rows * y * y).sum(),
            (y.T @ weight @ x.T).sum(),
            (columns * x * x).sum(),
        ]
    )
    order = torch.tensor([[0, 1, 2], [1, 3, 4], [2, 4, 5]])
    normal = moments[order] + 1e-9 * torch.eye(3, dtype=torch.float64)
    products = (images * mask).double()
    sides = torch.stack(
        [
            products.sum(dim=(1, 2)),
            (products.sum(dim=2) * y[:, 0]).sum(dim=1),
            (products.sum(dim=1) * x[0]).sum(dim=1),
        ]
    )
    a, b, c = torch.linalg.solve(normal, sides).float()[:, :, None, None]
    return a + b * y.float() + c * x.float()


def gaussian_blur(images: torch.Tensor, sigma_px: float) -> torch.Tensor:
    """Separable Gaussian blur of (n, y, x) images, zero beyond the edge."""
    radius = int(np.ceil(3 * sigma_px))
    offsets = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-0.5 * (offsets / sigma_px) ** 2)
    kernel = (kernel / kernel.sum()).view(1, 1, -1)
    flat = F.conv2d(images[:, None], kernel[..., None], padding=(radius, 0))
    return F.conv2d(flat, kernel[:, :, None], padding=(0, radius))[:, 0]


def _window(
    images: torch.Tensor, cells: tuple[int, int], pixel_nm: float, fade: bool
) -> torch.Tensor:
    """Pad images (n, y, x) to a window of whole cells and a margin, with the images in its middle.

    The padding is 0 or, with `fade`, mirror images that fade out towards the edges.
    """
    for axis, count in ((1, cells[0]), (2, cells[1])):
        n = images.shape[axis]
        size = (count + 2 * MARGIN_CELLS) * CELL_PX * CANONICAL_NM / pixel_nm
        margin = max((_fast_size(size, n % 2) - n) // 2, 1)
        images = _extended(images, axis, margin, fade)
    return images.contiguous()


@lru_cache(maxsize=64)
def _fast_size(size: float, odd: int) -> int:
    """The number 2^a 3^b 5^c 7^d of a given parity nearest to `size`, for a fast Fourier transform.

    If the window has the parity of the slice, the slice lies exactly in its middle.
    """
    around = [n for n in range(max(2, int(size * 0.97)), int(size * 1.03) + 3) if n % 2 == odd]
    smooth = [n for n in around if _is_smooth(n)]
    return min(smooth or around, key=lambda n: abs(n - size))


def _is_smooth(n: int) -> bool:
    for factor in (2, 3, 5, 7):
        while n % factor == 0:
            n //= factor
    return n == 1


def _extended(images: torch.Tensor, axis: int, margin: int, fade: bool) -> torch.Tensor:
    """Pad images at both ends of an axis, with 0 or with mirror images that fade out."""
    if not fade:
        return F.pad(images, [0, 0, margin, margin] if axis == 1 else [margin, margin])
    n = images.shape[axis]
    outwards = torch.arange(margin)
    mirrored = outwards % (2 * n)  # a narrow slice is mirrored repeatedly
    mirrored = torch.where(mirrored >= n, 2 * n - 1 - mirrored, mirrored)
    weight = 0.5 * (1 + torch.cos(math.pi * (outwards + 1) / (margin + 0.5)))
    weight = weight.reshape([1, -1, 1] if axis == 1 else [1, 1, -1])
    before = images.index_select(axis, mirrored) * weight
    after = images.index_select(axis, n - 1 - mirrored) * weight
    return torch.cat([before.flip(axis), images, after], dim=axis)
