# SPDX-License-Identifier: GPL-3.0-or-later
"""A full disk under a project: databases, jobs, results and logs cannot be written."""

import ctypes
import os
import shutil
import subprocess

import pytest
from lab import ids, log_of
from test_project_faults import PATIENT, scores_of

NEW_MOUNTS = 0x00020000  # CLONE_NEWNS of Linux's sched.h


@pytest.fixture
def runs_disk(project):
    """A separate disk for the project's runs; yields a function that sets its free bytes.

    Only this process and its child processes see the mounted disk.
    """
    if os.geteuid() != 0 or ctypes.CDLL(None).unshare(NEW_MOUNTS) != 0:
        pytest.skip("only root may mount a disk")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    runs = os.path.abspath("Runs")
    os.makedirs(runs, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "none", runs], check=True)

    def leave(free):
        used = shutil.disk_usage(runs).used
        subprocess.run(["mount", "-o", f"remount,size={used + free}", runs], check=True)

    yield leave
    subprocess.run(["umount", "--lazy", runs], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("free", [0, 20_000, 60_000])
def test_a_full_disk_loses_no_result_and_continue_scores_the_rest(
    lab, runs_disk, monkeypatch, free
):
    monkeypatch.setenv("FAKE_SECONDS", "1")
    scores = [3.5, 1.0, None, 4.0, 2.0, 2.8, 1.4]
    source = lab.source([lab.tomogram(f"TS_{n}", s) for n, s in enumerate(scores)])
    full = lab.score(source, wait=False)
    lab.until(lambda: ids(full, "scoredTomograms"), full, seconds=PATIENT)
    runs_disk(free)
    lab.until(lambda: not full.isActive(), full, seconds=PATIENT)
    assert not full.isFinished()
    runs_disk(100_000_000)
    lab.resume(full)
    assert full.isFinished(), log_of(full)
    assert ids(full, "acceptedTomograms") == ["TS_0", "TS_3", "TS_5"]
    assert ids(full, "rejectedTomograms") == ["TS_1", "TS_4", "TS_6"]
    assert ids(full, "failedTomograms") == ["TS_2"]
    assert scores_of(full).keys() == {f"TS_{n}" for n in range(7)} - {"TS_2"}
