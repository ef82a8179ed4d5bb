# SPDX-License-Identifier: GPL-3.0-or-later
"""Scoring with a calibration: corrections, reports and refused calibrations."""

import json
from dataclasses import replace

import mrcfile
import numpy as np
import pytest
from small_model import speckle
from test_calibration import FOUND

from tomoscore_scipion.calibration.calibration import read_calibration, write_calibration
from tomoscore_scipion.commands.cli import main
from tomoscore_scipion.model.weights import sha256_of
from tomoscore_scipion.records.bands import fraction_below_nyquist, tomoscore
from tomoscore_scipion.records.job import Tomogram
from tomoscore_scipion.records.record_files import read_records
from tomoscore_scipion.running.scoring import Scoring
from tomoscore_scipion.running.work import work_from


@pytest.fixture
def folder(tmp_path, monkeypatch, random_weights):
    monkeypatch.chdir(tmp_path)
    mrcfile.write("TS_01.mrc", speckle((6, 96, 96)), voxel_size=15.0)
    ours = replace(FOUND, model_sha256=sha256_of(str(random_weights)))
    write_calibration("c.json", ours)
    write_calibration("other.json", FOUND)
    return tmp_path


def ignore(length, total):
    """Progress callback that does nothing."""


def test_every_number_of_a_record_is_calibrated(folder, scorer):
    calibration = read_calibration("c.json")
    work = work_from(json.loads(json.dumps(Scoring(calibration=calibration).as_request())))
    assert work.calibration == calibration
    item = Tomogram("TS_01", "TS_01.mrc")
    before, after = (one.process(scorer, item, ignore) for one in (Scoring(), work))
    share = fraction_below_nyquist(1.5)
    old, new = (
        np.array([np.nan if r is None else r for r in one.curve["resolvability"]])
        for one in (before, after)
    )
    np.testing.assert_allclose(new, calibration.corrected(old), atol=1e-4)
    assert after.tomoscore == pytest.approx(tomoscore(new, share), abs=1e-3)
    assert after.tomoscore_uncalibrated == before.tomoscore
    assert after.calibration == calibration.provenance()
    assert [s["z"] for s in after.slices] == [s["z"] for s in before.slices]
    assert [s["tomoscore"] for s in after.slices] != [s["tomoscore"] for s in before.slices]


def test_the_map_is_calibrated(folder, scorer):
    maps = {}
    for name in ("c.json", None):
        calibration = read_calibration(name) if name else None
        work = Scoring(map_dir=f"maps-{name}", calibration=calibration)
        work.products.prepare()
        work.process(scorer, Tomogram("TS_01", "TS_01.mrc"), ignore)
        (path,) = (folder / work.map_dir).glob("*.mrc")
        maps[name] = np.array(mrcfile.read(path), dtype=float)
    assert np.abs(maps["c.json"] - maps[None]).max() > 0.05


def test_the_command_and_a_job_apply_a_calibration(folder, random_weights, capsys):
    options = ["--weights", str(random_weights), "--device", "cpu", "--output", "r.jsonl"]
    assert main(["score", "TS_01.mrc", "--calibration", "c.json", *options]) == 0
    assert "Scores are calibrated by c.json" in capsys.readouterr().out
    (record,) = read_records("r.jsonl")
    assert record.calibration["name"] == "c.json"
    job = {"schema": 1, "weights": str(random_weights), "device": "cpu"}
    job["tomograms"] = [{"ts_id": "TS_01", "path": "TS_01.mrc"}]
    (folder / "job.json").write_text(json.dumps({**job, "calibration": "c.json"}))
    assert main(["score", "--job", "job.json", "--output", "r.jsonl"]) == 0
    assert "1 of 1 tomograms are in r.jsonl already" in capsys.readouterr().err
    (folder / "job.json").write_text(json.dumps(job))
    assert main(["score", "--job", "job.json", "--output", "r.jsonl"]) == 0
    assert "already" not in capsys.readouterr().err
    (record,) = read_records("r.jsonl")
    assert record.calibration is None


def test_a_calibration_of_other_weights_is_refused(folder, random_weights, capsys):
    options = ["--weights", str(random_weights), "--device", "cpu"]
    assert main(["score", "TS_01.mrc", "--calibration", "other.json", *options]) == 1
    assert "the calibration other.json corrects scores of the weights" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        (["--calibration", "none.json"], 1, "cannot read none.json"),
        (["--calibration", "c.json", "--output", "c.json"], 1, "would be replaced"),
        (["--calibration", "TS_01.mrc"], 1, "expected a TomoScore calibration"),
    ],
)
def test_a_calibration_that_cannot_be_used_is_an_error(folder, capsys, options, status, says):
    assert main(["score", "TS_01.mrc", *options]) == status
    assert says in capsys.readouterr().err


def test_a_watch_refuses_a_calibration_of_other_weights(folder, random_weights, capsys):
    options = ["--weights", str(random_weights), "--device", "cpu", "--output", "out"]
    assert main(["watch", ".", "--calibration", "other.json", *options]) == 1
    assert "the calibration other.json corrects scores" in capsys.readouterr().err
