# SPDX-License-Identifier: GPL-3.0-or-later
"""Projects in folders with unusual names, which are part of the engine's command."""

import os

import pytest
from lab import Lab, ids, log_of

FOLDERS = ["two words, 100%s", "it's (a+b) & co; 日本"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_protocol_works_in_a_project_folder_of_any_name(scipion, tmp_path, monkeypatch, folder):
    """Runs with a list of GPUs, since Scipion then formats the command as a template."""
    from pyworkflow.project import Manager

    from tomoscore_scipion import installation

    monkeypatch.setenv("FAKE_GPUS", "1")
    installation._answers.clear()
    location = tmp_path / folder
    location.mkdir()
    before = os.getcwd()
    name = f"Odd{FOLDERS.index(folder)}"
    project = Manager().createProject(name, location=str(location))
    os.chdir(project.path)
    try:
        lab = Lab(project, tmp_path)
        scored = lab.score(lab.source([lab.tomogram("a"), lab.tomogram("b", None)]), useGpu=True)
        assert str(location) in os.path.abspath(scored.getWorkingDir())
        assert ids(scored, "acceptedTomograms") == ["a"], log_of(scored)
        assert ids(scored, "failedTomograms") == ["b"]
    finally:
        os.chdir(before)
        installation._answers.clear()
