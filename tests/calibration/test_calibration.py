# SPDX-License-Identifier: GPL-3.0-or-later
"""Calibration on the halves of a session: when it corrects an octave, and when it does not."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scoring_fakes import CALIBRATION, HALVES, MODEL, make_score

from tomoscore_scipion.calibration.apply import calibrated
from tomoscore_scipion.calibration.calibration import (
    Calibration,
    read_calibration,
    shifted,
    write_calibration,
)
from tomoscore_scipion.calibration.fit import RefusedError, calibration_from
from tomoscore_scipion.commands.cli import main
from tomoscore_scipion.records.bands import PERIODS_NM, scale_nm, tomoscore
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.record_files import json_line

KINDS = ("by-frame", "by-tilt")
RNG = np.random.default_rng(5)
TRUE = np.clip(RNG.uniform(0.25, 0.55, (10, 1)) + RNG.normal(0, 0.03, (10, 5)), 0.2, 0.59)
"""R of ten tomograms, in the range of partial resolvability."""


def record(number, predicted, measured, kind="by-frame"):
    """A tomogram with given predicted and measured R."""
    octaves = 5 if kind == "by-frame" else 3
    values = (*np.round(measured[:octaves], 4), *(None,) * (6 - octaves))
    curve = {"period_nm": PERIODS_NM, "resolvability": (*np.round(predicted, 4), None)}
    score = round(float(tomoscore(np.append(predicted, np.nan))), 4)
    halves = {
        **HALVES,
        "tomoscore": round(float(tomoscore(np.append(measured, np.nan))), 4) * octaves / 5,
        "interval": (0.9, 2.1),
        "curve": {"period_nm": PERIODS_NM, "resolvability": values},
        "kind": kind,
        "octaves": PERIODS_NM[:octaves],
    }
    return make_score(f"T{number}", score, curve=curve, halves=halves)


def session(predict, kind="by-frame"):
    return [record(i, predict(i, row), row, kind) for i, row in enumerate(TRUE)]


def too_low(i, row):
    """A session with predictions that are too low in the coarse octaves."""
    return shifted(row, np.array([-0.8, -0.8, -0.8, 0, 0]))


def test_a_session_that_is_predicted_too_low_is_corrected():
    found = calibration_from(session(too_low))
    assert found.error_after < 0.5 * found.error_before
    assert all(0.4 < shift < 0.9 for shift in found.shifts[:3])
    assert found.tomograms == 10
    assert found.kinds == {"by-frame": 10}
    assert found.octaves == PERIODS_NM[:5]
    assert 0 < found.sd < 1


def test_fine_octaves_above_the_upper_limit_of_halves_of_frames_are_moved_down():
    finer = session(lambda i, row: shifted(row, np.array([-0.8, -0.8, -0.8, 0.8, 0.8])))
    found = calibration_from(finer).shifts
    assert all(shift < -0.3 for shift in found[3:])
    assert all(shift > 0.3 for shift in found[:2])


@pytest.mark.parametrize("error", [-0.8, 0.8])
def test_fine_octaves_that_are_not_measured_are_corrected_in_part(error):
    found = calibration_from(session(lambda i, row: shifted(row, np.full(5, error)), "by-tilt"))
    coarse, fine, finest = np.abs(found.shifts[2:])
    assert set(np.sign(found.shifts)) == {-np.sign(error)}
    assert coarse > 0.4
    assert 0.7 * coarse > fine > finest > 0
    assert found.octaves == PERIODS_NM[:3]


def test_fine_octaves_do_not_rise_above_the_upper_limit_of_halves_of_frames():
    by_frame, by_tilt = (calibration_from(session(too_low, kind)).shifts for kind in KINDS)
    assert all(abs(shift) < 0.15 for shift in by_frame[3:])
    assert by_tilt[3] > 0.25


def test_predictions_without_error_give_no_correction():
    scatter = np.random.default_rng(3).normal(0, 0.04, TRUE.shape)
    with pytest.raises(RefusedError, match="a calibration would not help: .* over 10 tomograms"):
        calibration_from(session(lambda i, row: np.clip(row + scatter[i], 0, 1)))


def test_errors_that_differ_between_tomograms_give_no_correction():
    signs = (-1) ** np.arange(10)
    with pytest.raises(RefusedError, match="would not help"):
        calibration_from(session(lambda i, row: shifted(row, np.full(5, 0.8 * signs[i]))))


def test_five_tomograms_are_too_few():
    with pytest.raises(RefusedError, match="at least 6 tomograms .*found 5 of 6"):
        calibration_from([*session(too_low)[:5], make_score("none")])


def test_calibrated_scores_are_not_calibrated_again():
    twice = [
        replace(one, calibration=CALIBRATION, tomoscore_uncalibrated=1.0)
        for one in session(too_low)
    ]
    with pytest.raises(RefusedError, match="calibrated already"):
        calibration_from(twice)


FOUND = Calibration(
    model_sha256=MODEL["sha256"],
    shifts=(0.5, 0.5, 0.5, 0.0, -0.5),
    octaves=PERIODS_NM[:5],
    tomograms=10,
    kinds={"by-frame": 10},
    error_before=0.6,
    error_after=0.2,
    sd=0.3,
    half_width=0.25,
    engine_version="1",
    created="2026-01-01T00:00:00+00:00",
    name="calibration.json",
    sha256="ca" * 32,
)


def test_every_number_of_a_record_is_corrected():
    slices = {5: np.array([0.5, 0.4, 0.3, 0.3, 0.3, 0.2])}
    before = make_score()
    after = calibrated(before, slices, FOUND)
    old, new = (np.array(one.curve["resolvability"][:5]) for one in (before, after))
    assert list(np.sign(np.round(new - old, 3))) == [1, 1, 1, 0, -1]
    assert after.tomoscore == pytest.approx(tomoscore(np.append(new, np.nan)), abs=1e-4)
    assert after.scale_nm == pytest.approx(scale_nm(after.tomoscore), abs=1e-3)
    assert after.tomoscore_uncalibrated == before.tomoscore
    assert after.calibration == CALIBRATION
    assert after.slices[0]["tomoscore"] == pytest.approx(
        tomoscore(FOUND.corrected(slices[5])), abs=1e-4
    )
    low, high = after.tomoscore_interval
    assert high - low == pytest.approx(2 * 1.6449 * 0.3, abs=1e-3)
    assert after.made_by == f"{MODEL['sha256']}+{'ca' * 32}"


def test_a_less_certain_prediction_keeps_a_wider_interval():
    unsure = make_score(tomoscore_interval=(2.0, 3.0))
    low, high = calibrated(unsure, {}, FOUND).tomoscore_interval
    assert high - low == pytest.approx(4 * 1.6449 * 0.3, abs=1e-3)


def test_a_correction_is_monotone_and_keeps_zero_at_zero():
    curve = np.linspace(0, 1, 50)
    for shift in (-2.0, 0.0, 1.5):
        moved = shifted(curve, np.array(shift))
        assert np.all(np.diff(moved) > 0)
        assert moved[0] == 0
        assert moved[-1] == pytest.approx(1)
    assert shifted(np.array([-0.2, np.nan]), np.array(1.0))[0] == -0.2
    assert np.isnan(shifted(np.array([-0.2, np.nan]), np.array(1.0))[1])


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "calibration.json"
    write_calibration(str(path), FOUND)
    return path


def test_a_calibration_survives_a_round_trip_through_its_file(file):
    found = read_calibration(str(file))
    assert replace(found, sha256=FOUND.sha256) == FOUND
    assert len(found.sha256) == 64
    assert "name" not in json.loads(file.read_text())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"what": "TomoScore rule"}, "expected a TomoScore calibration, found 'TomoScore rule'"),
        ({"schema": 2}, "of schema 1, found 2"),
        ({"shifts": [0.1]}, "expected 5 numbers"),
        ({"shifts": [0, 0, 0, 0, "a"]}, "expected 5 numbers"),
        ({"tomograms": 3}, "tomograms: expected 6 or more, got 3"),
        ({"octaves": []}, "octaves: expected some of"),
        ({"octaves": 5}, "write the calibration again"),
        ({"sd": -1}, "sd: expected a number >= 0"),
        ({"model_sha256": None}, "model_sha256: expected a text"),
    ],
)
def test_a_file_that_is_not_a_calibration_is_refused(file, change, says):
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(StartError, match=says):
        read_calibration(str(file))


def test_other_weights_are_refused():
    FOUND.check_model(MODEL["sha256"])
    with pytest.raises(StartError, match="corrects scores of the weights abab.*found .* cdcd"):
        FOUND.check_model("cd" * 32)


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.jsonl").write_text("".join(map(json_line, session(too_low))))
    return tmp_path


COMMAND = ["calibrate", "r.jsonl", "--output", "c.json"]


def test_the_command_writes_a_calibration_and_prints_its_shifts(results, capsys):
    assert main(COMMAND) == 0
    said = capsys.readouterr().out
    assert said.startswith("Calibrated on 10 tomograms with measured halves (10 by-frame).\n")
    assert "  64 to 32 nm: 0.5" in said
    assert read_calibration("c.json").tomograms == 10


def test_a_refused_calibration_writes_no_file(results, capsys):
    (results / "r.jsonl").write_text("".join(map(json_line, session(lambda i, row: row))))
    assert main(COMMAND) == 1
    assert "r.jsonl: a calibration would not help" in capsys.readouterr().err
    assert not (results / "c.json").exists()


def test_scores_of_two_models_are_not_mixed(results, capsys):
    with open("r.jsonl", "a") as file:
        file.write(json_line(make_score("other", model={**MODEL, "sha256": "cd" * 32})))
    assert main(COMMAND) == 1
    assert "2 models" in capsys.readouterr().err


def test_an_input_is_not_replaced(results, capsys):
    assert main([*COMMAND[:-1], "r.jsonl"]) == 1
    assert "would be replaced" in capsys.readouterr().err
