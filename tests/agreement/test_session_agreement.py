# SPDX-License-Identifier: GPL-3.0-or-later
"""Agreement of predicted and measured scores in a session: the reports, and when there is none."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scoring_fakes import CALIBRATION, HALVES, MODEL, REFUSED_HALVES, make_score

from tomoscore_scipion.agreement.figures import agreement_of, rank_correlation
from tomoscore_scipion.agreement.summary_text import sentences, verdict
from tomoscore_scipion.commands.cli import main
from tomoscore_scipion.records.bands import N_SCORED, NOTHING_SEEN, PERIODS_NM, READILY_SEEN
from tomoscore_scipion.records.record_files import json_line

QUALITIES = np.linspace(0.8, 4.2, 10)


def curve_of(score):
    """A curve with the same value in all octaves."""
    level = NOTHING_SEEN + (READILY_SEEN - NOTHING_SEEN) * score / N_SCORED
    return {"period_nm": PERIODS_NM, "resolvability": (round(level, 6),) * 5 + (None,)}


COARSE = "in the octaves from 128 to 16 nm"


def record(ts_id, predicted, measured, octaves=5, kind="by-frame"):
    score = measured * octaves / 5
    halves = {**HALVES, "tomoscore": score, "interval": (0.0, 5.0), "kind": kind}
    halves["octaves"] = PERIODS_NM[:octaves]
    values = curve_of(measured)["resolvability"][:octaves] + (None,) * (6 - octaves)
    halves["curve"] = {"period_nm": PERIODS_NM, "resolvability": values}
    return make_score(ts_id, predicted, curve=curve_of(predicted), halves=halves)


def session(predict, **options):
    """Ten tomograms with measured scores from 0.8 to 4.2."""
    return [record(f"T{i}", predict(i, q), q, **options) for i, q in enumerate(QUALITIES)]


def test_a_session_with_agreement_can_be_trusted():
    found = agreement_of(session(lambda i, quality: quality + 0.1 * (-1) ** i))
    assert verdict(found) == f"On this session the score can be trusted {COARSE}."
    assert found.rank.value > 0.95
    assert found.bias.low <= 0 <= found.bias.high


@pytest.mark.parametrize(("shift", "word"), [(-0.7, "low"), (0.6, "high")])
def test_a_shift_is_reported_with_its_size(shift, word):
    found = agreement_of(session(lambda i, quality: quality + shift))
    coarse = shift * 3 / N_SCORED
    says = f"On this session the score is {abs(coarse):.1f} octave too {word} {COARSE}."
    assert verdict(found) == says
    assert found.bias.value == pytest.approx(coarse, abs=1e-3)
    per_octave = shift / N_SCORED * (READILY_SEEN - NOTHING_SEEN)
    assert [bias.value for bias in found.band_bias] == pytest.approx([per_octave] * 5, abs=1e-4)


def test_scores_without_rank_correlation_are_reported():
    order = [4, 9, 0, 7, 2, 5, 1, 8, 3, 6]
    found = agreement_of(session(lambda i, quality: QUALITIES[order[i]]))
    assert found.verdict == "does not rank"
    assert "do not confirm the order of the scores" in verdict(found)


def test_tomograms_of_equal_quality_have_no_order():
    records = [record(f"T{i}", 2.5 + 0.01 * i, 2.5 + 0.01 * (i % 3)) for i in range(8)]
    assert "all tomograms are alike" in verdict(agreement_of(records))


def test_halves_of_tilts_are_compared_over_their_octaves():
    found = agreement_of(session(lambda i, quality: quality, octaves=3, kind="by-tilt"))
    np.testing.assert_allclose(found.predicted, 0.6 * QUALITIES, atol=1e-4)
    np.testing.assert_allclose(found.measured, 0.6 * QUALITIES)
    assert [bias is None for bias in found.band_bias] == [False, False, False, True, True]
    assert "  16 to 8 nm: too few tomograms" in sentences(found)


def with_fine_octaves(score, resolvability):
    """A record with the given measured R in the two finest octaves."""
    curve = score.halves["curve"]
    values = (*curve["resolvability"][:3], resolvability, resolvability, None)
    halves = {**score.halves, "curve": {**curve, "resolvability": values}}
    return replace(score, halves=halves)


@pytest.mark.parametrize(("resolvability", "exceeded"), [(0.95, False), (0.0, True)])
def test_fine_octaves_of_halves_of_frames_are_upper_limits(resolvability, exceeded):
    records = [with_fine_octaves(r, resolvability) for r in session(lambda i, quality: quality)]
    found = agreement_of(records)
    assert verdict(found) == f"On this session the score can be trusted {COARSE}."
    assert (found.octaves, found.period_nm) == ((3,) * 10, (128.0, 16.0))
    assert found.upper_limit == (False, False, False, True, True)
    assert found.rank.value == pytest.approx(1)
    lines = sentences(found)
    (line,) = (line for line in lines if line.startswith("  16 to 8 nm: "))
    assert "measured R is an upper limit" in line
    assert line.endswith("the predicted R is too high") is exceeded
    assert lines[-1].startswith("An upper limit does not count for the verdict")


def test_fine_octaves_of_halves_of_an_unknown_kind_are_left_out():
    found = agreement_of(session(lambda i, quality: quality, kind="unknown"))
    assert [bias is None for bias in found.band_bias] == [False, False, False, True, True]
    assert not any(found.upper_limit)


def test_halves_by_frame_and_by_tilt_are_compared_over_the_same_octaves():
    by_frame = session(lambda i, quality: quality)[::2]
    by_tilt = session(lambda i, quality: quality, octaves=3, kind="by-tilt")[1::2]
    found = agreement_of([*by_frame, *by_tilt])
    assert set(found.octaves) == {3}
    np.testing.assert_allclose(found.predicted, found.measured, atol=1e-4)


def test_five_tomograms_are_too_few():
    records = session(lambda i, quality: quality)[:5]
    records += [make_score("none"), make_score("bad", halves=REFUSED_HALVES)]
    with pytest.raises(ValueError, match="at least 6 .*found 5 of 7"):
        agreement_of(records)


def test_rank_correlation_is_spearmans_with_ties():
    from scipy.stats import spearmanr

    one, other = np.array([1, 2, 2, 3, 5.0]), np.array([2, 1, 3, 3, 4.0])
    assert rank_correlation(one, other) == pytest.approx(spearmanr(one, other)[0])


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records = [*session(lambda i, quality: quality), make_score("none")]
    (tmp_path / "r.jsonl").write_text("".join(map(json_line, records)))
    return tmp_path


def test_the_command_prints_the_verdict_and_writes_json_and_plot(results, capsys):
    assert main(["agreement", "r.jsonl", "--json", "a.json", "--plot", "a.png"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"On this session the score can be trusted {COARSE}.\n")
    assert (
        "10 tomograms with measured halves (10 by-frame).\nWithout measured halves: none." in said
    )
    content = json.loads((results / "a.json").read_text())
    assert content["verdict"] == "trusted"
    assert content["left_out"] == ["none"]
    assert (results / "a.png").read_bytes().startswith(b"\x89PNG")


def test_scores_of_two_models_are_not_mixed(results, capsys):
    other = make_score("other", model={**MODEL, "sha256": "cd" * 32})
    with open("r.jsonl", "a") as file:
        file.write(json_line(other))
    assert main(["agreement", "r.jsonl"]) == 1
    assert "2 models" in capsys.readouterr().err


def test_calibrated_scores_are_not_mixed_with_others(results, capsys):
    other = make_score("other", calibration=CALIBRATION, tomoscore_uncalibrated=2.0)
    with open("r.jsonl", "a") as file:
        file.write(json_line(other))
    assert main(["agreement", "r.jsonl"]) == 1
    assert "2 calibrations (sha256 cacacacacaca, none)" in capsys.readouterr().err


def test_an_input_is_not_replaced(results, capsys):
    assert main(["agreement", "r.jsonl", "--json", "r.jsonl"]) == 1
    assert "would be replaced" in capsys.readouterr().err


def test_too_few_tomograms_are_an_error_with_a_solution(results, capsys):
    (results / "few.jsonl").write_text(json_line(make_score("a")))
    assert main(["agreement", "few.jsonl"]) == 1
    assert "found 0 of 1: score more with --half1" in capsys.readouterr().err
