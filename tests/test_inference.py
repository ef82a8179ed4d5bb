# SPDX-License-Identifier: GPL-3.0-or-later
"""Slices of any size through the network: blocks, padding and too little memory change nothing."""

from dataclasses import replace

import pytest
import torch
from small_model import random_network

from tomoscore_scipion.engine import inference
from tomoscore_scipion.engine.bands import N_BANDS
from tomoscore_scipion.engine.errors import TomogramError
from tomoscore_scipion.engine.inference import (
    BLOCK_TILES,
    FEWEST_TILES,
    Predictor,
    blocks,
    pad_to_cells,
)
from tomoscore_scipion.engine.normalisation import CanonicalSlice
from tomoscore_scipion.engine.pyramid import CELL_PX
from tomoscore_scipion.engine.sampling import CHANNELS
from tomoscore_scipion.engine.texture import N_FEATURES

CPU = torch.device("cpu")
NETWORK = random_network()


def piece(height, width, blank=False, z=3):
    generator = torch.Generator().manual_seed(height * width)
    if blank:
        return CanonicalSlice(
            z, torch.zeros(CHANNELS, height, width), torch.zeros(height, width), True
        )
    channels = torch.randn(CHANNELS, height, width, generator=generator)
    return CanonicalSlice(z, channels, torch.ones(height, width), False)


def predictor(block_tiles=BLOCK_TILES):
    made = Predictor(NETWORK, CPU)
    made.block_tiles = block_tiles
    return made


def curves(image, block_tiles=BLOCK_TILES):
    """SliceCurves of a volume of one slice."""
    made = predictor(block_tiles)
    return made.curves([made.measure(image)])[0]


@pytest.fixture
def short_of_memory(monkeypatch):
    """Fails on whatever has more than a number of pixels, as a full GPU does."""

    def limit(most_pixels):
        def failing(channels):
            if channels.shape[-2] * channels.shape[-1] > most_pixels:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return tile_features(channels)

        tile_features = inference.tile_features
        monkeypatch.setattr(inference, "tile_features", failing)

    return limit


@pytest.mark.parametrize("block_tiles", [1, 3, 4, 7])
def test_blocks_of_any_size_give_what_the_whole_gives(block_tiles):
    image = piece(352, 290)
    whole = curves(image).curves
    assert whole.shape == (10, 9, N_BANDS)
    torch.testing.assert_close(curves(image, block_tiles).curves, whole, atol=2e-3, rtol=0)


def test_slices_wider_than_a_block_are_scored_whole():
    wide = piece(64, CELL_PX * (BLOCK_TILES + 5))
    found = curves(wide).curves
    assert found.shape == (1, BLOCK_TILES + 4, N_BANDS)
    whole = curves(wide, BLOCK_TILES + 4).curves
    torch.testing.assert_close(found, whole, atol=2e-3, rtol=0)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("mirrored", [[], [0], [1], [0, 1]])
def test_how_a_slice_lies_does_not_matter(swap, mirrored):
    image = piece(160, 224)
    image.valid[:40, :70] = 0

    def turn(array, first):
        turned = array.flip([axis + first for axis in mirrored])
        return turned.transpose(first, first + 1) if swap else turned

    original = curves(image)
    channels, valid = turn(image.channels, 1).contiguous(), turn(image.valid, 0).contiguous()
    found = curves(CanonicalSlice(0, channels, valid, False))
    torch.testing.assert_close(found.curves, turn(original.curves, 0), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.weight, turn(original.weight, 0))


def test_a_slice_is_seen_beside_the_others_of_its_volume():
    made = predictor()
    loud, quiet = made.measure(piece(160, 224)), made.measure(piece(192, 224))
    alone = made.curves([loud])[0].curves
    beside = made.curves([loud, replace(quiet, level=-1.0)])
    assert [found.z for found in beside] == [3, 3]
    assert float((beside[0].curves - alone).abs().max()) > 1e-3
    torch.testing.assert_close(made.curves([loud, loud])[1].curves, alone, atol=1e-5, rtol=0)


def test_half_precision_as_on_a_gpu_hardly_moves_a_curve():
    single, half = Predictor(NETWORK, CPU), Predictor(NETWORK, CPU, half=True)
    assert not single.half
    measured = [single.measure(piece(96, width)) for width in (96, 128, 160)]
    for exact, rounded in zip(single.curves(measured), half.curves(measured)):
        assert rounded.curves.dtype == torch.float32
        assert not torch.equal(rounded.curves, exact.curves)
        torch.testing.assert_close(rounded.curves, exact.curves, atol=3e-3, rtol=0)


def test_blank_slices_of_a_volume_tell_nothing_of_the_others():
    made = predictor()
    seen, blank = made.measure(piece(160, 224)), made.measure(piece(160, 224, blank=True))
    found = made.curves([blank, seen, blank])
    torch.testing.assert_close(found[1].curves, made.curves([seen])[0].curves)
    assert not found[0].curves.any()
    assert not found[2].curves.any()


def test_what_is_measured_is_unfamiliar_beyond_the_limits_of_the_samples():
    made = Predictor(random_network(), CPU)
    seen = made.measure(piece(160, 224))
    assert made.unfamiliar([seen]) == 0
    made._network.most[:16] = -1e9
    assert made.unfamiliar([seen]) == pytest.approx(16 / N_FEATURES)
    assert made.unfamiliar([made.measure(piece(64, 64, blank=True))]) == 0


def test_tiles_of_a_slice_are_where_the_slice_is():
    image = piece(160, 224)
    image.valid[:, 112:] = 0
    image.channels[:, :, 112:] = 0
    weight = predictor().measure(image).weight
    assert float(weight[:, 0].min()) == 1
    assert float(weight[:, -1].max()) == 0


@pytest.mark.parametrize("cells", [2, 3, 25, 26, 27, 51, 90])
@pytest.mark.parametrize("block_tiles", [1, 3, 25])
def test_blocks_keep_every_tile_once(cells, block_tiles):
    kept = []
    for block in blocks(cells, block_tiles):
        first = block.pixels.start // CELL_PX
        kept += [first + tile for tile in range(block.tiles.start, block.tiles.stop)]
        assert block.pixels.stop <= cells * CELL_PX
    assert kept == list(range(cells - 1))


@pytest.mark.parametrize(
    ("shape", "tiles"),
    [((1, 1), (1, 1)), ((64, 64), (1, 1)), ((65, 40), (2, 1)), ((100, 96), (3, 2))],
)
def test_slices_are_padded_to_whole_cells(shape, tiles):
    channels, weight = pad_to_cells(piece(*shape).channels, piece(*shape).valid)
    assert weight.shape == tiles
    assert channels.shape == (CHANNELS, CELL_PX * (tiles[0] + 1), CELL_PX * (tiles[1] + 1))
    assert curves(piece(*shape)).curves.shape == (*tiles, N_BANDS)


def test_padding_keeps_the_slice_in_the_middle_and_adds_no_values():
    image = piece(70, 64)
    channels, _ = pad_to_cells(image.channels, image.valid)
    torch.testing.assert_close(channels[:, 13:83], image.channels)
    assert not channels[:, :13].any()
    assert not channels[:, 83:].any()


def test_weight_is_the_share_of_a_tile_that_carries_data():
    image = piece(96, 64)
    image.valid[:32] = 0
    _, weight = pad_to_cells(image.channels, image.valid)
    torch.testing.assert_close(weight, torch.tensor([[0.5], [1.0]]))
    _, tiny = pad_to_cells(piece(8, 8).channels, piece(8, 8).valid)
    assert float(tiny) == pytest.approx(1 / 64)


def test_a_blank_slice_has_no_weight_and_needs_no_measuring(short_of_memory):
    short_of_memory(0)
    found = curves(piece(96, 128, blank=True, z=9))
    assert found.z == 9
    assert found.curves.shape == (2, 3, N_BANDS)
    assert not found.curves.any()
    assert not found.weight.any()


def test_too_little_memory_halves_the_blocks_says_so_and_changes_nothing(short_of_memory):
    image = piece(608, 330)
    expected = curves(image).curves
    short_of_memory(384 * 352)
    short = predictor()
    found = short.curves([short.measure(image)])[0].curves
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)
    assert short.block_tiles == 3
    assert short.notices == [
        f"cpu: out of memory: went on in blocks of {tiles} tiles" for tiles in (12, 6, 3)
    ]


def test_blocks_stay_small_for_the_slices_that_follow(short_of_memory):
    short_of_memory(384 * 352)
    short = predictor()
    short.measure(piece(608, 330))
    noticed = list(short.notices)
    short.measure(piece(608, 330))
    assert short.notices == noticed


def test_too_little_memory_for_the_smallest_block_is_an_error_with_the_way_out(short_of_memory):
    short_of_memory(1000)
    short = predictor()
    with pytest.raises(TomogramError, match="blocks of 3 tiles; free the GPU, or use --device cpu"):
        short.measure(piece(608, 330))
    assert short.block_tiles == FEWEST_TILES
