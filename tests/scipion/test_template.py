# SPDX-License-Identifier: GPL-3.0-or-later
"""The workflow template: import, TomoScore, filter, from one command."""

import os
import subprocess
import sys

import pytest
from lab import ids, write_mrc

TEMPLATE = "tomoscore_scipion-tomoscore"


@pytest.mark.slow
def test_the_template_runs_from_the_command_line(lab, scipion, tmp_path):
    for name, score in (("TS_1", 3.0), ("TS_2", 1.0)):
        write_mrc(tmp_path / f"{name}.mrc", score)
    command = [
        *(sys.executable, "-m", "scipion", "template", TEMPLATE, "--nogui"),
        *("project_name=FromTemplate", "pattern=*.mrc"),
        *(f"tomograms={tmp_path}", "voxel_size=10", "threshold=2", "filter_threshold=0.5"),
    ]
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    environ = {**os.environ, "PATH": path}  # the command calls `python`
    done = subprocess.run(command, cwd=scipion, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    from pyworkflow.project import Manager

    project = Manager().loadProject("FromTemplate")
    try:
        there = {run.getClassName(): run for run in project.getRuns()}
        scored, chosen = there["ProtTomoScore"], there["ProtTomoScoreFilter"]
        lab.project = project
        lab.until(lambda: chosen.isFinished() or chosen.isFailed(), *there.values())
        assert ids(scored, "acceptedTomograms") == ["TS_1"]
        assert ids(chosen, "acceptedTomograms") == ["TS_1", "TS_2"]
    finally:
        os.chdir(scipion)
