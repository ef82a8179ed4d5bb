# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that simulates a night: a short run with every fault and the real engine."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import session_night  # noqa: E402


@pytest.mark.slow
def test_a_short_night_with_every_fault_gives_the_expected_records(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(session_night, "IDLE_MINUTES", 0.2)
    for number, fault in enumerate(("REWRITTEN", "RENAMED", "DELETED", "HALF"), 5):
        monkeypatch.setattr(session_night, fault, number)
    assert session_night.run(tmp_path, 12, 0.5) == 0
    assert "records: 10 ok, 1 failed; the watch ended with 0" in capsys.readouterr().out


def test_the_trend_of_a_night_with_a_slow_start(capsys):
    session_night.print_trend("memory", [(0, 5.0)] * 9 + [(1, 6.0), (2, 7.0), (3, 9.0)])
    assert capsys.readouterr().out.split()[:4] == ["memory", "5.00", "5.00", "8.00"]


def test_make_night_watch_runs_the_script():
    make = ["make", "--dry-run", "night-watch"]
    done = subprocess.run(make, cwd=ROOT, capture_output=True, text=True)
    assert "scripts/session_night.py" in done.stdout
