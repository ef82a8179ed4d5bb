# SPDX-License-Identifier: GPL-3.0-or-later
"""A Scipion installation in a folder, with TomoScore, the test plugin and the fake engine."""

import os
import re
import shlex
import sys
from pathlib import Path
from textwrap import dedent

HERE = Path(__file__).resolve().parent

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
    """Make a Scipion installation in a folder, with the plugins and the fake engine.

    Scipion reads the variables when it is imported, which happens when tests are collected.
    The processes of protocols inherit them.
    """
    program = home / "bin" / "tomoscore"
    program.parent.mkdir()
    fake = shlex.quote(str(HERE / "fake_engine.py"))
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {fake} "$@"\n')
    program.chmod(0o755)
    (home / "data").mkdir()
    queue = f"{shlex.quote(sys.executable)} {shlex.quote(str(HERE / 'fake_queue.py'))}"
    (home / "hosts.conf").write_text(HOSTS.format(queue=queue) + slurm_host())
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
        PYTHONPATH=os.pathsep.join(filter(None, (testing, os.environ.get("PYTHONPATH")))),
        TOMOSCORE_ENV_ACTIVATION=f"PATH={shlex.quote(str(program.parent))}:$PATH",
        OMP_NUM_THREADS="1",
    )


def slurm_host():
    """The host configuration of docs/facilities.rst, renamed to "slurm"."""
    text = (HERE.parents[1] / "docs" / "facilities.rst").read_text(encoding="utf-8")
    (block,) = re.findall(r"^    \[localhost\]\n(?:    .*\n)+", text, flags=re.MULTILINE)
    return "\n" + dedent(block).replace("[localhost]", "[slurm]")
