# SPDX-License-Identifier: GPL-3.0-or-later
"""A Scipion installation in a folder, with our plugin, the testing one and the fake engine."""

import os
import shlex
import sys
from pathlib import Path

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

[slurm]
PARALLEL_COMMAND = mpirun -np %_(JOB_NODES)d %_(COMMAND)s
NAME = SLURM
MANDATORY = False
SUBMIT_COMMAND = sbatch --parsable %_(JOB_SCRIPT)s
SUBMIT_TEMPLATE = #!/bin/bash
    #SBATCH --job-name=%_(JOB_NAME)s
    #SBATCH --partition=%_(JOB_QUEUE)s
    #SBATCH --output=%_(JOB_LOGS)s.out
    #SBATCH --error=%_(JOB_LOGS)s.err
    #SBATCH --cpus-per-task=1
    #SBATCH --gres=gpu:%_(JOB_GPUS)s
    #SBATCH --no-requeue
    %_(JOB_COMMAND)s
CANCEL_COMMAND = scancel %_(JOB_ID)s
CHECK_COMMAND = squeue -h -j %_(JOB_ID)s
QUEUES = {{ "debug": [["JOB_GPUS", "0", "GPUs", "GPUs of a job"],
    ["QUEUE_FOR_JOBS", "N", "Send steps to the queue?", "Y or N"]] }}
"""


def install(home):
    """Make it.

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
