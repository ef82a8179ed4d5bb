# SPDX-License-Identifier: GPL-3.0-or-later
"""The volume in which a scene is composed: points of mass first, then membranes and bodies.

Distances are signed, in nm, and positive inside a compartment.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, gaussian_filter

from tomoscore_scipion.simulation import macromolecules as mm
from tomoscore_scipion.simulation.membranes import (
    add_bilayer,
    add_ellipsoid,
    ellipsoid_distance,
    random_surface,
)

MEMBRANE_NM = 4.0
"""Minimum distance of soluble matter from the middle of a membrane."""


class Canvas:
    """A density (z, y, x) under construction, periodic in y and x.

    Attributes:
        rng: source of randomness.
        shape: (nz, ny, nx).
        px: pixel in nm.
        without: ingredients to leave out.
        contents: ingredients added so far.
        density: (z, y, x), complete after `solidify`.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        shape: tuple[int, int, int],
        pixel_nm: float,
        without: tuple[str, ...],
    ) -> None:
        self.rng = rng
        self.shape = shape
        self.px = pixel_nm
        self.without = without
        self.contents: set[str] = set()
        self.density = torch.zeros(shape)
        self._clouds: list[np.ndarray] = []

    @property
    def extent_nm(self) -> np.ndarray:
        """Size of the volume in nm, (z, y, x)."""
        return np.array(self.shape) * self.px

    @property
    def volume_nm3(self) -> float:
        """Volume in nm^3."""
        return float(np.prod(self.extent_nm))

    def uniform(self, low: float, high: float) -> float:
        """A random number."""
        return float(self.rng.uniform(low, high))

    def log_uniform(self, low: float, high: float) -> float:
        """A random number whose logarithm is uniform."""
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def chance(self, odds: float) -> bool:
        """Random bool with a given probability."""
        return bool(self.rng.random() < odds)

    def may(self, name: str) -> bool:
        """Whether an ingredient is allowed; if so it is added to `contents`."""
        if name in self.without:
            return False
        self.contents.add(name)
        return True

    def compartment(self, length_nm: float, fraction: float) -> torch.Tensor:
        """Distance from a random smooth surface with `fraction` of the volume inside.

        Usually the walls are nearly vertical, as for compartments larger than the thickness of the
        slab; otherwise the surface is isotropic.
        """
        if length_nm > 50 and self.chance(0.8):
            return self._upright(length_nm, fraction)
        field, slope = random_surface(self.rng, self.shape, self.px, length_nm)
        return field.sub_(_upper_quantile(field, fraction)).div_(slope)

    def _upright(self, length_nm: float, fraction: float) -> torch.Tensor:
        """Distance from walls with a random outline in the plane and a small slope along z."""
        nz, ny, nx = self.shape
        outline, _ = random_surface(self.rng, (1, ny, nx), self.px, length_nm)
        inside = (outline[0] > _upper_quantile(outline, fraction)).numpy()
        if inside.all() or not inside.any():
            distance = torch.full((ny, nx), 1e3 if inside.all() else -1e3)
        else:
            tiled = np.pad(inside, ((ny // 2, ny // 2), (nx // 2, nx // 2)), mode="wrap")
            separated_points = distance_transform_edt(tiled) - distance_transform_edt(~tiled)
            smooth = gaussian_filter(separated_points.astype(np.float32), 2.0) * self.px
            middle = smooth[ny // 2 : ny // 2 + ny, nx // 2 : nx // 2 + nx]
            distance = torch.from_numpy(np.ascontiguousarray(middle))
        z = ((torch.arange(nz) - (nz - 1) / 2) * self.px)[:, None, None]
        lean, _ = random_surface(self.rng, (1, ny, nx), self.px, max(length_nm, 60.0))
        lean = self.uniform(0, 0.4) * lean[0] + self.uniform(-0.2, 0.2)
        bulge = self.uniform(-0.3, 0.5) / (nz * self.px)
        return (distance + lean * z - bulge * z**2) / (1 + lean**2).sqrt()

    def rod(self, radius_nm: float, length_nm: float) -> torch.Tensor:
        """Distance from a straight, slightly wavy capsule along y or x, cut by the slab."""
        nz, ny, nx = self.shape
        width = ny * self.px
        z = (torch.arange(nz) - (nz - 1) / 2) * self.px + self.uniform(-0.3, 0.3) * radius_nm
        line = (torch.arange(ny) - ny / 2) * self.px
        wave = (
            self.uniform(0, 0.06) * width * torch.sin(2 * np.pi * line / width + self.rng.random())
        )
        along = (line.abs() - length_nm / 2).clamp_min(0)
        across = line[None, :] + wave[:, None]
        distance = (across**2 + along[:, None] ** 2 + (0.7 * z[:, None, None]) ** 2).sqrt_()
        shift = [int(s) for s in self.rng.integers(0, ny, 2)]
        distance = (radius_nm - distance).roll(shift, (1, 2))
        return distance.transpose(1, 2).contiguous() if self.chance(0.5) else distance

    def layers(self, spacing_nm: float, waviness_nm: float) -> torch.Tensor:
        """Distance from the mid-surface of the nearest of several parallel wavy sheets."""
        nz, ny, nx = self.shape
        width = ny * self.px
        angle = self.uniform(0, 2 * np.pi)
        waves = width / spacing_nm * np.array([np.cos(angle), np.sin(angle)])
        a, b = (float(w) for w in np.rint(waves))
        if a == b == 0:
            a = 1.0
        spacing = width / float(np.hypot(a, b))
        z = (torch.arange(nz) * self.px)[:, None, None]
        line = torch.arange(ny) / ny
        position = spacing * (a * line[:, None] + b * line) + self.uniform(-0.4, 0.4) * z
        bend, _ = random_surface(self.rng, self.shape, self.px, self.uniform(40, 120))
        position = position + waviness_nm * bend
        return torch.remainder(position, spacing).sub_(spacing / 2).abs_()

    def proteins(self, filling: float, inside: torch.Tensor | None, size_nm3: float = 60.0) -> None:
        """Add soluble proteins of about `size_nm3` that fill a fraction of a compartment.

        Args:
            filling: fraction of the compartment that is filled, 0 to 1.
            inside: (z, y, x) signed distance in nm from the boundary of a compartment, positive
                inside; the whole volume when None.
            size_nm3: mean volume of a protein in nm^3.
        """
        if filling <= 0 or not self.may("complexes"):
            return
        n = int(self.rng.poisson(filling * self.volume_nm3 / size_nm3))
        generator = torch.Generator().manual_seed(int(self.rng.integers(2**62)))
        index = torch.randint(self.density.numel(), (n,), generator=generator)
        if inside is not None:
            index = index[inside.view(-1)[index] > MEMBRANE_NM]
        mass = size_nm3 * torch.exp(0.5 * torch.randn(len(index), generator=generator))
        grains = torch.zeros(self.shape)
        grains.view(-1).index_add_(0, index, mass / (8 * self.px**3))
        for axis in range(3):  # a protein is 2 x 2 x 2 voxels
            grains[(slice(None),) * axis + (slice(1, None),)] += grains[
                (slice(None),) * axis + (slice(None, -1),)
            ].clone()
        self.density += grains

    def random_points(
        self, per_nm3: float, inside: torch.Tensor | None, margin_nm: float
    ) -> np.ndarray:
        """Random positions, (n, 3) in nm, at least a margin inside a compartment.

        Args:
            per_nm3: positions per nm^3 of the volume.
            inside: (z, y, x) signed distance in nm from the boundary of a compartment, positive
                inside; the whole volume when None.
            margin_nm: smallest distance from the boundary.
        """
        n = min(int(self.rng.poisson(per_nm3 * self.volume_nm3)), 200000)
        centres = self.rng.random((n, 3)) * self.extent_nm
        if inside is None:
            return centres
        index = np.minimum((centres / self.px).astype(int), np.array(self.shape) - 1)
        return centres[inside.numpy()[index[:, 0], index[:, 1], index[:, 2]] > margin_nm]

    def separated_points(
        self, n: int, distance_nm: float, inside: torch.Tensor | None, margin_nm: float
    ) -> np.ndarray:
        """At most n random positions, (m, 3) in nm, with a minimum distance from each other.

        Args:
            n: maximum number of positions.
            distance_nm: minimum distance between two positions.
            inside: (z, y, x) signed distance in nm from the boundary of a compartment, positive
                inside; the whole volume when None.
            margin_nm: smallest distance from the boundary.
        """
        width = self.extent_nm[1]
        accepted: list[np.ndarray] = []
        for point in self.random_points(4 * n / self.volume_nm3, inside, margin_nm):
            if len(accepted) == n:
                break
            if accepted:
                gap = np.abs(np.array(accepted) - point)
                gap[:, 1:] = np.minimum(gap[:, 1:], width - gap[:, 1:])
                if np.linalg.norm(gap, axis=1).min() < distance_nm:
                    continue
            accepted.append(point)
        return np.array(accepted).reshape(-1, 3)

    def ribosomes(self, per_nm3: float, inside: torch.Tensor | None) -> None:
        """Add ribosomes of four kinds inside a compartment."""
        if per_nm3 > 0 and self.may("ribosomes"):
            for centres in np.array_split(self.random_points(per_nm3, inside, 14.0), 4):
                self.cloud(mm.place(self.rng, mm.ribosome(self.rng), centres))

    def complexes(
        self, filling: float, inside: torch.Tensor | None, largest_nm: float, kinds: int = 8
    ) -> None:
        """Add complexes of 5 nm to `largest_nm` that fill a fraction of a compartment.

        Args:
            filling: fraction of the compartment that is filled, 0 to 1.
            inside: (z, y, x) signed distance in nm from the boundary of a compartment, positive
                inside; the whole volume when None.
            largest_nm: largest diameter in nm.
            kinds: number of different complexes.
        """
        if filling <= 0 or not self.may("complexes"):
            return
        for part in self.rng.dirichlet(np.ones(kinds)):
            diameter = self.uniform(5, largest_nm)
            template = mm.blob(self.rng, diameter)
            density = filling * float(part) / (len(template) * mm.POINT_VOLUME_NM3)
            centres = self.random_points(density, inside, diameter / 2 + 2)
            self.cloud(mm.place(self.rng, template, centres))

    def cloud(self, points_nm: np.ndarray) -> None:
        """Add points of mass, (n, 3) in nm."""
        if len(points_nm):
            self._clouds.append(points_nm)

    def solidify(self) -> None:
        """Convert points and proteins to density; add membranes afterwards."""
        if self._clouds:
            self.density += mm.deposit(np.concatenate(self._clouds), self.shape, self.px)
            self._clouds = []
        self.density = mm.blur(self.density, mm.BLUR_NM / self.px)

    def membrane(self, distance_nm: torch.Tensor, amplitude: float) -> None:
        """Add a bilayer at the surface where a distance is 0."""
        if self.may("membranes"):
            add_bilayer(self.density, distance_nm, amplitude)

    def layer(
        self, distance_nm: torch.Tensor, thickness_nm: float, amplitude: float, name: str
    ) -> None:
        """Add a layer without leaflets at distance 0, such as a cell wall or a protein coat.

        Args:
            distance_nm: (z, y, x) signed distance in nm from the middle of the layer.
            thickness_nm: thickness in nm.
            amplitude: density, protein minus ice = 1.
            name: name of the ingredient in `contents`.
        """
        if self.may(name):
            near = (distance_nm.abs() < 1.5 * thickness_nm).flatten().nonzero()[:, 0]
            values = distance_nm.flatten()[near] / (0.5 * thickness_nm)
            self.density.view(-1).index_add_(0, near, amplitude * torch.exp(-(values**4)))

    def vesicle(
        self,
        centre_nm: np.ndarray,
        radii_nm: np.ndarray,
        amplitude: float,
        lumen: float,
        remaining: float,
    ) -> None:
        """Add a closed bilayer; the density inside is multiplied by `remaining`.

        Args:
            centre_nm: (z, y, x) in nm.
            radii_nm: (z, y, x) semi-axes in nm.
            amplitude: density of the leaflets.
            lumen: density that is added inside.
            remaining: factor for the density that was inside before.
        """
        centre = centre_nm / self.px
        add_ellipsoid(self.density, centre, radii_nm, self.px, amplitude, lumen, remaining)

    def ball(
        self, centre_nm: np.ndarray, radii_nm: np.ndarray, amplitude: float, edge: float
    ) -> None:
        """Add a dense ellipsoid with a soft edge.

        Args:
            centre_nm: (z, y, x) in nm.
            radii_nm: (z, y, x) semi-axes in nm.
            amplitude: density in the middle.
            edge: width of the edge in nm.
        """
        inside = ellipsoid_distance(self.shape, centre_nm / self.px, radii_nm, self.px)
        if inside is not None:
            index, distance = inside
            body = amplitude * torch.sigmoid(-distance / edge)
            self.density.index_put_(index, body, accumulate=True)


def _upper_quantile(field: torch.Tensor, fraction: float) -> torch.Tensor:
    """The value that a fraction of a field exceeds."""
    part = field.flatten()[:: max(1, field.numel() // 20000)]
    return torch.quantile(part, 1 - fraction)
