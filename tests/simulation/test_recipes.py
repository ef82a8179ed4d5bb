# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes are valid, vary every axis of quality, and can have fixed parameters."""

import math
from dataclasses import asdict, fields

import numpy as np
import pytest

from tomoscore_scipion.simulation.quality import QUALITIES
from tomoscore_scipion.simulation.recipe import (
    AXES,
    FILTERS,
    ORDERS,
    POST_PROCESSING,
    RANGES,
    Recipe,
    ordinary_recipe,
    random_recipe,
    raw_recipe,
)
from tomoscore_scipion.simulation.tilt_scheme import tilt_scheme

DRAWN = [random_recipe(np.random.default_rng(seed)) for seed in range(500)]


def test_500_random_recipes_are_valid_and_can_be_acquired():
    for recipe in DRAWN:  # a recipe that is not valid cannot be made
        scheme = tilt_scheme(recipe)
        assert len(scheme.tilts_deg) >= 3
        assert scheme.tilts_deg.abs().max() <= 70


def test_random_recipes_cover_every_choice():
    for name, choices in (("order", ORDERS), ("filter", FILTERS), ("post", POST_PROCESSING)):
        assert {getattr(recipe, name) for recipe in DRAWN} == set(choices)
    assert {recipe.quantisation for recipe in DRAWN} == {"float32", "int16", "int8"}


def test_random_recipes_differ_in_every_number():
    constant = [
        f.name for f in fields(Recipe) if len({getattr(recipe, f.name) for recipe in DRAWN}) == 1
    ]
    # Damage is never switched off at random, and binning is set by the caller.
    assert constant == ["damage", "binning"]


def test_the_same_seed_gives_the_same_recipe():
    assert DRAWN[7] == random_recipe(np.random.default_rng(7))


@pytest.mark.parametrize("axis", AXES)
def test_axes_can_be_held_at_their_defaults(axis):
    for seed in range(20):
        recipe = random_recipe(np.random.default_rng(seed), (axis,))
        assert all(getattr(recipe, name) == getattr(Recipe(), name) for name in AXES[axis])


def test_parameters_can_be_fixed():
    for seed in range(20):
        recipe = random_recipe(np.random.default_rng(seed), total_dose=7.0, post="median")
        assert (recipe.total_dose, recipe.post) == (7.0, "median")


def test_an_unknown_parameter_is_refused():
    with pytest.raises(ValueError, match="dosage"):
        random_recipe(np.random.default_rng(0), dosage=5)


@pytest.mark.parametrize("name", ["order", "filter", "ctf_correction", "post", "quantisation"])
def test_a_choice_that_does_not_exist_is_refused(name):
    with pytest.raises(ValueError, match=f"{name}: expected one of .* got 'best'"):
        Recipe(**{name: "best"})


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("wrong", [-1e12, 1e12, math.nan])
def test_a_number_out_of_range_is_refused(name, wrong):
    with pytest.raises(ValueError, match=f"{name}: expected"):
        Recipe(**{name: wrong})


def test_every_number_has_a_range():
    numbers = {k for k, v in asdict(Recipe()).items() if type(v) in (int, float)}
    assert numbers == set(RANGES)


def test_the_named_qualities_are_good_medium_and_poor():
    assert list(QUALITIES) == ["good", "medium", "poor"]


def test_raw_recipes_differ_in_the_acquisition_and_are_not_processed():
    drawn = [raw_recipe(np.random.default_rng(seed)) for seed in range(50)]
    assert {(r.post, r.deconvolution_strength, r.band_pass, r.picture) for r in drawn} == {
        ("none", 0.0, "none", False)
    }
    assert len({r.misalignment_nm for r in drawn}) == 50
    assert max(r.misalignment_nm for r in drawn) <= 4


def test_ordinary_recipes_have_no_gross_fault_and_differ_otherwise():
    drawn = [ordinary_recipe(np.random.default_rng(seed)) for seed in range(200)]
    for recipe in drawn:
        assert recipe.misalignment_nm <= 3.5
        assert recipe.unaligned_nm == recipe.drift_nm == recipe.motion_blur_nm == 0
        assert recipe.total_dose >= 60
        assert recipe.max_tilt_deg >= 48
        assert recipe.bad_tilts <= 0.1
    for name in ("filter", "post", "quantisation", "dose_weighting", "voxel_nm", "local_motion_nm"):
        assert len({getattr(recipe, name) for recipe in drawn}) > 1
