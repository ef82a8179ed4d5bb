# SPDX-License-Identifier: GPL-3.0-or-later
"""The network: any size in, one curve per tile out, each tile from its own surroundings."""

import pytest
import torch
from small_model import random_network

from tomoscore_scipion.engine.bands import N_BANDS
from tomoscore_scipion.engine.network import (
    CELL_PX,
    OCTAVES,
    RECEPTIVE_FIELD_PX,
    octave_statistics,
)

NETWORK = random_network()


def images(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def predict(channels):
    with torch.inference_mode():
        return NETWORK(channels)


@pytest.mark.parametrize(("cells_y", "cells_x"), [(2, 2), (2, 5), (4, 3)])
def test_there_is_a_tile_at_every_inner_corner_of_cells(cells_y, cells_x):
    curves = predict(images(2, 3, CELL_PX * cells_y, CELL_PX * cells_x))
    assert curves.shape == (2, N_BANDS, cells_y - 1, cells_x - 1)
    assert curves.dtype == torch.float32
    assert curves.isfinite().all()


@pytest.mark.parametrize("shape", [(1, 3, 64, 65), (1, 3, 32, 64), (1, 1, 64, 64), (2, 3, 0, 64)])
def test_other_shapes_are_refused_with_the_shape(shape):
    with pytest.raises(ValueError, match=rf"at least 64, got \({', '.join(map(str, shape))}\)"):
        predict(torch.zeros(shape))


def test_slices_of_a_batch_do_not_mix():
    batch = images(3, 3, 64, 96)
    alone = torch.cat([predict(one[None]) for one in batch])
    torch.testing.assert_close(predict(batch), alone, atol=1e-5, rtol=0)


def test_a_tile_of_a_crop_is_that_tile_of_the_whole():
    whole = images(1, 3, 320, 320)
    crop = whole[:, :, 64:256, 32:256]
    # Tile (i, j) of the crop is tile (i + 2, j + 1); the middle ones see nothing beyond the crop.
    middle = predict(crop)[:, :, 2:3, 2:4]
    torch.testing.assert_close(middle, predict(whole)[:, :, 4:5, 3:5], atol=1e-5, rtol=0)


def test_a_tile_sees_no_farther_than_the_receptive_field():
    channels = images(1, 3, 448, 448).requires_grad_()
    curves = NETWORK(channels)
    curves[0, :, 6, 6].abs().sum().backward()
    seen = channels.grad.abs().sum(dim=(0, 1)) > 0
    centre = CELL_PX * 7
    for line in (seen.any(dim=0), seen.any(dim=1)):
        first, last = int(line.nonzero()[0]), int(line.nonzero()[-1])
        assert last - first + 1 <= RECEPTIVE_FIELD_PX
        assert first <= centre - 32
        assert last >= centre + 31
        assert abs((first + last + 1) / 2 - centre) <= 0.5


def test_what_differs_in_one_place_changes_the_tiles_around_it_only():
    before = images(1, 3, 512, 64)
    after = before.clone()
    after[:, :, :32] = 0
    change = (predict(after) - predict(before)).abs().amax(dim=(0, 1, 3))
    assert change[0] > 1e-3
    assert not change[8:].any()


def test_empty_channels_are_as_good_as_any():
    channels = images(1, 3, 64, 64)
    channels[:, 1:] = 0
    assert predict(channels).isfinite().all()


def test_statistics_measure_energy_per_octave_and_channel():
    statistics = octave_statistics(
        images(1, 3, 256, 256) * torch.tensor([1, 10, 0.1]).view(3, 1, 1)
    )
    energies = statistics.view(OCTAVES, 6, 8, 8)[:, :3].mean(dim=(2, 3))
    # The Haar details of white noise of variance 1 have 3/4, then 1/4 of that for each octave.
    torch.testing.assert_close(
        energies[0], torch.log10(torch.tensor([0.75, 75, 0.0075])), atol=0.02, rtol=0
    )
    steps = energies[1:3, :2] - energies[:2, :2]
    torch.testing.assert_close(steps, torch.full((2, 2), -0.602), atol=0.05, rtol=0)


def test_statistics_measure_what_persists_from_slice_to_slice():
    one, other = images(2, 128, 128)
    pairs = octave_statistics(torch.stack([one, one, other])[None]).view(OCTAVES, 6, -1)[:, 3:]
    centre_near, centre_far, near_far = pairs[:3].mean(dim=(0, 2))
    assert float(centre_near) == pytest.approx(1, abs=1e-3)
    assert abs(float(centre_far)) < 0.05
    assert float(centre_far) == pytest.approx(float(near_far), abs=1e-4)


def test_statistics_of_nothing_are_finite():
    assert octave_statistics(torch.zeros(1, 3, 64, 64)).isfinite().all()


def test_the_largest_values_that_can_come_are_survived():
    assert predict(4.0 * images(1, 3, 64, 64).sign()).isfinite().all()
