# SPDX-License-Identifier: GPL-3.0-or-later
"""Job files: accepted and refused ones with their messages; ids from paths."""

import json
import math

import pytest

from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.job import Job, Tomogram, parse_job, read_job, tomograms_of_paths


def job_of(*tomograms, **changes):
    return {
        "schema": 1,
        "weights": None,
        "device": "auto",
        "map_dir": None,
        "thumbnail_dir": None,
        "tomograms": list(tomograms),
        **changes,
    }


def entry(ts_id="TS_01", path="a.mrc", voxel_size_angstrom=None):
    return {"ts_id": ts_id, "path": path, "voxel_size_angstrom": voxel_size_angstrom}


def test_a_job_is_read(tmp_path):
    path = tmp_path / "job.json"
    names = ["TS_01", "caf\u00e9 'x' $(y) %s", "../../etc", "<script>"]
    content = job_of(*(entry(name) for name in names), weights="w.safetensors", device="cuda:1")
    content["thumbnail_dir"], content["map_dir"] = "pictures", "maps"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert read_job(str(path)) == Job(
        tomograms=tuple(Tomogram(name, "a.mrc") for name in names),
        weights="w.safetensors",
        device="cuda:1",
        map_dir="maps",
        thumbnail_dir="pictures",
    )


def test_missing_entries_have_their_defaults():
    job = parse_job({"schema": 1, "tomograms": [{"ts_id": "a", "path": "a.mrc"}]})
    assert job == Job(tomograms=(Tomogram("a", "a.mrc", None),), weights=None, device="auto")


def test_paths_are_relative_to_the_current_folder(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps(job_of(entry(path="data/a.mrc"))))
    assert read_job(str(folder / "job.json")).tomograms[0].path == "data/a.mrc"


def test_a_voxel_size_can_be_an_integer():
    assert parse_job(job_of(entry(voxel_size_angstrom=13))).tomograms[0].voxel_size_angstrom == 13.0


@pytest.mark.parametrize("z_range", [None, [0, 0], [40, 60], [3, None]])
def test_a_tomogram_can_have_slab_limits(z_range):
    (tomogram,) = parse_job(job_of({**entry(), "z_range": z_range})).tomograms
    assert tomogram.z_range == (z_range and tuple(z_range))


def test_a_tomogram_can_have_halves():
    assert parse_job(job_of(entry())).tomograms[0].halves is None
    (tomogram,) = parse_job(job_of({**entry(), "half1": "o.mrc", "half2": "e.mrc"})).tomograms
    assert tomogram.halves == ("o.mrc", "e.mrc")


@pytest.mark.parametrize("tilt_range", [None, [-60, 60], [-44.5, 62]])
def test_a_tomogram_can_have_a_tilt_range(tilt_range):
    (tomogram,) = parse_job(job_of({**entry(), "tilt_range_deg": tilt_range})).tomograms
    assert tomogram.tilt_range_deg == (tilt_range and tuple(tilt_range))


REFUSED = {
    "not an object": ([], "expected a JSON object, got list"),
    "no schema": ({"tomograms": []}, "lacks schema"),
    "no tomograms": ({"schema": 1}, "lacks tomograms"),
    "later schema": (job_of(schema=2), "later version .schema 2.*update TomoScore"),
    "schema of text": (job_of(schema="1"), "schema: expected 1, got '1'"),
    "unknown key": (job_of(slab=[1, 2]), "unknown keys 'slab': remove them .known: schema"),
    "map_dir of a number": (job_of(map_dir=1), "map_dir: expected a folder, or null, got 1"),
    "empty thumbnail folder": (job_of(thumbnail_dir=""), "thumbnail_dir: expected a folder"),
    "weights that are a number": (job_of(weights=1), "weights: expected a path"),
    "empty weights path": (job_of(weights=""), "weights: expected a path"),
    "device of null": (job_of(device=None), "device: expected .*got None"),
    "tomograms as object": (job_of(tomograms={}), "tomograms: expected a list, got dict"),
    "tomogram of text": (job_of("a.mrc"), "tomogram 1: expected a JSON object, got str"),
    "no path": (job_of(entry(), {"ts_id": "b"}), "tomogram 2 lacks path"),
    "unknown key of a tomogram": (job_of({**entry(), "z": 1}), "tomogram 1 has unknown keys 'z'"),
    "one half": (job_of({**entry(), "half1": "o.mrc"}), r"half2: expected a path.*got None"),
    "half of a number": (job_of({**entry(), "half1": 1, "half2": "e"}), "half1: expected a path"),
    "empty id": (job_of(entry("")), "tomogram 1: ts_id: expected printable text"),
    "id of two lines": (job_of(entry("a\nb")), "ts_id: expected printable text"),
    "id that is a number": (job_of(entry(5)), "ts_id: expected printable text .* got 5"),
    "empty path": (job_of(entry(path="")), r"tomogram 1 \(TS_01\): path: expected a path"),
    "path with NUL": (job_of(entry(path="a\0b")), "path: expected a path"),
    "voxel size 0": (job_of(entry(voxel_size_angstrom=0)), "number > 0, or null .*got 0"),
    "voxel size of text": (job_of(entry(voxel_size_angstrom="13")), "number > 0.*got '13'"),
    "voxel size true": (job_of(entry(voxel_size_angstrom=True)), "number > 0.*got True"),
    "voxel size NaN": (job_of(entry(voxel_size_angstrom=math.nan)), "number > 0.*got nan"),
    "voxel size beyond float": (job_of(entry(voxel_size_angstrom=10**400)), "number > 0"),
    "slab reversed": (
        job_of({**entry(), "z_range": [9, 8]}),
        r"tomogram 1 \(TS_01\): z_range: expected \[first, last\] slice.*got \[9, 8\]",
    ),
    "tilt range reversed": (
        job_of({**entry(), "tilt_range_deg": [60, -60]}),
        r"tomogram 1 \(TS_01\): tilt_range_deg: expected \[lowest, highest\].*got \[60, -60\]",
    ),
    "tilt range beyond 90": (job_of({**entry(), "tilt_range_deg": [-91, 60]}), "-90 to 90"),
    "tilt range of one": (job_of({**entry(), "tilt_range_deg": 60}), "lowest < highest"),
    "slab of text": (job_of({**entry(), "z_range": "all"}), "z_range: expected.*got 'all'"),
    "slab of fractions": (job_of({**entry(), "z_range": [1.5, 2]}), "z_range: expected"),
    "slab below 0": (job_of({**entry(), "z_range": [-1, 2]}), "z_range: expected"),
    "slab without a first slice": (job_of({**entry(), "z_range": [None, 2]}), "z_range: expected"),
    "calibration that is no path": (
        {**job_of(entry()), "calibration": 3},
        "calibration: expected a path, or null for uncalibrated scores, got 3",
    ),
    "the same id twice": (job_of(entry(), entry(path="b.mrc")), "same ts_id twice: 'TS_01'"),
}


@pytest.mark.parametrize(("content", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_an_invalid_job_is_refused_with_the_reason(content, says):
    with pytest.raises(StartError, match=says):
        parse_job(content)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe\xff", b"[" * 100_000], ids=["empty", "cut", "bytes", "deep"]
)
def test_a_file_that_is_not_json_is_refused(tmp_path, content):
    path = tmp_path / "job.json"
    path.write_bytes(content)
    with pytest.raises(StartError, match=r"job\.json is not valid JSON"):
        read_job(str(path))


def test_an_invalid_job_file_is_named_in_the_message(tmp_path):
    path = tmp_path / "job.json"
    path.write_text("{}")
    with pytest.raises(StartError, match=r"job\.json: the job lacks schema, tomograms"):
        read_job(str(path))


def test_an_unreadable_job_file_is_named_in_the_message(tmp_path):
    with pytest.raises(StartError, match=r"cannot read the job file .*none\.json: No such file"):
        read_job(str(tmp_path / "none.json"))


@pytest.mark.parametrize(
    ("paths", "ids"),
    [
        (["a.mrc", "b.rec"], ["a", "b"]),
        (["x/a.mrc", "y/a.mrc", "y/b.mrc"], ["a-x", "a-y", "b"]),
        (["x/a.mrc", "x/a.rec", "x/a.mrc"], ["a", "a-2", "a-3"]),
        (["1/x/a.mrc", "2/x/a.mrc", "2/y/a.mrc"], ["a-x", "a-x-2", "a-y"]),
        (["a.mrc", "a.rec", "a-2.mrc"], ["a", "a-3", "a-2"]),
        (["/a.mrc", "/x/a.mrc"], ["a-", "a-x"]),
    ],
)
def test_each_path_gets_a_unique_id(paths, ids):
    tomograms = tomograms_of_paths(paths, 13.0)
    assert [t.ts_id for t in tomograms] == ids
    assert [t.path for t in tomograms] == paths
    assert {t.voxel_size_angstrom for t in tomograms} == {13.0}
