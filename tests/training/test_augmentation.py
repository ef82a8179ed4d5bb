# SPDX-License-Identifier: GPL-3.0-or-later
"""What is changed of a volume in training is what another volume would have."""

import numpy as np
import torch

from tomoscore_scipion.engine.sampling import CHANNELS
from tomoscore_scipion.engine.texture import LEVELS, N_FEATURES, tile_features
from tomoscore_scipion.training.augmentation import augmented, fewer, filtered, neighbour_features

GAINS = np.array([1.0, 0.5, 0, 0, -0.5, -1.0])


def volume(slices=3, tiles=5, seed=0):
    """Features, weights and levels of a volume of random numbers."""
    rng = np.random.default_rng(seed)
    features = rng.normal(0, 1, (slices, tiles, N_FEATURES)).astype("f4")
    return features, np.ones((slices, tiles), "f4"), rng.normal(0, 0.3, slices)


def test_losing_a_neighbour_is_what_a_volume_without_it_measures():
    channels = torch.randn((1, CHANNELS, 128, 128), generator=torch.Generator().manual_seed(1))
    whole = tile_features(channels)[0, :, 1, 1]
    for channel, mask in enumerate(neighbour_features(), start=1):
        without = channels.clone()
        without[:, channel] = 0
        expected = torch.where(torch.from_numpy(mask), 0.0, whole)
        torch.testing.assert_close(tile_features(without)[0, :, 1, 1], expected)


def test_at_least_one_slice_is_kept_and_their_order():
    for seed in range(50):
        kept = fewer(np.array([3, 5, 8, 9]), np.random.default_rng(seed))
        assert 1 <= len(kept) <= 4
        assert np.all(np.diff(kept) > 0)
    assert fewer(np.array([7]), np.random.default_rng(0)).tolist() == [7]


def test_a_filter_changes_octaves_by_its_gains_through_the_whole_volume_and_nothing_else():
    features, weight, level = volume()
    found, levels = filtered(features, weight, level, GAINS)

    def absolute(features, level):
        return features[..., :LEVELS] + 2 * level[:, None, None]

    change = absolute(found, levels) - absolute(features, level)
    np.testing.assert_allclose(change, np.broadcast_to(GAINS, change.shape), atol=1e-5)
    np.testing.assert_array_equal(found[..., LEVELS:], features[..., LEVELS:])


def test_after_a_filter_the_spread_of_each_slice_is_1_again():
    features, weight, level = volume()
    weight[0, 1:] = 0.5
    found, _ = filtered(features, weight, level, GAINS)
    before, after = (
        ((10.0 ** f[..., :LEVELS]).sum(axis=-1) * weight).sum(axis=-1) for f in (features, found)
    )
    np.testing.assert_allclose(after, before, rtol=1e-4)


def test_tiles_without_data_stay_empty():
    features, weight, level = volume()
    features[:, 0], weight[:, 0] = 0, 0
    features[1], weight[1] = 0, 0
    found, levels = filtered(features, weight, level, GAINS)
    assert not found[:, 0].any()
    assert not found[1].any()
    np.testing.assert_allclose(levels[1], level[1], rtol=1e-6)


def test_most_volumes_are_left_as_they_are_and_some_lose_neighbours_or_are_filtered():
    features, weight, level = volume()
    kinds = []
    for seed in range(300):
        found, levels = augmented(features, weight, level, np.random.default_rng(seed))
        kinds.append((bool((found == 0).any()), not np.array_equal(levels, level)))
    lost, refiltered = np.mean(kinds, axis=0)
    assert 0.05 < lost < 0.2
    assert 0.1 < refiltered < 0.3
