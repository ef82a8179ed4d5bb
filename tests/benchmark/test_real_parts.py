# SPDX-License-Identifier: GPL-3.0-or-later
"""The scores of quarters, single slices and other reconstructions of a tomogram."""

import re

import mrcfile
import numpy as np
import pytest

from tomoscore_scipion.records.job import Tomogram


@pytest.fixture(scope="module")
def real_parts(script):
    return script("real_parts")


@pytest.fixture
def tomogram(tmp_path):
    """A tomogram of noise with its half maps; (path, [half maps])."""
    rng = np.random.default_rng(0)
    halves = rng.normal(size=(2, 10, 64, 96)).astype(np.float32)
    paths = [tmp_path / name for name in ("whole.mrc", "odd.mrc", "even.mrc")]
    for path, volume in zip(paths, [halves.mean(axis=0), *halves]):
        mrcfile.write(path, volume, voxel_size=20.0)
    return paths[0], paths[1:]


def test_quarters_tile_the_field_and_keep_their_halves(real_parts, tomogram, tmp_path):
    path, halves = tomogram
    whole = Tomogram("whole", str(path), None, None, *map(str, halves))
    folder = tmp_path / "parts"
    folder.mkdir()
    parts = list(real_parts.parts(whole, (1, 9), folder))
    quarters, singles = parts[:4], parts[4:]
    for name, original in zip(("path", "half1", "half2"), (path, *halves)):
        pieces = [mrcfile.read(getattr(quarter, name)) for quarter in quarters]
        field = np.concatenate([np.concatenate(pieces[:2], 2), np.concatenate(pieces[2:], 2)], 1)
        np.testing.assert_array_equal(field, mrcfile.read(original))
    planes = [int(single.ts_id.split()[-1]) for single in singles]
    assert planes[0] == 3 and planes[-1] == 7
    for z, single in zip(planes, singles):
        np.testing.assert_array_equal(mrcfile.read(single.path)[0], mrcfile.read(path)[z])
        assert single.half1 is None


def test_the_table_has_a_row_for_each_part(real_parts, tomogram, capsys):
    path, halves = tomogram
    command = [str(path), "--halves", *map(str, halves), "--others", str(path), "--device", "cpu"]
    assert real_parts.main(command) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[1].startswith("whole") and rows[-1].startswith("whole.mrc")
    assert sum(row.startswith("quarter") for row in rows) == 4
    # Halves of noise are measured, or refused with the reason.
    assert all(re.search(r"  \d\.\d\d, \d\.\d\d$|  not measured: the half", r) for r in rows[1:6])


def test_a_missing_half_map_is_named(real_parts, tomogram, capsys):
    path, halves = tomogram
    halves[1].unlink()
    assert real_parts.main([str(path), "--halves", *map(str, halves), "--device", "cpu"]) == 1
    assert "even.mrc" in capsys.readouterr().err
