# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the test of every row of docs/faults.rst and print its outcome; see `make faults`.

python scripts/faults.py [ENGINE_PYTHON [SCIPION_PYTHON]]

Tests below tests/scipion run with the second Python, all others with the first one. A fault is
survived if all cases of its test ran and passed; skipped tests do not count.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterable, Mapping, NamedTuple, Sequence
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "faults.rst"


class Row(NamedTuple):
    """A row of the table: a fault, its effect for the user, and its test (file, function, case)."""

    fault: str
    seen: str
    file: str
    function: str
    case: str

    @property
    def is_scipion(self) -> bool:
        """Whether its test needs Scipion."""
        return self.file.startswith("scipion/")

    def is_tested_by(self, file: str, name: str) -> bool:
        """Whether a test that ran belongs to the row."""
        function, _, case = name.partition("[")
        if (file, function) != (self.file, self.function):
            return False
        case = case[:-1] if case.endswith("]") else case
        begins = self.case.endswith("*") and case.startswith(self.case[:-1])
        return not self.case or case == self.case or begins


def rows(path: Path = TABLE) -> list[Row]:
    """Read the rows of the table in the documentation."""
    text = path.read_text(encoding="utf-8")
    table = []
    for fault, seen, test in re.findall(
        r"^   \* - (.+)\n     - (.+)\n     - (.+)$", text, re.MULTILINE
    ):
        match = re.fullmatch(r"``([\w/]+\.py)::(\w+)(?:\[(.+)\])?``", test)
        if match:
            table.append(Row(fault, seen, match[1], match[2], match[3] or ""))
        elif test != "Test":
            raise SystemExit(f"{path}: expected ``file.py::test[case]``, found {test}")
    return table


def outcomes(
    python: str, files_and_functions: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """Run tests.

    Returns:
        {(file, test with its case): "passed", "failed" or "skipped"}.
    """
    names = [f"tests/{file}::{function}" for file, function in files_and_functions]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [python, "-m", "pytest", "-q", "-o", "junit_family=xunit1"]
        subprocess.run([*command, f"--junitxml={report}", *names], cwd=ROOT, check=False)
        if not report.exists():
            return {}
        cases = ElementTree.parse(report).iter("testcase")
        return {(_file_of(case), case.attrib["name"]): _outcome(case) for case in cases}


def _file_of(case: ElementTree.Element) -> str:
    return Path(case.get("file", "")).as_posix().partition("tests/")[2]


def _outcome(case: ElementTree.Element) -> str:
    if case.find("skipped") is not None:
        return "skipped"
    return "failed" if {"failure", "error"} & {child.tag for child in case} else "passed"


def outcome_of(row: Row, ran: Mapping[tuple[str, str], str]) -> str:
    """Outcome of a row: "survived", "FAILED", "skipped" or "not found"."""
    mine = {outcome for (file, name), outcome in ran.items() if row.is_tested_by(file, name)}
    if not mine:
        return "not found"
    if "failed" in mine:
        return "FAILED"
    return "skipped" if "skipped" in mine else "survived"


def main(argv: Sequence[str]) -> int:
    """Test all rows. Returns 0 if all faults were survived."""
    pythons = [*argv, *[sys.executable] * 2][:2]
    table = rows()
    ran: dict[tuple[str, str], str] = {}
    for python, is_scipion in zip(pythons, (False, True)):
        mine = [row for row in table if row.is_scipion is is_scipion]
        ran.update(outcomes(os.path.abspath(python), sorted({(r.file, r.function) for r in mine})))
    outcomes_ = [outcome_of(row, ran) for row in table]
    for row, outcome in zip(table, outcomes_):
        print(f"{outcome:10} {row.fault}: {row.seen}")
    survived = outcomes_.count("survived")
    print(f"tried {len(table)}, survived {survived}")
    return 0 if survived == len(table) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
