# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of `tomoscore watch`: complete files, AreTomo3's metrics, file system events."""

import gzip
import os
import time

import pytest
import session_files
from session_files import metrics_row, mrc_bytes

from tomoscore_scipion.pipelines.aretomo_metrics import Metrics, MetricsFiles, read_metrics
from tomoscore_scipion.session.events import Events
from tomoscore_scipion.session.files import State, is_complete, states_in
from tomoscore_scipion.session.waiting import STALE_S, Waiting

SETTLE_S = 5.0


def nothing_done(path):
    return None


@pytest.mark.parametrize(
    ("content", "whole"),
    [
        (mrc_bytes(1.0), True),
        (mrc_bytes(1.0) + b"more", True),
        (mrc_bytes(1.0)[:-1], False),
        (mrc_bytes(1.0)[:500], False),
        (b"", False),
        (bytes(5000), False),
        (gzip.compress(mrc_bytes(1.0), mtime=0), True),
    ],
)
def test_a_file_is_complete_when_it_is_as_large_as_its_header_says(tmp_path, content, whole):
    path = tmp_path / "a.mrc"
    path.write_bytes(content)
    assert is_complete(str(path)) is whole


def test_a_deleted_file_is_not_complete(tmp_path):
    assert not is_complete(str(tmp_path / "a.mrc"))


def test_folders_and_broken_links_are_not_found(tmp_path):
    (tmp_path / "folder.mrc").mkdir()
    (tmp_path / "link.mrc").symlink_to("none")
    (tmp_path / "a.mrc").write_bytes(b"12345")
    found = states_in(str(tmp_path), "*.mrc", ())
    assert {path: state.size for path, state in found.items()} == {str(tmp_path / "a.mrc"): 5}
    assert states_in(str(tmp_path / "none"), "*.mrc", ()) is None


@pytest.mark.parametrize("maps", ["maps", "."])
def test_quality_maps_of_the_watch_are_not_found_as_tomograms(tmp_path, maps):
    files = ("a.mrc", "maps/b.mrc", f"{maps}/a-quality.mrc", "other/c-quality.mrc")
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = states_in(str(tmp_path), "**/*.mrc", (), str(tmp_path / "other" / ".." / maps))
    assert {os.path.relpath(path, tmp_path) for path in found} == {*files} - {files[2]}


def test_a_file_is_next_when_it_is_unchanged_and_complete():
    whole = []
    waiting = Waiting(SETTLE_S, 0.0, whole.__contains__)
    small, large = State(10, 1), State(20, 2)
    waiting.update({"a": small}, nothing_done, 0.0)
    assert waiting.next(4.9) is None
    waiting.update({"a": large}, nothing_done, 4.9)
    whole.append("a")
    assert waiting.next(9.8) is None
    assert waiting.next(9.9) == ("a", large)
    assert waiting.changed == 4.9


def test_an_incomplete_file_is_next_after_a_long_time():
    waiting = Waiting(SETTLE_S, 0.0, lambda path: False)
    waiting.update({"a": State(1, 1)}, nothing_done, 0.0)
    assert waiting.next(STALE_S - 1) is None
    assert waiting.next(STALE_S) == ("a", State(1, 1))


def test_only_new_and_changed_files_are_waited_for():
    waiting = Waiting(SETTLE_S, 0.0, lambda path: True)
    done = {"a": State(1, 1), "b": State(1, 1)}
    waiting.update({"a": State(1, 1), "b": State(1, 9), "c": State(1, 1)}, done.get, 0.0)
    waiting.update({"a": State(1, 1), "b": State(1, 9)}, done.get, 1.0)
    assert waiting.incomplete() == [("b", State(1, 9))]


def test_the_wait_ends_when_a_file_may_be_complete():
    waiting = Waiting(SETTLE_S, 0.0, lambda path: True)
    assert waiting.wait_s(0.0, 10.0) == 10.0
    waiting.update({"a": State(1, 1)}, nothing_done, 2.0)
    assert waiting.wait_s(3.0, 10.0) == 4.0
    assert waiting.wait_s(8.0, 10.0) == 10.0


def test_writing_gives_an_event_and_reading_does_not(tmp_path):
    with Events(str(tmp_path)) as events:
        assert events.why_not is None
        begin = time.monotonic()
        (tmp_path / "a").write_text("a")
        assert events.wait(20.0)
        assert time.monotonic() - begin < 10.0
        while events.wait(0.3):
            pass
        (tmp_path / "a").read_text()
        assert not events.wait(0.5)


def test_missing_file_system_events_are_reported_with_the_reason(tmp_path, monkeypatch):
    from watchdog.observers import Observer

    def refuse(self):
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(Observer, "start", refuse)
    with Events(str(tmp_path)) as events:
        assert events.why_not == "inotify watch limit reached"
        assert not events.wait(0.01)


def test_metrics_are_read_in_their_units(tmp_path):
    path = tmp_path / "TiltSeries_Metrics.csv"
    path.write_text(session_files.HEADING + metrics_row("TS_01"))
    assert read_metrics(str(path)) == {
        "TS_01": Metrics(pytest.approx(215.6), 8.14, 0.02, 0.12),
    }


def test_the_last_row_of_a_series_is_used_and_a_truncated_row_is_not(tmp_path):
    path = tmp_path / "TiltSeries_Metrics.csv"
    rows = metrics_row("TS_01", bad_all=0.5) + metrics_row("TS_01") + metrics_row("TS_02")
    path.write_text(session_files.HEADING + rows[:-30])
    assert {name: found.bad_patches for name, found in read_metrics(str(path)).items()} == {
        "TS_01": 0.12
    }


def test_invalid_numbers_are_left_out(tmp_path):
    path = tmp_path / "TiltSeries_Metrics.csv"
    row = metrics_row("TS_01", thickness_px=0, bad_all=float("nan"), ctf_angstrom=-1.0)
    path.write_text(session_files.HEADING + row)
    assert read_metrics(str(path)) == {"TS_01": Metrics(None, None, 0.02, None)}


def test_missing_columns_are_left_out(tmp_path):
    path = tmp_path / "TiltSeries_Metrics.csv"
    path.write_text("Tilt_Series,CTF_Res(A)\nTS_01.mrc, 9.00\n")
    assert read_metrics(str(path)) == {"TS_01": Metrics(ctf_resolution_angstrom=9.0)}


@pytest.mark.parametrize("content", [b"", b"\n", b"a\0b", b"Tilt_Series\n,,\n"])
def test_a_file_without_metrics_gives_none_for_any_tomogram(tmp_path, content):
    (tmp_path / "TiltSeries_Metrics.csv").write_bytes(content)
    assert MetricsFiles().of(str(tmp_path / "TS_01_Vol.mrc")) is None


def test_metrics_are_assigned_by_the_longest_matching_name(tmp_path):
    path = tmp_path / "TiltSeries_Metrics.csv"
    files = MetricsFiles()
    assert files.of(str(tmp_path / "TS_1_Vol.mrc")) is None
    names = {"TS": 0.1, "TS_1": 0.2, "TS_10": 0.3}
    rows = "".join(metrics_row(name, bad_all=share) for name, share in names.items())
    path.write_text(session_files.HEADING + rows)
    found = {n: files.of(str(tmp_path / f"{n}.mrc")) for n in ("TS_1_Vol", "TS_10_Vol", "TS_2_Vol")}
    assert [metrics.bad_patches for metrics in found.values()] == [0.2, 0.3, 0.1]
    assert files.of(str(tmp_path / "TSX_Vol.mrc")) is None
