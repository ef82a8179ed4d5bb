# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the denoisers of the simulation."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tomoscore_scipion.simulation.denoiser import CONTEXT, REACH
from tomoscore_scipion.training.denoisers import (
    PAIRS,
    PATCH,
    DenoiserRecipe,
    Example,
    batch,
    fit,
    specimen_examples,
)


@pytest.fixture(scope="module")
def examples():
    """Stripes with independent noise in both halves; the density has no noise."""
    generator = torch.Generator().manual_seed(0)
    stripes = torch.sin(torch.arange(80) / 3).expand(80, 80) * 2**0.5
    made = []
    for turns in range(4):
        density = torch.rot90(stripes, turns)
        noise = torch.randn((2, CONTEXT, 80, 80), generator=generator)
        made.append(Example((density + noise) / 2**0.5, density))
    return made


@pytest.mark.parametrize("name", PAIRS)
def test_a_trained_denoiser_is_closer_to_the_density_than_its_input(name, examples):
    network = fit(examples, PAIRS[name], DenoiserRecipe(specimens=1, steps=60, rate=5e-3))
    x, _ = batch(examples, PAIRS["restored"], np.random.default_rng(5), 8)
    _, density = batch(examples, PAIRS["restored"], np.random.default_rng(5), 8)
    with torch.no_grad():
        found = network(x)
    assert correlation(found, density) > correlation(x[:, REACH], density) + 0.05


def correlation(one, other):
    return float(F.cosine_similarity(one.flatten(), other.flatten(), dim=0))


def test_a_patch_and_its_target_have_the_same_position(examples):
    x, y = batch(examples, PAIRS["restored"], np.random.default_rng(0), 16)
    assert x.shape == (16, CONTEXT, PATCH, PATCH)
    for context, target in zip(x, y):
        assert correlation(context[REACH], target) > 0.5


def test_examples_of_a_specimen_are_standardised_and_have_independent_noise():
    made = specimen_examples(1, pixels=96)
    assert len(made) == 9
    for example in made:
        halves = example.halves.float()
        assert halves.shape[:2] == (2, CONTEXT) and halves.shape[2:] == example.density.shape
        assert float(halves.mean()) == pytest.approx(0, abs=0.02)
        assert float(halves.std()) == pytest.approx(1, abs=0.02)
        assert not torch.equal(halves[0], halves[1])
