# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol for a threshold from examples: input sets or id files, output threshold and rule."""

import json
from pathlib import Path

import pytest
from lab import ids, log_of

SCORES = {f"TS_{n:02d}": 0.4 + 0.3 * n for n in range(12)}
GOOD = [key for key, score in SCORES.items() if score > 2.0]
BAD = [key for key in SCORES if key not in GOOD]


@pytest.fixture(scope="module")
def scored(project, tmp_path_factory):
    """Twelve scored tomograms, and one that failed."""
    from lab import Lab

    lab = Lab(project, tmp_path_factory.mktemp("tomograms"))
    entries = [lab.tomogram(key, score) for key, score in SCORES.items()]
    run = lab.score(lab.source([*entries, lab.tomogram("TS_99", None)]))
    assert run.isFinished(), log_of(run)
    return run


@pytest.fixture(scope="module")
def subsets(project, scored, tmp_path_factory):
    """A run; its accepted tomograms are good examples, and the rejected ones are bad examples."""
    from lab import Lab

    from tomoscore_scipion.protocols import ProtTomoScoreFilter

    lab = Lab(project, tmp_path_factory.mktemp("subsets"))
    values = {"criterion": 3, "idsText": ",".join(GOOD)}
    return lab.launch(lab.new(ProtTomoScoreFilter, scored, "scoredTomograms", **values))


def new(lab, scored, **values):
    from tomoscore_scipion.protocols import ProtTomoScoreThreshold

    return lab.new(ProtTomoScoreThreshold, scored, "scoredTomograms", **values)


def by_files(lab, scored, good, bad):
    """A protocol with the given lists of ids in files; not launched."""
    paths = {}
    for name, marked in (("goodFile", good), ("badFile", bad)):
        paths[name] = lab.folder / f"{name}.txt"
        paths[name].write_text("".join(f"{ts_id}\n" for ts_id in marked))
    return new(lab, scored, examplesBy=1, **{name: str(path) for name, path in paths.items()})


@pytest.fixture(scope="module")
def learned(project, scored, subsets, tmp_path_factory):
    from lab import Lab

    lab = Lab(project, tmp_path_factory.mktemp("learned"))
    protocol = new(lab, scored)
    for name, output in (("goodTomograms", "accepted"), ("badTomograms", "rejected")):
        getattr(protocol, name).set(subsets)
        getattr(protocol, name).setExtended(f"{output}Tomograms")
    assert protocol.validate() == []
    return lab.launch(protocol)


def test_two_sets_give_a_threshold_with_its_interval(learned):
    assert learned.isFinished(), log_of(learned)
    assert SCORES[BAD[-1]] < learned.threshold.get() < SCORES[GOOD[0]]
    assert learned.thresholdLow.get() <= learned.threshold.get() <= learned.thresholdHigh.get()
    names = [name for name, _ in learned.iterOutputAttributes()]
    assert names == ["threshold", "thresholdLow", "thresholdHigh"]


def test_the_rule_file_has_the_threshold_and_its_model(learned):
    from tomoscore_scipion.examples.rule import read_rule

    rule = read_rule(learned.getRuleFile())
    assert rule.threshold == pytest.approx(learned.threshold.get())
    interval = (learned.thresholdLow.get(), learned.thresholdHigh.get())
    assert rule.interval == pytest.approx(interval)
    assert rule.model_sha256 == "ab" * 32
    assert (rule.good, rule.bad, rule.agreement) == (len(GOOD), len(BAD), 1.0)


def test_summary_and_methods_have_the_figures(learned):
    summary = "\n".join(learned.summary())
    assert f"Threshold {learned.threshold.get():.2f} octaves (90 % interval " in summary
    assert f"{len(GOOD)} good and {len(BAD)} bad examples; 100% of them agree." in summary
    assert "with a probability of 1.00" in summary
    assert "Look at these again" not in summary
    assert f"Rule file: {learned.getRuleFile()}" in summary
    assert "area under the ROC curve was 1.00" in learned.methods()[0]


def test_examples_that_disagree_are_named(lab, scored):
    good, bad = [*GOOD, BAD[0]], [*BAD[1:]]
    protocol = lab.launch(by_files(lab, scored, good, bad))
    assert protocol.isFinished(), log_of(protocol)
    summary = "\n".join(protocol.summary())
    assert f"  {BAD[0]}: marked good, TomoScore {SCORES[BAD[0]]:.2f}" in summary
    assert "Look at these again:" in summary


def test_changed_examples_change_the_threshold_on_continue(lab, scored):
    protocol = lab.launch(by_files(lab, scored, GOOD, BAD))
    before = protocol.threshold.get()
    by_files(lab, scored, GOOD[2:], [*BAD, *GOOD[:2]])  # the same files
    lab.resume(protocol)
    assert protocol.isFinished(), log_of(protocol)
    assert protocol.threshold.get() > before + 0.3


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        (GOOD[:3], BAD[:4], "expected at least 10 examples"),
        ([*GOOD, *BAD], [], "found 12 good and 0 bad"),
        ([*GOOD, "TS_77"], BAD, "no score of 1 of 7 ids (TS_77)"),
        ([*GOOD, "TS_99"], BAD, "no score of 1 of 7 ids (TS_99)"),  # it failed
        ([*GOOD, BAD[0]], BAD, f"{BAD[0]} is in "),
    ],
)
def test_invalid_examples_are_an_error(lab, scored, good, bad, message):
    (error,) = by_files(lab, scored, good, bad).validate()
    assert error.startswith("*Examples*: ") and message in error


def test_verdicts_by_hand_of_the_report_are_examples(lab, scored):
    lines = [f"{ts_id},accepted,hand" for ts_id in GOOD]
    lines += [f"{ts_id},rejected,{'score' if ts_id == BAD[0] else 'hand'}" for ts_id in BAD]
    path = lab.folder / "tomoscore-verdicts.csv"
    path.write_text("\n".join(["ts_id,verdict,decided_by", *lines]) + "\n")
    protocol = new(lab, scored, examplesBy=2, reportFile=str(path))
    assert protocol.validate() == []
    lab.launch(protocol)
    assert protocol.isFinished(), log_of(protocol)
    result = protocol.getResult()
    assert (result["good"], result["bad"]) == (len(GOOD), len(BAD) - 1)


def test_invalid_inputs_are_an_error(lab, scored, subsets, learned):
    both = new(lab, scored)
    for name in ("goodTomograms", "badTomograms"):
        getattr(both, name).set(subsets)
        getattr(both, name).setExtended("acceptedTomograms")
    (error,) = both.validate()
    assert "is in *Good tomograms* and in *Bad tomograms*: leave it out of one" in error
    missing = new(lab, scored, examplesBy=1, goodFile="/none.txt", badFile="/none.txt")
    assert (
        "the file with ids cannot be read: No such file or directory: /none.txt"
        in missing.validate()[0]
    )
    unscored = new(lab, lab.source([lab.tomogram("a")]))
    unscored.inTomograms.setExtended("Tomograms")
    assert any("the input has no TomoScore" in error for error in unscored.validate())
    empty = new(lab, scored)
    assert len(empty.validate()) == 2  # Scipion's own: both sets are missing
    assert empty.summary() == ["No threshold is found yet."] and empty._methods() == []


def test_the_viewer_shows_the_examples_and_the_roc_curve(project, lab, scored, learned):
    import matplotlib

    from tomoscore_scipion.viewers import TomoScoreThresholdViewer

    matplotlib.use("Agg")
    viewer = TomoScoreThresholdViewer(project=project, protocol=learned)
    viewer.setProtocol(learned)
    (plotter,) = viewer._plot()
    left, right = plotter.getFigure().axes
    named = [text.get_text() for text in left.get_legend().get_texts()]
    assert named[:2] == ["good (6)", "bad (6)"] or named[-2:] == ["good (6)", "bad (6)"]
    assert right.lines[1].get_xydata()[-1].tolist() == [1.0, 1.0]
    (message,) = viewer._summary()
    assert "6 good and 6 bad examples" in message._msg
    waiting = TomoScoreThresholdViewer(project=project, protocol=new(lab, scored))
    waiting.setProtocol(new(lab, scored))
    assert waiting._definition.getParam("nothing") is not None


# --------------------------- the filter -------------------------------------
def filter_by_rule(lab, scored, **values):
    from tomoscore_scipion.protocols import ProtTomoScoreFilter

    return lab.new(ProtTomoScoreFilter, scored, "scoredTomograms", criterion=4, **values)


def test_the_filter_uses_the_rule_of_a_run_or_of_a_file(lab, scored, learned):
    by_run = filter_by_rule(lab, scored)
    by_run.ruleRun.set(learned)
    by_file = filter_by_rule(lab, scored, ruleFile=learned.getRuleFile())
    for protocol in (by_run, by_file):
        assert protocol.validate() == []
        lab.launch(protocol)
        assert ids(protocol, "acceptedTomograms") == GOOD, log_of(protocol)
        assert ids(protocol, "rejectedTomograms") == BAD
        made = protocol.acceptedTomograms._tomoScoreThreshold.get()
        assert made == pytest.approx(learned.threshold.get())
        assert f"Accepted: TomoScore >= {made:g} (" in "\n".join(protocol.summary())


# --------------------------- octaves ----------------------------------------
MANY = {f"M_{n:02d}": 0.1 * n for n in range(1, 41)}
"""Rising scores; the higher the score, the more octaves are resolved."""
MIDDLE = [key for key, score in MANY.items() if 1.2 < score < 2.6]
"""Good examples: the second octave is resolved, the third is not. No threshold selects these."""
OTHERS = [key for key in MANY if key not in MIDDLE]


@pytest.fixture(scope="module")
def many(project, tmp_path_factory):
    from lab import Lab

    lab = Lab(project, tmp_path_factory.mktemp("many"))
    entries = [lab.tomogram(key, score) for key, score in MANY.items()]
    run = lab.score(lab.source(entries, chunk=len(entries)))
    assert run.isFinished(), log_of(run)
    return run


def test_weights_of_octaves_are_learned_and_applied(lab, many):
    from tomoscore_scipion.examples.rule import BY_OCTAVES, read_rule

    learned = lab.launch(by_files(lab, many, MIDDLE, OTHERS))
    assert learned.isFinished(), log_of(learned)
    rule = read_rule(learned.getRuleFile())
    assert rule.kind == BY_OCTAVES
    assert rule.weights[1] > 0 > rule.weights[2]
    assert "The rule weighs octaves." in "\n".join(learned.summary())
    assert "logistic regression on the octaves of the curve" in learned.methods()[0]
    chosen = filter_by_rule(lab, many)
    chosen.ruleRun.set(learned)
    assert chosen.validate() == []
    lab.launch(chosen)
    accepted = ids(chosen, "acceptedTomograms")
    as_marked = len(set(accepted) & set(MIDDLE)) + len(set(OTHERS) - set(accepted))
    assert as_marked == round(rule.agreement * len(MANY))
    assert as_marked >= 36
    made = chosen.acceptedTomograms
    assert made._tomoScoreThreshold.get() is None
    assert made._tomoScoreOctaveWeights.get() == rule.octaves_text
    assert f"Accepted: by a rule over octaves ({rule.octaves_text})." in chosen.summary()
    again = lab.launch(lab.new(type(chosen), chosen, "acceptedTomograms", threshold=2.0))
    assert again.acceptedTomograms._tomoScoreOctaveWeights.get() is None


def test_a_curve_is_stored_as_text_with_empty_values_beyond_nyquist(project):
    from scoring_fakes import make_score
    from tomo.objects import Tomogram

    from tomoscore_scipion.protocols.item_attributes import annotate, curve_of

    item = annotate(Tomogram(), make_score())
    assert item._tomoScoreCurve.get() == "0.7,0.6,0.4,0.2,0.1,"
    assert curve_of(item) == [0.7, 0.6, 0.4, 0.2, 0.1, None]
    assert curve_of(annotate(Tomogram(), error="unreadable")) is None
    assert curve_of(Tomogram()) is None


def test_sets_of_an_earlier_version_have_no_curves(lab, many, monkeypatch):
    from tomoscore_scipion.examples.rule import BY_OCTAVES, Rule, write_rule
    from tomoscore_scipion.protocols import item_attributes

    monkeypatch.setattr(item_attributes, "CURVE", "_tomoScoreNeverWritten")
    path = str(lab.folder / "octaves.json")
    write_rule(path, Rule(BY_OCTAVES, weights=(0.2,) * 5, intercept=-1.0))
    (error,) = filter_by_rule(lab, many, ruleFile=path).validate()
    assert error.startswith("*Rule*: ")
    assert "40 of 40 tomograms have no curve (M_01, M_02, M_03, ...)" in error
    assert "score them again, or use a threshold" in error
    learner = by_files(lab, many, MIDDLE, OTHERS)
    octaves, (note,) = learner._octavesOf(*learner._scoresOfMarked(MIDDLE, OTHERS))
    assert octaves is None
    assert note.startswith("Octaves are not tried: 40 examples have no curve")


def test_invalid_rules_are_an_error(lab, scored, learned):
    neither, both = (filter_by_rule(lab, scored, ruleFile=path) for path in ("", "/rule.json"))
    both.ruleRun.set(learned)
    assert neither.validate() == ["*Rule*: expected a run or a rule file, found neither."]
    assert both.validate() == ["*Rule*: expected a run or a rule file, found both."]
    content = json.loads(Path(learned.getRuleFile()).read_text())
    for name, change, message in (
        ("other", {"model_sha256": "cd" * 32}, "learn it again with these scores"),
        ("schema", {"schema": 9}, "schema 1, found 9"),
    ):
        path = lab.folder / f"{name}.json"
        path.write_text(json.dumps({**content, **change}))
        (error,) = filter_by_rule(lab, scored, ruleFile=str(path)).validate()
        assert error.startswith("*Rule*: ") and message in error
