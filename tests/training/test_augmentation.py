# SPDX-License-Identifier: GPL-3.0-or-later
"""Augmentation that removes slices or neighbours gives the features of a thinner volume."""

import numpy as np
import pytest
import torch
from small_model import canonical, speckle

from tomoscore_scipion.model.features import ratios
from tomoscore_scipion.model.inference import measure
from tomoscore_scipion.model.sampling import CHANNELS
from tomoscore_scipion.training.augmentation import (
    NEIGHBOURS,
    NEIGHBOURS_LOST,
    fewer,
    lost_neighbours,
    without_neighbours,
)

VOLUME = speckle((33, 128, 128), seed=1)


def measured(volume):
    found = measure(canonical(volume, 2.0), torch.device("cpu"))
    return found.means.numpy(), found.persistence.numpy()


@pytest.mark.parametrize(("first", "n_z"), [(0, 1), (1, 3), (2, 9), (3, 33)])
def test_removing_neighbours_gives_the_features_of_a_thinner_volume(first, n_z):
    low = (len(VOLUME) - n_z) // 2
    thin_means, thin_persistence = measured(VOLUME[low : low + n_z])
    means, persistence = without_neighbours(*measured(VOLUME), first)
    np.testing.assert_allclose(persistence, thin_persistence, atol=1e-4)
    found, expected = (ratios(torch.from_numpy(m)) for m in (means, thin_means))
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_neighbours_are_removed_with_the_given_probabilities():
    drawn = [lost_neighbours(np.random.default_rng(seed)) for seed in range(2000)]
    assert set(drawn) == set(range(CHANNELS))
    assert len(NEIGHBOURS) == CHANNELS - 1
    shares = [drawn.count(first) / len(drawn) for first in range(CHANNELS)]
    assert shares[:-1] == pytest.approx(NEIGHBOURS_LOST, abs=0.03)


def test_at_least_one_slice_remains_and_their_order_is_unchanged():
    for seed in range(50):
        rest = fewer(np.array([3, 5, 8, 9]), np.random.default_rng(seed))
        assert 1 <= len(rest) <= 4
        assert np.all(np.diff(rest) > 0)
    assert fewer(np.array([7]), np.random.default_rng(0)).tolist() == [7]
