# SPDX-License-Identifier: GPL-3.0-or-later
"""A threshold from marked tomograms: its value, its uncertainty and refused examples."""

import json

import numpy as np
import pytest
from scoring_fakes import MODEL, make_score

from tomoscore_scipion.commands.cli import main
from tomoscore_scipion.examples.fit import auroc, threshold_of
from tomoscore_scipion.examples.rule import read_rule
from tomoscore_scipion.records.id_lists import read_ids
from tomoscore_scipion.records.record_files import json_line


def marked(threshold, count, spread, seed=0):
    """Examples marked by a threshold with random errors."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.5, 4.5, count)
    is_good = scores + spread * rng.standard_normal(count) > threshold
    ids = {f"T{i}": score for i, score in enumerate(scores)}
    good = {ts_id: score for (ts_id, score), mark in zip(ids.items(), is_good) if mark}
    return good, {ts_id: score for ts_id, score in ids.items() if ts_id not in good}


@pytest.mark.parametrize("threshold", [1.5, 2.5, 3.3])
def test_many_examples_recover_the_threshold_that_marked_them(threshold):
    found = threshold_of(*marked(threshold, 200, 0.3))
    assert found.threshold == pytest.approx(threshold, abs=0.15)
    assert found.interval[0] < threshold < found.interval[1]
    assert found.agreement > 0.85
    assert found.separates


def test_ten_examples_give_a_threshold_with_a_wider_interval():
    errors, widths = [], []
    for seed in range(20):
        good, bad = marked(2.5, 10, 0.3, seed)
        if min(len(good), len(bad)) >= 3:
            found = threshold_of(good, bad)
            errors.append(abs(found.threshold - 2.5))
            widths.append(np.ptp(found.interval))
    assert len(errors) > 10
    assert np.median(errors) < 0.35
    assert np.median(widths) > np.ptp(threshold_of(*marked(2.5, 200, 0.3)).interval)


def test_the_threshold_lies_between_separated_examples():
    good = {f"g{i}": 3.0 + 0.1 * i for i in range(5)}
    bad = {f"b{i}": 1.0 + 0.1 * i for i in range(5)}
    found = threshold_of(good, bad)
    assert 1.4 < found.threshold < 3.0
    assert found.agreement == 1
    assert found.disagree == ()
    assert found.auroc == 1
    assert found.roc[-1] == (1.0, 1.0)


def test_examples_that_disagree_are_listed_from_the_farthest_on():
    good = {**{f"g{i}": 3.0 + 0.1 * i for i in range(8)}, "odd": 0.5, "near": 1.9}
    bad = {f"b{i}": 1.0 + 0.1 * i for i in range(8)}
    found = threshold_of(good, bad)
    assert [ts_id for ts_id, _, _ in found.disagree][0] == "odd"
    assert found.agreement == pytest.approx(1 - len(found.disagree) / 18)


def test_many_good_and_few_bad_examples_hardly_change_the_threshold():
    good, bad = marked(2.5, 400, 0.1)
    few = dict(list(bad.items())[:20])
    assert threshold_of(good, few).threshold == pytest.approx(2.5, abs=0.35)


@pytest.mark.parametrize(("good", "bad"), [(2, 20), (20, 2), (4, 5)])
def test_too_few_examples_are_refused(good, bad):
    examples = [{f"{n}{i}": 1.0 + n for i in range(count)} for n, count in enumerate((good, bad))]
    with pytest.raises(ValueError, match=f"found {good} good and {bad} bad"):
        threshold_of(*examples)


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scores = [0.4 * i + 0.2 for i in range(12)]
    lines = [json_line(make_score(f"T{i}", score)) for i, score in enumerate(scores)]
    (tmp_path / "r.jsonl").write_text("".join(lines))
    (tmp_path / "good").write_text("".join(f"T{i}\n" for i in range(6, 12)))
    (tmp_path / "bad").write_text("\n".join(f"T{i}" for i in range(6)) + "\n\n")
    return tmp_path


COMMAND = ["threshold", "r.jsonl", "--good", "good", "--bad", "bad"]


def test_the_command_prints_and_writes_the_threshold(results, capsys):
    assert main([*COMMAND, "--json", "t.json", "--output", "rule.json"]) == 0
    assert "6 good and 6 bad examples; 100% of them agree." in capsys.readouterr().out
    content = json.loads((results / "t.json").read_text())
    assert 2.2 < content["threshold"] < 2.6
    rule = read_rule("rule.json")
    assert rule.threshold == content["threshold"]
    assert (rule.good, rule.bad, rule.calibration_sha256) == (6, 6, None)
    assert content["model_sha256"] == MODEL["sha256"]


def saved_verdicts(by_hand):
    """Verdicts as the report saves them; those of the given tomograms are by hand."""
    lines = ["ts_id,verdict,decided_by"]
    for i in range(12):
        decider = "hand" if f"T{i}" in by_hand else "score"
        lines.append(f"T{i},{'accepted' if i >= 6 else 'rejected'},{decider}")
    return "".join(f"{line}\n" for line in lines)


def test_only_verdicts_by_hand_are_examples(results, capsys):
    by_hand = [f"T{i}" for i in range(2, 12)]
    (results / "verdicts.csv").write_text(saved_verdicts(by_hand))
    assert main(["threshold", "r.jsonl", "--marked", "verdicts.csv"]) == 0
    assert "6 good and 4 bad examples" in capsys.readouterr().out


def test_too_few_verdicts_by_hand_are_an_error(results, capsys):
    (results / "verdicts.csv").write_text(saved_verdicts(["T2", "T7"]))
    assert main(["threshold", "r.jsonl", "--marked", "verdicts.csv"]) == 1
    assert "found 1 good and 1 bad" in capsys.readouterr().err


def test_ids_and_verdicts_are_not_confused(results, capsys):
    (results / "verdicts.csv").write_text(saved_verdicts([]))
    assert main(["threshold", "r.jsonl", "--marked", "good"]) == 1
    assert "good: expected verdicts saved by the report" in capsys.readouterr().err
    assert main([*COMMAND[:-1], "verdicts.csv"]) == 1
    assert "verdicts.csv: expected ids, found verdicts" in capsys.readouterr().err


@pytest.mark.parametrize("examples", [[], ["--good", "good"], [*COMMAND[2:], "--marked", "x.csv"]])
def test_examples_are_given_in_one_of_two_ways(results, capsys, examples):
    assert main(["threshold", "r.jsonl", *examples]) == 2
    assert "--marked, or as --good and --bad" in capsys.readouterr().err


def test_ids_are_separated_by_commas_or_newlines_and_quoted_if_they_have_a_comma(tmp_path):
    (tmp_path / "ids").write_text('a, b\n\nc\na\n"d,e"\n')
    assert read_ids(tmp_path / "ids") == ["a", "b", "c", "d,e"]


def test_examples_that_the_score_does_not_separate_are_reported(results, capsys):
    (results / "good").write_text("".join(f"T{i}\n" for i in range(0, 12, 2)))
    (results / "bad").write_text("".join(f"T{i}\n" for i in range(1, 12, 2)))
    assert main(COMMAND) == 0
    said = capsys.readouterr().out
    assert said.startswith("The score does not separate these good and bad examples")
    assert "Look at these again:" in said


@pytest.mark.parametrize(
    ("good", "says"),
    [
        ("T6\nT5\n", "T5 is in good and in bad"),
        ("T6\nTX\n", r"good: no score of 1 of 2 ids (TX)"),
        ("T6\nT7\n", "found 2 good and 6 bad"),
    ],
)
def test_invalid_marks_are_an_error(results, capsys, good, says):
    (results / "good").write_text(good)
    assert main(COMMAND) == 1
    assert says in capsys.readouterr().err


def test_a_missing_list_of_ids_is_an_error(results, capsys):
    assert main([*COMMAND[:-1], "none"]) == 1
    assert "the file with ids cannot be read: No such file or directory: none" in (
        capsys.readouterr().err
    )


def test_an_input_is_not_replaced(results, capsys):
    assert main([*COMMAND, "--json", "good"]) == 1
    assert "would be replaced" in capsys.readouterr().err


def test_the_area_under_the_roc_curve_counts_ties_half():
    assert auroc(np.array([1.0]), np.array([1.0, 0.0])) == 0.75
