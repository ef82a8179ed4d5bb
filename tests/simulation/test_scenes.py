# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes look like the specimens that they are named after; the old scenes remain available."""

import numpy as np
import pytest
import torch

from tomoscore_scipion.simulation import lamella
from tomoscore_scipion.simulation.canvas import Canvas
from tomoscore_scipion.simulation.contamination import add_hole_edge
from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.scenes import SCENES, draw_scene
from tomoscore_scipion.simulation.specimen import (
    DENSEST,
    INGREDIENTS,
    MIXTURE,
    random_specimen,
)
from tomoscore_scipion.simulation.worlds import WORLDS, is_old

SMALL = Grid(n=128)
THIN = (50.0, 60.0)


def rng(seed=0):
    return np.random.default_rng(seed)


def canvas(seed=0, without=()):
    return Canvas(rng(seed), (32, 128, 128), 1.5, without)


@pytest.mark.parametrize("scene", SCENES)
def test_every_scene_contains_its_ingredients(scene):
    specimen = random_specimen(rng(), SMALL, ("contamination",), THIN, empty=False, scene=scene)
    assert specimen.scene == scene
    assert set(SCENES[scene].needs) <= set(specimen.contents) <= set(INGREDIENTS)
    assert torch.isfinite(specimen.density).all()
    assert float(specimen.density.min()) >= 0
    assert 0.3 < float(specimen.density.max()) <= DENSEST


@pytest.mark.parametrize("left_out", INGREDIENTS)
def test_scenes_are_drawn_only_if_their_ingredients_are_allowed(left_out):
    drawn = {draw_scene(rng(seed), (left_out,)) for seed in range(60)}
    assert MIXTURE in drawn
    assert not any(left_out in SCENES[name].needs for name in drawn - {MIXTURE})


def test_all_scenes_are_drawn_and_mixtures_about_every_third_time():
    drawn = [draw_scene(rng(seed), ()) for seed in range(400)]
    assert set(drawn) == {*SCENES, MIXTURE}
    assert 0.27 < drawn.count(MIXTURE) / 400 < 0.43


def test_a_cell_is_surrounded_by_ice():
    shares = []
    for seed in range(12):
        specimen = random_specimen(
            rng(seed), SMALL, ("contamination",), THIN, empty=False, scene="cell_in_ice"
        )
        middle = specimen.density[len(specimen.density) // 2]
        blocks = middle.reshape(8, 16, 8, 16).mean(dim=(1, 3))
        shares.append(float((blocks < 0.02).float().mean()))
    assert sum(share > 0.1 for share in shares) >= 5


def test_virions_keep_their_minimum_distance():
    places = canvas().separated_points(8, 50.0, None, 0.0)
    assert len(places) >= 2
    for i, place in enumerate(places):
        gap = np.abs(places[i + 1 :] - place)
        gap[:, 1:] = np.minimum(gap[:, 1:], 192 - gap[:, 1:])
        assert (np.linalg.norm(gap, axis=1) >= 50).all()


def test_proteins_stay_on_their_side_of_a_membrane():
    c = canvas()
    inside = c.compartment(80.0, 0.5)
    c.proteins(0.3, inside)
    c.solidify()
    assert float(c.density[inside > 8].mean()) > 0.15
    assert float(c.density[inside < -5].abs().max()) == 0


def test_soluble_proteins_fill_the_requested_share():
    c = canvas()
    c.proteins(0.3, None)
    assert float(c.density[1:].mean()) == pytest.approx(0.3, rel=0.15)  # sizes vary: a little more


@pytest.mark.parametrize("length_nm", [30.0, 120.0])
def test_a_compartment_has_the_requested_share_and_true_distances(length_nm):
    c = canvas(3)
    inside = c.compartment(length_nm, 0.4)
    assert float((inside > 0).float().mean()) == pytest.approx(0.4, abs=0.12)
    near = inside.abs() < 4
    slope = torch.stack(torch.gradient(inside, spacing=1.5)).norm(dim=0)[near]
    assert float(slope.median()) == pytest.approx(1.0, abs=0.25)


def test_scenes_wrap_round_the_field():
    c = canvas(1)
    for distance in (c.rod(40.0, 60.0), c.compartment(100.0, 0.5)):
        steps = (distance[:, 0] - distance[:, -1]).abs(), (distance[:, 1] - distance[:, 0]).abs()
        assert float(steps[0].median()) < 2 * float(steps[1].median()) + 0.5


def test_faces_of_a_lamella_have_no_structure():
    density = torch.ones((40, 32, 32))
    lamella.mill(rng(), density)
    assert float(density[0].max()) == float(density[-1].max()) == 0
    assert float(density[20].min()) == 1


def test_dirt_lies_on_the_faces_only():
    scatter = torch.zeros((60, 64, 64))
    lamella.soil(rng(), scatter, Grid(n=64))
    assert float(scatter[15:45].abs().max()) == 0
    assert float(scatter[0].abs().max()) > 0
    assert float(scatter[-1].abs().max()) > 0


def test_the_carbon_film_has_a_hole():
    scatter = torch.zeros((40, 128, 128))
    add_hole_edge(rng(2), scatter, SMALL)
    film = scatter.abs().sum(dim=0) > 1
    assert 0.05 < float(film.float().mean()) < 0.95


def test_an_unknown_scene_or_world_is_refused():
    with pytest.raises(ValueError, match="scene: expected one of .* got 'moon'"):
        random_specimen(rng(), SMALL, scene="moon")
    with pytest.raises(ValueError, match="world: expected one of .* got '9'"):
        is_old("9")


def test_the_old_world_has_only_mixtures():
    assert WORLDS[0] == "0.1"
    found = {random_specimen(rng(s), Grid(n=64), (), THIN, world="0.1").scene for s in range(8)}
    assert found == {MIXTURE}
