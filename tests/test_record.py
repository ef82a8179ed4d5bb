# SPDX-License-Identifier: GPL-3.0-or-later
"""Records are complete, valid, and unchanged by a round trip through JSON."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scoring_fakes import CALIBRATION, HALVES, MODEL, REFUSED_HALVES, make_score

from tomoscore_scipion.records.record import Score, default_ts_id

KEYS = [
    "schema",
    "ts_id",
    "path",
    "status",
    "error",
    "tomoscore",
    "tomoscore_interval",
    "scale_nm",
    "curve",
    "content",
    "slab_z",
    "z_range",
    "slices",
    "halves",
    "tomoscore_uncalibrated",
    "calibration",
    "voxel_size_angstrom",
    "shape_zyx",
    "warnings",
    "model",
    "engine_version",
    "device",
    "seconds",
]


def test_a_record_has_the_keys_of_schema_1_in_order():
    assert list(make_score().to_dict()) == KEYS
    assert list(Score.failed("TS_01", "a.mrc", "empty file").to_dict()) == KEYS
    assert make_score().schema == 1


@pytest.mark.parametrize(
    "record",
    [
        make_score(warnings=("looks unflipped",)),
        make_score(tomoscore=0.0),
        make_score(ts_id="caf\u00e9 'x' $(y) %s"),
        make_score(path="bad\udcff.mrc"),
        make_score(z_range=(2, None)),
        make_score(halves=HALVES),
        make_score(calibration=CALIBRATION, tomoscore_uncalibrated=2.1),
        make_score(halves=REFUSED_HALVES),
        Score.failed("TS_02", "b.mrc", "empty", model=MODEL, device="cpu", seconds=0.1),
    ],
)
def test_a_record_survives_a_round_trip_through_json(record):
    line = record.to_json()
    assert line.isascii()
    assert "\n" not in line
    assert Score.from_json(line) == record
    assert Score.from_dict(json.loads(line)).to_dict() == record.to_dict()


def test_an_old_record_without_z_range_is_read():
    record = make_score().to_dict()
    del record["z_range"]
    assert Score.from_dict(record).z_range is None


def test_numpy_numbers_become_plain_json():
    record = make_score(
        tomoscore=np.float32(2.5),
        scale_nm=np.float64(22.6),
        slab_z=np.array([4, 15]),
        shape_zyx=[np.int64(20), 32, 32],
    )
    written = json.loads(record.to_json())
    assert written["tomoscore"] == 2.5
    assert written["slab_z"] == [4, 15]
    assert written["shape_zyx"] == [20, 32, 32]


def test_a_failed_record_has_null_for_missing_numbers():
    written = json.loads(Score.failed("TS_01", "a.mrc", "empty file").to_json())
    assert written["status"] == "failed"
    assert written["error"] == "empty file"
    for key in ("tomoscore", "tomoscore_interval", "scale_nm", "curve", "slab_z"):
        assert written[key] is None
    assert written["slices"] == []


def test_score_0_is_coarser_than_128_nm():
    assert make_score(tomoscore=0.0).to_dict()["scale_nm"] is None


CURVE = make_score().curve
INVALID = {
    "empty id": {"ts_id": ""},
    "id of two lines": {"ts_id": "TS\n01"},
    "id that is no text": {"ts_id": 7},
    "unknown status": {"status": "fine"},
    "later schema": {"schema": 2},
    "path that is no text": {"path": 3},
    "error in a scored record": {"error": "oops"},
    "no score": {"tomoscore": None},
    "score not a number": {"tomoscore": math.nan},
    "score beyond 5": {"tomoscore": 5.1},
    "score that is a truth value": {"tomoscore": True},
    "scale at score 0": {"tomoscore": 0.0, "scale_nm": 128.0},
    "no scale": {"scale_nm": None},
    "infinite scale": {"scale_nm": math.inf},
    "interval reversed": {"tomoscore_interval": (3, 2)},
    "interval without an end": {"tomoscore_interval": (2.0, None)},
    "no interval": {"tomoscore_interval": None},
    "no curve": {"curve": None},
    "curve without periods": {"curve": {"resolvability": CURVE["resolvability"]}},
    "curve of five bands": {"curve": {**CURVE, "resolvability": (0.5,) * 5}},
    "curve beyond 1": {"curve": {**CURVE, "resolvability": (1.01,) * 6}},
    "curve with NaN": {"curve": {**CURVE, "resolvability": (math.nan,) * 6}},
    "bands without edges": {"curve": {**CURVE, "period_nm": (64, 32, 16, 8, 4, 3)}},
    "slab outside the volume": {"slab_z": (4, 20)},
    "slab reversed": {"slab_z": (8, 4)},
    "slab of fractions": {"slab_z": (4.0, 8.0)},
    "no slab": {"slab_z": None},
    "z range reversed": {"z_range": (8, 4)},
    "z range of one": {"z_range": (8,)},
    "slices that are no list": {"slices": "none"},
    "slice outside the volume": {"slices": [{"z": 20, "tomoscore": 0, "scale_nm": None}]},
    "slice without a score": {"slices": [{"z": 2}]},
    "slice with NaN": {"slices": [{"z": 2, "tomoscore": math.nan, "scale_nm": None}]},
    "voxel size 0": {"voxel_size_angstrom": 0},
    "voxel size missing": {"voxel_size_angstrom": None},
    "shape of two": {"shape_zyx": (32, 32)},
    "warnings that are one text": {"warnings": "careful"},
    "model without its hash": {"model": {"name": "m", "version": "1"}},
    "no model": {"model": None},
    "device that is no text": {"device": 0},
    "no seconds": {"seconds": None},
    "negative seconds": {"seconds": -1},
    "calibration without its hash": {
        "calibration": {"name": "c.json", "tomograms": 8},
        "tomoscore_uncalibrated": 2.0,
    },
    "calibration without the uncalibrated score": {"calibration": CALIBRATION},
    "uncalibrated score without a calibration": {"tomoscore_uncalibrated": 2.0},
    "failed without a reason": {"status": "failed"},
    "failed with a score": {"status": "failed", "error": "oops"},
}


@pytest.mark.parametrize("changes", INVALID.values(), ids=INVALID.keys())
def test_an_invalid_record_cannot_be_created(changes):
    with pytest.raises(ValueError, match="expected .* got "):
        replace(make_score(), **changes)


def test_a_failed_record_has_no_slices():
    with pytest.raises(ValueError, match="slices"):
        Score.failed("TS_01", "a.mrc", "empty", slices=({"z": 1},))


def test_the_message_of_an_invalid_record_stays_short():
    with pytest.raises(ValueError, match="tomoscore") as caught:
        replace(make_score(), tomoscore=("x" * 1000,))
    assert len(str(caught.value)) < 200


def test_a_record_cannot_be_changed():
    with pytest.raises(AttributeError):
        make_score().tomoscore = 5.0


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ([1, 2], "expected a record"),
        ({"schema": 2}, "expected schema 1, got 2"),
        ({"schema": 1, "ts_id": "a"}, "lacks path, status"),
    ],
)
def test_data_that_are_not_a_record_are_refused(record, says):
    with pytest.raises(ValueError, match=says):
        Score.from_dict(record)


def test_unknown_keys_of_newer_versions_are_ignored():
    assert Score.from_dict({**make_score().to_dict(), "map": "x.mrc"}) == make_score()


@pytest.mark.parametrize(
    ("path", "ts_id"),
    [
        ("TS_01.mrc", "TS_01"),
        ("/data/run.1/TS_01.rec", "TS_01"),
        ("TS_01.MAP", "TS_01"),
        ("TS_01.mrc.gz", "TS_01"),
        ("TS_01.rec.bz2", "TS_01"),
        ("TS_01_10.5Apx.mrc", "TS_01_10.5Apx"),
        ("TS_01.tif", "TS_01.tif"),
        ("no_extension", "no_extension"),
        (".mrc", ".mrc"),
        ("folder/", "folder"),
        ("line\nbreak.mrc", "line_break"),
        ("bad\udcff.mrc", "bad_"),
    ],
)
def test_the_id_of_a_file_is_its_name_without_extensions(path, ts_id):
    assert default_ts_id(path) == ts_id
