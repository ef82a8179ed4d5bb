# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines and edges are told from noise: known limits of the numbers that describe them."""

import pytest
import torch

from tomoscore_scipion.engine.lines import line_features, line_sums
from tomoscore_scipion.engine.pyramid import blur, cell_sum, derivative, expand, reduce, tile_sum
from tomoscore_scipion.engine.sampling import CHANNELS

PX = 256
LEVEL = 1


def noise(n=1, seed=0):
    return torch.randn(1, n, PX, PX, generator=torch.Generator().manual_seed(seed))


def described(images, level=LEVEL):
    """Lines of one octave in the middle tile of (1, CHANNELS, PX, PX) images, by name."""
    low, finer = images, None
    for _ in range(level):
        coarse = reduce(low)
        finer, low = (low - expand(coarse))[:, :1].abs(), coarse
    band = low - blur(low)
    slopes = derivative(band, 3), derivative(band, 2)
    sums = line_sums(slopes, band[:, :1].abs(), finer, level)
    count = (4 * 32 >> level) ** 2
    means = tile_sum(sums) / count
    energy = tile_sum(cell_sum(band[:, :1] ** 2, level)) / count
    found = line_features(means, energy, torch.ones(1, CHANNELS - 1, 1, 1), level)[0, :, 3, 3]
    names = ["xx", "yy", "xy", "coherence", "near", "far", "wide", "across", "uneven"]
    return dict(zip(names, found.tolist()))


def wave(period_px, along_x=1.0, along_y=0.0):
    y, x = torch.meshgrid(torch.arange(PX), torch.arange(PX), indexing="ij")
    return torch.sin(2 * torch.pi * (along_x * x + along_y * y) / period_px).expand(1, 4, PX, PX)


def test_parallel_lines_are_coherent_whatever_their_direction_and_noise_is_not():
    of_noise = described(noise(CHANNELS))
    for x, y in ((1.0, 0.0), (0.0, 1.0), (0.6, 0.8)):
        lines = described(wave(9, x, y))
        assert lines["coherence"] > 0.8
        assert lines["wide"] > 0.8
    assert of_noise["coherence"] < 0.5
    assert of_noise["wide"] < of_noise["coherence"], "over more pixels less is by chance"


def test_curvature_tells_along_which_axis_an_octave_varies():
    along_x, along_y = described(wave(9)), described(wave(9, 0.0, 1.0))
    assert along_x["xx"] > along_x["yy"] + 2
    assert along_y["yy"] > along_y["xx"] + 2
    diagonal = described(wave(9, 0.7, 0.7))
    assert diagonal["xx"] == pytest.approx(diagonal["yy"], abs=0.05)
    assert diagonal["xy"] > along_x["xy"] + 2


def test_directions_persist_where_lines_run_through_slices_and_not_in_noise():
    lines = described(wave(9, 0.6, 0.8))
    assert lines["near"] == pytest.approx(1, abs=0.01)
    assert lines["far"] == pytest.approx(1, abs=0.01)
    crossing = wave(9).clone()
    crossing[:, 2] = wave(9, 0.0, 1.0)[:, 2]
    assert described(crossing)["far"] == pytest.approx(-1, abs=0.05)
    of_noise = described(noise(CHANNELS))
    assert abs(of_noise["near"]) < 0.1
    assert abs(of_noise["far"]) < 0.1


def test_edges_are_strong_in_neighbouring_octaves_at_one_place_and_noise_is_not():
    blobs = blur(blur(blur(blur(noise()))))
    step = (blobs > blobs.std()).float().expand(1, CHANNELS, PX, PX)
    assert described(step)["across"] > 0.5
    assert described(noise(CHANNELS))["across"] < 0.25
    assert described(step)["uneven"] > described(noise(CHANNELS))["uneven"] + 0.3


@pytest.mark.parametrize("level", [0, 1, 3])
def test_a_factor_changes_nothing(level):
    images = noise(CHANNELS)
    once, tenfold = described(images, level), described(10 * images, level)
    assert once == pytest.approx(tenfold, abs=1e-3)
