# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes of the tilt series of training samples."""

import numpy as np
import pytest

from tomoscore_scipion.simulation.recipe import Recipe
from tomoscore_scipion.training.samples import RAW_VOXEL_NM, RECIPE_ODDS, _drawn


@pytest.fixture(scope="module")
def drawn():
    """600 recipes of tilt series."""
    rng = np.random.default_rng(0)
    return [_drawn(rng) for _ in range(600)]


def is_raw(recipe):
    """Only raw recipes have exactly the default tilt range."""
    return recipe.max_tilt_deg == Recipe.max_tilt_deg


def test_a_quarter_of_the_tomograms_is_raw_and_not_processed(drawn):
    raw = [recipe for recipe in drawn if is_raw(recipe)]
    assert len(raw) / len(drawn) == pytest.approx(RECIPE_ODDS["raw"], abs=0.06)
    assert {r.post for r in raw} == {"none"}
    assert {r.deconvolution_strength for r in raw} == {0.0}
    low, high = RAW_VOXEL_NM
    assert low <= min(r.voxel_nm for r in raw) < max(r.voxel_nm for r in raw) <= high


def test_raw_tomograms_and_single_pictures_of_them_are_drawn(drawn):
    assert {recipe.picture for recipe in drawn if is_raw(recipe)} == {False, True}


def test_most_other_tomograms_are_random(drawn):
    """Random recipes alone have doses of less than 60 e/A^2, which is half of them."""
    low_dose = sum(recipe.total_dose < 60 for recipe in drawn if not is_raw(recipe))
    assert 0.15 < low_dose / len(drawn) < 0.35
