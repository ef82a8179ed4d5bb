# SPDX-License-Identifier: GPL-3.0-or-later
"""The quality map: its position, its content, and its agreement with the curves."""

import mrcfile
import numpy as np
import pytest
import torch
from PIL import Image
from scoring_fakes import make_score
from small_model import CPU, canonical, speckle, white

from tomoscore_scipion.commands.cli import main
from tomoscore_scipion.images.map_files import colours, overlay, write_map
from tomoscore_scipion.model.inference import SliceCurves, measure
from tomoscore_scipion.model.quality_map import _tile_centres, quality_map
from tomoscore_scipion.model.sampling import canonical_shape
from tomoscore_scipion.model.statistics import MEANS
from tomoscore_scipion.model.tiles import CELL_PX, cells_along, tiles_along
from tomoscore_scipion.reading.volume import ArrayVolume, open_volume
from tomoscore_scipion.records.bands import N_BANDS, fraction_below_nyquist
from tomoscore_scipion.records.record_files import read_records

SHAPE = (40, 300, 420)
VOXEL = 15.0
SHARE = fraction_below_nyquist(VOXEL / 10)


def tiles_of(shape, voxel):
    """Number of tiles (y, x) that the network returns for a slice."""
    canonical = canonical_shape(shape[1], shape[2], voxel / 10)
    return tuple(tiles_along(n) for n in canonical)


def slices(level, planes=(5, 15, 25, 35), shape=SHAPE, voxel=VOXEL, weight=1.0):
    """Slices with R = level(y, x, z) in all bands; y and x are the positions of tiles, 0 to 1."""
    tiles_y, tiles_x = tiles_of(shape, voxel)
    y = np.linspace(0, 1, tiles_y)[:, None, None]
    x = np.linspace(0, 1, tiles_x)[None, :, None]
    made = []
    for z in planes:
        curves = np.broadcast_to(level(y, x, z), (tiles_y, tiles_x, N_BANDS))
        curves = torch.from_numpy(curves.astype(np.float32).copy())
        weights = torch.full((tiles_y, tiles_x), float(weight))
        made.append(SliceCurves(z, curves, torch.ones_like(curves), weights))
    return made


def test_voxels_are_isotropic_and_cover_the_whole_volume():
    found = quality_map(slices(lambda y, x, z: 0.6), (0, 39), SHAPE, VOXEL, SHARE)
    assert found.factor == 8
    assert found.voxel_size_angstrom == 120.0
    assert found.scores.shape == (5, 38, 53)
    assert found.offset_angstrom == 3.5 * VOXEL
    assert found.scores.dtype == np.float32


def test_the_map_is_0_outside_the_slab_and_the_score_inside():
    found = quality_map(slices(lambda y, x, z: 0.375), (8, 23), SHAPE, VOXEL, SHARE)
    expected = np.zeros(5)
    expected[1:3] = 2.5
    assert found.scores.mean(axis=(1, 2)) == pytest.approx(expected)
    assert np.ptp(found.scores, axis=(1, 2)) == pytest.approx(0, abs=1e-5)


def test_a_slab_thinner_than_a_voxel_is_not_lost():
    found = quality_map(slices(lambda y, x, z: 0.6), (17, 18), SHAPE, VOXEL, SHARE)
    assert found.scores.any(axis=(1, 2)).tolist() == [False, False, True, False, False]


def test_the_map_has_the_orientation_of_the_tomogram():
    rising = quality_map(slices(lambda y, x, z: 0.2 + 0.3 * x), (0, 39), SHAPE, VOXEL, SHARE).scores
    assert (np.diff(rising.mean(axis=(0, 1))) >= -1e-5).all()
    assert rising[:, :, -1].mean() > rising[:, :, 0].mean() + 3
    up = quality_map(slices(lambda y, x, z: 0.2 + 0.3 * y), (0, 39), SHAPE, VOXEL, SHARE).scores
    assert up[:, -1].mean() > up[:, 0].mean() + 3
    deep = quality_map(slices(lambda y, x, z: 0.2 + z / 100), (0, 39), SHAPE, VOXEL, SHARE).scores
    assert (np.diff(deep.mean(axis=(1, 2))) > 0).all()


@pytest.mark.parametrize(("n", "voxel"), [(420, 15.0), (300, 15.0), (928, 13.0), (101, 30.0)])
def test_tiles_have_the_positions_of_the_network(n, voxel):
    """A wave packet raises the energy most in the tiles with the nearest centres."""
    volume = 0.1 * white((1, n, n), seed=2)
    at, sigma = 0.4 * n, 120 / voxel
    y, x = np.mgrid[:n, :n].astype(np.float32)
    packet = np.exp(-0.5 * ((x - at) ** 2 + (y - at) ** 2) / sigma**2)
    volume[0] += 3 * packet * np.sin(2 * np.pi * x * voxel / 120)
    means = measure(canonical(volume, voxel / 10), CPU).means
    energy = means[..., 1, MEANS.index("amplitude_2")].sum(dim=0)
    length = canonical_shape(n, n, voxel / 10)[1]
    centres = _tile_centres(length, n / length)
    assert len(centres) == len(energy) == cells_along(length) - 1
    reach = CELL_PX * n / length
    # A tile is four cells wide: those within two cells hold all of the packet.
    assert abs(centres[int(energy.argmax())] - at) < 1.5 * reach


def test_cells_without_data_have_no_score():
    made = slices(lambda y, x, z: 0.6)
    for one in made:
        one.weight[:, :2] = 0.0
    scores = quality_map(made, (0, 39), SHAPE, VOXEL, SHARE).scores
    assert scores[:, :, :4].max() == 0
    assert scores[:, :, -20:].min() == pytest.approx(5)
    blank = slices(lambda y, x, z: 0.6, weight=0.0)
    assert not quality_map(blank, (0, 39), SHAPE, VOXEL, SHARE).scores.any()


@pytest.mark.parametrize(
    ("shape", "voxel", "planes"),
    [((1, 64, 64), 10.0, (0,)), ((7, 33, 500), 100.0, (1, 5)), ((300, 90, 91), 5.0, (150,))],
)
def test_volumes_of_unusual_shapes_have_maps(shape, voxel, planes):
    share = fraction_below_nyquist(voxel / 10)
    made = slices(lambda y, x, z: 0.6, planes, shape, voxel)
    found = quality_map(made, (0, shape[0] - 1), shape, voxel, share)
    covered = np.array(found.scores.shape) * found.factor
    assert (covered >= shape).all()
    assert (covered - found.factor < shape).all()
    assert found.scores.min() == found.scores.max() > 0


def test_tiles_of_another_tomogram_are_refused():
    with pytest.raises(ValueError, match="expected .* tiles per slice, got"):
        quality_map(slices(lambda y, x, z: 0.6), (0, 39), (40, 300, 900), VOXEL, SHARE)


def test_colours_rise_in_lightness():
    lightness = colours(np.linspace(0, 5, 50)) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > 0).all()


def test_the_overlay_is_bright_where_the_map_is_high():
    made = slices(lambda y, x, z: 0.2 + 0.4 * (x > 0.5) * (y > 0.5))
    found = quality_map(made, (0, 39), SHAPE, VOXEL, SHARE)
    image = overlay(np.zeros(SHAPE[1:], dtype=np.float32), found)
    seen = np.asarray(image).astype(float)[:300, :420] @ [0.2126, 0.7152, 0.0722]
    corners = {"top right": seen[:60, -60:], "bottom left": seen[-60:, :60]}
    assert corners["top right"].min() > corners["bottom left"].max() + 30
    assert seen[:60, :60].mean() == pytest.approx(corners["bottom left"].mean(), abs=5)


def test_the_map_files_have_the_position_of_the_tomogram(tmp_path):
    with mrcfile.new(tmp_path / "a.mrc", speckle(SHAPE)) as mrc:
        mrc.voxel_size = VOXEL
        mrc.header.origin = (100.0, -200.0, 300.0)
    record = make_score(shape_zyx=SHAPE, voxel_size_angstrom=VOXEL, slab_z=(8, 31))
    with open_volume(tmp_path / "a.mrc") as volume:
        made = slices(lambda y, x, z: 0.6)
        found = write_map(volume, made, record, str(tmp_path))
    assert mrcfile.validate(tmp_path / "TS_01-quality.mrc")
    with mrcfile.open(tmp_path / "TS_01-quality.mrc") as mrc:
        assert mrc.is_volume()
        np.testing.assert_array_equal(mrc.data, found.scores)
        assert mrc.voxel_size.tolist() == (120.0, 120.0, 120.0)
        # The first voxel of the map is centred in the first 8 x 8 x 8 voxels of the tomogram.
        assert mrc.header.origin.tolist() == (100.0 + 52.5, -200.0 + 52.5, 300.0 + 52.5)
    assert Image.open(tmp_path / "TS_01-quality.png").size == (460, 300)


def test_an_array_has_its_origin_at_0(tmp_path):
    volume = ArrayVolume(speckle(SHAPE), VOXEL)
    record = make_score("../x", shape_zyx=SHAPE, voxel_size_angstrom=VOXEL, slab_z=(8, 31))
    folder = tmp_path / "maps"
    folder.mkdir()
    write_map(volume, slices(lambda y, x, z: 0.6), record, str(folder))
    (path,) = folder.glob("*.mrc")
    with mrcfile.open(path) as mrc:
        assert mrc.header.origin.tolist() == (52.5, 52.5, 52.5)


def test_score_writes_maps_that_agree_with_the_record(tmp_path, monkeypatch, random_weights):
    monkeypatch.chdir(tmp_path)
    with mrcfile.new("a.mrc", speckle((16, 160, 200))) as mrc:
        mrc.voxel_size = 15.0
    command = ["a.mrc", "--weights", str(random_weights), "--output", "r.jsonl", "--quiet"]
    assert main(["score", *command, "--map", "maps"]) == 0
    (record,) = read_records("r.jsonl")
    assert record.warnings == ()
    with mrcfile.open("maps/a-quality.mrc") as mrc:
        inside = mrc.data[mrc.data.any(axis=(1, 2))]
        assert inside.mean() == pytest.approx(record.tomoscore, abs=0.3)
