# SPDX-License-Identifier: GPL-3.0-or-later
"""The report in a headless Chromium: it loads without errors, sorts, filters and exports."""

import csv
import io
import runpy
import time
from pathlib import Path

import numpy as np
import pytest
from browser import PATIENCE_S, Browser, find_program
from PIL import Image
from report_records import NASTY, NASTY_ID, faulty_session, session

import tomoscore_scipion
from tomoscore_scipion.images.pictures import as_jpeg, as_webp, picture
from tomoscore_scipion.records.thumbnail_files import (
    chosen_slices,
    detail_name,
    map_picture_name,
    thumbnail_name,
)
from tomoscore_scipion.report.writing import write_report

PROGRAM = find_program()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed")

PICTURES_AT_ONCE = 40
"""Limit of loaded pictures, far below the number in the session."""
RECORDS = session(60)
SCORES = {record.ts_id: record.tomoscore for record in RECORDS}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report of 62 tomograms, most of them with pictures."""
    folder = tmp_path_factory.mktemp("report")
    grey = np.random.default_rng(0).normal(size=(40, 60)).astype(np.float32)
    for record in RECORDS[1:]:
        for kind, z in chosen_slices(record).items():
            name, encode = (
                (thumbnail_name, as_jpeg) if kind == "central" else (detail_name, as_webp)
            )
            (folder / name(record.ts_id, z)).write_bytes(encode(picture(grey)))
    Image.new("RGB", (64, 48), "teal").save(folder / map_picture_name("TS_2"))
    write_report(
        RECORDS,
        str(folder / "report.html"),
        folders=[str(folder)],
        maps=[str(folder)],
        threshold=2.5,
        title=NASTY_ID,
    )
    return folder / "report.html"


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    browser = Browser(PROGRAM, tmp_path_factory.mktemp("downloads"))
    yield browser
    browser.close()


@pytest.fixture
def browser(started, page, tmp_path):
    """The browser with the reloaded page; checks at the end that no errors occurred."""
    started.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    started.size(1280, 1000)
    started.open(page)
    started.do("localStorage.clear()")
    started.open(page)
    yield started
    assert started.errors == []


def click(browser, selector):
    browser.do(f"document.querySelector({selector!r}).click()")


def texts(browser, selector):
    return browser.do(f"[...document.querySelectorAll({selector!r})].map(n => n.textContent)")


def slide(browser, value):
    browser.do(
        f"{{ const s = document.getElementById('slider'); s.value = {value};"
        "s.dispatchEvent(new Event('input')) }"
    )


def saved(folder, name):
    """Wait for a file that the browser saves; returns its content."""
    until = time.monotonic() + PATIENCE_S
    while not (folder / name).exists():
        assert time.monotonic() < until, f"{name} was never saved"
        time.sleep(0.05)
    return (folder / name).read_text(encoding="utf-8")


def counts(browser):
    kinds = ("accepted", "rejected", "failed")
    return [int(texts(browser, f".tile[data-count={kind}] b")[0]) for kind in kinds]


def expected_counts(threshold):
    scores = [score for score in SCORES.values() if score is not None]
    good = sum(score >= threshold for score in scores)
    return [good, len(scores) - good, len(SCORES) - len(scores)]


def test_loads_without_errors_and_network_requests(browser, page):
    assert browser.errors == []
    assert [url for url in browser.requests if not url.startswith("data:")] == [page.as_uri()]


def test_names_given_by_users_are_shown_as_text(browser):
    assert browser.do("document.title") == NASTY_ID
    assert NASTY_ID in texts(browser, "td.id button")
    assert any(NASTY in text for text in texts(browser, "#remark-lists li"))
    assert browser.do("document.querySelectorAll('script').length") == 2 + len(RECORDS) - 2


def test_pictures_are_loaded_when_they_come_into_view(browser):
    browser.wait("document.querySelectorAll('.card img').length > 0")
    assert browser.do("document.querySelectorAll('.card img').length") < PICTURES_AT_ONCE
    assert browser.do("document.querySelectorAll('.card').length") == len(RECORDS) - 1
    for name, shown in (
        ("TS_2", "querySelector('img')?.naturalWidth === 60"),
        ("TS_1", "querySelector('.none')?.textContent === 'no picture'"),
    ):
        card = f"document.querySelector('.card .name[title={name}]').closest('.card')"
        browser.do(f"{card}.scrollIntoView({{behavior: 'instant'}})")
        browser.wait(f"{card}.{shown}")


def test_the_gallery_is_sorted_by_score(browser):
    shown = [float(text) for text in texts(browser, ".card .value")]
    assert shown == sorted(shown, reverse=True)


@pytest.mark.parametrize("threshold", [0, 1.35, 2.5, 5])
def test_the_slider_updates_counts_and_saved_lists(browser, tmp_path, threshold):
    slide(browser, threshold)
    assert counts(browser) == expected_counts(threshold)
    assert browser.do("document.getElementById('number').value") == str(threshold)
    cards = texts(browser, ".card .verdict")
    assert sum("accepted" in text for text in cards) == expected_counts(threshold)[0]
    for verdict in ("accepted", "rejected"):
        click(browser, f"#export-{verdict}")
        ids = [
            ts_id
            for ts_id, score in SCORES.items()
            if score is not None and (score >= threshold) == (verdict == "accepted")
        ]
        lines = csv.reader(io.StringIO(saved(tmp_path, f"{verdict}.txt")))
        assert [ts_id for line in lines for ts_id in line] == ids


def test_the_number_field_moves_the_slider(browser):
    browser.do(
        "const n = document.getElementById('number'); n.value = '1.2';"
        "n.dispatchEvent(new Event('input'))"
    )
    assert browser.do("document.getElementById('slider').value") == "1.2"
    assert counts(browser) == expected_counts(1.2)


def test_the_table_sorts_in_both_directions_and_sets_aria_sort(browser):
    def shown():
        return [t for t in texts(browser, "#rows td:nth-child(2)") if t != "\u2013"]

    assert shown() == sorted(shown(), key=float, reverse=True)
    click(browser, "#heads th:nth-child(2) button")
    assert shown() == sorted(shown(), key=float)
    assert texts(browser, "#rows td:nth-child(2)")[-1] == "\u2013"
    order = browser.do("document.querySelector('#heads th:nth-child(2)').getAttribute('aria-sort')")
    assert order == "ascending"
    click(browser, "#heads th:nth-child(1) button")
    ids = [text for text in texts(browser, "#rows td:nth-child(1)") if text.startswith("TS_")]
    assert ids[:11] == [f"TS_{i}" for i in range(1, 12)]


def test_the_table_is_filtered(browser):
    browser.do(
        "const q = document.getElementById('query'); q.value = 'CUT OFF';"
        "q.dispatchEvent(new Event('input'))"
    )
    assert texts(browser, "#rows td:nth-child(1)") == ["TS_bad"]
    assert texts(browser, "#shown") == [f"1 of {len(RECORDS)} shown"]
    browser.do(
        "q.value = ''; const v = document.getElementById('verdict'); v.value = 'accepted';"
        "v.dispatchEvent(new Event('change'))"
    )
    assert len(texts(browser, "#rows tr")) == expected_counts(2.5)[0]
    slide(browser, 1)
    assert len(texts(browser, "#rows tr")) == expected_counts(1)[0]


def test_the_saved_table_has_scores_verdicts_and_errors(browser, tmp_path):
    click(browser, "#export-table")
    rows = list(csv.DictReader(io.StringIO(saved(tmp_path, "tomoscore.csv"))))
    assert {row["ts_id"] for row in rows} == set(SCORES)
    by_id = {row["ts_id"]: row for row in rows}
    assert float(by_id["TS_30"]["tomoscore"]) == SCORES["TS_30"]
    assert by_id["TS_bad"]["verdict"] == "failed"
    assert by_id["TS_bad"]["error"] == f"cut off {NASTY}"


def test_the_saved_table_has_scale_slab_resolvability_and_voxel_size(browser, tmp_path):
    click(browser, "#export-table")
    rows = list(csv.DictReader(io.StringIO(saved(tmp_path, "tomoscore.csv"))))
    row = next(row for row in rows if row["ts_id"] == "TS_30")
    record = next(record for record in RECORDS if record.ts_id == "TS_30")
    assert float(row["scale_nm"]) == pytest.approx(record.scale_nm)
    slab = (row["slab_first"], row["slab_last"], row["slab_nm"], row["voxel_size_angstrom"])
    assert slab == ("20", "79", "60", "10")
    assert float(row["r_128_64_nm"]) == record.curve["resolvability"][0]
    assert (row["verdict"], row["decided_by"], row["path"]) == ("rejected", "score", record.path)


def borderline_at(threshold):
    """Ids of tomograms with the threshold inside their 90 % interval."""
    scored = [record for record in RECORDS if record.tomoscore is not None]
    return {
        r.ts_id for r in scored if r.tomoscore_interval[0] <= threshold <= r.tomoscore_interval[1]
    }


def test_borderline_tomograms_are_counted_and_marked(browser):
    slide(browser, 1.2)
    expected = borderline_at(1.2)
    assert expected
    assert texts(browser, ".tile[data-count=borderline] b") == [str(len(expected))]
    names = "[...document.querySelectorAll('.verdict.borderline')].map(n => "
    cards = browser.do(names + "n.closest('.card')?.querySelector('.name').title).filter(Boolean)")
    assert set(cards) == expected
    dots = "[...document.querySelectorAll('#session .borderline')]"
    assert browser.do(f"{dots}.length") == len(expected)
    browser.do(
        "const v = document.getElementById('verdict'); v.value = 'borderline';"
        "v.dispatchEvent(new Event('change'))"
    )
    assert set(texts(browser, "#rows td:nth-child(1)")) == expected
    assert all("borderline" in text for text in texts(browser, "#rows .verdict"))


@pytest.mark.parametrize("verdict", ["accepted", "rejected"])
def test_borderline_tomograms_get_the_requested_verdict(browser, tmp_path, verdict):
    path = tmp_path / "other.html"
    write_report(RECORDS, str(path), threshold=1.2, borderline=verdict)
    browser.open(path)
    shown = set(texts(browser, "#rows .verdict.borderline"))
    assert borderline_at(1.2)
    assert len(shown) == 1 and verdict in shown.pop()


def test_a_table_by_verdict_is_sorted_again_when_the_threshold_moves(browser):
    click(browser, "#heads th:nth-child(7) button")
    for threshold in (1, 2):
        slide(browser, threshold)
        words = [text.split()[1].strip(",") for text in texts(browser, "#rows .verdict")]
        changes = sum(word != following for word, following in zip(words, words[1:]))
        assert len(words) == len(RECORDS) and changes == len(set(words)) - 1 == 2


def test_faults_and_at_most_decide_as_in_the_protocol(browser, tmp_path):
    path = tmp_path / "other.html"
    criteria = {"threshold": 2.5, "rejecting": ("unflipped", "too thin"), "at_most": 2}
    write_report(faulty_session(), str(path), **criteria)
    browser.open(path)
    assert verdicts(browser, tmp_path) == {
        "a": ("rejected", "unflipped, too thin"),
        "b": ("rejected", "too thin"),
        "d": ("rejected", "score"),
        "c": ("accepted", "score"),
        "e": ("accepted", "score"),
        "f": ("rejected", "score"),
    }
    shown = dict(zip(texts(browser, ".card .name"), texts(browser, ".card .verdict")))
    assert shown["a"] == "\u25bc rejected: unflipped, too thin"
    assert shown["d"] == "\u25bc rejected, not among the best 2"
    criteria = " ".join(texts(browser, "#criteria")[0].split())
    assert criteria == (
        "Rejected regardless of the score: unflipped, too thin. At most the best 2 are accepted."
    )
    slide(browser, 4)
    assert [
        key for key, (word, _) in verdicts(browser, tmp_path).items() if word == "accepted"
    ] == ["e"]


def test_a_decision_by_hand_overrules_a_fault(browser, tmp_path):
    path = tmp_path / "other.html"
    write_report(faulty_session(), str(path), threshold=2.5, rejecting=("too thin",))
    browser.open(path)
    browser.do("localStorage.clear()")
    browser.do(f"{card_of('b')}.focus()")
    browser.press("a")
    assert verdicts(browser, tmp_path)["b"] == ("accepted", "hand")
    browser.press("u")
    assert verdicts(browser, tmp_path)["b"] == ("rejected", "too thin")


def card_of(name):
    return f"document.querySelector('.card .name[title={name}]').closest('.card')"


def verdicts(browser, folder):
    """{id: (verdict, decided by)} of the saved file."""
    click(browser, "#export-verdicts")
    lines = saved(folder, "tomoscore-verdicts.csv")
    (folder / "tomoscore-verdicts.csv").unlink()
    assert lines.splitlines()[0] == "ts_id,verdict,decided_by"
    rows = csv.DictReader(io.StringIO(lines))
    return {row["ts_id"]: (row["verdict"], row["decided_by"]) for row in rows}


def test_decisions_by_key_overrule_scores_and_are_saved(browser, page, tmp_path):
    before = verdicts(browser, tmp_path)
    assert before.keys() == {r.ts_id for r in RECORDS if r.tomoscore is not None}
    assert (before["TS_30"], before[NASTY_ID][1]) == (("rejected", "score"), "score")
    browser.do(f"{card_of('TS_30')}.focus()")
    browser.press("a")
    browser.do(f"{card_of('TS_60')}.click()")
    browser.press("r")
    assert "by hand" in texts(browser, "#details-verdict")[0]
    browser.press("Escape")
    overruled = {"TS_30": ("accepted", "hand"), "TS_60": ("rejected", "hand")}
    assert verdicts(browser, tmp_path) == {**before, **overruled}
    browser.open(page)  # also after the page is loaded again
    assert verdicts(browser, tmp_path) == {**before, **overruled}
    assert texts(browser, "#hand-count")[0].startswith("2 decided by hand")
    click(browser, "#export-accepted")
    assert "TS_30" in saved(tmp_path, "accepted.txt").splitlines()
    browser.do(f"{card_of('TS_30')}.focus()")
    browser.press("u")
    assert verdicts(browser, tmp_path)["TS_30"] == ("rejected", "score")
    click(browser, "#forget")
    assert verdicts(browser, tmp_path) == before


def test_keys_typed_into_a_field_change_no_decision(browser):
    browser.do(f"{card_of('TS_30')}.click()")
    browser.press("Escape")
    browser.do("document.getElementById('query').focus()")
    browser.press("a")
    assert browser.do("document.getElementById('hand').hidden") is True


def test_the_colours_of_the_report_are_those_of_scipions_plots(browser):
    package = Path(tomoscore_scipion.__file__).parent
    colours = runpy.run_path(str(package / "viewers" / "colours.py"))
    style = "getComputedStyle(document.documentElement).getPropertyValue"
    found = [browser.do(f"{style}('--{name}')").strip() for name in ("good", "bad")]
    assert found == [colours["ACCEPTED"], colours["REJECTED"]]


def test_the_quality_map_is_shown_only_with_its_tomogram(browser):
    card = "document.querySelector('.card .name[title=TS_2]').closest('.card')"
    browser.do(f"{card}.click()")
    browser.wait("document.querySelector('#details img.map')?.naturalWidth === 64")
    browser.press("ArrowRight")
    browser.wait("document.querySelectorAll('#details img').length >= 1")
    assert browser.do("document.querySelectorAll('#details img.map').length") == 0
    browser.press("Escape")


def test_a_tomogram_opens_with_its_charts_and_closes_by_keyboard(browser):
    browser.do("document.querySelector('.card').focus()")
    browser.press("Enter")
    browser.wait("document.getElementById('details').open")
    first = texts(browser, "#details-head")
    assert first == [max((s, -i, n) for i, (n, s) in enumerate(SCORES.items()) if s)[2]]
    assert len(texts(browser, "#details svg")) == 2
    browser.wait("document.querySelectorAll('#details img').length === 3")
    chosen = {z for kind, z in chosen_slices(RECORDS[-2]).items() if kind != "central"}
    assert browser.do("document.querySelectorAll('#details svg .mark').length") == len(chosen)
    browser.press("ArrowRight")
    assert texts(browser, "#details-head") != first
    browser.press("ArrowLeft")
    assert texts(browser, "#details-head") == first
    browser.press("Escape")
    assert browser.do("document.getElementById('details').open") is False


def test_the_session_plot_has_a_point_per_tomogram_and_can_be_reordered(browser):
    assert browser.do("document.querySelectorAll('#session .dot').length") == len(RECORDS) - 1
    assert browser.do("document.querySelectorAll('#session .mark').length") == 1
    axis = texts(browser, "#session svg text")
    assert "TS_1" in " ".join(axis) and "tomogram, in the order of the results" in axis
    names = "[...document.querySelectorAll('#session .dot')].map(d => d.ariaLabel.split(':')[0])"
    assert browser.do(names) == [r.ts_id for r in RECORDS if r.tomoscore is not None]
    browser.do(
        "const o = document.getElementById('order-by'); o.value = 'name';"
        "o.dispatchEvent(new Event('change'))"
    )
    by_name = browser.do(names)
    assert by_name.index("TS_10") > by_name.index("TS_9")
    browser.do("document.querySelector('#session .dot').focus()")
    browser.press("ArrowRight")
    browser.press("Enter")
    assert texts(browser, "#details-head") == [by_name[1]]


def test_verdicts_differ_in_shape_and_text_and_not_only_in_colour(browser):
    slide(browser, 2)
    paths = browser.do(
        "[...document.querySelectorAll('#session .dot')]"
        ".map(d => [d.classList[1], d.getAttribute('d').includes('Z')])"
    )
    assert {verdict for verdict, is_triangle in paths if is_triangle} == {"rejected"}
    assert {verdict for verdict, is_triangle in paths if not is_triangle} == {"accepted"}
    assert {text[0] for text in texts(browser, ".card .verdict")} == {"\u2713", "\u25bc"}


@pytest.mark.parametrize("width", [1280, 420])
def test_the_page_fits_its_window(browser, tmp_path, width):
    browser.size(width, 900)
    assert browser.do("document.documentElement.scrollWidth") <= width
    browser.screenshot(tmp_path / "page.png")
    colours = np.asarray(Image.open(tmp_path / "page.png").convert("RGB")).reshape(-1, 3)
    assert len(np.unique(colours, axis=0)) > 50


def test_an_empty_report_opens(browser, tmp_path):
    write_report([], str(tmp_path / "empty.html"))
    browser.open(Path(tmp_path / "empty.html"))
    assert counts(browser) == [0, 0, 0]
