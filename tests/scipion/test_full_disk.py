# SPDX-License-Identifier: GPL-3.0-or-later
"""A full disk under a project: databases, jobs, results and logs cannot be written."""

import ctypes
import errno
import os
import subprocess
from pathlib import Path

import pytest
from lab import ids, log_of
from test_project_faults import PATIENT, scores_of

NEW_MOUNTS = 0x00020000  # CLONE_NEWNS of Linux's sched.h


class SmallDisk:
    """A disk that one large file fills and empties; other programs may write at the same time."""

    def __init__(self, folder):
        self.large_file = Path(folder) / "large-file"

    def fill(self, free):
        """Fill the disk, except for some bytes."""
        with open(self.large_file, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
            file.truncate(file.tell() - free)

    def empty(self):
        """Free the disk again."""
        self.large_file.unlink()


@pytest.fixture
def runs_disk(project):
    """A separate disk of 100 MB for the project's runs.

    Only this process and its child processes see the mounted disk.
    """
    if os.geteuid() != 0 or ctypes.CDLL(None).unshare(NEW_MOUNTS) != 0:
        pytest.skip("only root may mount a disk")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    runs = os.path.abspath("Runs")
    os.makedirs(runs, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "none", runs], check=True)
    yield SmallDisk(runs)
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
    runs_disk.fill(free)
    lab.until(lambda: not full.isActive(), full, seconds=PATIENT)
    assert not full.isFinished()
    runs_disk.empty()
    lab.resume(full)
    assert full.isFinished(), log_of(full)
    assert ids(full, "acceptedTomograms") == ["TS_0", "TS_3", "TS_5"]
    assert ids(full, "rejectedTomograms") == ["TS_1", "TS_4", "TS_6"]
    assert ids(full, "failedTomograms") == ["TS_2"]
    assert scores_of(full).keys() == {f"TS_{n}" for n in range(7)} - {"TS_2"}
