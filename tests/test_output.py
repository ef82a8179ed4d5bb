# SPDX-License-Identifier: GPL-3.0-or-later
"""Results files: complete or unchanged, resumable, piped, and safe for spreadsheets."""

import csv
import errno
import os
import resource
import threading
from contextlib import contextmanager
from functools import partial

import pytest
from scoring_fakes import CALIBRATION, HALVES, MODEL, REFUSED_HALVES, make_score

from tomoscore_scipion.records.csv_lines import csv_heading, csv_line
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.job import Tomogram
from tomoscore_scipion.records.line_file import open_lines
from tomoscore_scipion.records.output_paths import standard_stream
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.record_files import json_line, read_records
from tomoscore_scipion.records.resume import resume_results

SHA256 = MODEL["sha256"]
resume_lines = partial(resume_results, parse=Score.from_json)


def tomogram_of(record):
    return Tomogram(record.ts_id, record.path)


def write_lines(path, *records, tail=""):
    path.write_text("".join(json_line(record) for record in records) + tail)


def test_a_file_is_replaced_only_when_it_is_complete(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_text("before\n")
    with open_lines(str(path)) as file:
        file.write("after\n")
        assert path.read_text() == "before\n"
        assert len(os.listdir(tmp_path)) == 2
    assert path.read_text() == "after\n"
    assert os.listdir(tmp_path) == ["results.jsonl"]


def test_a_replaced_file_keeps_its_permissions_and_a_new_one_gets_the_default_ones(tmp_path):
    old, new, default = (tmp_path / name for name in ("old", "new", "default"))
    old.touch()
    old.chmod(0o640)
    default.touch()
    for path in (old, new):
        with open_lines(str(path)):
            pass
    assert old.stat().st_mode & 0o777 == 0o640
    assert new.stat().st_mode == default.stat().st_mode


def test_writing_to_a_link_replaces_its_target(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    with open_lines(str(link)) as file:
        file.write("text\n")
    assert link.is_symlink()
    assert target.read_text() == "text\n"


def test_an_exception_keeps_the_finished_rows(tmp_path):
    path = tmp_path / "results.jsonl"
    with pytest.raises(KeyboardInterrupt), open_lines(str(path)) as file:
        file.write("row\n")
        raise KeyboardInterrupt
    assert path.read_text() == "row\n"


def test_an_exception_before_the_first_row_keeps_the_old_file(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("before\n")
    with pytest.raises(KeyboardInterrupt), open_lines(str(path)) as file:
        file.write("heading\n", is_row=False)
        raise KeyboardInterrupt
    assert path.read_text() == "before\n"
    assert os.listdir(tmp_path) == ["scores.csv"]


@contextmanager
def small_files():
    """Limit the files of this process to 100 bytes, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def fill(file):
    for _ in range(5):
        file.write("x" * 39 + "\n")


def test_a_full_disk_leaves_complete_lines(tmp_path):
    path = tmp_path / "results.jsonl"
    failure = r"cannot write .*results\.jsonl: File too large"
    with small_files(), pytest.raises(StartError, match=failure):  # noqa: SIM117
        with open_lines(str(path)) as file:
            fill(file)
    assert path.read_text() == ("x" * 39 + "\n") * 2


def test_a_full_device_is_an_error():
    with pytest.raises(StartError, match="cannot write /dev/full: No space left"):  # noqa: SIM117
        with open_lines("/dev/full") as file:
            file.write("text\n")


def test_paths_that_cannot_be_written_are_refused_before_writing(tmp_path, monkeypatch):
    with pytest.raises(StartError, match="expected a file, found a folder"):
        open_lines(str(tmp_path))
    with pytest.raises(StartError, match="folder .*none does not exist: make it first"):
        open_lines(str(tmp_path / "none" / "results.jsonl"))
    with pytest.raises(StartError, match="cannot write /proc/results.jsonl: .* can be written"):
        open_lines("/proc/results.jsonl")
    with pytest.raises(StartError, match="cannot write /dev/fd/987654321: Bad file"):
        open_lines("/dev/fd/987654321")
    protected = tmp_path / "protected"
    protected.touch()
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everything
    with pytest.raises(StartError, match="write-protected"):
        open_lines(str(protected))
    assert os.listdir(tmp_path) == ["protected"]


def refuse(*args):
    raise OSError(errno.EPERM, "Operation not permitted")


def test_a_file_system_without_permissions_is_refused_and_no_file_remains(tmp_path, monkeypatch):
    path = tmp_path / "results.jsonl"
    path.touch()
    monkeypatch.setattr(os, "fchmod", refuse)
    with pytest.raises(StartError, match="Operation not permitted"):
        open_lines(str(path))
    assert os.listdir(tmp_path) == ["results.jsonl"]


def test_a_failed_rename_is_reported_and_no_file_remains(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StartError, match="Operation not permitted"), open_lines(
        str(tmp_path / "results.jsonl")
    ):
        pass
    assert os.listdir(tmp_path) == []


def test_a_pipe_gets_each_line_at_once(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received = []
    got_first = threading.Event()

    def read():
        with open(pipe) as stream:
            received.append(stream.readline())
            got_first.set()
            received.append(stream.read())

    reader = threading.Thread(target=read)
    reader.start()
    with open_lines(str(pipe)) as file:
        file.write("first\n")
        assert got_first.wait(10)
        file.write("second\n")
    reader.join(10)
    assert received == ["first\n", "second\n"]
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_pipe_without_reader_is_an_error():
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(StartError, match="Broken pipe"), open_lines(f"/dev/fd/{writing}") as file:
        file.write("text\n")
    os.close(writing)


def test_standard_output_redirected_to_a_file_is_appended_to(tmp_path):
    with open(tmp_path / "log", "wb") as log:
        log.write(b"before\n")
        log.flush()
        with open_lines(f"/dev/fd/{log.fileno()}") as file:
            file.write("row\n")
    assert (tmp_path / "log").read_text() == "before\nrow\n"


def test_standard_streams_are_recognised_by_their_paths():
    assert standard_stream("/dev/stdout") == 1
    assert standard_stream("/proc/self/fd/2") == 2
    assert standard_stream("stdout") is None


def test_a_job_keeps_scored_records_of_this_model_and_drops_the_others(tmp_path):
    path = tmp_path / "results.jsonl"
    good = make_score("good")
    other_model = make_score("other model", model={**MODEL, "sha256": "cd" * 32})
    other_path = make_score("other path")
    failed = Score.failed("failed", "failed.npy", "empty")
    not_asked = make_score("not asked")
    write_lines(path, good, other_model, other_path, failed, not_asked, good, tail='{"schema": 1,')
    tomograms = [tomogram_of(record) for record in (good, other_model, failed)]
    tomograms.append(Tomogram("other path", "moved.npy"))
    file, kept = resume_lines(str(path), tomograms, SHA256)
    assert kept == [good]
    assert path.read_text() == json_line(good)
    with file:
        file.write(json_line(other_model))
        assert read_records(str(path)) == [good, other_model]


@pytest.mark.parametrize(("given", "is_kept"), [(None, True), (10.0, True), (10.1, False)])
def test_a_job_with_another_voxel_size_scores_again(tmp_path, given, is_kept):
    path = tmp_path / "results.jsonl"
    write_lines(path, make_score("a", voxel_size_angstrom=10.0))
    file, kept = resume_lines(str(path), [Tomogram("a", "a.npy", given)], SHA256)
    with file:
        assert bool(kept) is is_kept


@pytest.mark.parametrize(
    ("asked", "had", "is_kept"),
    [
        (None, None, True),
        ((2, 9), (2, 9), True),
        ((2, 9), None, False),
        (None, (2, 9), False),
        ((2, None), (2, 9), False),
    ],
)
def test_a_job_with_other_slab_limits_scores_again(tmp_path, asked, had, is_kept):
    path = tmp_path / "results.jsonl"
    write_lines(path, make_score("a", z_range=had))
    file, kept = resume_lines(str(path), [Tomogram("a", "a.npy", None, asked)], SHA256)
    with file:
        assert bool(kept) is is_kept


def test_a_job_creates_its_output(tmp_path):
    path = tmp_path / "results.jsonl"
    file, kept = resume_lines(str(path), [], SHA256)
    with file:
        assert kept == []
    assert path.read_text() == ""


def test_a_job_that_writes_to_a_device_resumes_no_records():
    file, kept = resume_lines("/dev/null", [Tomogram("a", "a.npy")], SHA256)
    with file:
        file.write("text\n")
    assert kept == []


@pytest.mark.parametrize("text", ["my notes\n", "[1, 2]\n", "\n", '{"schema": 9}\n', "[" * 99_999])
def test_a_file_without_records_is_refused_and_not_changed(tmp_path, text):
    path = tmp_path / "notes.txt"
    text = text if text.endswith("\n") else text + "\n"
    path.write_text(text)
    with pytest.raises(StartError, match=r"notes\.txt, line 1: expected a TomoScore record"):
        resume_lines(str(path), [], SHA256)
    assert path.read_text() == text


def test_unreadable_records_are_an_error(tmp_path):
    with pytest.raises(StartError, match="cannot read .*Is a directory"):
        read_records(str(tmp_path))


def test_an_output_that_cannot_be_appended_to_is_an_error(tmp_path, monkeypatch):
    path = tmp_path / "results.jsonl"
    truly_open = os.open

    def no_appending(name, flags, *mode):
        return refuse() if flags & os.O_APPEND else truly_open(name, flags, *mode)

    monkeypatch.setattr(os, "open", no_appending)
    with pytest.raises(StartError, match="Operation not permitted"):
        resume_lines(str(path), [], SHA256)


def rows_of(*records):
    return list(csv.DictReader((csv_heading() + "".join(map(csv_line, records))).splitlines()))


def test_the_csv_heading_lists_all_columns():
    assert csv_heading() == (
        "ts_id,path,status,tomoscore,tomoscore_low,tomoscore_high,scale_nm,"
        "r_128_64_nm,r_64_32_nm,r_32_16_nm,r_16_8_nm,r_8_4_nm,r_4_3_nm,"
        "halves_tomoscore,halves_low,halves_high,halves_octaves,halves_kind,"
        "tomoscore_uncalibrated,calibration,"
        "content,slab_first,slab_last,voxel_size_angstrom,warnings,error\n"
    )


def test_a_scored_tomogram_is_a_row_of_numbers():
    (row,) = rows_of(make_score("TS, 01", scale_nm=22.6, warnings=("one", "two")))
    assert row["ts_id"] == "TS, 01"
    assert (row["tomoscore"], row["tomoscore_low"], row["tomoscore_high"]) == (
        "2.5",
        "2.25",
        "2.75",
    )
    assert (row["scale_nm"], row["r_128_64_nm"], row["r_4_3_nm"]) == ("22.6", "0.7", "")
    assert (row["slab_first"], row["slab_last"]) == ("4", "15")
    assert (row["warnings"], row["error"]) == ("one; two", "")


def test_the_row_has_the_scores_from_halves():
    measured, refused = rows_of(make_score(halves=HALVES), make_score(halves=REFUSED_HALVES))
    names = ("halves_tomoscore", "halves_low", "halves_high", "halves_octaves", "halves_kind")
    assert [measured[name] for name in names] == ["1.9", "1.4", "2.2", "3", "by-tilt"]
    assert [refused[name] for name in names] == [""] * 5


def test_the_row_has_the_calibration():
    (row,) = rows_of(make_score(calibration=CALIBRATION, tomoscore_uncalibrated=2.1))
    assert (row["tomoscore_uncalibrated"], row["calibration"]) == ("2.1", "ca" * 32)


def test_a_job_with_another_calibration_scores_again(tmp_path):
    path = tmp_path / "r.jsonl"
    calibrated = {"calibration": CALIBRATION, "tomoscore_uncalibrated": 2.1}
    path.write_text(json_line(make_score("a")) + json_line(make_score("b", **calibrated)))
    items = [Tomogram(name, f"{name}.npy") for name in "ab"]
    for made_by, there in ((SHA256, "a"), (f"{SHA256}+{'ca' * 32}", "b"), ("ca" * 32, "")):
        path_of = tmp_path / f"{there}.jsonl"
        path_of.write_bytes(path.read_bytes())
        file, kept = resume_lines(str(path_of), items, made_by)
        file.discard()
        assert [record.ts_id for record in kept] == list(there)


def test_a_job_scores_again_if_halves_were_added_or_removed(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text(json_line(make_score("TS_01")) + json_line(make_score("TS_02", halves=HALVES)))
    halves = {"half1": "o.mrc", "half2": "e.mrc"}
    with_halves = [Tomogram(name, f"{name}.npy", **halves) for name in ("TS_01", "TS_02")]
    file, kept = resume_lines(str(path), with_halves, SHA256)
    file.discard()
    assert [record.ts_id for record in kept] == ["TS_02"]
    file, kept = resume_lines(str(path), [Tomogram("TS_02", "TS_02.npy")], SHA256)
    file.discard()
    assert kept == []


@pytest.mark.parametrize(
    ("tilt_range", "n_kept"), [((-60.0, 60.0), 1), (None, 0), ((-50.0, 50.0), 0)]
)
def test_a_job_with_another_tilt_range_of_halves_scores_again(tmp_path, tilt_range, n_kept):
    path = tmp_path / "r.jsonl"
    halves = {**HALVES, "tilt_range_deg": (-60.0, 60.0)}
    path.write_text(json_line(make_score("TS_01", halves=halves)))
    item = Tomogram("TS_01", "TS_01.npy", half1="o.mrc", half2="e.mrc", tilt_range_deg=tilt_range)
    file, kept = resume_lines(str(path), [item], SHA256)
    file.discard()
    assert len(kept) == n_kept


def test_a_failed_tomogram_is_a_row_with_its_reason():
    (row,) = rows_of(Score.failed("TS_01", "a.mrc", "empty file"))
    filled = {name: cell for name, cell in row.items() if cell}
    assert filled == {"ts_id": "TS_01", "path": "a.mrc", "status": "failed", "error": "empty file"}


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_no_cell_is_a_formula(start):
    text = start + "cmd|' /C calc'!A0"
    (row,) = rows_of(Score.failed(text, text, text, warnings=(text,)))
    assert {row[name] for name in ("ts_id", "path", "error", "warnings")} == {"'" + text}


def test_a_name_that_is_not_utf8_can_be_written(tmp_path):
    path = tmp_path / "scores.csv"
    with open_lines(str(path)) as file:
        file.write(csv_line(make_score(path="bad\udcff.mrc")))
    assert "bad\\udcff.mrc" in path.read_text(encoding="utf-8")
