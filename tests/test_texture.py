# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured of tiles: where they are, what they see, and known limits of the numbers."""

import pytest
import torch

from tomoscore_scipion.engine.pyramid import CELL_PX
from tomoscore_scipion.engine.sampling import CHANNELS
from tomoscore_scipion.engine.texture import (
    LEVELS,
    N_FEATURES,
    RECEPTIVE_FIELD_PX,
    tile_features,
)

CROSS = slice(LEVELS + 3, LEVELS + 9)
"""Correlations of the finest octave: centre with near, far, distant, and these with one another."""
FOURTH = LEVELS + 3 + 6 + 2 + 6
CUBE = FOURTH + 1


def images(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def middle(channels):
    """Features of the middle tile of one slice."""
    found = tile_features(channels)[0]
    return found[:, found.shape[1] // 2, found.shape[2] // 2]


@pytest.mark.parametrize(("cells_y", "cells_x"), [(2, 2), (2, 5), (4, 3)])
def test_there_is_a_tile_at_every_inner_corner_of_cells(cells_y, cells_x):
    found = tile_features(images(2, CHANNELS, CELL_PX * cells_y, CELL_PX * cells_x))
    assert found.shape == (2, N_FEATURES, cells_y - 1, cells_x - 1)
    assert found.isfinite().all()


@pytest.mark.parametrize("shape", [(1, 4, 64, 65), (1, 4, 32, 64), (1, 3, 64, 64), (2, 4, 0, 64)])
def test_other_shapes_are_refused_with_the_shape(shape):
    with pytest.raises(ValueError, match=rf"at least 64, got \({', '.join(map(str, shape))}\)"):
        tile_features(torch.zeros(shape))


def test_slices_of_a_batch_do_not_mix():
    batch = images(3, CHANNELS, 64, 96)
    alone = torch.cat([tile_features(one[None]) for one in batch])
    torch.testing.assert_close(tile_features(batch), alone, atol=1e-5, rtol=0)


def test_a_mirrored_slice_has_the_same_numbers_in_mirrored_places():
    image = images(1, CHANNELS, 160, 192)
    for axis in (2, 3):
        found = tile_features(image.flip(axis)).flip(axis)
        torch.testing.assert_close(found, tile_features(image), atol=1e-4, rtol=0)


def test_a_tile_of_a_crop_is_that_tile_of_the_whole():
    whole = images(1, CHANNELS, 512, 512)
    crop = whole[:, :, 64:384, 32:352]
    # Tile (i, j) of the crop is tile (i + 2, j + 1); the middle one sees nothing beyond the crop.
    inner = tile_features(crop)[:, :, 4, 4]
    torch.testing.assert_close(inner, tile_features(whole)[:, :, 6, 5], atol=1e-4, rtol=0)


def test_a_tile_sees_no_farther_than_the_receptive_field():
    channels = images(1, CHANNELS, 512, 512).requires_grad_()
    tile_features(channels)[0, :, 7, 7].sum().backward()
    seen = channels.grad.abs().sum(dim=(0, 1)) > 0
    for line in (seen.any(dim=0), seen.any(dim=1)):
        first, last = int(line.nonzero()[0]), int(line.nonzero()[-1])
        assert last - first + 1 <= RECEPTIVE_FIELD_PX
        assert first <= CELL_PX * 8 - 64
        assert last >= CELL_PX * 8 + 63


def test_energies_of_white_noise_fall_fourfold_per_octave():
    energies = middle(images(1, CHANNELS, 512, 512))[:LEVELS]
    steps = energies[3:5] - energies[2:4]
    torch.testing.assert_close(steps, torch.full((2,), -0.602), atol=0.08, rtol=0)
    assert float(energies[0]) < 0, "the finest octave has most, and less than all, of the variance"
    assert float(energies[0]) > -0.2


def test_a_fine_wave_is_in_the_fine_octaves_and_a_coarse_one_in_the_coarse():
    x = torch.arange(512.0)
    for period, octave in ((3, 0), (12, 2), (48, 4)):
        wave = torch.sin(2 * torch.pi * x / period).expand(1, CHANNELS, 512, 512)
        assert int(middle(wave)[:LEVELS].argmax()) == octave


def test_correlations_tell_what_persists_from_slice_to_slice():
    one, other = images(2, 256, 256)
    cross = middle(torch.stack([one, one, other, 0.1 * one])[None])[CROSS]
    expected = torch.tensor([1.0, 0, 1, 0, 1, 0])
    torch.testing.assert_close(cross, expected, atol=0.05, rtol=0)


def test_gaussian_noise_has_a_fourth_moment_of_three_and_no_third():
    found = middle(images(1, CHANNELS, 256, 256))
    assert float(found[FOURTH]) == pytest.approx(0.477, abs=0.02)
    assert float(found[CUBE]) == pytest.approx(0, abs=0.1)


def test_sparse_dark_matter_is_peaked_and_skewed():
    noise = 0.05 * images(1, CHANNELS, 256, 256)
    dark = noise - 3.0 * (images(1, 1, 256, 256, seed=1) > 2.5)
    assert float(middle(dark)[FOURTH]) > 1.0
    assert float(middle(dark)[CUBE]) < -1.0


def test_absent_neighbours_are_told_from_neighbours_without_anything_in_common():
    image = images(1, CHANNELS, 128, 128)
    image[:, 3] = 0
    found = middle(image)
    assert found[-3:].tolist() == [1, 1, 0]
    assert found[CROSS][2] == 0


def test_pixels_without_data_do_not_count():
    image = images(1, CHANNELS, 256, 256)
    masked = image.clone()
    masked[..., 96:128] = 0  # a quarter of the middle tile
    difference = (middle(masked) - middle(image))[: LEVELS - 3]
    assert float(difference.abs().max()) < 0.1


def test_tiles_without_data_have_no_features():
    image = images(1, CHANNELS, 320, 64)
    image[:, :, :192] = 0
    found = tile_features(image)
    assert not found[:, :-3, :2].any()
    assert found[:, :LEVELS, -1].all()


def test_the_largest_values_that_can_come_are_survived():
    assert tile_features(4.0 * images(1, CHANNELS, 64, 64).sign()).isfinite().all()
    assert tile_features(torch.full((1, CHANNELS, 64, 64), -4.0)).isfinite().all()
    assert float(tile_features(images(1, CHANNELS, 64, 64)).abs().max()) < 60_000, "fits float16"
