# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Scipion project for the tests, with a fake engine unless a test asks for the real one."""

import json
import os
import shlex
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
WITH_SCIPION = find_spec("pwem") is not None

# Scipion has an environment of its own, in which these tests run.
collect_ignore_glob = [] if WITH_SCIPION else ["test_*.py"]


HOSTS = """\
[localhost]
PARALLEL_COMMAND = mpirun -np %_(JOB_NODES)d %_(COMMAND)s
NAME = fake
MANDATORY = False
SUBMIT_COMMAND = {queue} submit %_(JOB_SCRIPT)s
SUBMIT_TEMPLATE = #!/bin/sh
    %_(JOB_COMMAND)s
CANCEL_COMMAND = kill %_(JOB_ID)s
CHECK_COMMAND = {queue} check %_(JOB_ID)s
QUEUES = {{ "default": {{}} }}
"""


def install(home):
    """A Scipion installation in a folder, with our plugin, the testing one and the fake engine.

    Its variables are read when Scipion is imported, which collecting the tests does, and are
    inherited by the protocols' processes.
    """
    program = home / "bin" / "tomoscore"
    program.parent.mkdir()
    fake = shlex.quote(str(HERE / "fake_engine.py"))
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {fake} "$@"\n')
    program.chmod(0o755)
    (home / "data").mkdir()
    queue = f"{shlex.quote(sys.executable)} {shlex.quote(str(HERE / 'fake_queue.py'))}"
    (home / "hosts.conf").write_text(HOSTS.format(queue=queue))
    testing = str(HERE / "plugin")
    sys.path.insert(0, testing)
    os.environ.update(
        SCIPION_HOME=str(home),
        SCIPION_PYTHON=sys.executable,
        SCIPION_USER_DATA=str(home / "data"),
        SCIPION_HOSTS=str(home / "hosts.conf"),
        SCIPION_DOMAIN="pwem",
        SCIPION_NOTIFY="False",
        SCIPION_PRIORITY_PACKAGE_LIST="pwem tomo",
        PYTHONPATH=testing,
        TOMOSCORE_ENV_ACTIVATION=f"PATH={shlex.quote(str(program.parent))}:$PATH",
        OMP_NUM_THREADS="1",
    )


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
    """A project of the test file's own, with its folder as the working one."""
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
    """What the fake engine wrote about its starts: a function that reads it."""
    path = tmp_path / "engine-log.jsonl"
    monkeypatch.setenv("FAKE_LOG", str(path))
    return lambda: [json.loads(line) for line in path.read_text().splitlines()]
