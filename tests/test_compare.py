# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparison of sets: paired by id, with a valid interval, and a winner only if significant."""

import csv
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scoring_fakes
from PIL import Image
from scoring_fakes import CALIBRATION, make_score

from tomoscore_scipion.commands.cli import main
from tomoscore_scipion.comparison import files, summary_text
from tomoscore_scipion.comparison.paired import MIN_SERIES, bootstrap_interval, compare
from tomoscore_scipion.comparison.sets import names_of
from tomoscore_scipion.records.bands import scale_nm
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.record_files import json_line

ROOT = Path(scoring_fakes.__file__).resolve().parents[1]


def a_set(scores):
    return {f"TS_{n}": float(score) for n, score in enumerate(scores)}


def tilt_series(gain=0.0, noise=0.1, number=20, seed=0):
    """Two sets with large differences between tilt series and small ones between the sets."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.5, 4.0, number)
    one = truth + noise * rng.standard_normal(number)
    return a_set(one), a_set(truth + gain + noise * rng.standard_normal(number))


def test_a_small_gain_is_significant_although_tilt_series_differ():
    one, other = tilt_series(gain=0.15)
    found = compare({"A": one, "B": other})
    (difference,) = found.differences
    low, high = difference.interval
    assert 0 < low < difference.mean < high and low < 0.15 < high
    assert (found.leader, found.winner) == (1, 1)
    # Unpaired, the spread of the tilt series would hide the gain.
    assert np.std(list(one.values())) > 5 * difference.mean


def test_noise_alone_has_no_winner_but_a_leader():
    found = compare(dict(zip("AB", tilt_series(gain=0.0, seed=3))))
    assert found.winner is None
    assert found.means[found.leader] == max(found.means)
    assert summary_text.verdict(found).startswith("No winner over 20 tilt series")


def test_the_verdict_does_not_depend_on_the_order_of_sets():
    one, other = tilt_series(gain=0.3)
    forward, backward = compare({"A": one, "B": other}), compare({"B": other, "A": one})
    assert summary_text.verdict(forward) == summary_text.verdict(backward)
    gain, same = forward.gain_over(0), backward.gain_over(1)
    assert gain.mean == pytest.approx(same.mean) and gain.mean > 0
    assert gain.interval == pytest.approx(same.interval, abs=0.01)
    assert (gain.better, gain.worse) == (same.better, same.worse)


@pytest.mark.parametrize("number", [10, 40])
def test_the_interval_has_its_stated_coverage(number):
    rng = np.random.default_rng(number)
    tries = 400
    held = 0
    for _ in range(tries):
        # Differences with a long tail, as between scores.
        values = 0.2 + 0.3 * rng.standard_t(5, number)
        low, high = bootstrap_interval(values)
        held += low <= 0.2 <= high
    assert 0.90 <= held / tries <= 0.99


def test_intervals_are_wider_with_more_sets():
    sets = dict(zip("ABC", (*tilt_series(gain=0.3), tilt_series(gain=0.6)[1])))
    three, two = compare(sets), compare({name: sets[name] for name in "AB"})
    (alone,) = two.differences
    together = next(d for d in three.differences if (d.first, d.second) == (0, 1))
    assert together.interval[0] < alone.interval[0] < alone.interval[1] < together.interval[1]
    assert three.winner == 2 and len(three.differences) == 3


def test_sets_are_joined_by_id_and_unmatched_ids_are_listed():
    one = {"a": 1.0, "b": 2.0, "only here": 3.0}
    found = compare({"A": one, "B": {"b": 2.5, "a": 1.0, "c": 4.0}})
    assert found.ts_ids == ("a", "b")
    assert found.scores == ((1.0, 2.0), (1.0, 2.5))
    assert found.left_out == (("only here",), ("c",))
    assert found.best_of_each() == {"a": 1, "b": 1}  # of equal scores that of the leader
    assert (
        "Left out of A, since another set has no score of it: only here."
        in summary_text.missing(found)
    )


def test_too_few_tilt_series_give_no_winner():
    sets = {"A": a_set([1.0] * (MIN_SERIES - 1)), "B": a_set([3.0] * (MIN_SERIES - 1))}
    found = compare(sets)
    assert found.winner is None and found.differences[0].interval is None
    assert "Too few to tell" in summary_text.verdict(found)
    enough = compare({"A": a_set([1.0] * MIN_SERIES), "B": a_set([3.0] * MIN_SERIES)})
    assert enough.winner == 1


def test_equal_sets_have_no_winner():
    found = compare({"A": a_set(range(5)) | a_set([1] * 9), "B": a_set(range(5)) | a_set([1] * 9)})
    assert found.winner is None and found.differences[0].equal == 9


@pytest.mark.parametrize(
    ("sets", "says"),
    [({"A": {"a": 1.0}}, "two sets of scores or more"), ({"A": {"a": 1.0}, "B": {}}, "every set")],
)
def test_too_few_or_empty_sets_are_an_error(sets, says):
    with pytest.raises(ValueError, match=says):
        compare(sets)


def test_a_comparison_survives_a_round_trip_through_json():
    for number in (3, 12):
        found = compare(dict(zip("AB", tilt_series(number=number))))
        assert files.from_dict(json.loads(files.json_text(found))) == found
    with pytest.raises(ValueError, match="expected schema 1"):
        files.from_dict({"schema": 2})


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/x.jsonl", "b/y.jsonl"], ["x", "y"]),
        (["a/r.jsonl", "b/r.jsonl"], ["a", "b"]),
        (["r.jsonl", "./r.jsonl"], ["1: r", "2: r"]),
        (["one", "two/"], ["one", "two"]),
    ],
)
def test_names_are_made_from_paths(paths, names):
    assert names_of(paths) == names


def record(ts_id, score, **more):
    return make_score(ts_id, round(float(score), 4), scale_nm=scale_nm(round(score, 4)), **more)


def write(path, scores, **more):
    records = [record(ts_id, score, **more) for ts_id, score in scores.items()]
    Path(path).write_text("".join(map(json_line, records)))


@pytest.fixture
def results(tmp_path, monkeypatch):
    """The current folder, with a.jsonl and b.jsonl; set b is better."""
    monkeypatch.chdir(tmp_path)
    one, other = tilt_series(gain=0.5)
    write("a.jsonl", one)
    write("b.jsonl", other)
    failed = Score.failed("TS_bad", "/bad.mrc", "cut off")
    with open("a.jsonl", "a") as file:
        file.write(json_line(failed))
    return tmp_path


def test_the_command_prints_the_winner_and_its_gain(results, capsys):
    assert main(["compare", "a.jsonl", "b.jsonl", "--names", "old", "new"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert re.match(
        r"new wins over 20 tilt series: \+0\.5\d octaves over old \(\+0\.\d\d to \+0\.\d\d\), "
        r"features 1\.4\d times finer\.",
        said[0],
    )
    assert "paired bootstrap" in said[-1]


def test_the_command_writes_table_json_and_plot(results):
    command = ["compare", "a.jsonl", "b.jsonl", "--csv", "c.csv", "--json", "c.json"]
    assert main([*command, "--plot", "c.png"]) == 0
    with open("c.csv", newline="") as file:
        heading, *rows = csv.reader(file)
    assert heading == ["ts_id", "a", "b", "best"] and len(rows) == 20
    assert all(row[3] == ("b" if float(row[2]) >= float(row[1]) else "a") for row in rows)
    written = json.loads(Path("c.json").read_text())
    assert (written["winner"], written["confidence"]) == ("b", 0.95)
    assert written["said"][0].startswith("b wins over")
    with Image.open("c.png") as picture:
        assert picture.size == (1500, 750)
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 50
    assert sorted(os.listdir()) == ["a.jsonl", "b.jsonl", "c.csv", "c.json", "c.png"]


def test_different_voxel_sizes_are_reported(results, capsys):
    write("c.jsonl", tilt_series(gain=0.5)[1], voxel_size_angstrom=26.0)
    assert main(["compare", "a.jsonl", "c.jsonl"]) == 0
    assert "Voxel sizes differ (A: a: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["a.jsonl"], 2, "name two sets"),
        (["a.jsonl", "none.jsonl"], 1, "cannot read none.jsonl"),
        (["a.jsonl", "b.jsonl", "--names", "x"], 1, "expected 2 names"),
        (["a.jsonl", "b.jsonl", "--names", "x", "x"], 1, "two sets have the name 'x'"),
        (["a.jsonl", "b.jsonl", "--names", "x", ""], 1, "names that can be printed"),
        (["a.jsonl", "b.jsonl", "--csv", "a.jsonl"], 1, "a.jsonl would be replaced"),
        (["a.jsonl", "b.jsonl", "--csv", "c", "--json", "c"], 1, "c would be replaced"),
        (["a.jsonl", "b.jsonl", "--plot", "c.gif"], 1, "c.gif: expected a name that ends with"),
        (["a.jsonl", "b.jsonl", "--plot", "none/c.png"], 1, "none does not exist"),
        (["a.jsonl", "other.jsonl"], 1, "no tilt series has a score in every set"),
        (["a.jsonl", "foreign.jsonl"], 1, "expected scores of one model, found several"),
        (["a.jsonl", "calibrated.jsonl"], 1, "+cacacacacaca): score all sets with the same"),
    ],
)
def test_invalid_comparisons_are_refused_and_change_no_file(
    results, capsys, arguments, status, says
):
    write("other.jsonl", {"another": 1.0})
    model = {**scoring_fakes.MODEL, "sha256": "9" * 64}
    write("foreign.jsonl", tilt_series()[0], model=model)
    calibrated = {"calibration": CALIBRATION, "tomoscore_uncalibrated": 2.0}
    write("calibrated.jsonl", tilt_series()[0], **calibrated)
    before = {path: path.read_bytes() for path in results.iterdir()}
    assert main(["compare", *arguments]) == status
    assert says in capsys.readouterr().err
    assert {path: path.read_bytes() for path in results.iterdir()} == before


def test_only_the_last_record_of_an_id_counts(results, capsys):
    with open("b.jsonl", "a") as file:
        for n in range(20):
            file.write(json_line(record(f"TS_{n}", 0.0)))
    assert main(["compare", "a.jsonl", "b.jsonl"]) == 0
    assert capsys.readouterr().out.startswith("a wins over 20 tilt series")


def test_failed_tilt_series_are_left_out(results, capsys):
    first = record("TS_0", 1.0)
    failed = Score.failed("TS_0", first.path, "cut off")
    with open("b.jsonl", "a") as file:
        file.write(json_line(failed))
    assert main(["compare", "a.jsonl", "b.jsonl"]) == 0
    said = capsys.readouterr().out
    assert "over 19 tilt series" in said and "Left out of a, since another set" in said


def test_comparison_imports_no_heavy_package():
    program = (
        "import sys\n"
        "from tomoscore_scipion.comparison.paired import compare\n"
        "compare({'A': {str(n): 1.0 for n in range(9)}, 'B': {str(n): 2.0 for n in range(9)}})\n"
        "import tomoscore_scipion.commands.compare\n"
        "heavy = {'torch', 'scipy', 'matplotlib', 'pwem', 'PIL', 'jinja2'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, check=True
    )
    assert ended.stdout.decode().splitlines()[-1] == "[]"


def test_different_slab_limits_are_reported():
    from tomoscore_scipion.comparison.sets import remarks_on

    whole = record("a", 1.0)
    part = replace(whole, z_range=(0, 5))
    assert remarks_on({"A": [whole], "B": [whole]}) == []
    (line,) = remarks_on({"A": [whole], "B": [part]})
    assert line.startswith("Slab limits differ")
