# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated detector images: their counts, and the specimen that the engine reconstructs."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_worlds import GRID, PERFECT, crowded, point, specimen_of

from tomoscore_scipion.simulation.recipe import Recipe
from tomoscore_scipion.simulation.stack import Ageing, take_stack
from tomoscore_scipion.simulation.truth import plane_density, tile_curves
from tomoscore_scipion.tomography.backprojection import backproject

FINE = replace(PERFECT, tilt_step_deg=2.0, defocus_nm=4000.0, mean_free_path_nm=1e9)


def stack_of(specimen, recipe=FINE, ageing=None, seed=0):
    return take_stack(np.random.default_rng(seed), specimen, recipe, ageing)


def contrast(stack):
    return stack.counts / stack.counts.mean(dim=(1, 2), keepdim=True) - 1


def reconstructed(stack, n_z):
    shape = (n_z, *stack.counts.shape[1:])
    return backproject(contrast(stack), stack.scheme.tilts_deg.numpy(), shape_zyx=shape)


@pytest.mark.parametrize("index", [(20, 63, 64), (30, 40, 80), (8, 90, 50)])
def test_a_point_is_reconstructed_at_its_position_to_a_tenth_of_a_pixel(index):
    specimen = specimen_of(0.2 * point(index, sigma_nm=3.0))
    volume = -reconstructed(stack_of(specimen), 41).numpy()
    top = np.unravel_index(volume.argmax(), volume.shape)
    for axis, found in enumerate(top):
        line = np.moveaxis(volume, axis, 0)[(slice(None), *np.delete(top, axis))]
        left, middle, right = line[found - 1 : found + 2]
        place = found + 0.5 * (left - right) / (left - 2 * middle + right)
        assert place == pytest.approx(index[axis], abs=0.1)


def test_the_engine_reconstructs_the_simulated_specimen():
    specimen = crowded(thickness_nm=60.0)
    n_z = specimen.density.shape[0]
    volume = reconstructed(stack_of(specimen), n_z)
    middle = n_z // 2
    height = (middle - (n_z - 1) / 2) * GRID.pixel_nm
    density = plane_density(specimen.density, height, GRID.pixel_nm, GRID.pixel_nm)
    curve = tile_curves(volume[middle], density, GRID).mean(dim=(0, 1))
    # The missing wedge keeps even a perfect slice near 0.6 to 0.8, see the engine's bands.
    assert (curve[1:4] > 0.45).all()
    wrong = tile_curves(volume[middle], density.flip(0), GRID).mean(dim=(0, 1))
    assert (wrong[1:4].abs() < 0.3).all()


def test_counts_are_dose_times_area_times_transmission_of_the_ice():
    ice = specimen_of(torch.zeros((40, 128, 128)), ice_nm=150.0)
    recipe = Recipe(total_dose=100, tilt_step_deg=30, quantum_efficiency=0.5, mean_free_path_nm=250)
    stack = stack_of(ice, recipe)
    for tilt, image in zip(stack.scheme.tilts_deg.tolist(), stack.counts):
        expected = 0.5 * 100 / 5 * 225 * math.exp(-150 / 250 / math.cos(math.radians(tilt)))
        assert float(image.mean()) == pytest.approx(expected, rel=0.01)
        assert float(image.var()) == pytest.approx(expected, rel=0.05)


def spread_per_view(ageing, recipe=FINE):
    """Standard deviation of each view of a crowded specimen, in the order of acquisition."""
    stack = stack_of(crowded(thickness_nm=30.0), recipe, ageing)
    order = torch.argsort(stack.scheme.dose_before)
    return contrast(stack).std(dim=(1, 2))[order], stack


def test_mass_loss_reduces_contrast_exponentially_with_the_dose():
    recipe = replace(FINE, total_dose=1e9, damage=False)
    fresh, _ = spread_per_view(None, recipe)
    lossy, stack = spread_per_view(Ageing(mass_loss_dose=2.5e8), recipe)
    dose = torch.sort(stack.scheme.dose_middle).values
    torch.testing.assert_close(lossy / fresh, torch.exp(-dose / 2.5e8), rtol=0.01, atol=1e-3)


def test_drift_blurs_views_only_after_its_onset():
    recipe = replace(FINE, total_dose=100.0, quantum_efficiency=1.0, energy_filter=False)
    recipe = replace(recipe, total_dose=1e6)
    fresh, _ = spread_per_view(None, recipe)
    blurred, stack = spread_per_view(Ageing(drift_onset=5e5, blur_nm=1e-3), recipe)
    early = torch.sort(stack.scheme.dose_middle).values < 5e5
    torch.testing.assert_close(blurred[early], fresh[early], rtol=1e-3, atol=0)
    assert (blurred[~early][-5:] < 0.95 * fresh[~early][-5:]).all()


def test_the_same_seed_gives_the_same_stack():
    specimen = crowded(thickness_nm=30.0)
    one, same, other = (stack_of(specimen, Recipe(), seed=seed).counts for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
