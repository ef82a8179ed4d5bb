# SPDX-License-Identifier: GPL-3.0-or-later
"""Thumbnails: the right slices, the right way up, small, named so that they are found again."""

import io
import json
import os
from dataclasses import replace

import mrcfile
import numpy as np
import pytest
from PIL import Image
from scoring_fakes import make_score
from small_model import speckle

from tomoscore_scipion.engine.bands import scale_nm
from tomoscore_scipion.engine.cli import main
from tomoscore_scipion.engine.errors import StartError
from tomoscore_scipion.engine.output import read_records
from tomoscore_scipion.engine.pictures import LARGEST_BYTES, as_jpeg, picture
from tomoscore_scipion.engine.products import Products
from tomoscore_scipion.engine.record import Score
from tomoscore_scipion.engine.thumbnail_files import chosen_slices, thumbnail_name, thumbnails_of
from tomoscore_scipion.engine.thumbnails import write_thumbnails
from tomoscore_scipion.engine.volume import ArrayVolume


def slices_of(scores):
    """Entries of scored slices, {plane: score}."""
    return tuple({"z": z, "tomoscore": s, "scale_nm": scale_nm(s)} for z, s in scores.items())


def test_central_best_median_and_worst_are_chosen_within_the_slab():
    scores = {1: 0.1, 5: 2.0, 8: 3.0, 10: 2.5, 14: 1.0, 18: 4.0}
    record = make_score(slab_z=(4, 15), slices=slices_of(scores))
    assert chosen_slices(record) == {"central": 10, "best": 8, "median": 5, "worst": 14}


def test_a_slab_between_the_scored_slices_shows_all_of_them():
    record = make_score(slab_z=(6, 7), slices=slices_of({1: 1.0, 5: 2.0, 12: 3.0}))
    assert chosen_slices(record) == {"central": 5, "best": 12, "median": 5, "worst": 1}


def test_nothing_is_chosen_where_nothing_was_scored():
    assert chosen_slices(Score.failed("TS_01", "a.mrc", "empty")) == {}
    assert chosen_slices(make_score(slices=())) == {}


def test_a_picture_is_small_and_stretched_from_black_to_white():
    image = picture(speckle((700, 1000)))
    assert image.size == (320, 224)
    grey = np.asarray(image)
    assert (grey.min(), grey.max()) == (0, 255)
    assert picture(speckle((40, 30))).size == (30, 40)


def test_row_0_is_at_the_bottom():
    values = np.zeros((64, 64), dtype=np.float32)
    values[:32] = 1.0
    grey = np.asarray(picture(values))
    assert grey[-1].min() == 255
    assert grey[0].max() == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_hides_nothing(bad):
    values = speckle((64, 64))
    clean = np.asarray(picture(values)).astype(int)
    values[3, 5] = bad
    differs = np.abs(np.asarray(picture(values)).astype(int) - clean) > 3
    assert differs.sum() <= 1


@pytest.mark.parametrize("value", [0.0, 3.4e38, np.nan])
def test_a_constant_slice_is_grey(value):
    grey = np.asarray(picture(np.full((8, 8), value, dtype=np.float32)))
    assert set(np.unique(grey)) == {128}


def test_noise_is_made_to_fit():
    content = as_jpeg(picture(speckle((1000, 1000))))
    assert 2_000 < len(content) <= LARGEST_BYTES
    assert Image.open(io.BytesIO(content)).size[0] >= 160
    smooth = np.linspace(0, 1, 320, dtype=np.float32)[None] * np.ones((320, 1), dtype=np.float32)
    assert Image.open(io.BytesIO(as_jpeg(picture(smooth)))).size == (320, 320)


def test_thumbnails_replace_earlier_ones_of_their_tomogram_only(tmp_path):
    volume = ArrayVolume(speckle((20, 32, 32)), 10.0)
    record = make_score(slices=slices_of({5: 2.0, 10: 3.0}))
    for name in (thumbnail_name("TS_01", 3), thumbnail_name("TS_01-z3", 4), "TS_01-zoo.jpg"):
        (tmp_path / name).touch()
    write_thumbnails(volume, record, str(tmp_path))
    assert list(thumbnails_of(tmp_path, "TS_01")) == [5, 10]
    assert list(thumbnails_of(tmp_path, "TS_01-z3")) == [4]
    assert (tmp_path / "TS_01-zoo.jpg").exists()


def test_an_id_never_leaves_the_folder(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    volume = ArrayVolume(speckle((20, 32, 32)), 10.0)
    record = make_score("../<script>", slices=slices_of({5: 2.0}))
    write_thumbnails(volume, record, str(folder))
    assert os.listdir(tmp_path) == ["pictures"]
    (path,) = thumbnails_of(folder, "../<script>").values()
    assert os.path.dirname(path) == str(folder)


def test_a_full_disk_costs_the_pictures_and_not_the_score(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    record = make_score(slices=slices_of({5: 2.0}))
    volume = ArrayVolume(speckle((20, 32, 32)), 10.0)
    finished = Products(str(tmp_path))(volume, [], record)
    assert replace(finished, warnings=()) == record
    (warning,) = finished.warnings
    assert warning == (
        f"its thumbnails could not be written to {tmp_path}: No space left on device; "
        "the score holds"
    )
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_made_stops_at_once(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="cannot make the folder .*file: File exists"):
        Products(str(tmp_path / "file")).prepare()


@pytest.mark.parametrize("by_job", [False, True])
def test_score_writes_thumbnails(tmp_path, monkeypatch, random_weights, by_job):
    monkeypatch.chdir(tmp_path)
    with mrcfile.new("a.mrc", speckle((16, 160, 200))) as mrc:
        mrc.voxel_size = 15.0
    if by_job:
        job = {"schema": 1, "weights": str(random_weights), "thumbnail_dir": "pictures"}
        job["tomograms"] = [{"ts_id": "TS 1", "path": "a.mrc"}]
        (tmp_path / "job.json").write_text(json.dumps(job))
        command = ["--job", "job.json"]
    else:
        command = ["a.mrc", "--weights", str(random_weights), "--thumbnails", "pictures"]
    assert main(["score", *command, "--output", "r.jsonl", "--quiet"]) == 0
    (record,) = read_records("r.jsonl")
    assert record.warnings == ()
    found = thumbnails_of("pictures", record.ts_id)
    assert list(found) == sorted(set(chosen_slices(record).values()))
    assert {Image.open(path).size for path in found.values()} == {(200, 160)}
