# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's section on other sets of the same tilt series."""

from pathlib import Path

import pytest
from browser import Browser, find_program
from report_records import NASTY_ID, record_of, session
from test_report import Page

from tomoscore_scipion.commands.cli import main
from tomoscore_scipion.records.record_files import json_line

PROGRAM = find_program()


@pytest.fixture
def results(tmp_path, monkeypatch):
    """The current folder, with two sets of the same tilt series; set b is better."""
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_text("".join(map(json_line, session())))
    better = [
        record_of([min(1.0, r + 0.1) for r in record.curve["resolvability"]], record.ts_id)
        for record in session()
        if record.tomoscore is not None
    ]
    Path("b.jsonl").write_text("".join(map(json_line, better)))
    return tmp_path


def report(*arguments):
    return main(["report", "a.jsonl", "--output", "r.html", *arguments])


def test_the_page_compares_its_own_set_with_others(results):
    assert report("--compare", "b.jsonl", "--names", "old", NASTY_ID) == 0
    text = Path("r.html").read_text(encoding="utf-8")
    page = Page(text)
    shown = page.json["content"]
    assert len(shown["tomograms"]) == 14  # those of a only
    assert shown["comparison"]["names"] == ["old", NASTY_ID]
    assert shown["comparison"]["said"][0].startswith(f"{NASTY_ID} wins over 13 tilt series")
    assert [gain["over"] for gain in shown["comparison"]["gains"]] == ["old"]
    assert any(a.get("id") == "compared" for _, a in page.elements)
    assert NASTY_ID not in text


def test_without_other_sets_the_report_has_no_comparison(results):
    assert report() == 0
    page = Page(Path("r.html").read_text(encoding="utf-8"))
    assert page.json["content"]["comparison"] is None
    assert not any(a.get("id") == "compared" for _, a in page.elements)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--compare", "b.jsonl", "--names", "x"], "--names: expected 2"),
        (["--compare", "none.jsonl"], "cannot read none.jsonl"),
        (["--compare", "b.jsonl", "--output", "b.jsonl"], "b.jsonl would be replaced"),
        (["--compare", "other.jsonl"], "no tilt series has a score in every set"),
    ],
)
def test_sets_that_cannot_be_compared_are_refused_with_the_reason(results, capsys, arguments, says):
    Path("other.jsonl").write_text(json_line(record_of([0.5] * 6, "another")))
    assert report(*arguments) == 1
    assert says in capsys.readouterr().err
    assert not Path("r.html").exists()


@pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed")
def test_the_section_is_drawn_without_errors(results):
    report("--compare", "b.jsonl", "--names", "old", NASTY_ID)
    browser = Browser(PROGRAM, results)
    try:
        browser.size(1280, 1000)
        browser.open(results / "r.html")
        assert browser.do("document.querySelectorAll('#sets .pair').length") == 13
        assert browser.do("document.querySelectorAll('#sets .interval').length") == 1
        said = browser.do("document.getElementById('verdict-of-sets').textContent")
        assert said.startswith(f"{NASTY_ID} wins over 13")
        titles = browser.do("[...document.querySelectorAll('#sets title')].map(t => t.textContent)")
        assert titles[0].startswith("TS_1: ")
        browser.do("document.getElementById('compared').scrollIntoView({behavior: 'instant'})")
        browser.screenshot(results / "compared.png")
        for width in (1280, 420):
            browser.size(width, 900)
            assert browser.do("document.documentElement.scrollWidth") <= width
        assert browser.errors == []
    finally:
        browser.close()
