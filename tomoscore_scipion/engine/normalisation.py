# SPDX-License-Identifier: GPL-3.0-or-later
"""From the planes of a volume to what the network sees, unchanged under v -> a * v + b.

In this order: empty borders and non-finite pixels are masked, the slice is brought to the canonical
pixel, gradients coarser than the coarsest band are removed, the robust spread is set to 1, outliers
(gold beads) are compressed, and the contrast is turned so that the slice's long tail is negative.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

from tomoscore_scipion.engine.sampling import (
    CANONICAL_NM,
    CHANNELS,
    ReadPlane,
    SlicePlan,
    canonical_shape,
    mean_plane,
    resample,
)

LINEAR = 4.0
"""Values beyond so many robust standard deviations are compressed, to their logarithm."""
WILDEST = 32.0
"""Values beyond so many are clipped before anything is averaged."""
BACKGROUND_SIGMA_NM = 60.0
"""Gradients are what a Gaussian of this sigma keeps: 1 % of a period of 128 nm."""
NOTHING_LEFT = 1e-3
"""Where so little of a slice's spread is left without its gradient, it was only a gradient."""
_BLOCK = 8
_COARSE = 8


@dataclass(frozen=True)
class CanonicalSlice:
    """What the network sees of a slice.

    Attributes:
        z: plane of the volume at its centre.
        channels: (CHANNELS, y, x) float32 - centre, near, far, distant - at the canonical pixel,
            absent ones 0.
        valid: (y, x) float32, the share of each pixel that carries data, 0 to 1.
        blank: nothing varies in this slice; channels are 0.
        level: log10 of the robust spread that was set to 1, in units of the file; 0 when blank.
        not_finite: it holds NaN or inf, which are masked.
    """

    z: int
    channels: torch.Tensor
    valid: torch.Tensor
    blank: bool
    level: float = 0.0
    not_finite: bool = False


def canonical_slice(read: ReadPlane, plan: SlicePlan, voxel_size_nm: float) -> CanonicalSlice:
    """Read the planes of a plan and normalise them.

    Args:
        read: gives plane z as a (y, x) float32 array.
        plan: the planes to read.
        voxel_size_nm: voxel size in nm.
    """
    centre = mean_plane(read, plan.centre)
    valid = valid_pixels(centre)
    neighbours = [mean_plane(read, group) if group else None for group in plan.neighbours]
    shape = canonical_shape(centre.shape[0], centre.shape[1], voxel_size_nm)
    piece = normalise(plan.z, centre, neighbours, valid, shape)
    return replace(piece, not_finite=not bool(np.isfinite(centre).all()))


def normalise(
    z: int,
    centre: np.ndarray,
    neighbours: list[np.ndarray | None],
    valid: np.ndarray,
    shape_yx: tuple[int, int],
) -> CanonicalSlice:
    """Normalise one slice; the neighbours get the gain and offset of the centre.

    Args:
        z: plane at the centre, carried along.
        centre: (y, x) float32.
        neighbours: near, far and distant, (y, x) float32 or None.
        valid: (y, x) bool, where `centre` has data.
        shape_yx: shape at the canonical pixel.
    """
    empty = CanonicalSlice(z, torch.zeros((CHANNELS, *shape_yx)), torch.zeros(shape_yx), True)
    offset, gain = _robust_range(centre, valid)
    if gain == 0:
        return empty
    images = torch.zeros((CHANNELS, *shape_yx))
    for channel, image in enumerate((centre, *neighbours)):
        if image is not None:
            scaled = torch.from_numpy(_scaled(image, valid, offset, gain))
            images[channel] = resample(scaled[None], shape_yx)[0]
    share = _share(valid, shape_yx)
    images -= background(images, share)
    spread = robust_spread(images[0][share > 0.5])
    if spread < NOTHING_LEFT:
        return empty
    compress(images.div_(spread))
    images.mul_(share)
    if polarity(images[0]) > 0:
        images.neg_()
    return CanonicalSlice(z, images, share, False, math.log10(gain) + math.log10(spread))


def _scaled(plane: np.ndarray, valid: np.ndarray, offset: float, gain: float) -> np.ndarray:
    """(plane - offset) / gain with wild values tamed, 0 where there is no data."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = plane - np.float32(offset)
        scaled /= np.float32(gain)
    np.clip(scaled, -WILDEST, WILDEST, out=scaled)
    scaled[~valid | np.isnan(scaled)] = 0
    return scaled


def _share(valid: np.ndarray, shape_yx: tuple[int, int]) -> torch.Tensor:
    """The share of each canonical pixel that carries data, 0 to 1."""
    if valid.all():
        return torch.ones(shape_yx)
    return resample(torch.from_numpy(valid.astype(np.float32))[None], shape_yx)[0].clamp_(0, 1)


def _robust_range(plane: np.ndarray, valid: np.ndarray) -> tuple[float, float]:
    """Median and robust spread of the valid pixels; spread 0 where nothing varies."""
    values = plane[valid]
    if values.size == 0:
        return 0.0, 0.0
    values = values[:: max(1, values.size // 65536)].astype(np.float64)
    low, middle, high = np.percentile(values, [16, 50, 84])
    spread = (high - low) / 2
    if spread == 0:
        spread = float(values.std())
    # Differences at the rounding of float32 are no signal.
    limits = np.finfo(np.float32)
    negligible = max(8 * limits.eps * max(abs(low), abs(high)), limits.tiny)
    return float(middle), float(spread) if spread > negligible else 0.0


def robust_spread(values: torch.Tensor) -> float:
    """Half the distance of the 16 % and 84 % quantiles: a standard deviation blind to outliers."""
    if values.numel() == 0:
        return 0.0
    values = values[:: max(1, values.numel() // 65536)]
    low, high = torch.quantile(values, torch.tensor([0.16, 0.84])).tolist()
    return (high - low) / 2


def compress(images: torch.Tensor) -> None:
    """Let values of (n, y, x) images beyond `LINEAR` grow with their logarithm, in place.

    What stands far above a quiet background keeps its shape and its sign, and one gold bead does
    not outweigh all else. One image after the other: they can be large.
    """
    for image in images:
        beyond = image.abs().sub_(LINEAR).clamp_(min=0).log1p_().copysign_(image)
        image.clamp_(-LINEAR, LINEAR).add_(beyond)


def polarity(image: torch.Tensor) -> float:
    """Third moment of a slice smoothed over 4 pixels: positive when its long tail is bright."""
    smooth = F.avg_pool2d(image[None], 4, ceil_mode=True)
    return float((smooth**3).mean())


def background(images: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Smooth background of (n, y, x) images over their valid pixels: a plane, and what is smooth.

    The plane is fitted first: a blur alone would leave the ends of a steep gradient.
    """
    pooled = F.avg_pool2d((images * share)[None], _COARSE, ceil_mode=True)[0]
    weight = F.avg_pool2d(share[None], _COARSE, ceil_mode=True)[0]
    coefficients = fit_plane(pooled / weight.clamp_min(1e-3), weight)
    pooled = pooled - weight * plane(coefficients, weight.shape, _COARSE)
    smooth = gaussian_blur(
        torch.cat([pooled, weight[None]])[None], BACKGROUND_SIGMA_NM / (CANONICAL_NM * _COARSE)
    )[0]
    estimate = smooth[:-1] / smooth[-1].clamp_min(1e-3)
    rows, columns = (_upsampling(few)[:many] for few, many in zip(weight.shape, share.shape))
    return (rows @ estimate @ columns.T).add_(plane(coefficients, share.shape, 1))


def _upsampling(n: int) -> torch.Tensor:
    """Matrix (n * _COARSE, n) of linear interpolation: quicker than interpolating images."""
    size = n * _COARSE
    return F.interpolate(torch.eye(n)[None], size=size, mode="linear", align_corners=False)[0].T


def _coordinates(size: int, step: int) -> torch.Tensor:
    """Places of `size` pixels of `step` canonical pixels, in thousands of canonical pixels."""
    return ((torch.arange(size) + 0.5) * step) / 1000


def plane(coefficients: torch.Tensor, shape_yx: torch.Size, step: int) -> torch.Tensor:
    """Planes a + b y + c x of (n, 3) coefficients on pixels of `step` canonical pixels."""
    y, x = (_coordinates(size, step) for size in shape_yx)
    a, b, c = coefficients.T[:, :, None, None]
    return a + b * y[:, None] + c * x


def fit_plane(images: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Weighted least-squares planes, (n, 3), of (n, y, x) images pooled by _COARSE."""
    y, x = (_coordinates(size, _COARSE) for size in weight.shape)
    basis = torch.stack(
        [torch.ones_like(weight), y[:, None].expand_as(weight), x.expand_as(weight)]
    )
    basis, values = basis.flatten(1).double(), images.flatten(1).double()
    weighted = basis * weight.flatten().double()
    normal = weighted @ basis.T + 1e-9 * torch.eye(3, dtype=torch.float64)
    return torch.linalg.solve(normal, weighted @ values.T).T.float()


def gaussian_blur(images: torch.Tensor, sigma_px: float) -> torch.Tensor:
    """Separable Gaussian blur of (b, c, y, x) images, zero beyond the edge."""
    radius = int(np.ceil(3 * sigma_px))
    offsets = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-0.5 * (offsets / sigma_px) ** 2)
    kernel = (kernel / kernel.sum()).view(1, 1, -1)
    flat = images.reshape(-1, 1, *images.shape[-2:])
    flat = F.conv2d(flat, kernel[..., None], padding=(radius, 0))
    flat = F.conv2d(flat, kernel[:, :, None], padding=(0, radius))
    return flat.reshape(images.shape)


def valid_pixels(plane: np.ndarray) -> np.ndarray:
    """Where a (y, x) slice carries data: finite, and not in an empty border or patch.

    Empty is a constant: whole rows or columns at the edges, and patches of at least 8 x 8 pixels.
    """
    valid = np.isfinite(plane)
    ny, nx = plane.shape
    if min(ny, nx) < 3:
        return valid
    top, bottom = _constant_run(plane), _constant_run(plane[::-1])
    left, right = _constant_run(plane.T), _constant_run(plane.T[::-1])
    if top < ny and left < nx:
        valid[:top] = valid[ny - bottom :] = False
        valid[:, :left] = valid[:, nx - right :] = False
    return valid & ~_constant_patches(plane)


def _constant_run(plane: np.ndarray) -> int:
    """How many leading rows are constant."""
    run = 0
    while run < len(plane) and plane.shape[1] > 1 and np.all(plane[run] == plane[run, 0]):
        run += 1
    return run


def _constant_patches(plane: np.ndarray) -> np.ndarray:
    """Mask of constant 8 x 8 blocks and of the pixels of the same value around them."""
    ny, nx = (size // _BLOCK * _BLOCK for size in plane.shape)
    mask = np.zeros(plane.shape, dtype=bool)
    if not ny or not nx:
        return mask
    blocks = plane[:ny, :nx].reshape(ny // _BLOCK, _BLOCK, nx // _BLOCK, _BLOCK)
    corner = blocks[:, :1, :, :1]
    candidates = (blocks[:, -1, :, -1] == corner[:, 0, :, 0]) & (
        blocks[:, 3, :, 4] == corner[:, 0, :, 0]
    )
    if not candidates.any():
        return mask
    flat = (blocks == corner).all(axis=(1, 3))
    if not flat.any():
        return mask
    fills = np.unique(corner[:, 0, :, 0][flat])[:8]
    around = F.max_pool2d(torch.from_numpy(flat[None].astype(np.float32)), 3, 1, padding=1)
    wide = np.kron(around[0].numpy() > 0, np.ones((_BLOCK, _BLOCK), dtype=bool))
    mask[:ny, :nx] = wide
    mask[ny:] = mask[ny - 1]
    mask[:, nx:] = mask[:, nx - 1 : nx]
    return mask & np.isin(plane, fills)
