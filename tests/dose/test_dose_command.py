# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `tomoscore dose`, with random weights."""

import csv
import json

import dose_files
import mrcfile
import numpy as np
import pytest

from tomoscore_scipion.commands.cli import main
from tomoscore_scipion.dose import series_record
from tomoscore_scipion.images import dose_plot
from tomoscore_scipion.records.dose_record import DoseRecord
from tomoscore_scipion.records.dose_source_files import Sources

KEYS = [
    "schema",
    "ts_id",
    "path",
    "status",
    "error",
    "steps",
    "steps_weighted",
    "steps_matched",
    "optimum_dose",
    "suggested_range",
    "reason",
    "convention",
    "assumptions",
    "views_beyond",
    "preview",
    "pixel_size_angstrom",
    "shape_zyx",
    "warnings",
    "model",
    "engine_version",
    "device",
    "seconds",
]
STEP_KEYS = [
    "dose",
    "n_views",
    "angle_range",
    "angle_step",
    "weighted",
    "tomoscore",
    "tomoscore_interval",
    "scale_nm",
]


@pytest.fixture
def common(random_weights):
    return ["--weights", str(random_weights), "--device", "cpu"]


@pytest.fixture(scope="module")
def done(files, random_weights, tmp_path_factory):
    """Output folder of one run with all its outputs."""
    folder = tmp_path_factory.mktemp("done")
    status = main(
        ["dose", files["stack"], "--xf", files["xf"], "--tlt", files["tlt"]]
        + ["--doses", files["doses"], "--weights", str(random_weights), "--device", "cpu"]
        + ["--thickness", "60", "--output", str(folder / "dose.json")]
        + ["--csv", str(folder / "dose.csv"), "--plot", str(folder / "dose.png")]
        + ["--preview", str(folder / "preview.mrc"), "--quiet"]
    )
    assert status == 0
    return folder


@pytest.fixture
def record(done):
    return json.loads((done / "dose.json").read_text())


def test_the_record_has_the_documented_keys_and_values(record, files):
    assert set(KEYS) <= record.keys()
    assert (record["schema"], record["ts_id"], record["status"]) == (1, "TS_01", "ok")
    assert record["path"] == files["stack"]
    assert record["shape_zyx"] == [11, 96, 96]
    assert record["pixel_size_angstrom"] == dose_files.PIXEL_ANGSTROM
    assert "before each view" in record["convention"] and "end of" in record["convention"]
    assert any("order of acquisition" in text for text in record["assumptions"])
    assert "NaN" not in json.dumps(record)


def test_curves_go_from_few_views_to_all(record):
    for name, weighted in (("steps", False), ("steps_weighted", True), ("steps_matched", False)):
        steps = record[name]
        assert [step["n_views"] for step in steps] == list(range(3, 12))
        assert [step["dose"] for step in steps] == [3.0 * n for n in range(3, 12)]
        assert all(set(STEP_KEYS) <= step.keys() for step in steps)
        assert all(step["weighted"] is weighted for step in steps)
        assert all(0 <= step["tomoscore"] <= 5 for step in steps)
        assert all(s["tomoscore_interval"][0] <= s["tomoscore"] for s in steps)
    assert record["steps"][-1]["angle_range"] == [-40, 40]
    assert record["steps"][-1]["tomoscore"] == record["steps_matched"][-1]["tomoscore"]
    assert {step["angle_range"][1] for step in record["steps_matched"]} == {40}


def test_views_beyond_agree_with_the_suggested_range(record):
    if record["suggested_range"] is None:
        assert record["reason"] and record["views_beyond"] == []
        return
    low, high = record["suggested_range"]
    assert low <= record["optimum_dose"] <= high
    ends = dose_files.DOSE * (dose_files.RANK + 1)
    beyond = np.flatnonzero(ends > record["optimum_dose"] + 1e-6)
    assert record["views_beyond"] == beyond.tolist()


def test_csv_has_a_row_per_point(done, record):
    rows = list(csv.DictReader((done / "dose.csv").read_text().splitlines()))
    assert [row["curve"] for row in rows] == ["unweighted"] * 9 + ["weighted"] * 9 + ["matched"] * 9
    assert float(rows[3]["tomoscore"]) == record["steps"][3]["tomoscore"]
    assert rows[0]["ts_id"] == "TS_01"
    assert {row["warnings"] for row in rows} == {"; ".join(record["warnings"])}


def test_the_plot_is_a_png_file(done):
    content = (done / "dose.png").read_bytes()
    assert content.startswith(b"\x89PNG") and 10_000 < len(content) < 200_000


def test_the_preview_is_a_volume_with_a_voxel_size(done, record):
    if record["preview"] is None:
        assert record["reason"]
        return
    with mrcfile.open(record["preview"]) as mrc:
        assert float(mrc.voxel_size.x) == pytest.approx(20.0)
        assert mrc.data.shape == (30, 72, 72)
        assert mrc.is_volume()


@pytest.mark.parametrize("reason", [None, "still rising at the last view", "too few views"])
def test_the_plot_title_has_the_range_or_the_reason(record, reason):
    record["suggested_range"] = [9.0, 21.0] if reason is None else None
    shown = DoseRecord.from_json(json.dumps({**record, "reason": reason}))
    assert (reason or "9 to 21") in dose_plot.verdict(shown)
    assert dose_plot.draw(shown).axes[0].get_ylabel() == "TomoScore (octaves)"


def test_an_invalid_series_gives_a_failed_record_and_status_3(files, common, tmp_path, capsys):
    short = tmp_path / "short.txt"
    short.write_text("0 3\n3 3\n")
    out = tmp_path / "dose.json"
    argv = ["dose", files["stack"], "--tlt", files["tlt"], "--doses", str(short)]
    assert main([*argv, "--output", str(out), *common]) == 3
    failed = json.loads(out.read_text())
    assert failed["status"] == "failed" and "expected 11 rows" in failed["error"]
    assert failed["optimum_dose"] is None and failed["steps"] == []
    assert "short.txt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "STACK"),
        (["s.mrc"], "doses are needed"),
        (["s.mrc", "--tlt", "none.tlt", "--aln", "a"], "doses are needed"),
        (["s.mrc", "--tilt-series-star", "s", "--mdoc", "m"], "not allowed with"),
        (["s.mrc", "--doses", "d", "--mdoc", "m"], "not allowed with"),
        (["s.mrc", "--doses", "d", "--plot", "p.jpg"], ".png"),
        (["s.mrc", "--doses", "d", "--exclude", "1,x"], "--exclude"),
        (["--job", "j.json"], "--job needs --output"),
        (["--job", "j.json", "--output", "o", "--tlt", "t"], "the job file says it"),
        (["--job", "j.json", "--output", "o", "--flip-phases"], "for one series"),
        (["s.mrc", "--doses", "d", "--quiet"], "--quiet"),
    ],
)
def test_wrong_usage_gives_status_2_and_a_message(argv, message, capsys):
    assert main(["dose", *argv]) == 2
    assert message in capsys.readouterr().err


def test_doses_come_from_a_star_file_or_from_columns_of_the_angle_file(
    files, common, tmp_path, capsys
):
    assert main(["dose", files["stack"], "--tlt", files["tlt"], "--xf", files["xf"]]) == 2
    assert "--tilt-series-star" in capsys.readouterr().err
    beside = tmp_path / "TS_01_TLT.txt"
    rows = zip(dose_files.ANGLES, dose_files.RANK + 1)
    beside.write_text("".join(f"{a} {rank} {dose_files.DOSE}\n" for a, rank in rows))
    star = ["--tilt-series-star", files["star"]]
    for given in (star, ["--tlt", str(beside), "--xf", files["xf"]]):
        out = tmp_path / "dose.json"
        argv = ["dose", files["stack"], *given, "--thickness", "30", "--output", str(out)]
        assert main([*argv, "--quiet", *common]) == 0
        record = json.loads(out.read_text())
        assert [step["dose"] for step in record["steps"]] == [3.0 * n for n in range(3, 12)]
        assert record["warnings"] == []


def test_an_input_file_is_not_overwritten(files, common):
    argv = ["dose", files["stack"], "--tlt", files["tlt"], "--doses", files["doses"]]
    assert main([*argv, "--csv", files["tlt"], *common]) == 1


def test_phase_flipping_needs_defocus_and_is_recorded(files, random_weights, scorer):
    known = Sources("a", files["stack"], warp_xml=files["xml"], thickness_nm=30.0)
    unknown = Sources(
        "a", files["stack"], tlt=files["tlt"], doses=files["doses"], thickness_nm=30.0
    )
    assert "--warp-xml" in series_record.record_of(unknown, scorer, flip_phases=True).error
    flipped = series_record.record_of(known, scorer, flip_phases=True)
    assert "phases flipped for 300 kV" in " ".join(flipped.assumptions)


def test_phase_flipping_with_defocus_of_warp_and_relion_is_equal(
    files, random_weights, scorer, tmp_path
):
    star = tmp_path / "TS_01.star"
    defocus = 30000 + 1000.0 * np.arange(len(dose_files.ANGLES))
    amplitude = np.full(len(defocus), 0.1)
    star.write_text(
        dose_files.star(
            rlnDefocusU=defocus + 300, rlnDefocusV=defocus - 300, rlnAmplitudeContrast=amplitude
        )
    )
    warp = Sources("a", files["stack"], warp_xml=files["xml"], thickness_nm=30.0)
    relion = Sources("a", files["stack"], star=str(star), thickness_nm=30.0)
    found = [series_record.record_of(one, scorer, flip_phases=True) for one in (warp, relion)]
    assert found[0].steps == found[1].steps
    assert found[0].assumptions == found[1].assumptions


@pytest.fixture
def job(files, random_weights, tmp_path):
    """A job with two good series and a bad one, and the path of its results."""
    entry = {key: files[key] for key in ("stack", "xf", "tlt", "doses")}
    entry["thickness_nm"] = 30.0
    content = {
        "schema": 1,
        "weights": str(random_weights),
        "device": "cpu",
        "preview_dir": None,
        "tilt_series": [
            {"ts_id": "TS_01", **entry, "pixel_size_angstrom": None, "excluded": []},
            {"ts_id": "TS_02", **entry, "doses": None},
            {"ts_id": "TS_03", **entry, "excluded": [0], "pixel_size_angstrom": 14.0},
        ],
    }
    path = tmp_path / "job.json"
    path.write_text(json.dumps(content))
    return path, tmp_path / "doses.jsonl"


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_job_resumes_and_retries_failed_series(job, capsys):
    path, output = job
    argv = ["dose", "--job", str(path), "--output", str(output), "--quiet"]
    assert main(argv) == 0
    first = lines_of(output)
    assert [(r["ts_id"], r["status"]) for r in first] == [
        ("TS_01", "ok"),
        ("TS_02", "failed"),
        ("TS_03", "ok"),
    ]
    assert "--doses" in first[1]["error"]
    assert (first[2]["n_views"], first[2]["pixel_size_angstrom"]) == (10, 14.0)
    assert "TS_02: failed: " in capsys.readouterr().err
    output.write_text(output.read_text() + '{"schema": 1, "ts_id": "cut sh')
    assert main(argv[:-1]) == 0
    again = lines_of(output)
    assert [r["ts_id"] for r in again] == ["TS_01", "TS_03", "TS_02"]
    assert again[:2] == [first[0], first[2]]
    out, err = capsys.readouterr()
    assert "2 of 3 tilt series are in" in err and "[3/3] TS_02: failed: " in err
    assert "Failed:" in out and "Warnings:\n  TS_03: the header's pixel size is 15 A" in out


def test_a_job_with_only_a_relion_star_file_gives_the_result_of_imod_files(
    files, random_weights, tmp_path
):
    entries = {
        "imod": {key: files[key] for key in ("xf", "tlt", "doses")},
        "relion": {"tilt_series_star": files["star"]},
    }
    content = {
        "schema": 1,
        "weights": str(random_weights),
        "device": "cpu",
        "tilt_series": [
            {"ts_id": ts_id, "stack": files["stack"], "thickness_nm": 30.0, **entry}
            for ts_id, entry in entries.items()
        ],
    }
    path, output = tmp_path / "job.json", tmp_path / "doses.jsonl"
    path.write_text(json.dumps(content))
    assert main(["dose", "--job", str(path), "--output", str(output), "--quiet"]) == 0
    imod, relion = lines_of(output)
    assert (imod["status"], relion["status"]) == ("ok", "ok")
    assert relion["warnings"] == imod["warnings"]
    for name in ("steps", "steps_weighted", "steps_matched"):
        assert len(relion[name]) == len(imod[name]) > 0
        for one, other in zip(relion[name], imod[name]):
            assert one["n_views"] == other["n_views"]
            for key in ("dose", "angle_range", "angle_step", "tomoscore"):
                assert one[key] == pytest.approx(other[key], abs=2e-3), (name, key)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "later version"),
        ({"tilt_series": {}}, "expected a list"),
        ({"tilt_series": [{"ts_id": "a"}]}, "lacks stack"),
        (
            {"tilt_series": [{"ts_id": "a", "stack": "s", "xf": "x"}]},
            "lacks tlt or tilt_series_star",
        ),
        (
            {"tilt_series": [{"ts_id": "a", "stack": "s", "mdoc": "m", "tilt_series_star": "t"}]},
            "got tilt_series_star and mdoc",
        ),
        ({"tilt_series": [{"ts_id": "a", "stack": "s", "tlt": "t", "excluded": [-1]}]}, "excluded"),
        ({"tilt_series": [{"ts_id": "a", "stack": "s", "tlt": "t"}] * 2}, "same ts_id twice"),
        ({"preview_dir": "/no/such/folder"}, "no such folder"),
        ({"more": 1}, "unknown keys"),
    ],
)
def test_an_invalid_job_is_refused_with_the_reason(job, change, message, capsys):
    path, output = job
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert main(["dose", "--job", str(path), "--output", str(output)]) == 1
    assert message in capsys.readouterr().err


def test_results_of_another_command_are_not_appended_to(job, capsys):
    path, output = job
    output.write_text('{"schema": 1, "tomoscore": 3}\n')
    assert main(["dose", "--job", str(path), "--output", str(output)]) == 1
    assert "line 1" in capsys.readouterr().err


def test_a_record_read_from_its_file_is_unchanged(done):
    text = (done / "dose.json").read_text()
    again = DoseRecord.from_json(text)
    assert json.loads(again.to_json()) == json.loads(text)
