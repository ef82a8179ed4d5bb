# SPDX-License-Identifier: GPL-3.0-or-later
"""The network: volumes of any size in, one curve per tile out, each seen beside its volume."""

import pytest
import torch
from small_model import random_network

from tomoscore_scipion.engine.bands import N_BANDS
from tomoscore_scipion.engine.network import GIST, slice_contexts
from tomoscore_scipion.engine.texture import LEVELS, N_FEATURES

NETWORK = random_network()


def measured(*shape, seed=0):
    """Features, weight and level of volumes of shape (v, s, t)."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((*shape, N_FEATURES), generator=generator)
    features = NETWORK.mean + NETWORK.std * noise
    return features, torch.ones(shape), torch.randn(shape[:2], generator=generator)


def predict(*volume):
    with torch.inference_mode():
        return NETWORK(*volume)


def test_every_tile_gets_a_curve():
    found = predict(*measured(2, 3, 5))
    assert found.shape == (2, 3, 5, N_BANDS)
    assert found.isfinite().all()


def test_volumes_of_a_batch_do_not_mix():
    features, weight, level = measured(3, 2, 4)
    alone = [predict(features[i : i + 1], weight[i : i + 1], level[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(
        predict(features, weight, level), torch.cat(alone), atol=1e-5, rtol=0
    )


def test_slices_and_tiles_that_do_not_exist_change_nothing():
    features, weight, level = measured(1, 2, 4)
    expected = predict(features, weight, level)
    more, _, _ = measured(1, 5, 6, seed=1)
    more[:, :2, :4] = features
    more_weight = torch.zeros((1, 5, 6))
    more_weight[:, :2, :4] = 1
    more_level = torch.full((1, 5), -7.0)
    more_level[:, :2] = level
    found = predict(more, more_weight, more_level)[:, :2, :4]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_the_order_of_slices_does_not_matter():
    features, weight, level = measured(1, 5, 4)
    turned = predict(features.flip(1), weight.flip(1), level.flip(1)).flip(1)
    torch.testing.assert_close(turned, predict(features, weight, level), atol=1e-5, rtol=0)


def test_the_gain_of_a_whole_volume_does_not_matter():
    features, weight, level = measured(2, 5, 4)
    torch.testing.assert_close(
        predict(features, weight, level + 3), predict(features, weight, level), atol=1e-5, rtol=0
    )


def test_a_tile_is_judged_by_how_far_it_stands_above_the_quietest_slices():
    features, weight, level = measured(1, 4, 4)
    quieter = level.clone()
    quieter[0, 3] -= 1.0
    change = predict(features, weight, quieter) - predict(features, weight, level)
    assert float(change[0, 0].abs().max()) > 1e-3


def test_the_floor_is_the_mean_of_the_quietest_quarter():
    summary = torch.zeros((1, 9, GIST + LEVELS))
    summary[0, :, GIST:] = torch.tensor([3.0, 0, 5, 1, 2, 7, 8, 9, 4])[:, None]
    there = torch.ones((1, 9), dtype=torch.bool)
    assert slice_contexts(summary, there)[0, :, -LEVELS:].unique().tolist() == [1.0]
    there[0, 1] = False  # eight slices, the quietest of which are 1 and 2
    assert slice_contexts(summary, there)[0, :, -LEVELS:].unique().tolist() == [1.5]


def test_wild_features_are_survived():
    features, weight, level = measured(1, 2, 3)
    assert predict(1e6 * features, weight, level).isfinite().all()
    assert predict(torch.zeros_like(features), torch.zeros_like(weight), level).isfinite().all()


def test_unfamiliar_is_the_share_beyond_the_limits():
    network = random_network()
    network.least.fill_(-1.0)
    network.most.fill_(1.0)
    features = torch.zeros(N_FEATURES)
    features[:7], features[7:10] = 2.0, -3.0
    assert float(network.unfamiliar(features)) == pytest.approx(10 / N_FEATURES)
