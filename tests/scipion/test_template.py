# SPDX-License-Identifier: GPL-3.0-or-later
"""The workflow template: import, TomoScore and filter from one command."""

import os
import re
import subprocess
import sys

import pytest
from lab import ids, write_mrc

TEMPLATE = "tomoscore-tomoscore"


@pytest.fixture
def template(scipion):
    import pyworkflow as pw

    (found,) = pw.Config.getDomain().getPlugins()["tomoscore_scipion"].Plugin().getTemplates()
    assert found.getObjId() == TEMPLATE
    found.content = found.getContent().split("~")
    found.parseContent()
    return found


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("treshold", "2", "Unknown parameter treshold: this template has project_name, tomograms"),
        ("threshold", "7", "threshold: expected 0 to 5 octaves, found 7"),
        ("filter_threshold", "-1", "filter_threshold: expected 0 to 5 octaves, found -1"),
        ("voxel_size", "0", "voxel_size: expected more than 0 A, found 0"),
        ("voxel_size", "ten", "ten is not compatible with Voxel size"),
        ("tomograms", "/no/such/folder", "is not compatible with Folder of the tomograms"),
    ],
)
def test_an_invalid_parameter_is_refused_at_once(template, name, value, fault):
    with pytest.raises(Exception, match=re.escape(fault)):
        template.setParamValue(name, value)


def test_the_description_lists_the_parameters(template):
    names = [param.getAlias() for param in template.getParams().values()]
    assert all(name in template.description for name in names)
    assert template.setParamValue("threshold", "2.5") == 1


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
        runs = {run.getClassName(): run for run in project.getRuns()}
        scored, chosen = runs["ProtTomoScore"], runs["ProtTomoScoreFilter"]
        lab.project = project
        lab.until(lambda: chosen.isFinished() or chosen.isFailed(), *runs.values())
        assert ids(scored, "acceptedTomograms") == ["TS_1"]
        assert ids(chosen, "acceptedTomograms") == ["TS_1", "TS_2"]
    finally:
        os.chdir(scipion)
