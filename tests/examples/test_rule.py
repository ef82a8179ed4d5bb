# SPDX-License-Identifier: GPL-3.0-or-later
"""Rule files: acceptance, the scores that they apply to, and refused files."""

import json

import numpy as np
import pytest
from scoring_fakes import MODEL, make_score

from tomoscore_scipion.commands.cli import main
from tomoscore_scipion.examples.fit import threshold_of
from tomoscore_scipion.examples.octaves import octave_weights
from tomoscore_scipion.examples.rule import (
    BY_OCTAVES,
    BY_SCORE,
    Rule,
    read_rule,
    threshold_rule,
    write_rule,
)
from tomoscore_scipion.records.bands import PERIODS_NM
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.record_files import json_line, read_records

BY_2 = Rule(BY_SCORE, threshold=2.0, interval=(1.8, 2.3), model_sha256=MODEL["sha256"])
SHARP = Rule(BY_OCTAVES, weights=(0, 0, 0, 2.0, 2.0), intercept=-1.0)


def with_curve(*values):
    return make_score(curve={"period_nm": PERIODS_NM, "resolvability": values})


def test_a_threshold_rule_accepts_scores_at_the_threshold_and_above():
    assert BY_2.accepts(make_score(tomoscore=2.0))
    assert not BY_2.accepts(make_score(tomoscore=1.99))
    assert not BY_2.accepts(Score.failed("a", "a.mrc", "no such file"))
    assert not BY_2.needs_curve


def test_a_rule_over_octaves_accepts_by_the_curve_and_not_by_the_score():
    assert SHARP.accepts(with_curve(0.1, 0.1, 0.1, 0.6, 0.6, None))
    assert not SHARP.accepts(with_curve(0.9, 0.9, 0.9, 0.2, 0.2, None))
    assert not SHARP.accepts(with_curve(0.9, 0.9, 0.9, None, None, None))
    assert SHARP.needs_curve
    with pytest.raises(ValueError, match="expected a resolvability curve"):
        SHARP.accepts_values(3.0)


def test_a_threshold_from_examples_is_a_rule_with_its_origin(tmp_path):
    good, bad = ({f"{n}{i}": n + 0.1 * i for i in range(5)} for n in (3, 1))
    found = threshold_of(good, bad)
    write_rule(str(tmp_path / "rule.json"), threshold_rule(found, MODEL["sha256"]))
    rule = read_rule(str(tmp_path / "rule.json"))
    assert (rule.kind, rule.threshold, rule.interval) == (BY_SCORE, found.threshold, found.interval)
    assert (rule.model_sha256, rule.calibration_sha256) == (MODEL["sha256"], None)
    assert (rule.good, rule.bad, rule.agreement) == (5, 5, 1.0)
    assert rule.engine_version and rule.created


@pytest.mark.parametrize("rule", [BY_2, SHARP])
def test_a_rule_survives_a_round_trip_through_its_file(tmp_path, rule):
    write_rule(str(tmp_path / "rule.json"), rule)
    assert read_rule(str(tmp_path / "rule.json")) == rule


def test_a_rule_is_refused_for_other_weights_or_another_calibration():
    BY_2.check_made_for(MODEL["sha256"], None)
    BY_2.check_made_for(None, None)
    with pytest.raises(ValueError, match="weights abababababab .*those of cdcd"):
        BY_2.check_made_for("cd" * 32, None)
    with pytest.raises(ValueError, match="calibration none .*found efef"):
        BY_2.check_made_for(MODEL["sha256"], "ef" * 32)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"what": "TomoScore calibration"}, "expected a TomoScore rule, found 'TomoScore calib"),
        ({"schema": 2}, "expected a TomoScore rule of schema 1, found 2"),
        ({"threshold": None}, "threshold: expected a number, got None"),
        ({"interval": [1]}, r"expected 2 numbers, got \[1\]"),
        ({"kind": "octaves"}, "intercept: expected a number"),
        ({"kind": "luck"}, "kind: expected threshold or octaves"),
    ],
)
def test_an_invalid_rule_is_refused(tmp_path, change, says):
    path = tmp_path / "rule.json"
    write_rule(str(path), BY_2)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(StartError, match=says):
        read_rule(str(path))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "no valid JSON"),
        ("[]", "found 'list'"),
        ('{"what": "TomoScore rule", "schema": 1}', "lacks kind"),
    ],
)
def test_a_file_that_is_not_a_rule_is_refused(tmp_path, text, says):
    (tmp_path / "rule.json").write_text(text)
    with pytest.raises(StartError, match=says):
        read_rule(str(tmp_path / "rule.json"))


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(StartError, match="cannot read .*none"):
        read_rule(str(tmp_path / "none"))


def examples(count, weigh, seed=1):
    """Good and bad examples, chosen by R of some octaves, (n, 5)."""
    rng = np.random.default_rng(seed)
    seen = rng.uniform(0, 1, (count, 5))
    wanted = seen @ np.array(weigh) + 0.05 * rng.standard_normal(count)
    is_good = wanted > np.median(wanted)
    named = {f"T{i}": row for i, row in enumerate(seen)}
    good = {i: row for (i, row), mark in zip(named.items(), is_good) if mark}
    return good, {i: row for i, row in named.items() if i not in good}


def test_examples_chosen_by_fine_octaves_give_octave_weights():
    found = octave_weights(*examples(60, [0, 0, 0, 0.5, 0.5]))
    assert min(found.weights[3:]) > 2 * max(np.abs(found.weights[:3]))
    assert found.agreement_left_out > 0.85


def test_examples_chosen_by_the_score_give_no_octave_weights():
    assert octave_weights(*examples(60, [0.2] * 5)) is None


def test_few_examples_give_no_octave_weights():
    assert octave_weights(*examples(28, [0, 0, 0, 0.5, 0.5])) is None


def test_the_command_writes_a_rule_over_octaves(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    marked = examples(60, [0, 0, 0, 0.5, 0.5])
    lines = []
    for name, part in zip(("good", "bad"), marked):
        (tmp_path / name).write_text("".join(f"{ts_id}\n" for ts_id in part))
        for ts_id, seen in part.items():
            curve = {"period_nm": PERIODS_NM, "resolvability": (*(0.15 + 0.45 * seen), None)}
            score = round(float(seen.sum()), 4)
            lines.append(json_line(make_score(ts_id, score, curve=curve)))
    (tmp_path / "r.jsonl").write_text("".join(lines))
    command = ["threshold", "r.jsonl", "--good", "good", "--bad", "bad", "--output", "rule.json"]
    assert main(command) == 0
    assert "The rule weighs octaves." in capsys.readouterr().out
    rule = read_rule("rule.json")
    assert rule.kind == BY_OCTAVES
    assert rule.model_sha256 == MODEL["sha256"]
    accepted = {r.ts_id for r in read_records("r.jsonl") if rule.accepts(r)}
    assert len(accepted & set(marked[0])) > 25
    assert len(accepted & set(marked[1])) < 5
