# SPDX-License-Identifier: GPL-3.0-or-later
"""Noise-only volumes of every texture."""

import numpy as np
import pytest

from tomoscore_scipion.simulation.noise_only import (
    _TEXTURES,
    HEIGHTS,
    VOXELS_NM,
    random_noise_volume,
)

WIDTH_NM = 96.0


def test_noise_only_volumes_are_finite_and_fill_the_field():
    seen = set()
    for seed in range(40):
        stack, voxel_nm = random_noise_volume(np.random.default_rng(seed), WIDTH_NM)
        assert stack.dtype == np.float32
        assert np.isfinite(stack).all()
        assert stack.shape[1] == stack.shape[2]
        assert stack.shape[1] * voxel_nm == pytest.approx(WIDTH_NM)
        assert 0.9 * VOXELS_NM[0] < voxel_nm < 1.1 * VOXELS_NM[1]
        seen.add(len(stack))
    assert seen == set(HEIGHTS)


def test_the_same_seed_gives_the_same_volume():
    one, other = (random_noise_volume(np.random.default_rng(5), WIDTH_NM)[0] for _ in range(2))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("texture", _TEXTURES)
def test_textures_keep_the_shape_and_vary(texture):
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((6, 64, 64)).astype(np.float32)
    found = _TEXTURES[texture](rng, noise)
    assert found.shape == noise.shape
    assert np.isfinite(found).all()
    assert found.std() > 0


def correlation(volume, axis):
    ahead, behind = (np.take(volume, range(*ends), axis) for ends in ((1, 24), (0, 23)))
    return np.corrcoef(ahead.ravel(), behind.ravel())[0, 1]


@pytest.mark.parametrize(
    ("texture", "along_z", "in_plane"),
    [("white", False, False), ("smooth in planes", False, True), ("smooth", True, True)],
)
def test_noise_is_correlated_along_the_axes_of_its_texture(texture, along_z, in_plane):
    rng = np.random.default_rng(3)
    found = _TEXTURES[texture](rng, rng.standard_normal((24, 48, 48)).astype(np.float32))
    assert (correlation(found, 0) > 0.2) == along_z
    assert (correlation(found, 2) > 0.2) == in_plane
