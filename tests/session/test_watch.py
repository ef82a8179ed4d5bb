# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore watch` scores each complete file once, also after interruptions and file changes."""

import csv
import json
import os
import re
import signal

import pytest
import session_files
from session_files import Watch, metrics_row, mrc_bytes

from tomoscore_scipion.records.record_files import read_records


def test_files_are_scored_as_they_arrive_and_the_results_stay_up_to_date(tmp_path):
    with Watch(tmp_path) as watch:
        watch.write("TS_01.mrc", 1.5)
        watch.until(lambda: watch.scores() == {"TS_01": 1.5})
        watch.write("TS_02.mrc", 2.5)
        watch.until(lambda: watch.scores() == {"TS_01": 1.5, "TS_02": 2.5})
        status, said = watch.stop()
    assert status == 130
    assert "[2] TS_02: TomoScore 2.50 (22.6 nm), 1.5 s" in said
    assert "stopped: 2 tomograms, 0 of them failed; results are in scores" in said
    with open(watch.output / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["ts_id"], row["tomoscore"]) for row in rows] == [
        ("TS_01", "1.5"),
        ("TS_02", "2.5"),
    ]
    page = (watch.output / "report.html").read_text(encoding="utf-8")
    shown = json.loads(re.search(r'id="content">(.*?)</script>', page).group(1))
    assert [t["id"] for t in shown["tomograms"]] == ["TS_01", "TS_02"]


def test_csv_and_report_exist_during_the_run(tmp_path):
    with Watch(tmp_path) as watch:
        watch.until((watch.output / "report.html").exists)
        assert (watch.output / "scores.csv").exists()


def test_a_report_that_cannot_be_written_does_not_end_the_watch(tmp_path):
    (tmp_path / "scores" / "report.html").mkdir(parents=True)
    with Watch(tmp_path) as watch:
        watch.write("TS_01.mrc", 1.5)
        watch.until(lambda: watch.scores() == {"TS_01": 1.5})
        said = iter(watch.process.stderr.readline, "")
        assert any("report.html: expected a file, found a folder" in line for line in said)
        (watch.output / "report.html").rmdir()
        assert watch.stop()[0] == 130
    assert "TS_01" in (watch.output / "report.html").read_text(encoding="utf-8")


def test_existing_files_are_scored_in_the_order_of_writing(tmp_path):
    (tmp_path / "data").mkdir()
    for name, time in (("b", 10), ("a", 20), ("c", 5)):
        path = tmp_path / "data" / f"{name}.mrc"
        path.write_bytes(mrc_bytes(1.0))
        os.utime(path, (time, time))
    with Watch(tmp_path) as watch:
        watch.until(lambda: len(watch.scores()) == 3)
        assert watch.scored() == ["c.mrc", "b.mrc", "a.mrc"]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_after_a_stop_only_new_and_failed_files_are_scored(tmp_path, signum):
    with Watch(tmp_path) as watch:
        watch.write("TS_01.mrc", 1.0)
        watch.write("TS_02.mrc", 9.0)
        watch.until(lambda: len(watch.scores()) == 2)
        watch.stop(signum)
    with Watch(tmp_path) as again:
        again.write("TS_03.mrc", 3.0)
        again.until(lambda: again.scores().get("TS_03") == 3.0)
        again.until(lambda: again.scored().count("TS_02.mrc") == 2)  # it had failed
        assert again.scored().count("TS_01.mrc") == 1
        assert again.scores() == {"TS_01": 1.0, "TS_02": None, "TS_03": 3.0}


def test_results_of_another_model_are_refused(tmp_path):
    with Watch(tmp_path) as watch:
        watch.write("TS_01.mrc", 1.0)
        watch.until(lambda: len(watch.scores()) == 1)
        watch.stop()
    path = watch.output / "results.jsonl"
    path.write_text(path.read_text().replace("ab" * 32, "cd" * 32))
    with Watch(tmp_path) as again:
        status, said = again.end()
    assert status == 1
    assert (
        "results.jsonl: expected records of the model and calibration that score, found 1" in said
    )


def test_another_voxel_size_scores_earlier_tomograms_again(tmp_path):
    for arguments, times in (((), 1), (("--voxel-size", "31"), 2), (("--voxel-size", "31"), 2)):
        with Watch(tmp_path, *arguments) as watch:
            if not arguments:
                watch.write("TS_01.mrc", 1.0)
            watch.until(lambda n=times: watch.scored().count("TS_01.mrc") == n)
            watch.write(f"TS_{times}.mrc", 2.0)
            watch.until(lambda n=times: f"TS_{n}" in watch.scores())
            watch.stop()
    assert watch.scored().count("TS_01.mrc") == 2


def test_a_second_watch_of_one_output_folder_is_refused(tmp_path):
    with Watch(tmp_path) as watch:
        watch.until((watch.output / "report.html").exists)
        with Watch(tmp_path) as other:
            status, said = other.end()
        assert status == 1
        assert "another `tomoscore watch` writes there" in said


def test_a_growing_file_is_scored_once_when_it_is_complete(tmp_path):
    whole = mrc_bytes(2.0)
    with Watch(tmp_path) as watch:
        with open(watch.folder / "TS_01.mrc", "wb", buffering=0) as file:
            for start in range(0, len(whole), 512):
                watch.write("other.mrc", 1.0 + start / 1024)
                file.write(whole[start : start + 512])
                expected = 1.0 + start / 1024
                watch.until(lambda expected=expected: watch.scores().get("other") == expected)
        watch.until(lambda: watch.scores().get("TS_01") == 2.0)
        assert watch.scored().count("TS_01.mrc") == 1


def test_a_rewritten_file_is_scored_again_and_its_record_replaced(tmp_path):
    with Watch(tmp_path) as watch:
        for value in (1.0, 2.0, 3.0):
            watch.write("TS_01.mrc", value)
            watch.until(lambda value=value: watch.scores() == {"TS_01": value})
        watch.stop()
    watch.write("TS_01.mrc", 4.0)
    with Watch(tmp_path) as again:
        again.until(lambda: again.scores() == {"TS_01": 4.0})


def test_a_file_rewritten_during_scoring_gets_the_score_of_its_final_content(tmp_path):
    with Watch(tmp_path, FAKE_SECONDS="1.5") as watch:
        watch.write("TS_01.mrc", 1.0)
        watch.until(lambda: watch.scored() == ["TS_01.mrc"])
        watch.write("TS_01.mrc", 2.0)
        watch.until(lambda: watch.scores() != {})
        assert watch.scores() == {"TS_01": 2.0}


def test_a_file_deleted_before_or_during_scoring_has_no_record(tmp_path):
    with Watch(tmp_path, FAKE_SECONDS="1") as watch:
        watch.write("TS_01.mrc", 1.0)
        watch.write("TS_02.mrc", 2.0)
        watch.until(lambda: watch.scored() == ["TS_01.mrc"])
        (watch.folder / "TS_01.mrc").unlink()
        (watch.folder / "TS_02.mrc").unlink()
        watch.write("TS_03.mrc", 3.0)
        watch.until(lambda: watch.scores() == {"TS_03": 3.0})
        assert watch.scored() == ["TS_01.mrc", "TS_03.mrc"]


def test_the_score_of_a_deleted_file_is_kept_and_a_renamed_file_is_scored(
    tmp_path,
):
    with Watch(tmp_path) as watch:
        watch.write("TS_01.mrc", 1.0)
        watch.write("TS_02.mrc", 2.0)
        watch.until(lambda: len(watch.scores()) == 2)
        (watch.folder / "TS_01.mrc").unlink()
        (watch.folder / "TS_02.mrc").rename(watch.folder / "TS_04.mrc")
        watch.until(lambda: watch.scores() == {"TS_01": 1.0, "TS_02": 2.0, "TS_04": 2.0})


def test_a_failed_file_is_recorded_and_scored_again_only_if_changed(tmp_path):
    with Watch(tmp_path) as watch:
        watch.write("TS_01.mrc", 9.0)
        watch.until(lambda: watch.scores() == {"TS_01": None})
        watch.write("TS_02.mrc", 2.0)
        watch.until(lambda: "TS_02" in watch.scores())
        assert watch.scored().count("TS_01.mrc") == 1
        watch.write("TS_01.mrc", 1.0)
        watch.until(lambda: watch.scores() == {"TS_01": 1.0, "TS_02": 2.0})


def test_an_idle_watch_ends_and_incomplete_files_have_failed(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "TS_02.mrc").write_bytes(mrc_bytes(1.0)[:-1])
    with Watch(tmp_path, "--idle", "0.03") as watch:
        watch.write("TS_01.mrc", 1.0)
        status, said = watch.end()
    assert status == 0
    assert watch.scores() == {"TS_01": 1.0, "TS_02": None}
    assert "TS_02: failed: data/TS_02.mrc: is shorter than its header says" in said
    assert "nothing new came: 2 tomograms, 1 of them failed" in said


def test_a_folder_that_is_missing_for_a_while_is_watched_again(tmp_path):
    with Watch(tmp_path) as watch:
        watch.write("TS_01.mrc", 1.0)
        watch.until(lambda: len(watch.scores()) == 1)
        watch.folder.rename(tmp_path / "away")
        (tmp_path / "away" / "TS_02.mrc").write_bytes(mrc_bytes(2.0))
        line = ""
        while "cannot be read now" not in line:
            line = watch.process.stderr.readline()
            assert line
        (tmp_path / "away").rename(watch.folder)
        watch.until(lambda: watch.scores() == {"TS_01": 1.0, "TS_02": 2.0})
        assert watch.scored().count("TS_01.mrc") == 1


def test_the_pattern_selects_files_and_half_maps_are_left_out(tmp_path):
    with Watch(tmp_path, "--pattern", "**/*_Vol.mrc") as watch:
        names = ("TS_01_EVN_Vol.mrc", "TS_01_ODD_Vol.mrc", "TS_01.mrc", ".TS_01_Vol.mrc.x7_Vol.mrc")
        for name in (*names, "TS_01_Vol.mrc"):
            watch.write(name, 1.0)
        watch.until(lambda: watch.scores() == {"TS_01_Vol": 1.0})
        for folder in ("a", "b"):
            watch.write(f"{folder}/TS_01_Vol.mrc", 2.0)
            watch.until(lambda folder=folder: f"TS_01_Vol-{folder}" in watch.scores())
        watch.stop()
    with Watch(tmp_path, "--pattern", "**/*_Vol.mrc", "--idle", "0.02") as again:
        assert again.end()[0] == 0
    expected = ["TS_01_Vol", "TS_01_Vol-a", "TS_01_Vol-b"]
    assert list(again.scores()) == expected
    assert len(again.scored()) == 3


def test_tomograms_of_warptools_get_the_ids_and_voxel_sizes_of_score(tmp_path):
    with Watch(tmp_path, "--pattern", "reconstruction/**/*.mrc") as watch:
        names = ("TS_01_10.00Apx", "TS_02_12.00Apx", "TS_01_20.00Apx", "denoised/TS_01_10.00Apx")
        for file in names:
            count = len(watch.scores())
            watch.write(f"reconstruction/{file}.mrc", 1.0)
            watch.until(lambda count=count: len(watch.scores()) == count + 1)
        watch.stop()
    records = read_records(str(watch.output / "results.jsonl"))
    assert {record.ts_id: record.voxel_size_angstrom for record in records} == {
        "TS_01": 10.0,
        "TS_02": 12.0,
        "TS_01_20.00Apx": 20.0,
        "TS_01-denoised": 10.0,
    }


def test_metrics_of_aretomo3_are_shown_with_the_score(tmp_path):
    with Watch(tmp_path, "--pattern", "*_Vol.mrc") as watch:
        path = watch.folder / "TiltSeries_Metrics.csv"
        path.write_text(session_files.HEADING + metrics_row("TS_1") + metrics_row("TS_10", 900))
        before = path.read_bytes()
        watch.write("TS_1_Vol.mrc", 1.0)
        watch.until(lambda: len(watch.scores()) == 1)
        status, said = watch.stop()
    assert re.search(
        r"TS_1_Vol: TomoScore 1.00 .*; AreTomo3: thickness 216 nm, CTF resolution 8.1 A, "
        "bad patches, low tilts 2%, bad patches 12%",
        said,
    )
    with open(watch.output / "scores.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["aretomo_thickness_nm"]) == pytest.approx(215.6)
    assert row["aretomo_bad_patches"] == "0.12"
    page = (watch.output / "report.html").read_text(encoding="utf-8")
    assert '["CTF resolution (AreTomo3)","8.1 A"]' in page
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["none", "--output", "o"], 1, "none: expected a folder to watch"),
        ([".", "--output", "file"], 1, "cannot make the folder file"),
        (["."], 2, "--output"),
        ([".", "--output", "mine"], 1, "mine/scores.csv would be replaced, and is not of a watch"),
        ([".", "--output", "o", "--idle", "0"], 2, "expected a number > 0"),
        ([".", "--output", "o", "--pattern", "/data/*.mrc"], 2, "a pattern below the folder"),
        ([".", "--output", "o", "--pattern", ""], 2, "a pattern below the folder"),
        ([".", "--output", "o", "--serve", "0"], 2, "expected a port"),
        ([".", "--output", "o", "--weights", "none.safetensors"], 1, "no such file"),
    ],
)
def test_a_watch_that_cannot_start_gives_the_reason(
    tmp_path, monkeypatch, capsys, arguments, status, says
):
    from tomoscore_scipion.commands import cli
    from tomoscore_scipion.running import supervisor

    monkeypatch.setattr(supervisor, "command", session_files.command)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "scores.csv").write_text("mine")
    assert cli.main(["watch", *arguments]) == status
    assert says in capsys.readouterr().err
    assert (tmp_path / "mine" / "scores.csv").read_text() == "mine"
