# SPDX-License-Identifier: GPL-3.0-or-later
"""The measured score beside the predicted one: near the truth, or refused for invalid halves."""

import json
import os
import re
from dataclasses import asdict

import numpy as np
import pytest
import torch

from tomoscore_scipion.records.halves_block import scores_over_measured
from tomoscore_scipion.records.job import Tomogram
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.running.scoring import Scoring
from tomoscore_scipion.simulation.postprocessing import nlm


@pytest.fixture
def measure(shipped):
    """Function that scores a tomogram with halves; returns their entry and the record."""

    def score(whole, half1, half2, size=None):
        item = Tomogram("TS", whole, size, None, half1, half2)
        record = Scoring().process(shipped, item, lambda done, total: None)
        return record.halves, record

    return score


def test_halves_of_frames_measure_the_true_score(measure, files, cell):
    halves, record = measure(*files(*cell.by_frame))
    assert halves["status"] == "measured"
    assert halves["kind"] == "by-frame"
    assert len(halves["octaves"]) == 5
    assert halves["max_tilt_deg"] == pytest.approx(60, abs=3)
    assert halves["tomoscore"] == pytest.approx(cell.truth["tomoscore"], abs=0.5)
    low, high = halves["interval"]
    assert low <= cell.truth["tomoscore"] <= high
    measured, true = halves["curve"]["resolvability"], cell.truth["curve"]["resolvability"]
    np.testing.assert_allclose(measured[2:5], true[2:5], atol=0.12)
    assert Score.from_json(record.to_json()) == record


def test_a_given_tilt_range_replaces_the_estimated_one(files, cell, shipped):
    whole, half1, half2 = files(*cell.by_frame)
    work, scores = Scoring(), {}
    for tilt_range in (None, (-60.0, 60.0), (-30.0, 60.0)):
        item = Tomogram("TS", whole, half1=half1, half2=half2, tilt_range_deg=tilt_range)
        item = work.item_of(json.loads(json.dumps(asdict(item))))
        record = work.process(shipped, item, lambda done, total: None)
        assert record.halves["tilt_range_deg"] == tilt_range
        assert Score.from_json(record.to_json()) == record
        scores[tilt_range] = record.halves["tomoscore"], record.halves["max_tilt_deg"]
    assert scores[(-60.0, 60.0)] == (pytest.approx(scores[None][0], abs=0.1), 60.0)
    assert scores[(-30.0, 60.0)][1] == 45.0
    assert scores[(-30.0, 60.0)][0] < scores[(-60.0, 60.0)][0]


def test_halves_by_tilt_are_reported_and_count_coarse_octaves_only(measure, files, cell):
    halves, record = measure(*files(*cell.by_tilt))
    assert halves["kind"] == "by-tilt"
    assert [fine for _, fine in halves["octaves"]] == [64, 32, 16]
    assert halves["curve"]["resolvability"][3:] == (None, None, None)
    assert "left out" in halves["warnings"][0]
    predicted, measured = scores_over_measured(record)
    assert 0 < predicted <= record.tomoscore
    assert measured == pytest.approx(halves["tomoscore"], abs=1e-3)


def test_halves_do_not_change_the_prediction(measure, files, cell, shipped):
    paths = files(*cell.by_frame)
    alone = shipped.score(paths[0], ts_id="TS")
    _, record = measure(*paths)
    assert record.tomoscore == alone.tomoscore
    assert record.curve == alone.curve
    assert record.warnings == alone.warnings


def test_filters_of_the_tomogram_do_not_change_the_measured_score(measure, files, cell):
    plain, _ = measure(*files(*cell.by_frame))
    smooth = torch.nn.functional.avg_pool2d(torch.from_numpy(cell.whole)[None], 3, 1, 1)[0]
    filtered, _ = measure(*files(*cell.by_frame, whole=smooth.numpy()))
    assert filtered["tomoscore"] == pytest.approx(plain["tomoscore"], abs=0.15)


def test_filters_of_the_halves_do_not_change_the_measured_score(measure, files, cell):
    plain, _ = measure(*files(*cell.by_frame))
    radius = np.hypot(np.fft.fftfreq(192)[:, None], np.fft.rfftfreq(192))
    gain = 1 / (0.05 + radius)
    halves = [np.fft.irfft2(np.fft.rfft2(half) * gain, s=(192, 192)) for half in cell.by_frame]
    filtered, _ = measure(*files(*halves))
    assert filtered["tomoscore"] == pytest.approx(plain["tomoscore"], abs=0.15)


def test_noise_of_a_tilt_series_has_no_measured_score(measure, files, cell, another):
    depth = min(len(cell.whole), len(another.whole))
    odd, even = (one.by_frame[0][:depth] - one.by_frame[1][:depth] for one in (cell, another))
    halves, _ = measure(*files(odd, even, whole=odd + even))
    assert halves["tomoscore"] < 0.3


def blurred_noise(shape, seed):
    noise = np.random.default_rng(seed).standard_normal(shape)
    return noise + np.roll(noise, 1, axis=2) + np.roll(noise, 1, axis=1)


def refusals(cell, another):
    """Invalid halves by kind: the two halves and a part of the error message."""
    odd, even = cell.by_frame
    noise = [0.02 * float(odd.std()) * blurred_noise(odd.shape, seed) for seed in (1, 2)]
    depth = len(odd) - len(another.whole)
    others = [np.pad(half, ((0, depth), (0, 0), (0, 0)), "reflect") for half in another.by_frame]
    denoised = [nlm(torch.from_numpy(half), 0.5).numpy() for half in (odd, even)]
    return {
        "identical contents": (odd, odd, "hold the same volume"),
        "one volume": (cell.whole + noise[0], cell.whole + noise[1], "share their noise"),
        "a half is the tomogram": (cell.whole, even, "holds the tomogram itself"),
        "another shape": (odd[1:], even, "has the shape"),
        "opposite contrast": (odd, -even, "opposite contrast"),
        "displaced": (odd, np.roll(even, (0, 5, -7), (0, 1, 2)), r"displaced by \(-7, 5, 0\)"),
        "displaced in z": (odd, np.roll(even, 4, 0), r"displaced by \(0, 0, [345]\)"),
        "constant": (odd, np.ones_like(odd), "constant"),
        "denoised": (*denoised, "denoised"),
        "other tilt series": (*others, "nothing in common"),
    }


KINDS = (
    "identical contents",
    "one volume",
    "a half is the tomogram",
    "another shape",
    "opposite contrast",
    "displaced",
    "displaced in z",
    "constant",
    "denoised",
    "other tilt series",
)


@pytest.fixture(scope="module")
def invalid(cell, another):
    return refusals(cell, another)


def check_refused(halves, record, pattern):
    assert halves["status"] == "refused"
    assert re.search(pattern, halves["error"])
    assert halves["tomoscore"] is None
    assert record.status == "ok"
    assert record.tomoscore is not None
    assert record.warnings[-1] == f"its halves are refused: {halves['error']}"


@pytest.mark.parametrize("kind", KINDS)
def test_invalid_halves_are_refused_and_the_prediction_is_kept(kind, measure, files, invalid):
    half1, half2, pattern = invalid[kind]
    check_refused(*measure(*files(half1, half2)), pattern)


def test_one_file_for_both_halves_is_refused(measure, files, cell):
    whole, odd, _ = files(*cell.by_frame)
    check_refused(*measure(whole, odd, odd), "both halves are the file")


def test_the_file_of_the_tomogram_as_a_half_is_refused(measure, files, cell):
    whole, odd, _ = files(*cell.by_frame)
    check_refused(
        *measure(whole, odd, os.path.join(os.path.dirname(whole), ".", "whole.mrc")), "itself"
    )


def test_a_missing_half_is_refused(measure, files, cell):
    whole, odd, even = files(*cell.by_frame)
    os.remove(even)
    check_refused(*measure(whole, odd, even), "cannot be read.*none of this name")


def test_a_truncated_half_is_refused(measure, files, cell):
    whole, odd, even = files(*cell.by_frame)
    os.truncate(even, os.path.getsize(even) // 2)
    check_refused(*measure(whole, odd, even), "cannot be read")


def test_halves_of_another_voxel_size_are_refused(measure, files, cell):
    halves, record = measure(*files(*cell.by_frame, sizes=(None, 10.0, 10.0)))
    check_refused(halves, record, "has a voxel size of 10 A, expected 15 A")


def test_a_given_voxel_size_applies_to_the_halves(measure, files, cell):
    paths = files(*cell.by_frame, sizes=(10.0, 10.0, 10.0))
    halves, _ = measure(*paths, size=cell.voxel_size_angstrom)
    assert halves["status"] == "measured"


def test_halves_without_a_voxel_size_get_that_of_the_tomogram(measure, files, cell):
    halves, _ = measure(*files(*cell.by_frame, sizes=(None, 0.0, 0.0)))
    assert halves["status"] == "measured"
    halves, _ = measure(*files(*cell.by_frame, sizes=(None, 1.0, 1.0)))
    assert halves["status"] == "measured"
