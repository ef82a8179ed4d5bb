# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Scipion project for the tests, with a fake engine unless a test asks for the real one."""

import json
import os
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from scipion_home import install

WITH_SCIPION = find_spec("pwem") is not None

# These tests need an environment with Scipion.
collect_ignore_glob = [] if WITH_SCIPION else ["test_*.py"]


if WITH_SCIPION:
    HOME = tempfile.TemporaryDirectory(prefix="tomoscore-scipion-")
    install(Path(HOME.name))


@pytest.fixture(scope="session")
def scipion():
    """The folder of the Scipion installation, with its plugins loaded."""
    import pyworkflow as pw

    pw.Config.setDomain("pwem")
    domain = pw.Config.getDomain()
    domain.getPlugins()
    domain.getProtocols()
    return Path(HOME.name)


@pytest.fixture(scope="module")
def project(scipion, request):
    """A new project for each test file; its folder is the working directory."""
    from pyworkflow.project import Manager

    before = os.getcwd()
    project = Manager().createProject(request.module.__name__)
    os.chdir(project.path)
    yield project
    os.chdir(before)


@pytest.fixture
def lab(project, tmp_path):
    from lab import Lab

    return Lab(project, tmp_path)


@pytest.fixture
def engine_log(tmp_path, monkeypatch):
    """Function that reads the fake engine's log, one entry per start."""
    path = tmp_path / "engine-log.jsonl"
    monkeypatch.setenv("FAKE_LOG", str(path))
    return lambda: [json.loads(line) for line in path.read_text().splitlines()]
