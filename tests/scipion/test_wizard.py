# SPDX-License-Identifier: GPL-3.0-or-later
"""The wizard and the viewer, without windows."""

import pytest

from tomoscore_scipion.records import verdict


@pytest.fixture(scope="module")
def scored(project, tmp_path_factory):
    from lab import Lab

    lab = Lab(project, tmp_path_factory.mktemp("tomograms"))
    entries = [lab.tomogram(f"TS_{n}", float(n)) for n in range(5)]
    entries.append(lab.tomogram("X", None))
    return lab.score(lab.source(entries))


def test_the_wizard_finds_the_scores_of_the_run_and_of_a_scored_input(lab, scored):
    from tomoscore_scipion.protocols import ProtTomoScore, ProtTomoScoreFilter
    from tomoscore_scipion.wizards import scored_for

    scores = {f"TS_{n}": float(n) for n in range(5)}
    assert scored_for(scored).scores() == scores
    assert scored_for(scored).pictures.keys() == scores.keys()
    assert scored_for(lab.new(ProtTomoScoreFilter, scored, "scoredTomograms")).scores() == scores
    assert scored_for(lab.new(ProtTomoScore, scored.inTomograms.getObjValue())).scores() == {}
    assert scored_for(ProtTomoScore()).scores() == {}


class Form:
    """A fake form with the attributes that the wizard uses."""

    root = None

    def __init__(self, protocol):
        self.protocol = protocol
        self.written = {}

    def setVar(self, name, value):  # noqa: N802
        self.written[name] = value


@pytest.fixture
def asked(monkeypatch):
    """Fake dialogs of the wizard, which record their arguments and return `answer`."""
    from types import SimpleNamespace

    from tomoscore_scipion import wizards

    asked = SimpleNamespace(answer=None, typed=[], errors=[], histograms=[])

    def histogram(parent, found, criteria):
        asked.histograms.append((found.scores(), criteria.threshold))
        yes = asked.answer is not None
        return SimpleNamespace(resultYes=lambda: yes, value=asked.answer)

    def text(title, label, parent, defaultValue="", headerLabel=None):  # noqa: N803
        asked.typed.append((defaultValue, headerLabel))
        return asked.answer

    monkeypatch.setattr(wizards, "ThresholdDialog", histogram)
    monkeypatch.setattr(wizards.dialog, "askString", text)
    monkeypatch.setattr(wizards.dialog, "showError", lambda t, m, p: asked.errors.append(m))
    return asked


@pytest.mark.parametrize("answer", [1.35, None], ids=["chosen", "cancelled"])
def test_the_wizard_shows_a_histogram_of_existing_scores(scored, asked, answer):
    from tomoscore_scipion.wizards import TomoScoreThresholdWizard

    asked.answer = answer
    form = Form(scored)
    TomoScoreThresholdWizard().show(form)
    scores = {f"TS_{n}": float(n) for n in range(5)}
    assert asked.histograms == [(scores, 2.5)]
    assert form.written == ({} if answer is None else {"preset": 3, "threshold": 1.35})
    assert asked.typed == []


@pytest.mark.parametrize(
    ("answer", "written", "errors"),
    [
        ("1.75", {"preset": 3, "threshold": 1.75}, 0),
        (None, {}, 0),
        ("5.1", {}, 1),
        ("-1", {}, 1),
        ("nan", {}, 1),
        ("many", {}, 1),
    ],
)
def test_without_scores_the_wizard_asks_for_a_number(scipion, asked, answer, written, errors):
    from tomoscore_scipion.protocols import ProtTomoScore
    from tomoscore_scipion.wizards import TomoScoreThresholdWizard

    asked.answer = answer
    form = Form(ProtTomoScore())
    TomoScoreThresholdWizard().show(form)
    assert asked.histograms == [] and asked.typed[0][0] == f"{verdict.BALANCED_FROM:g}"
    assert "Nothing is scored yet" in asked.typed[0][1]
    assert form.written == written
    assert len(asked.errors) == errors
    assert all(repr(answer) in error for error in asked.errors)


def test_the_wizard_counts_the_verdicts_of_a_threshold():
    from tomoscore_scipion.records.verdict import Criteria, Measured
    from tomoscore_scipion.wizards import consequence

    measured = {
        "a": Measured(1.0, 0.8, 1.2),
        "b": Measured(1.9, 1.7, 2.1),
        "c": Measured(3.0, 2.8, 3.2),
        "d": Measured(4.0, 3.8, 4.2, faults=("unflipped",)),
    }
    begin = "TomoScore >= 2 (32 nm or finer): "
    said = consequence(measured, Criteria(2.0, faults=frozenset({"unflipped"})))
    assert said == begin + "2 accepted, 2 rejected; borderline: 1"
    said = consequence(measured, Criteria(2.0, accept_borderline=False))
    assert said == begin + "2 accepted, 2 rejected; borderline: 1"
    said = consequence(measured, Criteria(2.0, at_most=1))
    assert said == begin + "1 accepted, 3 rejected; borderline: 1"


@pytest.mark.parametrize(
    ("threshold", "ids"),
    [(2.0, ("a", "b")), (2.5, ("b", "c")), (0.5, (None, "a")), (3.5, ("c", None))],
)
def test_the_wizard_shows_the_tomograms_on_either_side_of_the_threshold(threshold, ids):
    from tomoscore_scipion.wizards import neighbours

    assert neighbours({"c": 3.0, "a": 1.0, "b": 2.0}, threshold) == ids


def test_the_wizard_is_offered_for_the_threshold_of_both_protocols(scipion, scored):
    import pyworkflow as pw
    from pyworkflow.viewer import DESKTOP_TKINTER

    from tomoscore_scipion.protocols import ProtTomoScoreFilter
    from tomoscore_scipion.wizards import TomoScoreThresholdWizard

    for protocol in (scored, ProtTomoScoreFilter()):
        wizards = pw.Config.getDomain().findWizards(protocol, DESKTOP_TKINTER)
        assert wizards["threshold"] is wizards["preset"] is TomoScoreThresholdWizard


@pytest.fixture
def viewer(project, scored):
    from tomoscore_scipion.viewers import TomoScoreViewer

    viewer = TomoScoreViewer(project=project, protocol=scored)
    viewer.setProtocol(scored)
    return viewer


def test_the_viewer_is_offered_for_the_protocol(scipion, scored):
    import pyworkflow as pw
    from pyworkflow.viewer import DESKTOP_TKINTER

    from tomoscore_scipion.viewers import TomoScoreViewer

    viewers = pw.Config.getDomain().findViewers(scored, DESKTOP_TKINTER)
    assert TomoScoreViewer in viewers


def test_the_table_shows_the_columns_of_tomoscore(viewer):
    (table,) = viewer._table()
    visible, order, _ = table.getVisibleAndOrderLabels()
    assert "_tomoScore _tomoScoreLow _tomoScoreHigh _tomoScoreScale" in visible
    decided = "_tomoScoreVerdict _tomoScoreBorderline _tomoScoreDecidedBy _tomoScoreFaults"
    assert f"{decided} _tomoScoreError _filename" in order


def test_the_histogram_has_the_scores_and_the_threshold(viewer, monkeypatch):
    import matplotlib

    matplotlib.use("Agg")
    (plotter,) = viewer._histogram()
    (axes,) = plotter.getFigure().axes
    assert sum(patch.get_height() for patch in axes.patches) == 5
    assert axes.lines[0].get_xdata()[0] == 2.5
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["rejected (3)", "accepted (2)", "threshold 2.5"]
    viewer.which.set(3)
    assert viewer._existing[3][0] == "failedTomograms"
