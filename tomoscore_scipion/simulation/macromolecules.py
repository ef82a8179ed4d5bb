# SPDX-License-Identifier: GPL-3.0-or-later
"""Macromolecules as clouds of points of scattering mass: complexes, ribosomes, filaments.

A cloud is an array of shape (n, 3), (z, y, x) in nm. Each point represents `POINT_VOLUME_NM3` of
protein, so that a dense cloud reaches the density 1 (protein minus ice).
"""

from __future__ import annotations

import numpy as np
import torch

POINT_VOLUME_NM3 = 8.0
BLUR_NM = 1.1
"""Sigma of the Gaussian of a point, about 2.6 nm wide, which is smaller than a domain."""


def random_rotations(rng: np.random.Generator, n: int) -> np.ndarray:
    """Uniform random rotation matrices, (n, 3, 3).

    QR decomposition of Gaussian matrices gives uniform orthogonal matrices (Mezzadri, Notices of
    the AMS 54, 592 (2007)). Matrices with determinant -1 are negated to make them rotations; this
    works because the dimension is odd.
    """
    q, r = np.linalg.qr(rng.standard_normal((n, 3, 3)))
    q = q * np.sign(np.einsum("nii->ni", r))[:, None, :]
    return q * np.linalg.det(q).round()[:, None, None]


def blob(rng: np.random.Generator, diameter_nm: float, density: float = 0.9) -> np.ndarray:
    """A compact, irregular complex of about `density`: points uniform in up to four balls.

    Args:
        rng: source of randomness.
        diameter_nm: approximate diameter in nm.
        density: mean density, protein minus ice = 1.

    Returns:
        Cloud of points, (n, 3) in nm.
    """
    n_lobes = int(rng.integers(1, 5))
    radius = 0.5 * diameter_nm * (1.0 if n_lobes == 1 else 0.7)
    offset = rng.standard_normal((n_lobes, 3))
    offset *= (0.5 * diameter_nm - radius) / np.linalg.norm(offset, axis=1, keepdims=True)
    volume = 4 / 3 * np.pi * radius**3 * (1 + 0.7 * (n_lobes - 1))
    n = max(2, round(density * volume / POINT_VOLUME_NM3))
    direction = rng.standard_normal((n, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    depth = radius * rng.random((n, 1)) ** (1 / 3)
    return direction * depth + offset[rng.integers(0, n_lobes, n)]


def ribosome(rng: np.random.Generator) -> np.ndarray:
    """A large and a small subunit, 25 to 30 nm across, denser than protein (RNA)."""
    size = rng.uniform(0.92, 1.08)
    large = blob(rng, 20.0 * size, density=1.1)
    small = blob(rng, 15.0 * size, density=1.1) + np.array([0.0, 0.0, 11.0 * size])
    return np.concatenate([large, small])


def place(rng: np.random.Generator, template: np.ndarray, centres_nm: np.ndarray) -> np.ndarray:
    """Copies of a cloud in random orientation at `centres_nm` (m, 3); returns (m * n, 3).

    Args:
        rng: source of randomness.
        template: cloud of points, (n, 3) in nm.
        centres_nm: (m, 3) in nm.
    """
    rotations = random_rotations(rng, len(centres_nm))
    turned = np.einsum("mij,nj->mni", rotations, template)
    return (turned + centres_nm[:, None, :]).reshape(-1, 3)


def curve(
    rng: np.random.Generator,
    start_nm: np.ndarray,
    length_nm: float,
    step_nm: float,
    stiffness: float,
    direction: np.ndarray | None = None,
) -> np.ndarray:
    """A worm-like curve with points every `step_nm`.

    Args:
        rng: source of randomness.
        start_nm: first point, (z, y, x) in nm.
        length_nm: length in nm.
        step_nm: distance between points in nm.
        stiffness: stiffness in nm; the persistence length grows with it.
        direction: (z, y, x) at the start; random and nearly horizontal when None.

    Returns:
        Points of the curve, (n, 3) in nm.
    """
    n = max(2, int(length_nm / step_nm))
    if direction is None:
        direction = rng.standard_normal(3) * np.array([0.25, 1.0, 1.0])
    direction /= np.linalg.norm(direction)
    bends = np.cumsum(rng.standard_normal((n, 3)) * np.sqrt(step_nm / stiffness), axis=0)
    headings = direction + bends
    headings /= np.linalg.norm(headings, axis=1, keepdims=True)
    return start_nm + np.cumsum(headings * step_nm, axis=0)


def _frames(path_nm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit normals, each (n, 3), along a path."""
    tangent = np.gradient(path_nm, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    helper = np.array([1.0, 0.0, 0.0]) if abs(tangent[0, 0]) < 0.9 else np.array([0.0, 1.0, 0.0])
    first = np.cross(tangent, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return first, np.cross(tangent, first)


def microtubule(
    rng: np.random.Generator,
    start_nm: np.ndarray,
    length_nm: float,
    direction: np.ndarray | None = None,
    stiffness_nm: float = 20000.0,
) -> np.ndarray:
    """A tube of 25 nm outer diameter: 13 protofilaments of monomers every 4 nm, 3-start helix.

    Args:
        rng: source of randomness.
        start_nm: first point, (z, y, x) in nm.
        length_nm: length in nm.
        direction: (z, y, x) at the start; random and nearly horizontal when None.
        stiffness_nm: persistence in nm.

    Returns:
        Cloud of points, (n, 3) in nm.
    """
    axis = curve(rng, start_nm, length_nm, 4.0, stiffness_nm, direction)
    first, second = _frames(axis)
    angles = 2 * np.pi * np.arange(13) / 13
    ring = 10.8 * (np.cos(angles)[:, None, None] * first + np.sin(angles)[:, None, None] * second)
    rise = (np.arange(13) / 13 * 12.0 % 4.0)[:, None, None] * np.gradient(axis, axis=0) / 4.0
    monomers = (axis + ring + rise).reshape(-1, 3)
    copies = round(64.0 / POINT_VOLUME_NM3)
    return np.repeat(monomers, copies, axis=0) + rng.normal(0, 1.0, (len(monomers) * copies, 3))


def actin(
    rng: np.random.Generator,
    start_nm: np.ndarray,
    length_nm: float,
    direction: np.ndarray | None = None,
) -> np.ndarray:
    """A filament 7 nm across: subunits every 2.75 nm, -166.6 degrees per subunit.

    Args:
        rng: source of randomness.
        start_nm: first point, (z, y, x) in nm.
        length_nm: length in nm.
        direction: (z, y, x) at the start; random and nearly horizontal when None.

    Returns:
        Cloud of points, (n, 3) in nm.
    """
    axis = curve(rng, start_nm, length_nm, 2.75, 9000.0, direction)
    first, second = _frames(axis)
    turn = np.deg2rad(-166.6) * np.arange(len(axis))
    subunits = axis + 1.9 * (np.cos(turn)[:, None] * first + np.sin(turn)[:, None] * second)
    copies = round(52.0 / POINT_VOLUME_NM3)
    return np.repeat(subunits, copies, axis=0) + rng.normal(0, 1.1, (len(subunits) * copies, 3))


def deposit(
    points_nm: np.ndarray, shape_zyx: tuple[int, int, int], pixel_nm: float
) -> torch.Tensor:
    """Distribute the mass of points on a grid (z, y, x) by trilinear weights, periodic in y and x.

    The z axis starts at 0 nm at the first plane; points outside in z are dropped. The sum of the
    result times the volume of a voxel is `POINT_VOLUME_NM3` per point inside the grid.

    Args:
        points_nm: (n, 3), (z, y, x) in nm.
        shape_zyx: shape of the grid.
        pixel_nm: pixel size in nm.
    """
    nz, ny, nx = shape_zyx
    position = torch.from_numpy(np.asarray(points_nm, dtype=np.float32)) / pixel_nm
    corner = position.floor()
    fraction = position - corner
    corner = corner.long()
    total = torch.zeros(nz * ny * nx)
    for dz in (0, 1):
        z = corner[:, 0] + dz
        inside = (z >= 0) & (z < nz)
        for dy in (0, 1):
            for dx in (0, 1):
                weight = torch.where(inside, _lerp(fraction, (dz, dy, dx)), torch.zeros(()))
                y, x = (corner[:, 1] + dy) % ny, (corner[:, 2] + dx) % nx
                index = (z.clamp(0, nz - 1) * ny + y) * nx + x
                total += torch.bincount(index, weight, minlength=len(total)).to(total.dtype)
    return (total * (POINT_VOLUME_NM3 / pixel_nm**3)).reshape(shape_zyx)


def _lerp(fraction: torch.Tensor, corner: tuple[int, int, int]) -> torch.Tensor:
    parts = [fraction[:, i] if c else 1 - fraction[:, i] for i, c in enumerate(corner)]
    return parts[0] * parts[1] * parts[2]


def blur(volume: torch.Tensor, sigma_px: float) -> torch.Tensor:
    """Gaussian blur of a (z, y, x) volume, periodic in y and x, empty beyond the ends of z."""
    radius = max(1, int(np.ceil(2.5 * sigma_px)))
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (offsets / sigma_px) ** 2)
    weights = (kernel / kernel.sum())[radius:].tolist()
    planes = torch.empty_like(volume)
    for plane, out in zip(volume, planes):
        out.copy_(_blur_rows(_blur_rows(plane, weights).T, weights).T)
    total = planes * weights[0]
    for shift, weight in enumerate(weights[1:], start=1):
        total[shift:].add_(planes[:-shift], alpha=weight)
        total[:-shift].add_(planes[shift:], alpha=weight)
    return total


def _blur_rows(plane: torch.Tensor, weights: list[float]) -> torch.Tensor:
    """Symmetric periodic filter along the first axis; weights[0] is the middle."""
    total = plane * weights[0]
    for shift, weight in enumerate(weights[1:], start=1):
        total.add_(plane.roll(shift, 0) + plane.roll(-shift, 0), alpha=weight)
    return total
