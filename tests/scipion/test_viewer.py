# SPDX-License-Identifier: GPL-3.0-or-later
"""The viewer without windows: its options and figures."""

import json
import os
import time
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def lab(project, tmp_path_factory):
    from lab import Lab

    return Lab(project, tmp_path_factory.mktemp("tomograms"))


@pytest.fixture(scope="module")
def scored(lab):
    entries = [lab.tomogram(f"TS_{n}", n / 3) for n in range(12)]
    entries.insert(3, lab.tomogram("X", None))
    return lab.score(lab.source(entries))


@pytest.fixture
def figures():
    import matplotlib

    matplotlib.use("Agg")


def viewer_of(project, protocol):
    from tomoscore_scipion.viewers import TomoScoreViewer

    viewer = TomoScoreViewer(project=project, protocol=protocol)
    viewer.setProtocol(protocol)
    return viewer


def names_of(viewer):
    """Views that the form offers."""
    offered = [name for name in viewer._getVisualizeDict() if viewer._definition.getParam(name)]
    return [name for name in offered if hasattr(viewer, name)]


def texts_of(figure):
    from matplotlib.text import Text

    return " ".join(found.get_text() for found in figure.findobj(Text))


def test_the_form_offers_all_views(project, scored):
    viewer = viewer_of(project, scored)
    expected = ["showReport", "showSession", "showTable", "showImages", "showHistogram"]
    assert names_of(viewer) == [*expected, "showTomogram"]
    assert [name for name, _ in viewer._existing] == [
        f"{name}Tomograms" for name in ("accepted", "rejected", "scored", "failed")
    ]
    assert [r.ts_id for r in viewer._scored[:2]] == ["TS_11", "TS_10"]


def test_six_measured_tomograms_give_a_plot_of_agreement_with_half_maps(project, lab, figures):
    halves = [lab.tomogram(f"half_{name}")["path"] for name in ("odd", "even")]
    entries = [lab.tomogram(f"M_{n}", 1 + n / 2, halves=halves) for n in range(6)]
    viewer = viewer_of(project, lab.score(lab.source(entries)))
    assert "showAgreement" in names_of(viewer)
    (plotter,) = viewer._agreement()
    assert "On this session the score " in texts_of(plotter.getFigure())


def test_the_table_shows_thumbnails_and_no_volumes(project, scored):
    (table,) = viewer_of(project, scored)._table()
    visible, _, drawn = table.getVisibleAndOrderLabels()
    assert drawn == "_tomoScoreThumbnail" and drawn in visible
    assert "_filename" not in visible
    first = scored.scoredTomograms.getFirstItem()
    scored.scoredTomograms.close()
    assert os.path.exists(first._tomoScoreThumbnail.get())


def test_the_session_plot_has_every_tomogram_in_the_order_of_the_input(project, scored, figures):
    from tomoscore_scipion.viewers import runs

    rows = runs.all_rows(scored)
    assert [row.ts_id for row in rows] == [
        "TS_0",
        "TS_1",
        "TS_2",
        "X",
        *map("TS_{}".format, range(3, 12)),
    ]
    assert rows[3].score is None and rows[3].verdict == "failed"
    (plotter,) = viewer_of(project, scored)._session()
    (axes,) = plotter.getFigure().axes
    markers = [line.get_marker() for line in axes.lines]
    # One of the accepted ones is borderline: a little below the threshold.
    assert (markers.count("o"), markers.count("v"), markers.count("x")) == (5, 7, 1)
    assert [t.get_text() for t in axes.get_xticklabels()][3] == "X"
    assert "x: failed (1)" in axes.get_xlabel()


def test_one_tomogram_shows_slices_profile_curve_and_reasons(project, scored, figures):
    viewer = viewer_of(project, scored)
    viewer.tomogram.set(11)
    (plotter,) = viewer._tomogram()
    figure = plotter.getFigure()
    *slices, profile, curve = figure.axes
    assert [len(axes.images) for axes in slices] == [1, 1, 1]
    assert len(curve.patches) == 6
    record = viewer._records.of(viewer._scored[-1])
    assert list(profile.lines[-1].get_ydata()) == [s["tomoscore"] for s in record.slices]
    text = texts_of(figure)
    assert "TS_0: TomoScore 0.00" in text and "coarser than 128 nm" in text
    assert "nothing visible" in text and "Warning: fake" in text


def test_slices_come_from_the_file_and_a_missing_file_is_reported(
    project, scored, figures, tmp_path
):
    from dataclasses import replace

    from tomoscore_scipion.viewers import slices

    viewer = viewer_of(project, scored)
    record = viewer._records.of(viewer._scored[0])
    found, note = slices.slices_of(record, {})
    assert {kind: array.shape for kind, array in found.items()} == dict.fromkeys(
        ("best", "median", "worst"), (64, 64)
    )
    assert note == ""
    lost = replace(record, path=str(tmp_path / "lost.mrc"))
    found, note = slices.slices_of(lost, {})
    assert found == {}
    assert "since the file cannot be read" in note and note.rstrip().endswith("lost.mrc)")


def test_a_tomogram_without_pictures_is_shown_with_placeholders(project, scored, figures):
    from matplotlib.figure import Figure

    from tomoscore_scipion.viewers import one_tomogram

    figure = Figure()
    viewer = viewer_of(project, scored)
    one_tomogram.draw(figure, viewer._records.of(viewer._scored[0]), {})
    assert texts_of(figure).count("no picture") == 3


def test_a_quality_map_is_offered_if_it_exists(project, lab, figures):
    from PIL import Image

    scored = lab.score(lab.source([lab.tomogram("TS_1"), lab.tomogram("TS_2", 1.0)]))
    assert "showMap" not in names_of(viewer_of(project, scored))
    maps = Path(scored._getExtraPath("maps"))
    maps.mkdir()
    Image.new("RGB", (30, 20), "red").save(maps / "TS_1-quality.png")
    viewer = viewer_of(project, scored)
    assert "showMap" in names_of(viewer)
    (plotter,) = viewer._map()
    assert plotter.getFigure().axes[0].images[0].get_array().shape == (20, 30, 3)
    viewer.tomogram.set(1)
    (message,) = viewer._map()
    assert "TS_2 has no quality map" in message._msg


@pytest.fixture
def opened(monkeypatch):
    """List of the addresses opened in the browser."""
    import webbrowser

    addresses = []
    monkeypatch.setattr(webbrowser, "get", lambda: object())
    monkeypatch.setattr(webbrowser, "open_new_tab", addresses.append)
    return addresses


def test_the_report_opens_in_a_browser(project, scored, opened):
    (page,) = viewer_of(project, scored)._report()
    page.show()
    end = time.monotonic() + 60
    while not opened and time.monotonic() < end:
        time.sleep(0.05)
    assert opened == [Path(scored._getExtraPath("report.html")).resolve().as_uri()]


def test_without_a_browser_the_path_of_the_report_is_shown(project, scored, monkeypatch):
    import webbrowser

    def none():
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(webbrowser, "get", none)
    (message,) = viewer_of(project, scored)._report()
    assert str(Path(scored._getExtraPath("report.html")).resolve()) in message._msg


def test_the_scoring_runs_of_split_and_joined_sets_are_found(project, lab, scored, figures, opened):
    from pwem.protocols import ProtUnionSet

    from tomoscore_scipion.protocols import ProtTomoScoreFilter
    from tomoscore_scipion.viewers import runs

    other = lab.score(lab.source([lab.tomogram("other", 4.5)]))
    joined = project.newProtocol(ProtUnionSet)
    for protocol in (scored, other):
        joined.inputSets.append(protocol)
        joined.inputSets[-1].setExtended("acceptedTomograms")
    lab.launch(joined)
    best = lab.new(ProtTomoScoreFilter, joined, "outputSet", criterion=1, count=2)
    lab.launch(best)
    assert [run.getObjId() for run in runs.scoring_runs(best)] == [
        scored.getObjId(),
        other.getObjId(),
    ]
    viewer = viewer_of(project, best)
    assert [r.ts_id for r in viewer._scored] == ["other", "TS_11", "TS_10", "TS_9", "TS_8", "TS_7"]
    assert len(viewer._report()) == 2
    assert "other: TomoScore 4.50" in texts_of(viewer._tomogram()[0].getFigure())
    (histogram,) = viewer._histogram()
    assert len(histogram.getFigure().axes[0].lines) == 0  # no threshold: the best two


def test_a_run_without_outputs_gives_a_message(project, lab, scored):
    viewer = viewer_of(project, lab.new(type(scored), scored.inTomograms.get()))
    assert names_of(viewer) == []
    assert viewer._definition.getParam("nothing") is not None
    (message,) = viewer._report()
    assert "There is no report yet" in message._msg


def test_the_viewer_shows_finished_results_during_the_run(project, lab, figures):
    source = lab.source([lab.tomogram("a", 3.0), lab.gated("b", 1.0)], wait=False)
    lab.until(lambda: hasattr(source, "Tomograms"), source)
    running = lab.score(source, wait=False)
    lab.until(lambda: hasattr(running, "scoredTomograms"), running)
    viewer = viewer_of(project, running)
    assert [record.ts_id for record in viewer._scored] == ["a"]
    assert len(viewer._histogram()[0].getFigure().axes[0].patches) > 0
    assert len(viewer._tomogram()) == len(viewer._session()) == len(viewer._table()) == 1
    assert running.isActive()
    lab.open_gate("b")
    lab.until(lambda: not running.isActive(), running)
    (plotter,) = viewer._session()  # the open form shows new results
    assert [t.get_text() for t in plotter.getFigure().axes[0].get_xticklabels()] == ["a", "b"]


def test_a_truncated_record_does_not_stop_the_viewer(project, lab, figures):
    scored = lab.score(lab.source([lab.tomogram("a", 3.0)]))
    with open(scored._getExtraPath("batches/0001/results.jsonl"), "a") as file:
        file.write(json.dumps({"schema": 1})[:-3])
    assert [record.ts_id for record in viewer_of(project, scored)._scored] == ["a"]
