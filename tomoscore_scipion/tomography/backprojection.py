# SPDX-License-Identifier: GPL-3.0-or-later
"""Weighted back-projection of an aligned tilt series, on the device of its images.

Geometry, all lengths in pixels. Projections have axes (view, y, x), the volume has axes (z, y, x).
Both have their origin at (n - 1) / 2 and share the y axis, which is the tilt axis. A view at a tilt
angle t projects the density at (z, x) to the column

    column = x cos(t) + z sin(t)

of the same row y. The sign of the angle is as in IMOD; negated angles give the same volume reversed
along z. A voxel that is projected outside a view gets 0 from that view. Filtering and
back-projection are linear. Projections are sums along rays, and views over 180 degrees reconstruct
the density itself.

A simulated specimen is periodic, and its views are stored *sheared*: a point is projected along its
ray to the plane z = 0, so its column is x + z tan(t), with periodic boundaries.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Iterator, Sequence, Union

import numpy as np
import torch

Numbers = Union[Sequence[float], np.ndarray]

SLAB_BYTES = {"cpu": 4 * 2**20, "cuda": 256 * 2**20}
"""Bytes of one slab. Four slabs are in memory at a time; on a CPU they should fit the cache."""
LANDWEBER_STEP = 0.00195
"""Step per iteration, in cycles per pixel, of the SIRT-like filter."""


@dataclass(frozen=True)
class RadialFilter:
    """The ramp along x and its roll-off; frequencies in cycles per pixel, 0 to 0.5.

    Attributes:
        cutoff: frequency at which the roll-off begins, as the first value of IMOD's RADIAL.
        falloff: width of the roll-off: the sigma of the Gaussian (second value of IMOD's RADIAL),
            or the length of the half cosine that ends at 0. A width of 0 gives a sharp cutoff.
        shape: "gaussian", "cosine", or "hamming": 0.54 + 0.46 cos(2 pi f), without a cutoff.
        sirt_iterations: if n > 0, the ramp f becomes f (1 - (1 - step / f)^n), which resembles n
            iterations of SIRT.
    """

    cutoff: float = 0.35
    falloff: float = 0.035
    shape: str = "gaussian"
    sirt_iterations: int = 0

    def __post_init__(self) -> None:
        if self.cutoff <= 0 or self.falloff < 0 or self.sirt_iterations < 0:
            raise ValueError(
                "expected cutoff > 0, falloff >= 0, sirt_iterations >= 0; "
                f"got {self.cutoff}, {self.falloff}, {self.sirt_iterations}"
            )
        if self.shape not in ("gaussian", "cosine", "hamming"):
            raise ValueError(f"expected a shape of gaussian, cosine or hamming, got {self.shape!r}")

    def response(self, n: int) -> torch.Tensor:
        """The filter at the frequencies of a real FFT of even length n: shape (n // 2 + 1,)."""
        return _ramp(n) * self._shaped(torch.arange(n // 2 + 1, dtype=torch.float64) / n)

    def at(self, frequency: torch.Tensor) -> torch.Tensor:
        """The filter, with the ramp |f|, at frequencies >= 0 in cycles per pixel."""
        return frequency * self._shaped(frequency)

    def _shaped(self, frequency: torch.Tensor) -> torch.Tensor:
        """The factor by which the ramp is multiplied."""
        shaped = self._rolloff(frequency)
        if self.sirt_iterations:
            residual = (1.0 - LANDWEBER_STEP / frequency.clamp(min=LANDWEBER_STEP)).clamp(min=0.0)
            shaped = shaped * (1.0 - residual**self.sirt_iterations)
        return shaped

    def _rolloff(self, frequency: torch.Tensor) -> torch.Tensor:
        if self.shape == "hamming":
            return 0.54 + 0.46 * torch.cos(2 * math.pi * frequency.clamp(max=0.5))
        beyond = (frequency - self.cutoff).clamp(min=0.0)
        if self.falloff == 0:
            return (beyond == 0).to(frequency.dtype)
        width = beyond / self.falloff
        if self.shape == "gaussian":
            return torch.exp(-(width**2) / 2.0)
        return 0.5 + 0.5 * torch.cos(math.pi * width.clamp(max=1.0))


def _ramp(n: int) -> torch.Tensor:
    """The ramp |f| with a kernel of n pixels: keeps the mean density, which |f| alone removes."""
    distance = torch.minimum(torch.arange(n), n - torch.arange(n)).to(torch.float64)
    kernel = torch.where(distance % 2 == 1, -1.0 / (math.pi * distance.clamp(min=1.0)) ** 2, 0.0)
    kernel[0] = 0.25
    return torch.fft.rfft(kernel).real


class Tilted:
    """Views in the plane of the detector, at angles (n_views,) in degrees."""

    def __init__(self, angles_deg: Numbers) -> None:
        self.angles = np.deg2rad(np.asarray(angles_deg, dtype=np.float64))

    def add(self, slab: torch.Tensor, image: torch.Tensor, view: int, heights: np.ndarray) -> None:
        """Add the back-projection of a filtered view to planes of the volume.

        Args:
            slab: (n, x, y) planes, changed in place.
            image: (columns, y) filtered view.
            view: index of the view.
            heights: (n,) heights of the planes in pixels, 0 in the middle.
        """
        n_columns, n_y = image.shape
        x = np.arange(slab.shape[1]) - (slab.shape[1] - 1) / 2.0
        across, down = math.cos(self.angles[view]), math.sin(self.angles[view])
        column = (across * x + down * heights[:, None]).ravel() + (n_columns - 1) / 2.0
        left = np.floor(column)
        share = column - left
        for place, weight in ((left, 1.0 - share), (left + 1.0, share)):
            seen = weight * ((place >= 0) & (place < n_columns))
            index = torch.from_numpy(np.clip(place, 0, n_columns - 1).astype(np.int64))
            weights = torch.from_numpy(seen.astype(np.float32))
            rows = image[index.to(slab.device)]
            slab.view(-1, n_y).addcmul_(rows, weights.to(slab.device)[:, None])


class Sheared:
    """Views of a periodic volume, stretched to the plane z = 0; angles as in `Tilted`.

    Column 0 belongs to the first pixel along x. The number of columns is the number of pixels along
    x or a multiple of it. Each plane is a shifted view, several times faster than `Tilted`.
    """

    def __init__(self, angles_deg: Numbers) -> None:
        self.angles = np.deg2rad(np.asarray(angles_deg, dtype=np.float64))

    def add(self, slab: torch.Tensor, image: torch.Tensor, view: int, heights: np.ndarray) -> None:
        """As `Tilted.add`."""
        n_x, n_columns = slab.shape[1], len(image)
        per_pixel = n_columns // n_x
        every = image.view(n_x, per_pixel, -1)
        for plane, height in zip(slab, heights):
            place = per_pixel * float(height) * math.tan(self.angles[view])
            left = math.floor(place)
            for column, weight in ((left, left + 1 - place), (left + 1, place - left)):
                shift, offset = divmod(column % n_columns, per_pixel)
                plane[: n_x - shift].add_(every[shift:, offset], alpha=weight)
                plane[n_x - shift :].add_(every[:shift, offset], alpha=weight)


def view_weights(angles_deg: Numbers) -> np.ndarray:
    """The range of angles that each view represents.

    The weight is the mean of the angular distances to both neighbours, so that close views share
    their weight. For the first and last view it is the distance to the only neighbour. A single
    view has weight 1.

    Args:
        angles_deg: tilt angles in degrees, shape (n_views,), in any order.

    Returns:
        Weights in radians, shape (n_views,), float64.

    Raises:
        ValueError: there are no angles, or all of several angles are equal.
    """
    angles = np.deg2rad(np.asarray(angles_deg, dtype=np.float64))
    if angles.ndim != 1 or angles.size == 0:
        raise ValueError(f"expected one angle per view, got an array of shape {angles.shape}")
    if angles.size == 1:
        return np.ones(1)
    order = np.argsort(angles, kind="stable")
    gaps = np.diff(angles[order])
    if gaps.max() == 0:
        raise ValueError("expected different tilt angles, got the same angle for all views")
    padded = np.concatenate([gaps[:1], gaps, gaps[-1:]])
    weights = np.empty_like(angles)
    weights[order] = (padded[:-1] + padded[1:]) / 2.0
    return weights


def filter_views(images: torch.Tensor, radial_filter: RadialFilter | None = None) -> torch.Tensor:
    """Filter views along x, each with the weight 1.

    Each row is extended by a straight line from its last to its first value, which avoids ringing
    at the edges.

    Args:
        images: aligned projections, shape (n_views, y, x), the tilt axis along y, mean near 0.
        radial_filter: the filter along x; the default `RadialFilter()` when None.

    Returns:
        float32 tensor of shape (n_views, x, y), transposed, on the device of `images`.

    Raises:
        ValueError: `images` does not have three axes.
    """
    if images.ndim != 3:
        raise ValueError(f"expected images of shape (n_views, y, x), got {tuple(images.shape)}")
    n_views, n_y, n_x = images.shape
    padded = 2 ** math.ceil(math.log2(max(2 * n_x, 64)))
    response = (radial_filter or RadialFilter()).response(padded).to(images.device, torch.float32)
    bridge = torch.linspace(0.0, 1.0, padded - n_x + 2, device=images.device)[1:-1]
    filtered = torch.empty((n_views, n_x, n_y), dtype=torch.float32, device=images.device)
    for view, image in enumerate(images):
        rows = image.to(torch.float32)
        rows = torch.cat([rows, torch.lerp(rows[:, -1:], rows[:, :1], bridge)], dim=1)
        spectrum = torch.fft.rfft(rows, dim=1) * response
        filtered[view] = torch.fft.irfft(spectrum, n=padded, dim=1)[:, :n_x].T
    return filtered


def filter_projections(
    images: torch.Tensor, angles_deg: Numbers, radial_filter: RadialFilter | None = None
) -> torch.Tensor:
    """Prepare views for back-projection: filter along x, multiply by `view_weights`.

    Args:
        images: aligned projections, shape (n_views, y, x), the tilt axis along y, mean near 0.
        angles_deg: tilt angles in degrees, shape (n_views,).
        radial_filter: the filter along x; the default `RadialFilter()` when None.

    Returns:
        float32 tensor of shape (n_views, x, y), transposed, on the device of `images`.

    Raises:
        ValueError: the shapes do not match.
    """
    if images.ndim != 3 or len(angles_deg) != images.shape[0]:
        raise ValueError(
            "expected images of shape (n_views, y, x) and one angle per view, got "
            f"{tuple(images.shape)} and {len(angles_deg)} angles"
        )
    filtered = filter_views(images, radial_filter)
    for view, weight in zip(filtered, view_weights(angles_deg)):
        view *= float(weight)
    return filtered


def backproject_slabs(
    filtered: torch.Tensor,
    angles_deg: Numbers,
    shape_zyx: tuple[int, int, int],
    z_positions: Numbers | None = None,
) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
    """Back-project filtered views slab by slab, with memory independent of the thickness.

    Args:
        filtered: views from `filter_projections`, shape (n_views, x, y).
        angles_deg: their tilt angles in degrees, shape (n_views,).
        shape_zyx: shape of the whole volume in pixels; y as in the views.
        z_positions: slices to reconstruct, 0 to z - 1, fractions allowed; all slices when None.

    Yields:
        Pairs of z positions, shape (n,), and their slices, float32 of shape (n, y, x).

    Raises:
        ValueError: the shapes do not match.
    """
    if shape_zyx[1] != filtered.shape[2]:
        raise ValueError(
            f"expected a volume with y = {filtered.shape[2]}, got shape_zyx = {tuple(shape_zyx)}"
        )
    positions = np.arange(shape_zyx[0]) if z_positions is None else np.asarray(z_positions)
    middle = (shape_zyx[0] - 1) / 2.0
    heights = positions - middle
    n_done = 0
    for slab in slabs_at(filtered, Tilted(angles_deg), heights, shape_zyx[2]):
        yield positions[n_done : n_done + len(slab)], slab
        n_done += len(slab)


def slabs_at(
    filtered: torch.Tensor, geometry: Tilted | Sheared, heights: np.ndarray, n_x: int
) -> Iterator[torch.Tensor]:
    """Back-project filtered views to planes at given heights, slab by slab.

    Args:
        filtered: shape (n_views, columns, y).
        geometry: geometry of the views.
        heights: heights of the planes, shape (n,), in pixels from the middle of the volume.
        n_x: pixels along x.

    Yields:
        The next planes, float32 of shape (some, y, n_x).

    Raises:
        ValueError: the number of views differs from the geometry.
    """
    n_views, _, n_y = filtered.shape
    if len(geometry.angles) != n_views:
        raise ValueError(
            f"expected one angle per view, got {len(geometry.angles)} for {n_views} views"
        )
    slab_bytes = SLAB_BYTES.get(filtered.device.type, SLAB_BYTES["cuda"])
    per_slab = max(1, slab_bytes // (4 * n_x * n_y))
    for start in range(0, len(heights), per_slab):
        some = np.asarray(heights[start : start + per_slab])
        slab = filtered.new_zeros((len(some), n_x, n_y))
        for view, image in enumerate(filtered):
            geometry.add(slab, image, view, some)
        yield slab.transpose(1, 2)


def backproject(
    images: torch.Tensor,
    angles_deg: Numbers,
    *,
    shape_zyx: tuple[int, int, int],
    radial_filter: RadialFilter | None = None,
    z_positions: Numbers | None = None,
) -> torch.Tensor:
    """Reconstruct a volume, or some of its slices, from an aligned tilt series.

    Args:
        images: aligned projections, shape (n_views, y, x), the tilt axis along y, mean near 0.
        angles_deg: tilt angles in degrees, shape (n_views,); see the module for the sign.
        shape_zyx: shape of the volume in pixels; y as in the images, any x and z.
        radial_filter: the filter along x; the default `RadialFilter()` when None.
        z_positions: slices to reconstruct, 0 to z - 1, fractions allowed; all slices when None.

    Returns:
        float32 tensor of shape (n_slices, y, x) on the device and in the contrast of `images`.

    Raises:
        ValueError: the shapes do not match, or all angles are equal.
    """
    filtered = filter_projections(images, angles_deg, radial_filter)
    n_slices = shape_zyx[0] if z_positions is None else len(z_positions)
    volume = filtered.new_empty((n_slices, shape_zyx[1], shape_zyx[2]))
    n_done = 0
    for z, slab in backproject_slabs(filtered, angles_deg, shape_zyx, z_positions):
        volume[n_done : n_done + len(z)] = slab
        n_done += len(z)
    return volume
