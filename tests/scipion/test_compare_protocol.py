# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol that compares scored sets of the same tilt series, and its viewer."""

import csv

import pytest
from lab import ids, log_of
from pyworkflow.object import Pointer

ALIKE = {f"TS_{n}": 0.5 * n for n in range(8)}


@pytest.fixture(scope="module")
def scored(project, tmp_path_factory):
    """Two scored sets of the same tilt series; the second is better except for one tilt series."""
    from lab import Lab

    first = Lab(project, tmp_path_factory.mktemp("first"))
    second = Lab(project, tmp_path_factory.mktemp("second"))
    one = [first.tomogram(key, score) for key, score in ALIKE.items()]
    better = {**{k: s + 0.4 for k, s in ALIKE.items()}, "TS_7": 3.0, "TS_9": 1.0}
    other = [second.tomogram(key, score) for key, score in better.items()]
    return [named_run(first, one, "AreTomo"), named_run(second, other, "IMOD")]


def named_run(lab, entries, name):
    from tomoscore_scipion.protocols import ProtTomoScore

    run = lab.new(ProtTomoScore, lab.source(entries))
    run.setObjLabel(name)
    return lab.launch(run)


def protocol_on(lab, runs, **values):
    from tomoscore_scipion.protocols import ProtTomoScoreCompare

    protocol = lab.project.newProtocol(ProtTomoScoreCompare, **values)
    for run in runs:
        protocol.inSets.append(Pointer(run, extended="scoredTomograms"))
    return protocol


@pytest.fixture(scope="module")
def compared(project, scored, tmp_path_factory):
    from lab import Lab

    lab = Lab(project, tmp_path_factory.mktemp("compared"))
    return lab.launch(protocol_on(lab, scored))


def test_the_summary_gives_the_better_set_and_its_gain(compared):
    assert compared.isFinished(), log_of(compared)
    summary = "\n".join(compared.summary())
    assert summary.startswith("IMOD wins over 8 tilt series: +0.29 octaves over AreTomo (")
    assert "higher in 7, equal in 0, lower in 1" in summary
    assert "Left out of IMOD, since another set has no score of it: TS_9." in summary
    assert "paired bootstrap" in summary and "IMOD wins" in compared.methods()[0]


def test_best_tomograms_have_the_attributes_of_the_better_set(compared, scored):
    assert ids(compared, "bestTomograms") == sorted(ALIKE)
    best = {t.getTsId(): t.clone() for t in compared.bestTomograms}
    assert {key: t._tomoScoreBestOf.get() for key, t in best.items()} == {
        key: "AreTomo" if key == "TS_7" else "IMOD" for key in ALIKE
    }
    assert best["TS_7"]._tomoScore.get() == 3.5 and best["TS_1"]._tomoScore.get() == 0.9
    assert best["TS_7"].getFileName() != best["TS_1"].getFileName()
    assert compared.bestTomograms.isStreamClosed()
    assert compared.bestTomograms.getSamplingRate() == 10.0
    assert compared.bestTomograms._tomoScoreModelSha256.get() == "ab" * 32
    assert best["TS_1"]._tomoScoreThumbnail.get().endswith(".jpg")


def test_best_tomograms_can_be_filtered_and_viewed(lab, compared, scored):
    from tomoscore_scipion.protocols import ProtTomoScoreFilter
    from tomoscore_scipion.viewers import runs

    protocol = lab.launch(
        lab.new(ProtTomoScoreFilter, compared, "bestTomograms", criterion=1, count=2)
    )
    assert ids(protocol, "acceptedTomograms") == ["TS_6", "TS_7"], log_of(protocol)
    found = [run.getObjId() for run in runs.scoring_runs(protocol)]
    assert found == [run.getObjId() for run in scored]
    # Both runs have records of both; each row uses the record that gave its score.
    rows, records = runs.all_rows(protocol), runs.Records(protocol)
    assert [records.of(row).tomoscore for row in rows] == [row.score for row in rows]
    assert {len(records._lines[row.ts_id]) for row in rows} == {2}


def test_a_table_of_all_scores_is_written(compared):
    with open(compared._getExtraPath("comparison.csv"), newline="") as file:
        heading, *rows = csv.reader(file)
    assert heading == ["ts_id", "AreTomo", "IMOD", "best"]
    assert [row[3] for row in rows] == ["IMOD"] * 7 + ["AreTomo"]


def test_names_of_sets_can_be_given(lab, scored):
    protocol = protocol_on(lab, scored, setNames=" with gold ,patch tracking")
    lab.launch(protocol)
    assert protocol.summary()[0].startswith("patch tracking wins")


def test_runs_with_equal_names_get_different_names(lab, scored):
    protocol = protocol_on(lab, [scored[0], scored[0]])
    assert protocol.getNames() == ["set 1", "set 2"]
    plain = lab.score(scored[0].inTomograms.get())
    other = lab.score(scored[1].inTomograms.get())
    assert (
        protocol_on(lab, [plain, other]).getNames()[0]
        != protocol_on(lab, [plain, other]).getNames()[1]
    )


@pytest.mark.parametrize(
    ("names", "says"),
    [("only one", "expected 2"), ("x, x", "two sets have the name 'x'"), ("x,", "can be printed")],
)
def test_invalid_names_of_sets_are_errors(lab, scored, names, says):
    (error,) = protocol_on(lab, scored, setNames=names).validate()
    assert says in error


def test_sets_that_cannot_be_compared_are_errors(lab, scored, monkeypatch):
    assert "two or more are needed" in protocol_on(lab, scored[:1]).validate()[0]
    other = lab.score(lab.source([lab.tomogram("another")]))
    assert "no tsId is in every set" in protocol_on(lab, [scored[0], other]).validate()[0]
    protocol = protocol_on(lab, scored)
    protocol.inSets.append(Pointer(scored[0].inTomograms.getObjValue(), extended="Tomograms"))
    assert "has no TomoScore" in protocol.validate()[0]
    monkeypatch.setenv("FAKE_SHA256", "cd" * 32)
    unrelated = lab.score(lab.source([lab.tomogram(key, 1.0) for key in ALIKE]))
    (error,) = protocol_on(lab, [scored[0], unrelated]).validate()
    assert "expected scores of one model" in error and "abababababab" in error


def test_sets_of_different_voxel_sizes_are_compared_without_an_output_set(lab, scored):
    binned = lab.source([lab.tomogram(key, 1.0) for key in ALIKE], samplingRate=20.0)
    protocol = lab.launch(protocol_on(lab, [scored[0], lab.score(binned)]))
    assert protocol.isFinished(), log_of(protocol)
    assert not hasattr(protocol, "bestTomograms")
    assert any("bestTomograms is not made" in line for line in protocol.summary())


@pytest.fixture
def viewer(project, compared):
    import matplotlib

    from tomoscore_scipion.viewers import TomoScoreCompareViewer

    matplotlib.use("Agg")
    viewer = TomoScoreCompareViewer(project=project, protocol=compared)
    viewer.setProtocol(compared)
    return viewer


def test_the_viewer_shows_plot_summary_and_the_best(viewer):
    import pyworkflow as pw
    from pyworkflow.viewer import DESKTOP_TKINTER

    (plotter,) = viewer._plot()
    left, right = plotter.getFigure().axes
    assert len(left.lines) == len(ALIKE) + 1
    assert plotter.getFigure()._suptitle.get_text().startswith("IMOD wins")
    (message,) = viewer._summary()
    assert "IMOD wins" in message._msg
    (table,) = viewer._best()
    assert "_tomoScoreBestOf" in table.getVisibleAndOrderLabels()[0]
    found = pw.Config.getDomain().findViewers(viewer.protocol, DESKTOP_TKINTER)
    assert type(viewer) in found


def test_the_viewer_of_a_run_without_results_shows_nothing(project, lab, scored):
    from tomoscore_scipion.viewers import TomoScoreCompareViewer

    protocol = protocol_on(lab, scored)
    viewer = TomoScoreCompareViewer(project=project, protocol=protocol)
    viewer.setProtocol(protocol)
    assert viewer._definition.getParam("nothing") is not None
    assert protocol.summary() == ["Nothing is compared yet."] and protocol._methods() == []
