# SPDX-License-Identifier: GPL-3.0-or-later
"""Typical fields of view: cells in ice, virions, synapses, cytoplasm, organelles, bundles.

A scene combines the allowed ingredients; it is drawn only if all its required ingredients are
allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import numpy as np
import torch

from tomoscore_scipion.simulation import macromolecules as mm
from tomoscore_scipion.simulation.canvas import Canvas
from tomoscore_scipion.simulation.membranes import ellipsoid_distance

STRAIGHT_NM = 1e7
"""Stiffness of microtubules that stabilise each other."""


def cell_in_ice(c: Canvas) -> None:
    """A cell with its envelope that covers part of the field, surrounded by ice."""
    width = c.extent_nm[1]
    if c.chance(0.6):
        radius = c.uniform(0.15, 0.46) * width
        inside = c.rod(radius, c.uniform(0, 1.2) * width)
    else:
        inside = c.compartment(c.uniform(0.2, 0.6) * width, c.uniform(0.2, 0.85))
    kind = str(c.rng.choice(["single", "double", "double", "wall"]))
    gap = c.uniform(18, 40) if kind == "double" else 0.0
    lumen = inside - gap
    crowded = lumen
    if c.chance(0.3):  # a nucleoid without ribosomes
        crowded = torch.minimum(lumen, c.compartment(c.uniform(25, 70), 0.7))
    _cytosol(c, crowded, c.uniform(0.05, 0.4))
    if c.chance(0.4):
        c.proteins(c.uniform(0.002, 0.05), -inside)
    if gap and c.chance(0.6):
        c.proteins(c.uniform(0.02, 0.15), torch.minimum(inside, -lumen))
    c.solidify()
    amplitude = c.uniform(0.6, 1.3)
    c.membrane(inside, amplitude)
    if kind == "double":
        c.membrane(lumen, amplitude * c.uniform(0.7, 1.1))
        c.layer(inside - c.uniform(8, 12), c.uniform(3, 6), c.uniform(0.1, 0.35), "membranes")
    if kind == "wall":
        c.layer(inside + c.uniform(15, 35), c.uniform(10, 30), c.uniform(0.15, 0.5), "membranes")
    if c.chance(0.3):
        c.layer(inside + c.uniform(9, 14), c.uniform(4, 7), c.uniform(0.3, 0.8), "membranes")
    if c.chance(0.3) and c.may("granules"):
        for centre in c.separated_points(int(c.rng.integers(1, 5)), 60, lumen, 40):
            c.ball(centre, c.rng.uniform(15, 45, 3), c.uniform(0.4, 1.2), c.uniform(1, 4))
    if c.chance(0.3):
        _vesicles(c, -inside, int(c.rng.integers(1, 8)), c.uniform(15, 40), 0.0)


def virions(c: Canvas) -> None:
    """Enveloped or naked particles of 60 to 150 nm, with spikes, in ice."""
    radius = c.uniform(25, 75)
    spiked = c.chance(0.65)
    spike = c.uniform(8, 20) if spiked else 0.0
    centres = c.separated_points(int(c.rng.integers(2, 16)), 2 * (radius + spike) + 4, None, 0)
    radii = [radius * c.rng.uniform(0.9, 1.1) * c.rng.uniform(0.93, 1.07, 3) for _ in centres]
    core = torch.full(c.shape, -1.0)
    for centre, r in zip(centres, radii):
        inside = ellipsoid_distance(c.shape, centre / c.px, r, c.px)
        if inside is not None:
            index, distance = inside
            core[index] = torch.maximum(core[index], -distance)
    c.proteins(c.uniform(0.05, 0.35), core)
    if c.chance(0.5):
        c.complexes(c.uniform(0.05, 0.25), core, c.uniform(8, 16), 3)
    if c.chance(0.4):
        c.proteins(c.uniform(0.001, 0.03), -core)
    if spiked and c.may("complexes"):
        _spikes(c, centres, radii, spike)
    c.solidify()
    amplitude, shell = c.uniform(0.6, 1.3), c.chance(0.6)
    thickness, density = c.uniform(5, 14), c.uniform(0.3, 0.9)
    for centre, r in zip(centres, radii):
        c.vesicle(centre, r, amplitude, 0.0, 1.0)
        if shell:
            c.ball(centre, r - 5, density, 1.0)
            c.ball(centre, np.maximum(r - 5 - thickness, 4), -density, 1.0)
    c.contents.add("vesicles")


def _spikes(c: Canvas, centres: np.ndarray, radii: list[np.ndarray], length_nm: float) -> None:
    """Add spikes, stalks with a head, over the surfaces."""
    stalk = np.stack([np.zeros(4), np.zeros(4), np.linspace(2, length_nm - 4, 4)], axis=1)
    head = mm.blob(c.rng, c.uniform(5, 9)) + np.array([0, 0, length_nm - 3])
    spike = np.concatenate([stalk, head])
    spacing = c.uniform(10, 30)
    for centre, r in zip(centres, radii):
        n = int(4 * np.pi * float(r.mean()) ** 2 / spacing**2)
        out = c.rng.standard_normal((n, 3))
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        helper = np.where(np.abs(out[:, :1]) < 0.9, [[1.0, 0, 0]], [[0, 1.0, 0]])
        first = np.cross(out, helper)
        first /= np.linalg.norm(first, axis=1, keepdims=True)
        frame = np.stack([first, np.cross(out, first), out], axis=2)
        turned = np.einsum("mij,nj->mni", frame, spike)
        c.cloud((turned + (centre + out * r)[:, None]).reshape(-1, 3))


def synapse(c: Canvas) -> None:
    """Plasma membranes, a cleft and many small vesicles with crisp membranes."""
    width = c.extent_nm[1]
    inside = c.compartment(c.uniform(0.3, 0.7) * width, c.uniform(0.5, 1.0))
    cleft = c.uniform(12, 30)
    other = -inside - cleft
    c.proteins(c.uniform(0.02, 0.2), inside, c.log_uniform(30, 150))
    c.proteins(c.uniform(0.02, 0.2), other, c.log_uniform(30, 150))
    if c.chance(0.5):
        c.complexes(c.uniform(0.01, 0.08), inside, 14)
    if c.chance(0.3):
        c.proteins(c.uniform(0.02, 0.15), torch.minimum(-inside, cleft + inside))
    if c.chance(0.3) and c.may("filaments"):
        _bundle(c, mm.microtubule, int(c.rng.integers(1, 4)), 40.0, 0.2)
    if c.chance(0.4) and c.may("filaments"):
        _bundle(c, mm.actin, int(c.rng.integers(5, 40)), 60.0, 1.5)
    c.solidify()
    amplitude = c.uniform(0.7, 1.3)
    c.membrane(inside, amplitude)
    if c.chance(0.8):
        c.membrane(other, amplitude)
    if c.chance(0.3):
        c.layer(other - c.uniform(8, 20), c.uniform(8, 24), c.uniform(0.1, 0.5), "complexes")
    n = int(c.volume_nm3 * c.log_uniform(4e-7, 4e-6))
    radius = c.uniform(16, 24)
    _vesicles(c, inside, n, radius, 0.08, amplitude)
    if c.chance(0.4):
        _vesicles(c, inside, int(c.rng.integers(1, 5)), c.uniform(25, 60), 0.25, amplitude)


def _vesicles(
    c: Canvas,
    inside: torch.Tensor,
    n: int,
    radius_nm: float,
    spread: float,
    amplitude: float | None = None,
) -> None:
    """Add vesicles of similar size that do not touch each other or membranes."""
    if not c.may("vesicles"):
        return
    amplitude = amplitude or c.uniform(0.6, 1.3)
    lumen = float(c.rng.choice([0.0, 0.0, 0.15, 0.4])) * float(c.rng.random())
    dense_cored = 0.2 if c.chance(0.3) else 0.0
    oval = c.uniform(0, 0.15)
    for centre in c.separated_points(n, 2 * radius_nm + 3, inside, radius_nm + 3):
        radius = radius_nm * (1 + spread * float(c.rng.standard_normal()))
        radii = np.maximum(radius * (1 + oval * c.rng.uniform(-1, 1, 3)), 9.0)
        c.vesicle(centre, radii, amplitude, lumen, 0.0)
        if c.chance(dense_cored):
            c.ball(centre, radii - 7, c.uniform(0.4, 1.2), 1.5)


def cytoplasm(c: Canvas) -> None:
    """Cytoplasm crowded with proteins, complexes and ribosomes, in some cases with a membrane."""
    parted = c.chance(0.5)
    inside = c.compartment(c.uniform(60, 200), c.uniform(0.3, 0.9)) if parted else None
    _cytosol(c, inside, c.uniform(0.15, 0.4))
    if inside is not None:
        c.proteins(c.uniform(0.02, 0.3), -inside, c.log_uniform(30, 200))
    if c.chance(0.2) and c.may("filaments"):
        _bundle(c, mm.microtubule, int(c.rng.integers(1, 6)), 60.0, 0.3)
    if c.chance(0.2) and c.may("filaments"):
        _bundle(c, mm.actin, int(c.rng.integers(5, 80)), 80.0, 1.0)
    c.solidify()
    if inside is not None:
        c.membrane(inside, c.uniform(0.6, 1.2))
    if c.chance(0.3):
        free = inside if inside is not None else torch.full(c.shape, 1e3)
        _vesicles(c, free, int(c.rng.integers(1, 15)), c.uniform(18, 60), 0.2)


def _cytosol(c: Canvas, inside: torch.Tensor | None, filling: float) -> None:
    """Add the proteins, complexes and ribosomes of a crowded compartment."""
    c.proteins(0.7 * filling, inside, c.log_uniform(30, 200))
    c.complexes(0.3 * filling * c.uniform(0, 1), inside, c.uniform(8, 18))
    if c.chance(0.75):
        c.ribosomes(c.log_uniform(1e-6, 2.5e-5), inside)


def organelles(c: Canvas) -> None:
    """A mitochondrion, stacked cisternae or the envelope of a nucleus, in cytoplasm."""
    (_mitochondrion, _stack, _stack, _stack, _nucleus)[int(c.rng.integers(5))](c)


def _mitochondrion(c: Canvas) -> None:
    outer = c.compartment(c.uniform(100, 250), c.uniform(0.3, 0.8))
    matrix = outer - c.uniform(16, 26)
    fold = c.layers(c.uniform(40, 110), c.uniform(5, 25))
    width = c.uniform(7, 12)
    cristae = torch.minimum(matrix - c.uniform(3, 15), width - fold)
    _cytosol(c, -outer, c.uniform(0.05, 0.35))
    c.proteins(c.uniform(0.15, 0.4), torch.minimum(matrix, -cristae), c.log_uniform(30, 120))
    c.proteins(c.uniform(0.0, 0.15), cristae)
    c.solidify()
    amplitude = c.uniform(0.6, 1.2)
    for distance in (outer, matrix, cristae):
        c.membrane(distance, amplitude)
    if c.chance(0.3) and c.may("granules"):
        for centre in c.separated_points(5, 40, matrix, 20):
            c.ball(centre, np.full(3, c.uniform(8, 18)), c.uniform(0.4, 1.0), 1.5)


def _stack(c: Canvas) -> None:
    """Add parallel sheets in all or part of the field: reticulum, thylakoids or Golgi."""
    spacing = c.log_uniform(24, 110)
    width = c.uniform(0.15, 0.38) * spacing
    sheets = width - c.layers(spacing, c.uniform(2, 25))
    if c.chance(0.5):
        sheets = torch.minimum(sheets, c.compartment(c.uniform(60, 200), c.uniform(0.3, 0.8)))
    c.proteins(c.uniform(0.0, 0.3), -sheets, c.log_uniform(30, 200))
    c.proteins(c.uniform(0.0, 0.2), sheets, c.log_uniform(30, 150))
    if spacing > 50 and c.chance(0.6):
        c.ribosomes(c.log_uniform(2e-6, 2e-5), -sheets)
    if c.chance(0.4):
        c.complexes(c.uniform(0.02, 0.15), -sheets, c.uniform(8, 16))
    c.solidify()
    c.membrane(sheets, c.uniform(0.6, 1.3))


def _nucleus(c: Canvas) -> None:
    outer = c.compartment(c.uniform(120, 280), c.uniform(0.3, 0.7))
    nucleus = outer - c.uniform(22, 45)
    patches = c.compartment(c.uniform(12, 40), c.uniform(0.3, 0.7))
    _cytosol(c, -outer, c.uniform(0.1, 0.4))
    c.proteins(c.uniform(0.02, 0.15), nucleus, c.log_uniform(30, 200))
    chromatin = torch.minimum(nucleus, patches)
    c.complexes(c.uniform(0.05, 0.35), chromatin, 12, 3)
    c.solidify()
    amplitude = c.uniform(0.6, 1.2)
    c.membrane(outer, amplitude)
    c.membrane(nucleus, amplitude)


def bundles(c: Canvas) -> None:
    """Parallel microtubules, with or without a sheath, or a mesh or bundle of actin."""
    background = c.uniform(0, 0.25)
    sheath = None
    if c.chance(0.5):
        sheath = c.rod(c.uniform(0.15, 0.4) * c.extent_nm[1], 3 * c.extent_nm[1])
    c.proteins(background, sheath, c.log_uniform(30, 150))
    if c.chance(0.3):
        c.complexes(c.uniform(0.01, 0.1), sheath, 14)
    c.may("filaments")
    if c.chance(0.55):
        n = int(c.rng.integers(4, 30))
        _bundle(c, mm.microtubule, n, c.uniform(28, 70), float(c.rng.choice([0.02, 0.1, 0.4])))
    else:
        _bundle(c, mm.actin, int(c.rng.integers(40, 300)), c.uniform(9, 25), c.log_uniform(0.05, 3))
    c.solidify()
    if sheath is not None:
        c.membrane(sheath, c.uniform(0.6, 1.2))


def _bundle(
    c: Canvas, make: Callable[..., np.ndarray], n: int, spacing_nm: float, disorder: float
) -> None:
    """Add nearly parallel filaments with a minimum spacing between their start points."""
    angle = c.uniform(0, 2 * np.pi)
    common = np.array([c.uniform(-0.1, 0.1), np.sin(angle), np.cos(angle)])
    length = c.extent_nm[1]
    for start in c.separated_points(n, spacing_nm, None, 0):
        direction = common + disorder * c.rng.standard_normal(3) * np.array([0.4, 1.0, 1.0])
        part = length * (1.0 if disorder < 0.2 else c.uniform(0.3, 1.0))
        c.cloud(make(c.rng, start, part, direction / np.linalg.norm(direction)))


def axonemes(c: Canvas) -> None:
    """Flagella or cilia: nine doublets of microtubules around two singlets, in a membrane."""
    along = 1 if c.chance(0.5) else 2
    across = 3 - along
    width = c.extent_nm[along]
    inside = torch.full(c.shape, -1e3)
    c.may("filaments")
    for centre in c.separated_points(int(c.rng.integers(1, 4)), 230, None, 0):
        inside = torch.maximum(inside, _tube(c, centre, across, c.uniform(112, 135)))
        _nine_and_two(c, centre, along, across, width)
    c.proteins(c.uniform(0.01, 0.2), inside, c.log_uniform(30, 150))
    c.complexes(c.uniform(0, 0.08), inside, 14)
    if c.chance(0.4):
        c.proteins(c.uniform(0.002, 0.1), -inside)
    c.solidify()
    if c.chance(0.85):
        c.membrane(inside, c.uniform(0.6, 1.3))


def _tube(c: Canvas, centre_nm: np.ndarray, across: int, radius_nm: float) -> torch.Tensor:
    """Distance from a straight tube through a point, positive inside."""
    z = (torch.arange(c.shape[0]) * c.px - float(centre_nm[0]))[:, None, None]
    n = c.shape[across]
    line = torch.remainder(
        torch.arange(n) * c.px - float(centre_nm[across]) + n * c.px / 2, n * c.px
    )
    line = line - n * c.px / 2
    side = line[None, :, None] if across == 1 else line[None, None, :]
    return (radius_nm - (z**2 + side**2).sqrt()).expand(c.shape)


def _nine_and_two(
    c: Canvas, centre_nm: np.ndarray, along: int, across: int, length_nm: float
) -> None:
    direction, up, side = (np.eye(3)[axis] for axis in (along, 0, across))
    phase, radius = c.uniform(0, 2 * np.pi), c.uniform(78, 90)
    base = centre_nm * (1 - direction)
    starts = [base + offset * side for offset in (-15.0, 15.0)]
    for angle in phase + np.arange(9) * 2 * np.pi / 9:
        out = np.cos(angle) * side + np.sin(angle) * up
        tangent = np.cos(angle) * up - np.sin(angle) * side
        starts += [base + radius * out, base + (radius + 4) * out + 19 * tangent]
    for start in starts:
        c.cloud(mm.microtubule(c.rng, start, length_nm, direction, STRAIGHT_NM))


def particles(c: Canvas) -> None:
    """Purified complexes, ribosomes and shells in thin ice."""
    c.complexes(c.log_uniform(0.001, 0.03), None, c.uniform(10, 24), int(c.rng.integers(1, 6)))
    c.proteins(c.uniform(0, 0.04), None, c.log_uniform(30, 150))
    if c.chance(0.6):
        c.ribosomes(c.log_uniform(2e-7, 5e-6), None)
    c.solidify()
    if c.chance(0.5) and c.may("granules"):
        radius = c.uniform(6, 18)
        for centre in c.separated_points(int(c.rng.integers(2, 40)), 2 * radius, None, 0):
            c.ball(centre, np.full(3, radius), c.uniform(0.5, 1.0), 0.8)
            c.ball(centre, np.full(3, 0.7 * radius), -0.5, 0.8)


@dataclass(frozen=True)
class Scene:
    """A scene: painting function, odds, required ingredients, and fraction of lamellae."""

    paint: Callable[[Canvas], None]
    odds: float
    needs: tuple[str, ...]
    lamella: float = 0.0


MIXTURE_ODDS = 0.28
"""Odds of a free mixture, which has no required ingredients."""
SCENES = {
    "cell_in_ice": Scene(cell_in_ice, 0.12, ("membranes", "complexes")),
    "virions": Scene(virions, 0.07, ("vesicles", "complexes")),
    "synapse": Scene(synapse, 0.1, ("membranes", "vesicles", "complexes"), 0.15),
    "cytoplasm": Scene(cytoplasm, 0.13, ("complexes",), 0.6),
    "organelles": Scene(organelles, 0.17, ("membranes", "complexes"), 0.6),
    "bundles": Scene(bundles, 0.06, ("filaments",), 0.15),
    "axonemes": Scene(axonemes, 0.05, ("filaments", "membranes", "complexes")),
    "particles": Scene(particles, 0.04, ("complexes",)),
}
"""Scenes by name; their odds are relative to `MIXTURE_ODDS`."""


def draw_scene(rng: np.random.Generator, without: tuple[str, ...]) -> str:
    """Draw the name of a scene with all required ingredients allowed, or "mixture"."""
    names = [name for name, scene in SCENES.items() if not set(scene.needs) & set(without)]
    odds = np.array([SCENES[name].odds for name in names] + [MIXTURE_ODDS])
    return str(rng.choice([*names, "mixture"], p=odds / odds.sum()))
