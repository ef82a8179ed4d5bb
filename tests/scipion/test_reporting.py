# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run: it is up to date and never delays the scoring."""

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lab import ids, log_of

from tomoscore_scipion.protocols import exchange, reporting
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.verdict import Criteria

NASTY = "<script>alert(1)</script>"


def until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


def content_of(scored):
    """The data in the report of a run, {} before the first report."""
    path = Path(scored._getExtraPath("report.html"))
    if not path.exists():
        return {}
    begin = '<script type="application/json" id="content">'
    text = path.read_text(encoding="utf-8").partition(begin)[2].partition("</script>")[0]
    return json.loads(text)


def shown(scored):
    """{id: score} of the report of a run."""
    return {t["id"]: t["score"] for t in content_of(scored).get("tomograms", ())}


class ReporterSetup:
    """A folder with a program that logs its arguments, and a reporter that calls the program."""

    def __init__(self, folder, script):
        self.folder = folder
        (folder / "batches").mkdir()
        (folder / "batches" / "failed.jsonl").touch()
        program = folder / "program.py"
        program.write_text(f"import os, sys, time\nfolder = {str(folder)!r}\n{script}\n")
        command = f"{shlex.quote(sys.executable)} {shlex.quote(str(program))}"
        self.reporter = reporting.Reporter(
            str(folder), command, dict(os.environ), Criteria(1.25), title="it's $(touch owned) 100%"
        )

    def calls(self):
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def turn_until(self, condition):
        until(lambda: [self.reporter.turn(), condition()][1])


NOTE = "open(os.path.join(folder, 'calls'), 'a').write(repr(sys.argv[1:]) + '\\n')\n"


def test_reports_are_made_at_a_limited_rate_and_at_the_end(tmp_path, monkeypatch):
    setup = ReporterSetup(tmp_path, NOTE)
    with setup.reporter as reporter:
        setup.turn_until(setup.calls)
        for _ in range(20):
            reporter.ask()
            reporter.turn()
            time.sleep(0.02)
        assert len(setup.calls()) == 1
        assert reporting.order_in(tmp_path) == {}
        reporter.note_order({"TS_2": None, "TS_10": None})
        assert list(reporting.order_in(tmp_path)) == ["TS_2", "TS_10"]
        reporter._next = 0.0  # the pause is over
        setup.turn_until(lambda: len(setup.calls()) == 2)
        reporter.ask()
    assert len(setup.calls()) == 3
    batches, thumbnails, html = (
        str(tmp_path / n) for n in ("batches", "thumbnails", "report.html")
    )
    expected = ["report", batches, "--output", html, "--thumbnails", thumbnails]
    expected += ["--threshold", "1.25", "--borderline", "accepted"]
    expected += ["--order", str(tmp_path / "order.csv")]
    expected += ["--title=it's $(touch owned) 100%"]
    assert setup.calls() == [repr(expected)] * 3
    assert not (tmp_path / "owned").exists() and not Path("owned").exists()


def test_without_new_records_no_report_is_made(tmp_path):
    setup = ReporterSetup(tmp_path, NOTE)
    with setup.reporter as reporter:
        setup.turn_until(lambda: setup.calls() and reporter._has_ended())
    assert len(setup.calls()) == 1


def test_a_slow_report_is_made_less_often_and_waited_for_only_at_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(reporting, "EVERY_S", 0.0)
    setup = ReporterSetup(tmp_path, NOTE + "time.sleep(1)")
    with setup.reporter as reporter:
        begin = time.monotonic()
        reporter.turn()
        reporter.turn()
        assert time.monotonic() - begin < 0.5
        setup.turn_until(reporter._has_ended)
        assert reporter._next - begin > reporting.PAUSE
        reporter.ask()
    assert len(setup.calls()) == 2


def test_a_failed_report_gives_a_warning_until_the_next_good_one(tmp_path, caplog):
    flag = "os.path.join(folder, 'fine')"
    setup = ReporterSetup(
        tmp_path,
        f"print('tomoscore: error: no report today')\nsys.exit(0 if os.path.exists({flag}) else 1)",
    )
    with setup.reporter:
        pass
    assert "The report could not be made: no report today" in caplog.text
    (line,) = reporting.summary(tmp_path)
    assert "*The last report could not be made*: no report today" in line
    (tmp_path / "fine").touch()
    (tmp_path / "report.html").touch()
    with setup.reporter as reporter:
        reporter.ask()
    assert reporting.summary(tmp_path) == [f"Report: {tmp_path / 'report.html'}"]


def test_a_hanging_report_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(reporting, "LIMIT_S", 1.0)
    setup = ReporterSetup(tmp_path, NOTE + "time.sleep(1000)")
    begin = time.monotonic()
    with setup.reporter:
        pass
    assert time.monotonic() - begin < 60
    assert "could not be made" in reporting.summary(tmp_path)[0]


def test_a_report_that_cannot_start_gives_only_a_warning(tmp_path, monkeypatch, caplog):
    def no_process(*_, **__):
        raise OSError("no more processes")

    monkeypatch.setattr(reporting.subprocess, "Popen", no_process)
    with ReporterSetup(tmp_path, "").reporter as reporter:
        reporter.turn()
        (tmp_path / "batches" / "failed.jsonl").unlink()
        (tmp_path / "batches").rmdir()
        (tmp_path / "batches").touch()  # like a full disk: nothing can be written there
        reporter.note_failure("a", None, "why")
    assert "no more processes" in caplog.text and "File exists" in caplog.text


def test_records_are_read_while_they_are_written(tmp_path):
    entry = {"ts_id": "a", "path": "/a.mrc", "voxel_size_angstrom": 1.0}
    lines = [Score.failed(name, None, "why").to_json() + "\n" for name in "abc"]
    for text in (lines[0] + lines[1][:9], lines[2] + "not a record\n[1]\n"):
        folder = exchange.write_job(tmp_path, [entry], None)
        (folder / "results.jsonl").write_text(text)
    exchange.note_failure(tmp_path, "a", None, "the engine died")
    latest = {key: json.loads(line) for key, line in exchange.latest_lines(tmp_path).items()}
    assert {key: r["error"] for key, r in latest.items()} == {"a": "the engine died", "c": "why"}
    assert exchange.latest_lines(tmp_path / "nothing") == {}


def test_a_run_ends_with_a_report_of_every_tomogram(lab):
    scores = {NASTY: 3.5, "TS_1": 1.0, "TS_2": None, "TS_3": 2.0}
    names = (f"{number}.mrc" for number in range(9))
    entries = [lab.tomogram(key, score, next(names)) for key, score in scores.items()]
    entries += [lab.tomogram("TS_3", 4.0, "again.mrc"), lab.tomogram("", 4.0, "nameless.mrc")]
    scored = lab.score(lab.source(entries), preset=3, threshold=1.5)
    assert scored.isFinished(), log_of(scored)
    assert shown(scored) == {**scores, "TS_3#5": None, "#6": None}
    content = content_of(scored)
    assert content["threshold"] == 1.5
    assert content["title"] == f"{lab.project.getShortName()}: TomoScore - score tomograms"
    assert f"Report: {scored._getExtraPath('report.html')}" in scored.summary()
    page = Path(scored._getExtraPath("report.html")).read_text(encoding="utf-8")
    assert NASTY not in page and page.count('id="pictures-') == 3
    job = json.loads(Path(scored._getExtraPath("batches/0001/job.json")).read_text())
    assert job["map_dir"] is None
    for tomogram in scored.scoredTomograms:
        assert Path(tomogram._tomoScoreThumbnail.get()).read_bytes().startswith(b"\xff\xd8")
    assert {t._tomoScoreThumbnail.get() for t in scored.failedTomograms} == {None}
    data = content_of(scored)
    assert (data["threshold"], data["borderline"], data["rejecting"]) == (1.5, "accepted", [])
    scored.threshold.set(3.0)
    lab.resume(scored)
    assert content_of(scored)["threshold"] == 3.0


def test_the_report_gives_the_verdicts_of_the_protocol(lab):
    entries = [lab.tomogram("a", 4.0, shape_zyx=(64, 16, 64)), lab.tomogram("b", 3.0)]
    options = {"rejectUnflipped": True, "acceptBorderline": False, "atMost": 5}
    scored = lab.score(lab.source(entries), **options)
    assert ids(scored, "rejectedTomograms") == ["a"]
    data = content_of(scored)
    assert {t["id"]: t["faults"] for t in data["tomograms"]} == {"a": ["unflipped"], "b": []}
    assert (data["borderline"], data["at_most"]) == ("rejected", 5)


def test_report_and_plot_have_the_order_of_the_input_with_two_workers(project, lab):
    from tomoscore_scipion.viewers import runs

    declining = {f"TS_{number}": 4.0 - number / 4 for number in range(12)}
    entries = [lab.tomogram(key, score) for key, score in declining.items()]
    scored = lab.score(lab.source(entries), numberOfThreads=4)
    assert len(list(Path(scored._getExtraPath("batches")).glob("*/job.json"))) > 1
    content = content_of(scored)
    assert {t["id"]: t["score"] for t in content["tomograms"]} == declining
    assert [t["id"] for t in content["tomograms"]] == list(declining)
    assert content["order"] == "of the input"
    assert [row.ts_id for row in runs.all_rows(scored)] == list(declining)


def test_an_option_of_the_form_requests_quality_maps(lab):
    scored = lab.score(lab.source([lab.tomogram("a")]), writeMaps=True)
    job = json.loads(Path(scored._getExtraPath("batches/0001/job.json")).read_text())
    assert job["map_dir"] == os.path.abspath(scored._getExtraPath("maps"))
    assert shown(scored) == {"a": 3.0}


def test_the_report_is_made_while_the_input_grows(lab):
    source = lab.source([lab.tomogram("a", 3.0), lab.gated("b", 1.0)], wait=False)
    lab.until(lambda: hasattr(source, "Tomograms"), source)
    scored = lab.score(source, wait=False)
    lab.until(lambda: shown(scored) == {"a": 3.0}, scored)
    assert source.isActive()
    lab.open_gate("b")
    lab.until(lambda: not scored.isActive(), scored)
    assert shown(scored) == {"a": 3.0, "b": 1.0}, log_of(scored)


def test_a_failed_report_does_not_fail_the_scoring(lab, monkeypatch):
    monkeypatch.setenv("FAKE_REPORT", "no report today")
    scored = lab.score(lab.source([lab.tomogram("a", 3.0)]))
    assert scored.isFinished(), log_of(scored)
    assert ids(scored, "acceptedTomograms") == ["a"]
    assert "The report could not be made: no report today" in log_of(scored)
    assert "no report today" in scored.summary()[-1]


def test_a_hanging_report_does_not_delay_the_scoring(lab, monkeypatch):
    monkeypatch.setenv("FAKE_REPORT", "hang")
    source = lab.source([lab.tomogram("a", 3.0), lab.gated("b", 1.0)], wait=False)
    lab.until(lambda: hasattr(source, "Tomograms"), source)
    scored = lab.score(source, wait=False)
    lab.until(lambda: ids(scored, "acceptedTomograms") == ["a"], scored)
    lab.open_gate("b")
    lab.until(lambda: hasattr(scored, "rejectedTomograms"), scored)
    lab.until(lambda: scored.rejectedTomograms.isStreamClosed(), scored)
    for pid in lab.processes(scored):
        os.kill(pid, 9)


def test_a_run_without_any_score_has_a_report(lab):
    scored = lab.score(lab.source([lab.tomogram("a", None)]))
    assert scored.isFailed()
    assert shown(scored) == {"a": None}


@pytest.mark.parametrize("name", ["two words", "$(touch owned)", "it's", "100%s"])
def test_the_command_runs_in_a_folder_of_any_name(tmp_path, name):
    def said(title, maps=False, **criteria):
        chosen = Criteria(2.5, **criteria)
        command = reporting.command("printf '%s\\n'", tmp_path / name, chosen, title, maps)
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    words = said("-x $(touch owned)")
    assert words[:3] == ["report", str(tmp_path / name / "batches"), "--output"]
    assert words[-2] == str(tmp_path / name / "order.csv")
    assert words[-1] == "--title=-x $(touch owned)"
    assert "--maps" not in words
    assert said("x", maps=True)[-3:-1] == ["--maps", str(tmp_path / name / "maps")]
    assert words[6:10] == ["--threshold", "2.5", "--borderline", "accepted"]
    assert said("x", accept_borderline=False)[9] == "rejected"
    words = said("x", faults=frozenset({"too thin", "out of the model's depth"}), at_most=7)
    assert words[10:16] == [
        *("--reject", "out of the model's depth", "--reject", "too thin", "--at-most", "7")
    ]
    assert not (tmp_path / "owned").exists()
