# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's section on the agreement with half maps."""

import base64
from pathlib import Path

import pytest
from browser import Browser, find_program
from report_records import NASTY_ID, record_of
from scoring_fakes import HALVES, MODEL, REFUSED_HALVES, make_score
from test_report import Page

from tomoscore_scipion.commands.cli import main
from tomoscore_scipion.records.record_files import json_line
from tomoscore_scipion.report.agreed import section_of

PROGRAM = find_program()


def measured(number):
    """Records with rising scores and measured half maps, and one record without."""
    curves = [[(i + 1) / (number + 1)] * 6 for i in range(number)]
    records = [
        record_of(curve, f"T{i}", halves={**HALVES, "tomoscore": 3 * (i + 1) / (number + 1)})
        for i, curve in enumerate(curves)
    ]
    return [*records, record_of([0.5] * 6, NASTY_ID, halves=REFUSED_HALVES)]


@pytest.fixture
def page_of(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def made(records):
        Path("r.jsonl").write_text("".join(map(json_line, records)))
        assert main(["report", "r.jsonl", "--output", "r.html"]) == 0
        return Page(Path("r.html").read_text(encoding="utf-8"))

    return made


def test_six_measured_tomograms_give_a_section_with_text_and_plot(page_of):
    page = page_of(measured(6))
    shown = page.json["content"]["agreement"]
    assert shown["said"][0].startswith("On this session the score ")
    assert f"Without measured halves: {NASTY_ID}." in shown["said"]
    head, _, content = shown["plot"].partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(content).startswith(b"\x89PNG")
    assert any(a.get("id") == "agreement" for _, a in page.elements)


def test_five_measured_tomograms_give_no_section(page_of):
    page = page_of(measured(5))
    assert page.json["content"]["agreement"] is None
    assert not any(a.get("id") == "agreement" for _, a in page.elements)


def test_scores_of_two_models_give_no_section():
    other = make_score("other", model={**MODEL, "sha256": "cd" * 32})
    assert section_of([*measured(6), other]) is None


@pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed")
def test_the_section_is_shown_without_errors(page_of, tmp_path):
    page_of(measured(6))
    browser = Browser(PROGRAM, tmp_path)
    try:
        browser.size(1280, 1000)
        browser.open(tmp_path / "r.html")
        assert browser.do("document.getElementById('plot-of-halves').naturalWidth") > 500
        said = browser.do("document.getElementById('verdict-of-halves').textContent")
        assert said.startswith("On this session the score ")
        assert browser.errors == []
    finally:
        browser.close()
