# SPDX-License-Identifier: GPL-3.0-or-later
"""Random cellular specimens: a slab of vitreous ice with components of cells.

The unit of density is protein minus ice. Matter that an annotator would ignore (gold beads, ice
contamination, carbon, solvent noise) scatters electrons but is not part of the truth.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from tomoscore_scipion.simulation import lamella
from tomoscore_scipion.simulation import macromolecules as mm
from tomoscore_scipion.simulation.canvas import Canvas
from tomoscore_scipion.simulation.contamination import Bead, add_contamination
from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.membranes import add_bilayer, add_ellipsoid, random_surface
from tomoscore_scipion.simulation.scenes import SCENES, draw_scene
from tomoscore_scipion.simulation.worlds import INGREDIENTS, NEWEST_WORLD, is_old

MIXTURE = "mixture"
MIXTURE_LAMELLA = 0.15
"""Fraction of the free mixtures with the faces of a lamella."""
HOLE_ODDS = 0.06
DENSEST = 1.8
"""Maximum density where random objects overlap, because real matter does not overlap."""


@dataclass(frozen=True)
class Specimen:
    """A simulated specimen.

    Attributes:
        density: (z, y, x) float32, the density that defines the truth.
        scatter: (z, y, x) float32, `density` and everything else that scatters.
        grid: sampling in the xy plane; z has the same pixel.
        slab_nm: mean (lower, upper) surface of the specimen over the field, 0 in the middle of the
            array; in each plane between them at least half of the area is specimen.
        ice_nm: thickness of the ice along the beam at 0 degrees.
        beads: gold beads, (z, y, x) in nm from the middle of z and the corner of the field.
        contents: names of the ingredients in the specimen.
        scene: arrangement of the ingredients, from `scenes.SCENES`, or "mixture".
    """

    density: torch.Tensor
    scatter: torch.Tensor
    grid: Grid
    slab_nm: tuple[float, float]
    ice_nm: float
    beads: tuple[Bead, ...] = ()
    contents: tuple[str, ...] = field(default=())
    scene: str = MIXTURE

    def heights_nm(self) -> torch.Tensor:
        """Height of every plane in nm, 0 in the middle, shape (nz,)."""
        nz = self.density.shape[0]
        return (torch.arange(nz) - (nz - 1) / 2) * self.grid.pixel_nm


def random_specimen(
    rng: np.random.Generator,
    grid: Grid | None = None,
    without: tuple[str, ...] = (),
    thickness_nm: tuple[float, float] = (40.0, 300.0),
    empty: bool | None = None,
    world: str = NEWEST_WORLD,
    scene: str | None = None,
) -> Specimen:
    """Draw a specimen.

    Args:
        rng: source of randomness.
        grid: field of view, `Grid()` when None; n must be a multiple of 8.
        without: ingredients to leave out, from `INGREDIENTS`, or "contamination".
        thickness_nm: range of the slab's thickness.
        empty: whether the specimen is ice only; drawn (6 %) when None.
        world: version of the distributions, from `worlds.WORLDS`; "0.1" has no scenes.
        scene: one of `scenes.SCENES` or "mixture"; drawn when None.
    """
    if scene not in (None, MIXTURE, *SCENES):
        raise ValueError(f"scene: expected one of {(MIXTURE, *SCENES)}, got {scene!r}")
    old = is_old(world)
    grid = grid or Grid()
    thickness = float(rng.uniform(*thickness_nm) ** 0.5 * rng.uniform(*thickness_nm) ** 0.5)
    nz = max(8, round(thickness / grid.pixel_nm))
    shape = (nz, grid.n, grid.n)
    contents = _draw_contents(rng, without)
    if empty or (empty is None and rng.random() < 0.06):
        contents = ()
    if old:
        scene = MIXTURE
    elif scene is None:
        scene = draw_scene(rng, without)
    density = torch.zeros(shape)
    half = nz * grid.pixel_nm / 2
    slab_nm = (-half, half)
    clean = "contamination" in without
    milled = False
    if contents:
        if scene == MIXTURE:
            density = _fill(rng, shape, grid, contents)
        else:
            density, contents = _paint(rng, shape, grid, without, scene)
        odds = MIXTURE_LAMELLA if scene == MIXTURE else SCENES[scene].lamella
        milled = not old and not clean and rng.random() < odds
        if milled:
            lamella.mill(rng, density)
        density = density.clamp_(0, DENSEST)
        mask = slab_mask(rng, shape, grid.pixel_nm)
        density *= mask
        slab_nm = surfaces_nm(mask, grid.pixel_nm)
    scatter = density.clone()
    beads: tuple[Bead, ...] = ()
    if not clean:
        beads = add_contamination(rng, scatter, grid, 0.0 if old else HOLE_ODDS)
    if milled:
        lamella.soil(rng, scatter, grid)
    return Specimen(density, scatter, grid, slab_nm, thickness, beads, contents, scene)


def _paint(
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    grid: Grid,
    without: tuple[str, ...],
    scene: str,
) -> tuple[torch.Tensor, tuple[str, ...]]:
    """The density of a scene before the slab is cut out, and its ingredients."""
    canvas = Canvas(rng, shape, grid.pixel_nm, without)
    SCENES[scene].paint(canvas)
    return canvas.density, tuple(name for name in INGREDIENTS if name in canvas.contents)


def _draw_contents(rng: np.random.Generator, without: tuple[str, ...]) -> tuple[str, ...]:
    unknown = set(without) - set(INGREDIENTS) - {"contamination"}
    if unknown:
        raise ValueError(f"expected ingredients of {INGREDIENTS}, got {sorted(unknown)}")
    odds = {
        "membranes": 0.55,
        "vesicles": 0.5,
        "filaments": 0.4,
        "ribosomes": 0.45,
        "complexes": 0.7,
        "granules": 0.25,
    }
    allowed = [name for name in INGREDIENTS if name not in without]
    contents = [name for name in allowed if rng.random() < odds[name]]
    return tuple(contents or [str(rng.choice(allowed))])


def _fill(
    rng: np.random.Generator, shape: tuple[int, int, int], grid: Grid, contents: tuple[str, ...]
) -> torch.Tensor:
    """The density of all ingredients before the slab is cut out."""
    px = grid.pixel_nm
    density = torch.zeros(shape)
    inside = None
    if "membranes" in contents:
        inside = _add_membranes(rng, density, px)
    if "vesicles" in contents:
        _add_vesicles(rng, density, px)
    clouds = _clouds(rng, shape, px, contents, inside)
    if clouds:
        mass = mm.deposit(np.concatenate(clouds), shape, px)
        density += mm.blur(mass, mm.BLUR_NM / px)
    if "granules" in contents:
        _add_granules(rng, density, px)
    return density


def _add_membranes(rng: np.random.Generator, density: torch.Tensor, px: float) -> torch.Tensor:
    """Add random smooth bilayers, single, double or stacked; returns the mask of one side."""
    inside = None
    for _ in range(int(rng.integers(1, 4))):
        length = float(np.exp(rng.uniform(np.log(25), np.log(220))))
        field_, slope = random_surface(rng, density.shape, px, length)
        level = float(rng.normal(0, 0.8))
        inside = field_ > level if inside is None else inside
        distance = field_.sub_(level).div_(slope)
        amplitude = float(rng.uniform(0.4, 1.2))
        gap = float(rng.uniform(12, 50))
        copies = int(rng.choice([1, 1, 1, 2, 2, 4]))
        for _ in range(copies):
            add_bilayer(density, distance, amplitude)
            distance -= gap
    assert inside is not None
    return inside


def _add_vesicles(rng: np.random.Generator, density: torch.Tensor, px: float) -> None:
    extent = np.array(density.shape) * px
    radius_scale = float(np.exp(rng.uniform(np.log(15), np.log(120))))
    n = int(np.clip(rng.poisson(0.1 * np.prod(extent) / (4.2 * radius_scale**3)), 1, 150))
    for _ in range(n):
        radius = radius_scale * float(rng.lognormal(0, 0.3))
        radii = np.maximum(radius * rng.uniform(0.7, 1.3, 3), 8.0)
        centre = rng.random(3) * extent / px
        lumen = float(rng.choice([0.0, 0.0, 0.1, 0.3]) * rng.random())
        amplitude = float(rng.uniform(0.4, 1.2))
        add_ellipsoid(density, centre, radii, px, amplitude, lumen)
        if rng.random() < 0.15 and radii.min() > 25:
            add_ellipsoid(density, centre, radii - rng.uniform(10, 16), px, amplitude, 0.0)


def _add_granules(rng: np.random.Generator, density: torch.Tensor, px: float) -> None:
    """Add dense bodies with soft or hard edges: lipid droplets, glycogen, condensates."""
    length = float(np.exp(rng.uniform(np.log(12), np.log(80))))
    field_, _ = random_surface(rng, density.shape, px, length)
    edge = float(rng.uniform(0.05, 0.4))
    level = float(rng.uniform(1.2, 2.2))
    density += float(rng.uniform(0.2, 1.0)) * torch.sigmoid((field_ - level) / edge)


def _clouds(
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    px: float,
    contents: tuple[str, ...],
    inside: torch.Tensor | None,
) -> list[np.ndarray]:
    """Clouds of points, (n, 3) in nm, of all macromolecules."""
    extent = np.array(shape) * px
    volume = float(np.prod(extent))
    clouds = []
    if "ribosomes" in contents:
        n = rng.poisson(volume * np.exp(rng.uniform(np.log(2e-7), np.log(1e-5))))
        for centres in np.array_split(_centres(rng, int(n), extent, px, inside), 4):
            clouds.append(mm.place(rng, mm.ribosome(rng), centres))
    if "complexes" in contents:
        clouds += _complexes(rng, volume, extent, px, inside)
    if "filaments" in contents:
        clouds += _filaments(rng, extent)
    return [cloud for cloud in clouds if len(cloud)]


def _complexes(
    rng: np.random.Generator,
    volume: float,
    extent: np.ndarray,
    px: float,
    inside: torch.Tensor | None,
) -> list[np.ndarray]:
    """Crowded complexes of 3 to 14 nm that fill 1 to 40 % of the volume."""
    sparse = float(np.exp(rng.uniform(np.log(0.01), np.log(0.2))))
    filling = sparse if rng.random() < 0.5 else float(rng.uniform(0.1, 0.4))
    n_points = filling * volume / mm.POINT_VOLUME_NM3
    largest = float(rng.uniform(5, 14))
    kinds = [mm.blob(rng, float(rng.uniform(3, largest))) for _ in range(int(rng.integers(3, 20)))]
    fractions = rng.dirichlet(np.ones(len(kinds)))
    clouds = []
    for template, part in zip(kinds, fractions):
        copies = int(part * n_points / len(template))
        clouds.append(mm.place(rng, template, _centres(rng, copies, extent, px, inside)))
    return clouds


def _centres(
    rng: np.random.Generator, n: int, extent: np.ndarray, px: float, inside: torch.Tensor | None
) -> np.ndarray:
    """Random positions, (n, 3) in nm; with a compartment most of them lie inside it."""
    centres = rng.random((n, 3)) * extent
    if inside is None or not n:
        return centres
    index = np.minimum((centres / px).astype(int), np.array(inside.shape) - 1)
    keep = inside.numpy()[index[:, 0], index[:, 1], index[:, 2]] | (rng.random(n) < 0.25)
    return centres[keep]


def _filaments(rng: np.random.Generator, extent: np.ndarray) -> list[np.ndarray]:
    clouds = []
    for make, maximum in ((mm.microtubule, 12), (mm.actin, 80)):
        if rng.random() < 0.6:
            for _ in range(int(rng.integers(1, maximum))):
                length = float(rng.uniform(0.2, 1.2) * extent[2])
                clouds.append(make(rng, rng.random(3) * extent, length))
    return clouds


def slab_mask(
    rng: np.random.Generator, shape: tuple[int, int, int], pixel_nm: float
) -> torch.Tensor:
    """A slab with wavy, slightly tilted surfaces inside the volume, 1 inside and 0 outside.

    Args:
        rng: source of randomness.
        shape: (z, y, x).
        pixel_nm: pixel size in nm.

    Returns:
        (z, y, x) float32, 0 to 1.
    """
    nz, ny, nx = shape
    y = torch.linspace(-1, 1, ny)[:, None]
    x = torch.linspace(-1, 1, nx)[None, :]
    surfaces = []
    for _ in range(2):
        slope_y, slope_x = rng.uniform(0, 0.08, 2) * nz
        phase = rng.uniform(0, 2 * np.pi, 2)
        dip_y = slope_y * (1 + torch.sin(3 * y + phase[0]))
        surfaces.append(dip_y + slope_x * (1 + torch.sin(3 * x + phase[1])))
    z = torch.arange(nz, dtype=torch.float32)[:, None, None]
    below = (z - surfaces[0].float()).add_(0.5).clamp_(0, 1)
    return below.mul_((nz - 0.5 - surfaces[1].float() - z).clamp_(0, 1))


def surfaces_nm(mask: torch.Tensor, pixel_nm: float) -> tuple[float, float]:
    """Heights (lower, upper) of the planes of a (z, y, x) mask with at least half specimen."""
    inside = (mask.mean(dim=(1, 2)) >= 0.5).nonzero()
    middle = len(mask) / 2
    return (float(inside[0]) - middle) * pixel_nm, (float(inside[-1]) + 1 - middle) * pixel_nm
