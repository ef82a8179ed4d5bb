# SPDX-License-Identifier: GPL-3.0-or-later
"""The true score of a specimen decreases with every kind of degradation."""

import numpy as np
import pytest
import torch
from small_worlds import crowded

from tomoscore_scipion.records.bands import tomoscore
from tomoscore_scipion.simulation.acquisition import Microscope, tomogram
from tomoscore_scipion.simulation.recipe import POST_PROCESSING, Recipe, random_recipe

LADDERS = {
    "misalignment_nm": (0.0, 3.0, 10.0, 30.0),
    "total_dose": (120.0, 20.0, 3.0),
    "quantum_efficiency": (0.9, 0.1, 0.01),
    "unaligned_nm": (0.0, 15.0, 60.0),
    "motion_blur_nm": (0.0, 3.0, 12.0),
    "local_motion_nm": (0.0, 4.0, 12.0),
    "max_tilt_deg": (60.0, 35.0, 12.0),
    "tilt_step_deg": (3.0, 15.0, 30.0),
    "bad_tilts": (0.0, 0.5, 1.0),
    "drift_nm": (0.0, 10.0, 40.0),
    "axis_error_deg": (0.0, 6.0, 20.0),
}


@pytest.fixture(scope="module")
def microscope():
    return Microscope(crowded())


def true_curve(microscope, recipe, seeds=(0, 1)):
    """Mean signed curve over some planes of the tomogram and some acquisitions."""
    curves = []
    for seed in seeds:
        acquisition = microscope.acquire(np.random.default_rng(seed), recipe, headroom=1.0)
        for z in range(6, acquisition.n_z - 6, 9):
            plane = acquisition.planes([z])[0]
            curves.append(acquisition.truth(plane, z))
    return torch.stack(curves).mean(dim=(0, 1, 2)).clamp(0, 1).numpy()


@pytest.mark.parametrize("name", LADDERS)
def test_the_true_score_falls(microscope, name):
    scores = [
        float(tomoscore(true_curve(microscope, Recipe(**{name: value})))) for value in LADDERS[name]
    ]
    assert scores[0] > 3
    assert all(better > worse + 0.1 for better, worse in zip(scores, scores[1:])), scores


def test_radiation_damage_lowers_fine_octaves_only(microscope):
    whole, damaged = (
        true_curve(microscope, Recipe(total_dose=200, quantum_efficiency=1, damage=damage))
        for damage in (False, True)
    )
    loss = whole - damaged
    assert loss[4] > 0.04
    assert abs(loss[0]) < 0.02


def test_ctf_correction_raises_the_curve_where_contrast_is_reversed(microscope):
    """At 10 um underfocus contrast is reversed between 4.5 and 3.2 nm."""
    raw, corrected = (
        true_curve(
            microscope,
            Recipe(defocus_nm=10000, total_dose=1e6, damage=False, ctf_correction=correction),
        )
        for correction in ("none", "phase_flip")
    )
    assert corrected[5] > raw[5] + 0.05
    assert corrected[:3] == pytest.approx(raw[:3], abs=0.02)


def test_the_same_seed_gives_the_same_tomogram(microscope):
    recipe = random_recipe(np.random.default_rng(3), post="learned_like", voxel_nm=3.0)
    (first, truth, inside), (second, again, same) = (
        tomogram(np.random.default_rng(4), microscope.acquire(np.random.default_rng(5), recipe))
        for _ in range(2)
    )
    assert torch.equal(first, second)
    assert torch.equal(truth, again)
    assert torch.equal(inside, same)


@pytest.mark.parametrize("post", POST_PROCESSING)
def test_whole_tomograms_are_finite_and_have_a_truth_for_every_plane(microscope, post):
    rng = np.random.default_rng(6)
    acquisition = microscope.acquire(rng, random_recipe(rng, post=post, voxel_nm=4.0), 1.2)
    stack, curves, content = tomogram(rng, acquisition)
    assert stack.shape == (acquisition.n_z, 48, 48)
    assert curves.shape == (acquisition.n_z, 3, 3, 6)
    assert torch.isfinite(stack).all()
    assert torch.isfinite(curves).all()
    assert curves.abs().max() <= 1
    assert content.shape == curves.shape
    assert 0 <= content.min() <= content.max() <= 1


def test_contrast_gradient_border_and_data_type_do_not_change_the_truth(microscope):
    plain = Recipe()
    written = Recipe(dark_matter=False, gradient=3.0, border_nm=30.0, quantisation="int8")
    curves = []
    for recipe in (plain, written):
        acquisition = microscope.acquire(np.random.default_rng(0), recipe, headroom=1.0)
        curves.append(tomogram(np.random.default_rng(1), acquisition)[1])
    torch.testing.assert_close(curves[0], curves[1])
