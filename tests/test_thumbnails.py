# SPDX-License-Identifier: GPL-3.0-or-later
"""Thumbnails: choice of slices, orientation, sharpness, contrast and file names."""

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

from tomoscore_scipion.commands.cli import main
from tomoscore_scipion.images.pictures import (
    DETAIL_PX,
    THUMBNAIL_PX,
    as_jpeg,
    as_webp,
    contrast_limits,
    grey_levels,
    picture,
)
from tomoscore_scipion.images.thumbnails import slice_to_show, write_thumbnails
from tomoscore_scipion.reading.volume import ArrayVolume
from tomoscore_scipion.records.bands import scale_nm
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.record_files import read_records
from tomoscore_scipion.records.thumbnail_files import (
    chosen_slices,
    detail_name,
    pictures_of,
    slices_shown,
    thumbnail_name,
)
from tomoscore_scipion.running.products import Products


def slices_of(scores):
    """Slice entries of a record from {plane: score}."""
    return tuple({"z": z, "tomoscore": s, "scale_nm": scale_nm(s)} for z, s in scores.items())


def test_central_best_median_and_worst_are_chosen_within_the_slab():
    scores = {1: 0.1, 5: 2.0, 8: 3.0, 10: 2.5, 14: 1.0, 18: 4.0}
    record = make_score(slab_z=(4, 15), slices=slices_of(scores))
    assert chosen_slices(record) == {"central": 10, "best": 8, "median": 5, "worst": 14}


def test_a_slab_without_scored_slices_shows_those_outside():
    record = make_score(slab_z=(6, 7), slices=slices_of({1: 1.0, 5: 2.0, 12: 3.0}))
    assert chosen_slices(record) == {"central": 5, "best": 12, "median": 5, "worst": 1}


def test_without_scored_slices_none_is_chosen():
    assert chosen_slices(Score.failed("TS_01", "a.mrc", "empty")) == {}
    assert chosen_slices(make_score(slices=())) == {}


@pytest.mark.parametrize(
    ("voxel_nm", "z", "expected"),
    [
        (1.3, 50, range(47, 54)),
        (1.3, 1, range(0, 7)),
        (1.3, 99, range(93, 100)),
        (2.0, 50, range(48, 53)),
        (5.0, 50, range(50, 51)),
        (0.05, 50, range(0, 100)),
    ],
)
def test_a_picture_shows_the_mean_over_about_10_nm(voxel_nm, z, expected):
    assert slices_shown(z, 100, voxel_nm) == expected
    assert slices_shown(0, 1, voxel_nm) == range(1)


def test_the_mean_is_over_the_shown_slices():
    volume = ArrayVolume(speckle((20, 32, 32)), 13.0)
    mean = volume._array[slices_shown(10, 20, 1.3)].mean(axis=0)
    np.testing.assert_allclose(slice_to_show(volume, 10), mean, atol=1e-6)
    np.testing.assert_array_equal(volume._array, speckle((20, 32, 32)))


def like_a_tomogram(shape, seed=0):
    """Noise with power that falls with the frequency, as in a mean over 10 nm of a tomogram."""
    n_y, n_x = shape
    radius = np.hypot(np.fft.fftfreq(n_y)[:, None], np.fft.rfftfreq(n_x)[None])
    noise = np.fft.rfft2(np.random.default_rng(seed).standard_normal(shape))
    return np.fft.irfft2(noise / (0.03 + radius), shape).astype(np.float32)


def ideal_resize(values, shape):
    """Ideal resampling: keeps all frequencies below the new Nyquist, and no others."""
    (n_y, n_x), (m_y, m_x) = values.shape, shape
    k_y, k_x = np.fft.fftfreq(m_y, 1 / m_y)[:, None], np.fft.fftfreq(m_x, 1 / m_x)[None]
    cropped = np.fft.fft2(values)[k_y.astype(int) % n_y, k_x.astype(int) % n_x]
    shift = k_y * (n_y / m_y - 1) / (2 * n_y) + k_x * (n_x / m_x - 1) / (2 * n_x)
    return np.fft.ifft2(cropped * np.exp(2j * np.pi * shift)).real


def decoded(content):
    """A file as (y, x), row 0 at the bottom."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("L"), dtype=float)[::-1]


INNER = (slice(8, -8), slice(8, -8))
"""The image without its border, where the ideal resampling wraps around."""


def likeness(found, ideal):
    return np.corrcoef(found[INNER].ravel(), ideal[INNER].ravel())[0, 1]


@pytest.mark.parametrize("shape", [(928, 960), (1440, 1024), (500, 520)])
def test_a_detail_is_as_sharp_as_the_ideal_resize(shape):
    values = like_a_tomogram(shape)
    content = as_webp(picture(values))
    found = decoded(content)
    assert max(found.shape) == DETAIL_PX
    assert likeness(found, ideal_resize(values, found.shape)) >= 0.98
    assert 30_000 < len(content) < 110_000


def test_a_thumbnail_is_as_sharp_as_its_size_allows():
    values = like_a_tomogram((928, 960))
    found = decoded(as_jpeg(picture(values, THUMBNAIL_PX)))
    assert max(found.shape) == THUMBNAIL_PX
    assert likeness(found, ideal_resize(values, found.shape)) >= 0.98


@pytest.mark.parametrize(("longest", "encode"), [(DETAIL_PX, as_webp), (THUMBNAIL_PX, as_jpeg)])
@pytest.mark.parametrize("axis", [0, 1])
def test_lines_at_half_the_pictures_nyquist_keep_their_contrast(longest, encode, axis):
    values = like_a_tomogram((960, 960))
    values /= values.std()
    cycles = longest // 4
    lines = np.cos(2 * np.pi * cycles * (np.arange(960) + 0.5) / 960).astype(np.float32)
    values += lines[:, None] if axis == 0 else lines[None]

    def contrast(shown):
        mean = shown.mean(axis=1 - axis)
        return abs(np.fft.fft(mean)[cycles]) / shown.std()

    found = decoded(encode(picture(values, longest)))
    assert contrast(found) >= 0.8 * contrast(ideal_resize(values, (longest, longest)))


def test_a_reduced_slice_has_full_contrast():
    values = like_a_tomogram((960, 960))
    shown = resized_by_mean(grey_levels(values, 960, 240), 4)
    assert np.asarray(picture(values, 240)).std() == pytest.approx(
        np.clip(shown, 0, 255).std(), rel=0.1
    )
    assert resized_by_mean(np.asarray(picture(values, 960)), 4).std() < 0.9 * shown.std()


def resized_by_mean(values, factor):
    """The image reduced by the mean over blocks of `factor` by `factor` pixels."""
    n_y, n_x = (n // factor for n in values.shape)
    return values.reshape(n_y, factor, n_x, factor).astype(float).mean(axis=(1, 3))


def test_a_small_slice_is_not_enlarged():
    assert picture(speckle((40, 30))).size == (30, 40)


def test_beads_and_an_empty_border_do_not_reduce_the_contrast():
    values = like_a_tomogram((240, 240))
    clean = contrast_limits(values)
    spread = clean[1] - clean[0]
    values[100:140, 100:140] -= 50 * spread  # 3 % of the field
    values[:, :80] = 100 * spread
    low, high = contrast_limits(values)
    assert high - low < 2 * spread
    grey = np.asarray(picture(values))[::-1]
    assert grey[:90, 90:].std() > 30
    assert set(np.unique(grey[:, :79])) == {255}


def test_row_0_is_at_the_bottom():
    values = np.zeros((64, 64), dtype=np.float32)
    values[:32] = 1.0
    grey = np.asarray(picture(values))
    assert grey[-1].min() == 255
    assert grey[0].max() == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_do_not_change_other_pixels(bad):
    values = speckle((64, 64))
    clean = np.asarray(picture(values)).astype(int)
    values[3, 5] = bad
    differs = np.abs(np.asarray(picture(values)).astype(int) - clean) > 3
    assert differs.sum() <= 1


@pytest.mark.parametrize("value", [0.0, 3.4e38, np.nan])
def test_a_constant_slice_is_grey(value):
    grey = np.asarray(picture(np.full((8, 8), value, dtype=np.float32)))
    assert set(np.unique(grey)) == {128}


def test_thumbnails_replace_earlier_ones_of_their_tomogram_only(tmp_path):
    volume = ArrayVolume(speckle((20, 32, 32)), 10.0)
    record = make_score(slices=slices_of({5: 2.0, 10: 3.0}))
    others = {thumbnail_name("TS_01-z3", 4), "TS_01-zoo.jpg"}
    for name in (thumbnail_name("TS_01", 3), detail_name("TS_01", 3), *others):
        (tmp_path / name).touch()
    write_thumbnails(volume, record, str(tmp_path))
    made = {thumbnail_name("TS_01", 10), detail_name("TS_01", 5), detail_name("TS_01", 10)}
    assert set(os.listdir(tmp_path)) == made | others
    assert {os.path.basename(path) for path in pictures_of(tmp_path, "TS_01")} == made


def test_an_id_with_a_path_does_not_leave_the_folder(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    volume = ArrayVolume(speckle((20, 32, 32)), 10.0)
    record = make_score("../<script>", slices=slices_of({5: 2.0}))
    write_thumbnails(volume, record, str(folder))
    assert os.listdir(tmp_path) == ["pictures"]
    paths = pictures_of(folder, "../<script>")
    assert len(paths) == 2
    assert {os.path.dirname(path) for path in paths} == {str(folder)}


def test_a_full_disk_gives_a_warning_and_keeps_the_score(tmp_path, monkeypatch):
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


def test_a_folder_that_cannot_be_made_is_a_start_error(tmp_path):
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
    found = pictures_of("pictures", record.ts_id)
    chosen = chosen_slices(record)
    thumbnail = thumbnail_name(record.ts_id, chosen.pop("central"))
    details = {detail_name(record.ts_id, z) for z in chosen.values()}
    assert {os.path.basename(path) for path in found} == {thumbnail, *details}
    assert {Image.open(path).size for path in found} == {(200, 160)}
