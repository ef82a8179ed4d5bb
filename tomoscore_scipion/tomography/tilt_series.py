# SPDX-License-Identifier: GPL-3.0-or-later
"""An aligned tilt series: apply the alignment and reconstruct a tomogram.

Arrays of images have axes (view, y, x); points and shifts are (x, y), as in IMOD's files.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Sequence, Union

import numpy as np
import torch
from torch.nn.functional import grid_sample

from tomoscore_scipion.reading.volume import open_stack
from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.imod_files import read_angles, read_transforms
from tomoscore_scipion.tomography.backprojection import (
    RadialFilter,
    backproject_slabs,
    filter_projections,
)

PathLike = Union[str, "os.PathLike[str]"]


@dataclass(frozen=True)
class TiltSeries:
    """Views of an image stack with their angles and alignment; the images stay in the file.

    Attributes:
        path: the image stack.
        pixel_angstrom: pixel size of the stack.
        angles_deg: tilt angles, shape (n_views,).
        transforms: alignment in pixels of the stack, shape (n_views, 2, 3): rows
            (A11, A12, DX), (A21, A22, DY). A point p of the image, measured from its centre as
            (x, y), lies at A p + D from the centre of the aligned image; the tilt axis is then y.
        views: indices of the images in the stack, 0-based, shape (n_views,).
    """

    path: Path
    pixel_angstrom: float
    angles_deg: np.ndarray
    transforms: np.ndarray
    views: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.views)
        if self.angles_deg.shape != (n,) or self.transforms.shape != (n, 2, 3):
            raise ValueError(
                f"expected angles of shape ({n},) and transforms of shape ({n}, 2, 3), got "
                f"{self.angles_deg.shape} and {self.transforms.shape}"
            )

    def select(self, indices: slice | Sequence[int] | np.ndarray) -> TiltSeries:
        """The series with some of its views, in the order of the indices."""
        selected = np.arange(len(self.views))[indices]
        return replace(
            self,
            angles_deg=self.angles_deg[selected],
            transforms=self.transforms[selected],
            views=self.views[selected],
        )

    def shifted(self, shifts_angstrom: np.ndarray) -> TiltSeries:
        """The series misaligned by (x, y) shifts of the aligned images, shape (n_views, 2)."""
        shifts = np.asarray(shifts_angstrom, dtype=np.float64)
        if shifts.shape != (len(self.views), 2):
            raise ValueError(f"expected shifts of shape ({len(self.views)}, 2), got {shifts.shape}")
        transforms = self.transforms.copy()
        transforms[:, :, 2] += shifts / self.pixel_angstrom
        return replace(self, transforms=transforms)

    def without_shifts(self) -> TiltSeries:
        """The series with an alignment of rotations only."""
        transforms = self.transforms.copy()
        transforms[:, :, 2] = 0.0
        return replace(self, transforms=transforms)


def read_imod_series(
    stack: PathLike, xf: PathLike, tlt: PathLike, pixel_angstrom: float | None = None
) -> TiltSeries:
    """A tilt series from its stack, IMOD's transforms (.xf) and angles (.tlt).

    Args:
        stack: images in MRC format.
        xf: for each image A11 A12 A21 A22 DX DY, in pixels of this stack.
        tlt: tilt angle of each image in degrees.
        pixel_angstrom: pixel size; read from the stack's header when None.

    Raises:
        TomogramError: a file cannot be read, the files have different numbers of images, or the
            angles or shifts are impossible.
    """
    with open_stack(stack, pixel_angstrom) as volume:
        (n_views, *shape_yx), pixel = volume.shape_zyx, volume.voxel_size_angstrom
    transforms = read_transforms(xf, n_views, stack, (shape_yx[0], shape_yx[1]))
    angles = read_angles(tlt, n_views, stack)
    return TiltSeries(Path(stack), pixel, angles, transforms, np.arange(n_views))


def apply_transform(
    image: torch.Tensor,
    transform: np.ndarray,
    shape_yx: tuple[int, int],
    step_yx: tuple[float, float] = (1.0, 1.0),
) -> torch.Tensor:
    """Transform an image to aligned coordinates by bicubic interpolation; 0 outside the image.

    Args:
        image: shape (y, x), mean near 0.
        transform: shape (2, 3) as in `TiltSeries`, in pixels of the image.
        shape_yx: shape of the result, which has the centre of the aligned image.
        step_yx: pixel size of the result, in pixels of the image.

    Returns:
        float32 tensor of shape `shape_yx` on the device of `image`.

    Raises:
        TomogramError: the transform cannot be inverted.
    """
    matrix = np.asarray(transform[:, :2], dtype=np.float64)
    if abs(np.linalg.det(matrix)) < 1e-6:
        raise TomogramError(
            f"expected an alignment transform that can be inverted, got {matrix.tolist()}"
        )
    back = np.linalg.inv(matrix)
    y, x = ((np.arange(n) - (n - 1) / 2.0) * step for n, step in zip(shape_yx, step_yx))
    x = x[None, :] - transform[0, 2]
    y = y[:, None] - transform[1, 2]
    half_y, half_x = (max(n - 1, 1) / 2.0 for n in image.shape)
    source_x = back[0, 0] * x + back[0, 1] * y
    source_y = back[1, 0] * x + back[1, 1] * y
    # Coordinates of grid_sample: -1 is the centre of the first pixel, 1 the centre of the last.
    grid = np.stack([source_x / half_x, source_y / half_y], axis=-1).astype(np.float32)
    grid_on_device = torch.from_numpy(grid).to(image.device)[None]
    source = image.to(torch.float32)[None, None]
    return grid_sample(source, grid_on_device, mode="bicubic", align_corners=True)[0, 0]


def fourier_crop(image: torch.Tensor, shape_yx: tuple[int, int]) -> torch.Tensor:
    """Resample an image to fewer pixels over the same field by cropping its spectrum.

    Args:
        image: shape (y, x).
        shape_yx: shape of the result, at most the shape of the image.

    Returns:
        float32 tensor of shape `shape_yx` with the same centre as the image.
    """
    n_y, n_x = image.shape
    m_y, m_x = shape_yx
    if (m_y, m_x) == (n_y, n_x):
        return image.to(torch.float32)
    if m_y > n_y or m_x > n_x:
        raise ValueError(f"expected a shape within {(n_y, n_x)}, got {(m_y, m_x)}")
    k_y = torch.round(torch.fft.fftfreq(m_y, 1.0 / m_y, device=image.device))
    k_x = torch.arange(m_x // 2 + 1, device=image.device)
    spectrum = torch.fft.rfft2(image.to(torch.float32))[(k_y % n_y).long()][:, k_x]
    # Pixel centres of the small image lie between pixel centres of the large one.
    shift_y = 0.5 * (n_y / m_y - 1.0) / n_y
    shift_x = 0.5 * (n_x / m_x - 1.0) / n_x
    phase = 2.0 * np.pi * (shift_y * k_y[:, None] + shift_x * k_x[None, :])
    inside = (2 * k_y.abs() < m_y)[:, None] & (2 * k_x < m_x)[None, :]
    spectrum = spectrum * torch.polar(inside.to(torch.float32), phase.to(torch.float32))
    return torch.fft.irfft2(spectrum, s=(m_y, m_x)) * (m_y * m_x / (n_y * n_x))


def aligned_views(
    series: TiltSeries,
    pixel_angstrom: float,
    device: str | torch.device = "cpu",
    warn: Callable[[str], None] | None = None,
) -> torch.Tensor:
    """The aligned images at a coarser pixel, with mean 0 per view and the contrast of the stack.

    Views are not divided by their mean: dark views at high tilt have fewer electrons, and therefore
    more noise for the same contrast.

    Args:
        series: the tilt series; its images are read one by one.
        pixel_angstrom: pixel size of the result, at least the pixel size of the series.
        device: device of the result.
        warn: called with a warning for each image that is constant or has NaN or inf; such pixels
            are replaced by the mean of the finite pixels.

    Returns:
        float32 tensor of shape (n_views, y, x); x and y cover the field of the stack.

    Raises:
        TomogramError: the stack cannot be read, an image has no finite value, or
            `pixel_angstrom` is finer than the pixel size of the series.
    """
    if pixel_angstrom < series.pixel_angstrom * 0.999:
        raise TomogramError(
            f"{series.path}: expected a pixel size of at least the stack's "
            f"{series.pixel_angstrom:g} A, got {pixel_angstrom:g} A"
        )
    binning = pixel_angstrom / series.pixel_angstrom
    views = []
    with open_stack(series.path, series.pixel_angstrom) as volume:
        n_y, n_x = volume.shape_zyx[1:]
        small = (max(round(n_y / binning), 1), max(round(n_x / binning), 1))
        large = (round(small[0] * binning), round(small[1] * binning))
        step = (small[0] * binning / large[0], small[1] * binning / large[1])
        for view, transform in zip(series.views, series.transforms):
            values = volume.read_slice(int(view))
            values, odd = _sound_values(values, series.path, int(view))
            if odd and warn is not None:
                warn(odd)
            image = torch.from_numpy(values).to(device)
            aligned = apply_transform(image - image.mean(), transform, large, step)
            views.append(fourier_crop(aligned, small))
    return torch.stack(views)


def _sound_values(image: np.ndarray, path: Path, view: int) -> tuple[np.ndarray, str]:
    """An image (y, x) with NaN and inf replaced, and a warning; empty for a normal image.

    Raises:
        TomogramError: the image has no finite value.
    """
    finite = np.isfinite(image)
    if not finite.any():
        raise TomogramError(
            f"{path}: image {view + 1}: expected grey values, found NaN or inf alone; leave it out "
            f"(--exclude {view})"
        )
    name = f"{os.path.basename(path)}: image {view + 1}"
    odd = ""
    if not finite.all():
        mean = image[finite].mean(dtype=np.float64)
        image = np.where(finite, image, mean).astype(np.float32)
        odd = f"{name} holds {int((~finite).sum())} pixels of NaN or inf: its mean is taken there"
    if image.min() == image.max():
        odd = f"{name} holds one value everywhere: leave it out (--exclude {view})"
    return image, odd


def reconstruct(
    series: TiltSeries,
    voxel_size_angstrom: float,
    thickness_angstrom: float,
    radial_filter: RadialFilter | None = None,
    device: str | torch.device = "cpu",
) -> np.ndarray:
    """A tomogram by weighted back-projection, in the contrast of the images (protein dark).

    Args:
        series: the tilt series.
        voxel_size_angstrom: voxel size of the tomogram, at least the pixel size of the series.
        thickness_angstrom: extent of the tomogram along z.
        radial_filter: filter of the views; the default `RadialFilter()` when None.
        device: device for the computation.

    Returns:
        float32 array of shape (z, y, x).

    Raises:
        TomogramError: as `aligned_views`.
    """
    views = aligned_views(series, voxel_size_angstrom, device)
    n_z = max(round(thickness_angstrom / voxel_size_angstrom), 1)
    shape_zyx = (n_z, views.shape[1], views.shape[2])
    filtered = filter_projections(views, series.angles_deg, radial_filter)
    volume = np.empty(shape_zyx, dtype=np.float32)
    for z, slab in backproject_slabs(filtered, series.angles_deg, shape_zyx):
        volume[z] = slab.cpu().numpy()
    return volume


def random_shifts(n_views: int, sigma_angstrom: float, seed: int = 0) -> np.ndarray:
    """Normally distributed (x, y) shifts per view, shape (n_views, 2), for `TiltSeries.shifted`.

    A seed gives the same pattern at every sigma, so that a series of sigmas differs in scale only.

    Args:
        n_views: number of views.
        sigma_angstrom: standard deviation along x and along y.
        seed: seed of the pattern.
    """
    return sigma_angstrom * np.random.default_rng(seed).standard_normal((n_views, 2))
