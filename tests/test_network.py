# SPDX-License-Identifier: GPL-3.0-or-later
"""The network: volumes of any size give curves and content per tile."""

from dataclasses import replace

import pytest
import torch
from small_model import CPU, canonical, random_network, speckle

from tomoscore_scipion.model.features import ODD, RATIOS, SINGLE_CHANNEL
from tomoscore_scipion.model.inference import as_volume, measure
from tomoscore_scipion.model.network import (
    FINER_FROM,
    N_POWER_FEATURES,
    Measured,
    normalised_weights,
    polarity,
    power_features,
)
from tomoscore_scipion.model.octaves import OCTAVES
from tomoscore_scipion.records.bands import N_BANDS

NETWORK = random_network()


def of(volume, planes=range(5)):
    """Features of an array, as a volume."""
    return as_volume([measure(canonical(volume, z=z), CPU) for z in planes], CPU)


@pytest.fixture(scope="module")
def measured():
    return of(speckle((5, 160, 192), seed=1))


def predict(volume):
    with torch.inference_mode():
        found = NETWORK(volume)
    return torch.stack([found.curves, found.content])


def changed(volume, change):
    parts = (volume.means, volume.weight, volume.log_power, volume.persistence)
    return Measured(*(change(part) for part in parts))


def assert_same(found, expected, atol=1e-5):
    torch.testing.assert_close(found, expected, atol=atol, rtol=0)


def test_every_tile_gets_a_curve_and_a_content(measured):
    curves, content = predict(measured)
    assert curves.shape == (*measured.weight.shape, N_BANDS)
    assert curves.isfinite().all()
    assert float(content.min()) >= 0
    assert float(content.max()) <= 1


def test_volumes_of_a_batch_are_independent(measured):
    other = of(speckle((5, 160, 192), seed=2))
    pairs = zip(vars(measured).values(), vars(other).values())
    both = Measured(*(torch.cat(pair) for pair in pairs))
    expected = torch.cat([predict(measured), predict(other)], dim=1)
    assert_same(predict(both), expected)


def test_missing_slices_and_tiles_do_not_affect_the_output(measured):
    _, s, t = measured.weight.shape

    def padded(part):
        shape = [1, s + 2, *part.shape[2:]]
        if part.ndim in (3, 5) and part.shape[2] == t:
            shape[2] = t + 4
        out = torch.zeros(shape)
        out[tuple(slice(n) for n in part.shape)] = part
        return out

    more = Measured(
        padded(measured.means),
        padded(measured.weight),
        torch.cat([measured.log_power, torch.full((1, 2, OCTAVES), -7.0)], dim=1),
        torch.cat([measured.persistence, torch.ones_like(measured.persistence[:, :2])], dim=1),
    )
    assert_same(predict(more)[:, :, :s, :t], predict(measured))
    assert_same(NETWORK.out_of_distribution(more), NETWORK.out_of_distribution(measured))


def test_the_order_of_slices_does_not_change_the_output(measured):
    turned = predict(changed(measured, lambda part: part.flip(1))).flip(2)
    assert_same(turned, predict(measured))


def test_the_gain_of_an_octave_of_a_whole_volume_does_not_change_the_output(measured):
    shift = torch.tensor([3.0, -2.0, 0.5, 1.0, -4.0])
    assert_same(
        predict(replace(measured, log_power=measured.log_power + shift)), predict(measured), 1e-4
    )


def test_a_tile_depends_on_its_power_relative_to_the_volume(measured):
    quieter = measured.log_power.clone()
    quieter[0, 3] -= 1.0
    change = predict(replace(measured, log_power=quieter)) - predict(measured)
    assert float(change[0, 0, 0].abs().max()) > 1e-3


def test_an_octave_depends_only_on_itself_and_its_neighbours(measured):
    """Octaves finest first, bands coarsest first: band 4 - i is octave i.

    The next finer octave contributes only from 32 nm on, so that a voxel size that cuts the
    finest octaves has no effect.
    """
    for changed_octave in range(OCTAVES):
        means = measured.means.clone()
        # Means of another slice: filters and voxel sizes, too, change an octave alone.
        means[..., changed_octave, :] = means[..., changed_octave, :].flip(1)
        log_power = measured.log_power.clone()
        log_power[..., changed_octave] += torch.linspace(-1, 1, log_power.shape[1])
        found = predict(replace(measured, means=means, log_power=log_power))
        expected = predict(measured)
        affected = {changed_octave + 1} if changed_octave + 1 >= FINER_FROM else set()
        for octave in set(range(OCTAVES)) - {changed_octave, changed_octave - 1} - affected:
            # All octaves share one sign of contrast, which does not change here.
            assert_same(found[..., 4 - octave], expected[..., 4 - octave], 1e-4)


def test_inverted_contrast_does_not_change_the_output():
    volume = speckle((5, 160, 192), seed=3)
    assert_same(predict(of(-volume)), predict(of(volume)), 2e-3)


def test_polarity_makes_the_long_tail_dark_and_changes_only_odd_ratios():
    bright, dark = torch.zeros((2, 1, OCTAVES, len(RATIOS)))
    bright[..., ODD[0]], dark[..., ODD[0]] = 0.3, -0.3
    both = torch.cat([bright, dark])
    sign = polarity(both)
    assert sign[0, 0, list(ODD)].tolist() == [-1.0] * len(ODD)
    assert sign[1, 0].tolist() == [1.0] * len(RATIOS)
    even = [place for place in range(len(RATIOS)) if place not in ODD]
    assert (sign[:, :, even] == 1).all()
    assert ((both * sign)[..., ODD[0]] < 0).all()


def test_normalised_weights_sum_to_1_and_are_0_for_absent_tiles():
    weight = torch.ones((1, 3, 4))
    weight[0, 0, 2:] = 0
    weight[0, 2] = 0
    tile, piece = normalised_weights(weight)
    assert tile[0, 0].tolist() == [0.5, 0.5, 0, 0]
    assert tile[0, 2].tolist() == [0, 0, 0, 0]
    assert piece[0].tolist() == [0.5, 0.5, 0]


def test_power_features_are_differences_within_the_volume():
    power = torch.arange(12.0).reshape(1, 2, 6, 1).expand(-1, -1, -1, OCTAVES) / 12
    weight = torch.ones((1, 2, 6))
    found = power_features(power, weight)
    assert found.shape == (1, 2, 6, OCTAVES, N_POWER_FEATURES)
    assert_same(power_features(power + 5, weight), found)
    assert float(found[..., 0].mean()) == pytest.approx(0, abs=1e-6)
    weight[0, 1, 3:] = 0
    lost = power_features(power, weight)
    assert not lost[0, 1, 3:].any()
    loud = power.clone()
    loud[0, 1, 3:] = 50
    assert_same(power_features(loud, weight), lost)


def test_extreme_means_give_finite_output(measured):
    extreme = replace(measured, means=1e6 * measured.means)
    assert predict(extreme).isfinite().all()
    assert predict(changed(measured, torch.zeros_like)).isfinite().all()


def test_out_of_distribution_is_the_distance_from_the_reference(measured):
    network = random_network()
    network.reference_mean.copy_(network.single_channel_ratios(measured)[0])
    n = len(SINGLE_CHANNEL)
    network.reference_whitening.copy_(torch.eye(n).expand(OCTAVES, n, n))
    assert float(network.out_of_distribution(measured)[0]) == pytest.approx(0, abs=1e-5)
    network.reference_mean += 2
    assert float(network.out_of_distribution(measured)[0]) == pytest.approx(2, abs=1e-3)
    network.reference_whitening *= 3
    assert float(network.out_of_distribution(measured)[0]) == pytest.approx(6, abs=1e-3)
