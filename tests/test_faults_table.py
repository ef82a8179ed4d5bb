# SPDX-License-Identifier: GPL-3.0-or-later
"""The documented table of faults agrees with the tests; the script counts them correctly."""

import ast
import subprocess
import sys
from pathlib import Path

import bad_tomograms
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import faults  # noqa: E402

ROWS = faults.rows()


def functions(path):
    return {
        node.name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }


def test_the_table_has_at_least_forty_rows():
    assert len(ROWS) >= 40


def test_no_row_is_repeated():
    assert len(set(ROWS)) == len(ROWS)
    assert len({(row.file, row.function, row.case) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.function} {row.case}".strip())
def test_the_test_of_a_row_exists(row):
    assert row.function in functions(ROOT / "tests" / row.file)


@pytest.mark.parametrize(
    ("function", "cases"),
    [
        ("test_an_invalid_tomogram_is_refused_with_the_reason", set(bad_tomograms.REFUSED)),
        (
            "test_an_unusual_tomogram_is_scored_with_a_warning",
            set(bad_tomograms.SCORED) - {"sound", "compressed"},
        ),
    ],
)
def test_every_invalid_and_unusual_file_has_a_row(function, cases):
    assert {row.case for row in ROWS if row.function == function} == cases


def row(case="", file="test_a.py", function="test_it"):
    return faults.Row("a fault", "a message", file, function, case)


@pytest.mark.parametrize(
    ("case", "name", "belongs"),
    [
        ("", "test_it", True),
        ("", "test_it[any]", True),
        ("one", "test_it[one]", True),
        ("one", "test_it[one and more]", False),
        ("one*", "test_it[one and more]", True),
        ("", "test_its", False),
    ],
)
def test_cases_belong_to_rows(case, name, belongs):
    assert row(case).is_tested_by("test_a.py", name) is belongs
    assert not row(case).is_tested_by("test_b.py", name)


@pytest.mark.parametrize(
    ("ran", "outcome"),
    [
        ({}, "not found"),
        ({"test_it[1]": "passed", "test_it[2]": "passed"}, "survived"),
        ({"test_it[1]": "passed", "test_it[2]": "skipped"}, "skipped"),
        ({"test_it[1]": "failed", "test_it[2]": "skipped"}, "FAILED"),
    ],
)
def test_a_row_is_survived_if_all_its_cases_passed(ran, outcome):
    assert (
        faults.outcome_of(row(), {("test_a.py", name): how for name, how in ran.items()}) == outcome
    )


def test_the_script_runs_tests_and_counts(tmp_path, monkeypatch, capsys):
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_a.py").write_text(
        "import pytest\n"
        "def test_good(): pass\n"
        "def test_bad(): assert False\n"
        "@pytest.mark.parametrize('n', [1, 2])\n"
        "def test_some(n):\n"
        "    if n == 2: pytest.skip('not here')\n"
    )
    monkeypatch.setattr(faults, "ROOT", tmp_path)
    table = [row(function=name) for name in ("test_good", "test_bad", "test_some")]
    monkeypatch.setattr(faults, "rows", lambda: [*table, row("1", function="test_some")])
    assert faults.main([]) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["survived", "FAILED", "skipped", "survived"]
    assert last == "tried 4, survived 2"


def test_make_faults_runs_the_script():
    done = subprocess.run(["make", "--dry-run", "faults"], cwd=ROOT, capture_output=True, text=True)
    assert "scripts/faults.py .venv/bin/python .venv-scipion/bin/python" in done.stdout
