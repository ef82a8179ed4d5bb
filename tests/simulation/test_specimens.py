# SPDX-License-Identifier: GPL-3.0-or-later
"""Ingredients of specimens have their natural sizes."""

import numpy as np
import pytest
import torch

from tomoscore_scipion.simulation import macromolecules as mm
from tomoscore_scipion.simulation.contamination import GOLD_DENSITY, add_beads
from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.membranes import add_ellipsoid, bilayer, random_surface
from tomoscore_scipion.simulation.specimen import (
    DENSEST,
    INGREDIENTS,
    random_specimen,
    slab_mask,
    surfaces_nm,
)

TINY = Grid(n=96)
THIN = (40.0, 40.0)


def rng(seed=0):
    return np.random.default_rng(seed)


def peaks(values):
    middle = values[1:-1]
    return ((middle > values[:-2]) & (middle >= values[2:])).nonzero()[:, 0] + 1


def distances_from_own_axis(points):
    """Distance of each point of a straight filament from its long axis."""
    centred = points - points.mean(axis=0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    return np.linalg.norm(centred - np.outer(centred @ axis, axis), axis=1)


def test_leaflets_of_a_bilayer_are_4_nm_apart():
    distance = torch.linspace(-8, 8, 1601)
    found = distance[peaks(bilayer(distance, 1.0))]
    assert found.tolist() == pytest.approx([-2.0, 2.0], abs=0.02)


def test_a_vesicle_is_closed_by_a_bilayer_at_its_radius():
    volume = torch.zeros((81, 96, 96))
    add_ellipsoid(volume, np.array([40.0, 48.0, 48.0]), np.full(3, 15.0), 0.5, 1.0, 0.3)
    for line in (volume[40, 48, :], volume[40, :, 48], volume[:, 48, 48]):
        radii = (peaks(line) - (len(line) - 1) // 2 - (len(line) % 2 == 0) * 1) * 0.5
        assert radii.tolist() == pytest.approx([-17.0, -13.0, 13.0, 17.0], abs=0.5)
    assert float(volume[40, 48, 48]) == pytest.approx(0.3)


def test_vesicles_wrap_round_the_field_and_end_with_the_slab():
    volume = torch.zeros((8, 64, 64))
    add_ellipsoid(volume, np.array([0.0, 0.0, 0.0]), np.full(3, 20.0), 1.5, 1.0, 0.0)
    torch.testing.assert_close(volume[:, 1:32], volume[:, 33:].flip(1), rtol=0, atol=1e-3)
    add_ellipsoid(volume, np.array([-90.0, 0.0, 0.0]), np.full(3, 20.0), 1.5, 1.0, 0.0)


def test_random_surfaces_have_unit_variance_and_the_correct_slope():
    field, slope = random_surface(rng(), (64, 128, 128), 1.5, 20.0)
    assert field.shape == slope.shape == (64, 128, 128)
    assert float(field.std()) == pytest.approx(1.0, abs=0.25)
    distance = (field / slope)[12:]
    gradient = torch.stack(torch.gradient(distance, spacing=1.5)).norm(dim=0)
    assert float(gradient[distance.abs() < 3].median()) == pytest.approx(1.0, abs=0.1)


def test_random_surfaces_are_periodic_in_the_field():
    field, _ = random_surface(rng(1), (16, 128, 128), 1.5, 30.0)
    inside = (field[:, :, 1:] - field[:, :, :-1]).abs().max()
    assert (field[:, :, 0] - field[:, :, -1]).abs().max() <= 1.2 * inside
    assert (field[:, 0] - field[:, -1]).abs().max() <= 1.2 * inside


def test_a_microtubule_is_a_tube_25_nm_wide():
    for seed in range(5):
        away = distances_from_own_axis(mm.microtubule(rng(seed), np.zeros(3), 60.0))
        assert np.median(away) == pytest.approx(10.8, abs=0.7)
        assert 2 * np.quantile(away, 0.95) == pytest.approx(25, abs=1.5)
        assert np.quantile(away, 0.01) > 7  # hollow


def test_actin_is_a_filament_7_nm_wide():
    away = distances_from_own_axis(mm.actin(rng(), np.zeros(3), 60.0))
    assert 2 * np.quantile(away, 0.95) == pytest.approx(7, abs=1.5)


def test_filaments_have_the_requested_length():
    path = mm.curve(rng(), np.array([5.0, 5.0, 5.0]), 400.0, 4.0, stiffness=20000.0)
    assert np.linalg.norm(np.diff(path, axis=0), axis=1) == pytest.approx(4.0)
    assert len(path) == 100


@pytest.mark.parametrize("diameter", [4.0, 9.0, 14.0])
def test_complexes_have_the_requested_size_and_density(diameter):
    clouds = [mm.blob(rng(seed), diameter) for seed in range(20)]
    for cloud in clouds:
        assert np.linalg.norm(cloud, axis=1).max() <= diameter / 2 + 1e-9
    full = 0.9 * np.pi / 6 * diameter**3 / mm.POINT_VOLUME_NM3
    assert max(len(cloud) for cloud in clouds) <= round(1.1 * full) + 2


def test_ribosomes_are_25_to_30_nm_across():
    clouds = [mm.ribosome(rng(seed)) for seed in range(20)]
    extents = [np.linalg.norm(c[:, None] - c[None], axis=-1).max() for c in clouds]
    assert 25 < np.mean(extents) < 30
    assert min(extents) > 22


def test_copies_keep_their_shape_in_every_orientation():
    template = mm.blob(rng(), 10.0)
    centres = np.array([[0.0, 0.0, 0.0], [50.0, -20.0, 300.0]])
    first, second = np.split(mm.place(rng(), template, centres), 2)
    radii = np.linalg.norm(template, axis=1)
    assert np.linalg.norm(first, axis=1) == pytest.approx(radii)
    assert np.linalg.norm(second - centres[1], axis=1) == pytest.approx(radii)
    assert np.abs(first - (second - centres[1])).max() > 1


def test_orientations_are_uniform():
    rotations = mm.random_rotations(rng(), 4000)
    assert np.linalg.det(rotations) == pytest.approx(1)
    assert rotations @ rotations.transpose(0, 2, 1) == pytest.approx(
        np.tile(np.eye(3), (4000, 1, 1))
    )
    turned = rotations @ np.array([0.0, 0.0, 1.0])
    assert np.abs(turned.mean(axis=0)).max() < 0.05
    assert (turned**2).mean(axis=0) == pytest.approx(1 / 3, abs=0.03)


def test_deposited_mass_is_that_of_the_points():
    points = rng().uniform([5, -30, -30], [55, 300, 300], (500, 3))
    mass = mm.deposit(points, (48, 64, 64), 1.5)
    assert float(mass.sum()) * 1.5**3 == pytest.approx(500 * mm.POINT_VOLUME_NM3, rel=1e-4)
    assert float(mass.min()) >= 0


def test_mass_is_deposited_where_the_points_are():
    mass = mm.deposit(np.array([[6.0, 9.0, 3.75], [-100.0, 0.0, 0.0]]), (8, 16, 16), 1.5)
    whole = mm.POINT_VOLUME_NM3 / 1.5**3
    assert float(mass[4, 6, 2]) == pytest.approx(whole / 2)
    assert float(mass[4, 6, 3]) == pytest.approx(whole / 2)
    assert float(mass.sum()) == pytest.approx(whole)  # the point outside is dropped


def test_blurring_keeps_mass_and_position():
    volume = torch.zeros((21, 32, 32))
    volume[10, 0, 31] = 1.0
    blurred = mm.blur(volume, 1.2)
    assert float(blurred.sum()) == pytest.approx(1.0, abs=1e-5)
    assert int(blurred.argmax()) == int(volume.argmax())
    torch.testing.assert_close(blurred[10, 1], blurred[10, -1])  # wraps round
    torch.testing.assert_close(blurred[9], blurred[11])


def test_gold_beads_have_the_returned_positions():
    scatter = torch.zeros((40, 96, 96))
    beads = add_beads(rng(3), scatter, TINY, 3)
    assert len(beads) == 3
    for bead in beads:
        z = bead.centre_nm[0] / 1.5 + 19.5
        y, x = (c / 1.5 for c in bead.centre_nm[1:])
        assert float(scatter[round(z), round(y) % 96, round(x) % 96]) >= 0.9 * GOLD_DENSITY


@pytest.mark.parametrize("left_out", INGREDIENTS)
def test_ingredients_can_be_left_out(left_out):
    drawn = set()
    for seed in range(8):
        specimen = random_specimen(rng(seed), TINY, (left_out,), THIN, empty=False)
        drawn.update(specimen.contents)
    assert left_out not in drawn
    assert drawn
    assert drawn <= set(INGREDIENTS)


@pytest.mark.parametrize("only", INGREDIENTS)
def test_every_ingredient_can_be_alone(only):
    without = tuple(set(INGREDIENTS) - {only}) + ("contamination",)
    found = [random_specimen(rng(s), TINY, without, (80.0, 80.0), empty=False) for s in range(6)]
    assert {specimen.contents for specimen in found} == {(only,)}
    assert max(float(specimen.density.max()) for specimen in found) > 0.2


def test_an_unknown_ingredient_is_refused():
    with pytest.raises(ValueError, match="unicorns"):
        random_specimen(rng(), TINY, ("unicorns",))


def test_a_specimen_is_a_slab_of_the_requested_thickness():
    for seed in range(5):
        specimen = random_specimen(rng(seed), TINY, (), (50.0, 60.0))
        low, high = specimen.slab_nm
        height = 1.5 * len(specimen.density)
        assert 49 < height < 61
        assert 50 <= specimen.ice_nm <= 60
        assert -height / 2 <= low < -height / 6 and height / 6 < high <= height / 2
        assert specimen.density.shape[1:] == (96, 96)
        heights = specimen.heights_nm()
        assert float(heights[0]) == -float(heights[-1])
        assert float(heights[1] - heights[0]) == pytest.approx(1.5)


def test_overlapping_matter_does_not_exceed_the_largest_density():
    for seed in range(10):
        density = random_specimen(rng(seed), TINY, (), THIN, empty=False).density
        assert float(density.min()) >= 0
        assert float(density.max()) <= DENSEST + 1e-5


def test_an_empty_specimen_has_no_density():
    specimen = random_specimen(rng(), TINY, ("contamination",), THIN, empty=True)
    assert specimen.contents == ()
    assert specimen.density.abs().max() == 0
    assert specimen.scatter.abs().max() == 0


def test_contamination_scatters_but_is_not_part_of_the_truth():
    differing = 0
    for seed in range(10):
        specimen = random_specimen(rng(seed), TINY, (), THIN, empty=True)
        assert specimen.density.abs().max() == 0
        differing += int(specimen.scatter.abs().max() > 0)
    assert differing >= 4
    clean = random_specimen(rng(), TINY, ("contamination",), THIN, empty=False)
    assert torch.equal(clean.density, clean.scatter)


def test_the_slab_mask_is_1_inside_and_smaller_at_the_surfaces():
    mask = slab_mask(rng(), (40, 96, 96), 1.5)
    assert mask.shape == (40, 96, 96)
    assert float(mask.min()) >= 0
    assert float(mask.max()) == 1.0
    assert mask[20].min() == 1.0
    assert mask[0].mean() < 1.0


def test_surfaces_are_where_half_of_a_plane_is_specimen():
    mask = torch.zeros((10, 4, 4))
    mask[2:9] = 1
    mask[2, 2:] = 0  # half
    mask[8, 1:] = 0  # a quarter
    assert surfaces_nm(mask, 1.5) == (-4.5, 4.5)
    assert surfaces_nm(torch.ones((10, 4, 4)), 2.0) == (-10.0, 10.0)


def test_density_is_lower_outside_of_the_surfaces():
    specimen = random_specimen(rng(3), Grid(n=96), (), (100.0, 120.0), empty=False)
    heights, matter = specimen.heights_nm(), specimen.density.mean(dim=(1, 2))
    low, high = specimen.slab_nm
    inside = (heights > low) & (heights < high)
    assert (~inside).any()
    assert float(matter[~inside].mean()) < 0.5 * float(matter[inside].mean())


def test_the_same_seed_gives_the_same_specimen():
    first, second = (random_specimen(rng(5), TINY, (), THIN) for _ in range(2))
    assert torch.equal(first.scatter, second.scatter)
    assert first.contents == second.contents
