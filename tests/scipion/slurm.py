# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Slurm on this machine, with two nodes of two cores and two simulated GPUs.

It needs neither systemd nor cgroups, and listens on the loopback interface only.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from getpass import getuser
from pathlib import Path

import psutil

NODES = ("one", "two")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "squeue", "sinfo", "scontrol")
LIMIT_S = 300
"""Time limit, much longer than a busy machine needs."""

CONFIGURATION = """\
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={ports[0]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
MinJobAge=30
KillWait=2
SlurmdTimeout=10
GresTypes=gpu
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 Gres=gpu:2
NodeName=two NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 Gres=gpu:2
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
"""

GPUS = """\
NodeName=one,two Name=gpu File=/dev/null
NodeName=one,two Name=gpu File=/dev/zero
"""


class Slurm:
    """The Slurm daemons and the commands of a user."""

    def __init__(self, folder):
        """Write the configuration; SLURM_CONF must contain its path for Slurm's commands."""
        missing = [program for program in PROGRAMS if shutil.which(program) is None]
        assert not missing, f"{missing} not found: apt-get install slurm-wlm munge"
        self._folder = Path(folder)
        self.configuration = self._folder / "slurm.conf"
        host = socket.gethostname().split(".")[0]
        text = CONFIGURATION.format(
            host=host, user=getuser(), folder=self._folder, ports=free_ports(3)
        )
        self.configuration.write_text(text)
        (self._folder / "gres.conf").write_text(GPUS)
        for name in ("state", *NODES):
            (self._folder / name).mkdir()
        key = self._folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)

    def start(self):
        """Start all daemons and wait until jobs can run."""
        files = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munged.pid"}
        files.update({"log-file": "munged.log", "seed-file": "munged.seed"})
        run("munged", "--force", *(f"--{o}={self._folder / name}" for o, name in files.items()))
        run("slurmctld", "-i", "-f", str(self.configuration))
        for node in NODES:
            self.start_node(node)

    def start_node(self, node):
        """Start a node's daemon unless it runs, and wait until the controller knows it."""
        pid_file = self._folder / f"{node}.pid"
        if not (pid_file.exists() and is_running(int(pid_file.read_text()))):
            run("slurmd", "-f", str(self.configuration), "-N", node)
        self.until(lambda: run("sinfo", "-h", "-n", node, "-o", "%t") in ("idle", "mix"))

    def kill_node(self, node):
        """Kill the daemon and the jobs of a node, as a power cut does."""
        daemon = int((self._folder / f"{node}.pid").read_text())
        os.kill(daemon, signal.SIGKILL)
        self.until(lambda: not is_running(daemon))
        for process in psutil.process_iter(["cmdline"]):
            line = " ".join(process.info["cmdline"] or ())
            if f"{self._folder}/{node}/job" in line:  # the script of a job
                for_process_tree(process.parent(), psutil.Process.kill)

    def requeue(self, job):
        """Start a job again, as Slurm does when a node fails."""
        run("scontrol", "update", f"JobId={job}", "Requeue=1")
        run("scontrol", "requeue", str(job))
        self.until(lambda: self.jobs().get(job) == "")
        run("scontrol", "update", f"JobId={job}", "StartTime=now")  # not in two minutes

    def stop(self):
        """Cancel all jobs and end all daemons."""
        run("scancel", "--user", getuser())
        self.until(lambda: not self.jobs())
        names = ("slurmctld", *NODES, "munged")
        for pid_file in (self._folder / f"{name}.pid" for name in names):
            if pid_file.exists():
                end(int(pid_file.read_text()))

    def jobs(self):
        """{job: node} of waiting and running jobs; waiting jobs have the node ""."""
        lines = run("squeue", "-h", "-o", "%i %N").splitlines()
        return {int(job): node for job, _, node in (line.partition(" ") for line in lines)}

    def until(self, condition):
        """Wait until `condition()` is true."""
        limit = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < limit, run("sinfo", "-N", "-l") + run("squeue")
            time.sleep(0.5)


def run(*command):
    """Run a command and return its output."""
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout.strip()


def is_running(pid):
    """Whether a process exists and is not a zombie."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def for_process_tree(process, action):
    """Call a function for a process and all its descendants."""
    for each in (*process.children(recursive=True), process):
        try:
            action(each)
        except psutil.NoSuchProcess:
            continue


def end(pid):
    """Terminate a process and wait for its end."""
    try:
        process = psutil.Process(pid)
        process.terminate()
        process.wait(30)
    except psutil.NoSuchProcess:
        return
    except psutil.TimeoutExpired:
        for_process_tree(process, psutil.Process.kill)


def free_ports(count):
    """Free ports of the loopback interface."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
