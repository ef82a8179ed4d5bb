# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations after reconstruction invent no structure and keep the sign of contrast."""

import numpy as np
import pytest
import torch
from small_worlds import GRID, texture

from tomoscore_scipion.simulation import postprocessing
from tomoscore_scipion.simulation.appearance import finish, quantise
from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.phantoms import (
    SPECTRA,
    PhantomRecipe,
    _leaves,
    noise_planes,
    phantom,
    phantom_planes,
    random_phantom_recipe,
)
from tomoscore_scipion.simulation.recipe import POST_PROCESSING, TRAINED, Recipe
from tomoscore_scipion.simulation.truth import tile_curves

OPERATIONS = sorted(postprocessing.OPERATIONS)


def noise(seed, planes=5, n=128):
    return torch.randn((planes, n, n), generator=torch.Generator().manual_seed(seed))


def rng(seed=0):
    return np.random.default_rng(seed)


def mean_curve(stack, matter, dark_matter=True):
    curves = [tile_curves(plane, matter, GRID, dark_matter) for plane in stack]
    return torch.stack(curves).mean(dim=(0, 1, 2))


def test_every_operation_of_a_recipe_exists():
    assert {*postprocessing.OPERATIONS, TRAINED} == set(POST_PROCESSING)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_keep_shape_and_stay_finite(name, strength):
    for stack in (noise(0), torch.zeros((1, 64, 64)), noise(1, 3, 50)):
        out = postprocessing.OPERATIONS[name](stack.clone(), strength)
        assert out.shape == stack.shape
        assert torch.isfinite(out).all()


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_on_noise_create_no_structure(name):
    curves = [
        mean_curve(postprocessing.OPERATIONS[name](noise(seed), 0.8), texture(100 + seed))
        for seed in range(5)
    ]
    # In the coarsest band a field of 192 nm has only a few waves: chance correlations are large.
    mean = torch.stack(curves).mean(dim=0).abs()
    assert mean[0] < 0.4
    assert mean[1:].max() < 0.12


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_keep_structure_and_its_sign(name):
    matter = texture(7)
    stack = -matter + 0.3 * noise(8) * matter.std()
    curve = mean_curve(postprocessing.OPERATIONS[name](stack, 0.3), matter)
    assert curve[:3].min() > 0.7


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"none", "deconvolution"}))
def test_denoisers_reduce_noise(name):
    stack = noise(2)
    out = postprocessing.OPERATIONS[name](stack.clone(), 0.6)
    roughness = [float(torch.diff(s, dim=2).std()) for s in (out, stack)]
    assert roughness[0] < 0.9 * roughness[1]


@pytest.mark.parametrize(("kind", "levels"), [("int8", 127), ("int16", 32767)])
def test_quantised_values_are_whole_numbers_over_six_standard_deviations(kind, levels):
    stack = noise(3)
    stack[0, 0, 0] = 1e4
    out = quantise(stack / stack.std(), kind)
    assert torch.equal(out, out.round())
    assert float(out.abs().max()) == levels
    ordinary = quantise(noise(3), kind)
    assert float(ordinary.std()) == pytest.approx(levels / 6, rel=0.02)


def test_float_tomograms_are_not_changed():
    assert torch.equal(quantise(noise(4), "float32"), noise(4))


def test_quantisation_to_8_bits_hardly_changes_a_tomogram():
    stack = noise(5)
    coarse = quantise(stack, "int8")
    assert float(torch.corrcoef(torch.stack([coarse.flatten(), stack.flatten()]))[0, 1]) > 0.999


def test_contrast_can_be_inverted():
    dark = finish(rng(), noise(6), Recipe(dark_matter=True), 1.5)
    light = finish(rng(), noise(6), Recipe(dark_matter=False), 1.5)
    torch.testing.assert_close(light, -dark)


def test_borders_are_constant_and_do_not_change_the_rest():
    plain = finish(rng(1), noise(7), Recipe(), 1.5)
    widths = []
    for seed in range(12):
        framed = finish(rng(seed), noise(7), Recipe(border_nm=60.0), 1.5)
        changed = (framed != plain).any(dim=0)
        fill = framed[:, changed]
        assert fill.numel() == 0 or fill.min() == fill.max()
        assert not changed[40:-40, 40:-40].any()
        widths.append(int(changed.sum()))
    assert max(widths) > 0


def test_gradients_are_smooth_and_strong():
    plain = finish(rng(2), noise(8), Recipe(), 1.5)
    tilted = finish(rng(2), noise(8), Recipe(gradient=3.0), 1.5)
    added = (tilted - plain)[0]
    assert float(added.abs().max()) > 0.5
    assert float(torch.diff(added, dim=1).abs().max()) < 0.2


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_noise_of_any_texture_has_unit_variance_and_no_resolvability(spectrum):
    recipe = PhantomRecipe(0.0, 1.0, spectrum, 0.3, z_correlation=1.0)
    planes = noise_planes(torch.Generator().manual_seed(0), 5, 128, recipe, 1.5)
    assert planes.shape == (5, 128, 128)
    assert float(planes.std()) == pytest.approx(1.0, abs=1e-3)
    curve = torch.stack([mean_curve(planes, texture(50 + i)) for i in range(4)]).mean(dim=0)
    assert curve[2:].abs().max() < 0.15


def test_noise_can_be_correlated_between_planes():
    def correlation(z_correlation):
        recipe = PhantomRecipe(0.0, 1.0, "white", 0.5, z_correlation)
        a, b = noise_planes(torch.Generator().manual_seed(1), 7, 128, recipe, 1.5)[3:5]
        return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])

    assert abs(correlation(0.0)) < 0.05
    assert correlation(4.5) > 0.8


def test_added_white_noise_is_not_correlated_between_planes():
    def correlation(white):
        recipe = PhantomRecipe(0.0, 1.0, "smoothed", 0.3, z_correlation=20.0, white=white)
        a, b = noise_planes(torch.Generator().manual_seed(1), 7, 128, recipe, 1.5)[3:5]
        return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])

    assert correlation(0.0) > 0.95
    assert correlation(1.0) == pytest.approx(0.5, abs=0.05)


def test_an_unknown_texture_is_refused():
    with pytest.raises(ValueError, match="plaid"):
        PhantomRecipe(0.0, 1.0, "plaid", 0.5)


def test_more_noise_on_matter_lowers_its_curve():
    matter = texture(9)
    curves = []
    for ratio in (0.1, 1.0, 5.0):
        direct = PhantomRecipe(0.0, ratio, "white", 0.5)
        _, stack = phantom_planes(rng(), matter[None], GRID, direct, Recipe(), n_z=3)
        assert stack.shape == (3, 128, 128)
        curves.append(mean_curve(stack, matter)[3])
    assert curves[0] > 0.9
    assert curves[0] > curves[1] + 0.05 > curves[2] + 0.1


def test_random_noise_only_phantoms_have_no_resolvability():
    curves = []
    for seed in range(12):
        source = rng(seed)
        direct = random_phantom_recipe(source)
        empty = torch.zeros((1, 128, 128))
        _, stack = phantom_planes(source, empty, GRID, direct, Recipe(voxel_nm=2.0), n_z=3)
        assert stack.shape == (3, 96, 96)
        assert torch.isfinite(stack).all()
        curves.append(mean_curve(stack[1:2], texture(seed)))
    assert torch.stack(curves).mean(dim=0)[1:].abs().max() < 0.12


def test_overlapping_leaves_do_not_add_up():
    """An object that covers another shows its own density, not the sum of both."""
    for seed in range(4):
        plane = _leaves(rng(seed), Grid(n=256), 40.0)
        assert float(plane.min()) >= 0
        assert float(plane.max()) <= 1
        flat = plane.diff(dim=0).abs() < 1e-4
        assert float(flat.float().mean()) > 0.5


def test_phantoms_are_not_empty():
    for seed in range(4):
        plane = phantom(rng(seed), Grid())
        assert plane.shape == (512, 512)
        assert float(plane.std()) > 0.1
        assert float(plane.min()) >= 0
        assert float(plane.max()) <= 2
