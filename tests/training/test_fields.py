# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of simulated fields: features and truth have the same position."""

import numpy as np
import pytest
import torch

from tomoscore_scipion.model.inference import measure
from tomoscore_scipion.model.normalisation import canonical_slice
from tomoscore_scipion.model.sampling import plan_slice
from tomoscore_scipion.training.fields import (
    MIN_CELLS,
    Field,
    power_law_filter,
    random_field,
)

CELLS = 8
TILES = (CELLS - 1, CELLS - 1)


def plane(voxel_nm, seed=0):
    n = 2 * round(CELLS * 48 / voxel_nm / 2)
    return np.random.default_rng(seed).standard_normal((n, n)).astype(np.float32), CELLS * 48 / n


def measured(field, image, voxel_nm):
    one = canonical_slice(lambda z: field.of_plane(image), plan_slice(0, 1, voxel_nm), voxel_nm)
    return field.expanded(measure(one, torch.device("cpu")))


@pytest.mark.parametrize("voxel_nm", [1.0, 1.37, 2.2])
@pytest.mark.parametrize(
    ("rows", "columns"), [((0, 3), (2, 6)), ((4, 4), (0, 8)), ((3, 5), (1, 3))]
)
def test_features_and_truth_have_the_same_tiles(voxel_nm, rows, columns):
    image, voxel_nm = plane(voxel_nm)
    field = Field(CELLS, rows, columns)
    found = measured(field, image, voxel_nm)
    assert found.means.shape[:2] == TILES
    inside = field.of_tiles(torch.ones(TILES)) > 0
    assert int(inside.sum()) == (rows[1] - 1) * (columns[1] - 1)
    assert torch.equal(found.weight > 0, inside)


def test_a_bright_spot_is_found_in_the_tile_at_its_position():
    image, voxel_nm = plane(1.5)
    image[150:180, 140:170] += 40 * plane(1.5, seed=1)[0][:30, :30]  # around row 165, column 155
    field = Field(CELLS, (1, 6), (3, 5))
    energy = measured(field, image, voxel_nm).means[:, :, 0, 0]
    y, x = divmod(int(energy.argmax()), TILES[1])
    # A tile is centred on the corner after its cell, and spans two cells on either side.
    assert abs((y + 1) * 32 - 165) <= 64
    assert abs((x + 1) * 32 - 155) <= 64


def test_the_whole_field_is_returned_unchanged():
    image, _ = plane(1.5)
    field = Field(CELLS, (0, CELLS), (0, CELLS))
    assert np.array_equal(field.of_plane(image), image)
    values = torch.rand(*TILES, 6)
    assert torch.equal(field.of_tiles(values), values)


def test_the_filter_multiplies_by_a_power_of_the_frequency():
    x = np.arange(96)
    waves = [np.cos(2 * np.pi * k * x / 96)[None].repeat(64, axis=0) for k in (4, 16)]
    before, after = (
        [float(np.abs(np.fft.rfft(image[0])).max()) for image in images]
        for images in (waves, [power_law_filter(w.astype(np.float32), -0.5) for w in waves])
    )
    gains = np.array(after) / before
    assert gains[0] / gains[1] == pytest.approx(2.0, rel=1e-3)


def test_the_filter_is_periodic():
    image = np.zeros((64, 64), np.float32)
    image[:, -1] = 1
    assert (
        abs(power_law_filter(image, -1)[:, 0]).mean()
        > 3 * abs(power_law_filter(image, -1)[:, 32]).mean()
    )


def test_parts_are_within_the_field_and_vary():
    rng = np.random.default_rng(0)
    fields = [random_field(rng, 320) for _ in range(200)]
    for first, count in [part for f in fields for part in (f.rows, f.columns)]:
        assert MIN_CELLS <= count <= 10
        assert 0 <= first <= 10 - count
    whole = sum(f.rows == f.columns == (0, 10) for f in fields)
    filtered = sum(f.exponent != 0 for f in fields)
    assert 40 < whole < 110
    assert 40 < filtered < 110
