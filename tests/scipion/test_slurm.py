# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs under a real Slurm are run, cancelled and lost without losing a tomogram.

The host configuration is that of docs/facilities.rst.
"""

import shlex
import shutil

import psutil
import pytest
from lab import ids, log_of
from slurm import Slurm, run

pytestmark = pytest.mark.slow

MODES = pytest.mark.parametrize("each_step", [True, False], ids=["each step", "the whole protocol"])


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    slurm = Slurm(tmp_path_factory.mktemp("slurm"))
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("SLURM_CONF", str(slurm.configuration))
        try:
            slurm.start()
            yield slurm
        finally:
            slurm.stop()


@pytest.fixture
def module_load(tmp_path, monkeypatch):
    """Define `module load tomoscore` as a shell function, as clusters do."""
    from tomoscore_scipion.plugin import TOMOSCORE_ENV_ACTIVATION, Plugin

    folder = tmp_path / "engine of the cluster"
    folder.mkdir()
    before = Plugin.getVar(TOMOSCORE_ENV_ACTIVATION)
    (fake,) = [part for part in shlex.split(before) if part.startswith("PATH=")]
    shutil.copy(fake[len("PATH=") :].split(":")[0] + "/tomoscore", folder)
    (tmp_path / "modules.sh").write_text(
        f'module() {{\n  [ "$1 $2" = "load tomoscore" ] || return 1\n'
        f"  PATH={shlex.quote(str(folder))}:$PATH\n  echo Loading tomoscore\n}}\n"
    )
    activation = f". {shlex.quote(str(tmp_path / 'modules.sh'))} && module load tomoscore"
    monkeypatch.setenv(TOMOSCORE_ENV_ACTIVATION, activation)
    monkeypatch.setitem(Plugin._vars, TOMOSCORE_ENV_ACTIVATION, activation)


def protocol_for(source, lab, each_step, job_gpus=0, **values):
    """Launch a protocol with the queue."""
    from tomoscore_scipion.protocols import ProtTomoScore

    protocol = lab.new(ProtTomoScore, source, **values)
    protocol.setHostName("slurm")
    protocol._useQueue.set(True)
    each = "Y" if each_step else "N"
    asked = {"JOB_TIME": "60", "JOB_CPUS": "1", "JOB_GPUS": str(job_gpus)}
    protocol.setQueueParams(("debug", {**asked, "QUEUE_FOR_JOBS": each}))
    return lab.launch(protocol, wait=False)


def ended(lab, *protocols):
    lab.until(lambda: not any(protocol.isActive() for protocol in protocols), *protocols)


@pytest.fixture
def held(lab, monkeypatch):
    """A run of four tomograms; the engine waits at the third until the gate is opened."""
    monkeypatch.setenv("FAKE_HOLD", "TS_2")
    monkeypatch.setenv("FAKE_GATE", str(lab.folder / "gate-engine"))
    return lab.source([lab.tomogram(f"TS_{number}", 3.0) for number in range(4)])


def until_held(lab, protocol):
    lab.until(lambda: ids(protocol, "scoredTomograms") == ["TS_0", "TS_1"], protocol)


@MODES
def test_jobs_get_the_gpus_of_the_scheduler_and_the_modules_of_the_cluster(
    lab, slurm, engine_log, module_load, monkeypatch, each_step
):
    monkeypatch.setenv("FAKE_SECONDS", "2")
    monkeypatch.setenv("FAKE_SILENT", "TS_4")  # its job succeeds, and there is no record
    scores = [3.0, 1.0, None, 4.0, 4.0]
    source = lab.source([lab.tomogram(f"TS_{n}", score) for n, score in enumerate(scores)])
    gpus = {"useGpu": True, "gpuList": "4 5", "numberOfThreads": 4}
    protocol = protocol_for(source, lab, each_step, job_gpus=1 if each_step else 2, **gpus)
    ended(lab, protocol)
    assert protocol.isFinished(), log_of(protocol)
    assert ids(protocol, "acceptedTomograms") == ["TS_0", "TS_3"]
    assert ids(protocol, "rejectedTomograms") == ["TS_1"]
    assert ids(protocol, "failedTomograms") == ["TS_2", "TS_4"]
    errors = {i.getTsId(): i._tomoScoreError.get() for i in protocol.failedTomograms}
    assert "not an MRC file" in errors["TS_2"]
    assert "the engine died over it" in errors["TS_4"] and "Loading tomoscore" in errors["TS_4"]
    starts = engine_log()
    first, second = sorted(starts, key=lambda start: start["begin"])[:2]
    assert second["begin"] < first["end"]
    seen = {(start["gpus"], start["device"]) for start in (first, second)}
    if each_step:
        assert seen == {("0", "cuda:0"), ("1", "cuda:0")}
    else:
        assert seen == {("0,1", "cuda:0"), ("0,1", "cuda:1")}
    slurm.until(lambda: not slurm.jobs())


@MODES
def test_stop_cancels_the_jobs_and_continue_scores_the_rest(
    lab, slurm, held, engine_log, each_step
):
    protocol = protocol_for(held, lab, each_step)
    until_held(lab, protocol)
    assert len(slurm.jobs()) == 1
    lab.project.stopProtocol(protocol)
    assert protocol.isAborted()
    slurm.until(lambda: not slurm.jobs() and not lab.processes(protocol))
    assert ids(protocol, "scoredTomograms") == ["TS_0", "TS_1"]
    continued(lab, protocol, engine_log)


def continued(lab, protocol, engine_log):
    """Continue the run; checks that only the remaining tomograms are scored."""
    lab.open_gate("engine")
    lab.resume(protocol, wait=False)
    ended(lab, protocol)
    assert protocol.isFinished(), log_of(protocol)
    assert ids(protocol, "scoredTomograms") == [f"TS_{number}" for number in range(4)]
    assert not hasattr(protocol, "failedTomograms")
    (start,) = engine_log()  # written at an engine's end, which the first one did not reach
    assert sorted(start["ids"]) == ["TS_2", "TS_3"]


def lose_job(how, slurm, lab, protocol):
    """Cancel the job, kill its node or requeue it; returns the job's number.

    Returns only after the processes of the job are gone.
    """
    (job,) = slurm.jobs()
    working = map(psutil.Process, lab.processes(protocol))
    engines = {process.pid for process in working if "--job" in process.cmdline()}
    if how == "cancelled":
        run("scancel", str(job))
    elif how == "node":
        slurm.kill_node(slurm.jobs()[job])
    else:
        slurm.requeue(job)
    slurm.until(lambda: not engines & set(lab.processes(protocol)))
    return job


@pytest.fixture
def nodes_up(slurm):
    """Start both nodes again after the test."""
    yield
    for node in ("one", "two"):
        slurm.start_node(node)


@pytest.mark.parametrize("how", ["cancelled", "node"])
def test_a_lost_job_of_the_whole_protocol_fails_it_and_continue_resumes(
    lab, slurm, held, engine_log, nodes_up, how
):
    protocol = protocol_for(held, lab, each_step=False)
    until_held(lab, protocol)
    job = lose_job(how, slurm, lab, protocol)
    ended(lab, protocol)
    assert protocol.isFailed()
    assert f"JOB ID {job} not found running on the queue engine" in protocol.getErrorMessage()
    lab.until(lambda: not lab.processes(protocol), protocol)
    assert ids(protocol, "scoredTomograms") == ["TS_0", "TS_1"]
    continued(lab, protocol, engine_log)


@pytest.mark.parametrize("how", ["cancelled", "node", "requeued"])
def test_a_lost_job_of_a_batch_is_submitted_again_for_the_rest(
    lab, slurm, held, engine_log, nodes_up, how
):
    protocol = protocol_for(held, lab, each_step=True)
    until_held(lab, protocol)
    lose_job(how, slurm, lab, protocol)
    lab.open_gate("engine")
    ended(lab, protocol)
    assert protocol.isFinished(), log_of(protocol)
    assert ids(protocol, "scoredTomograms") == [f"TS_{number}" for number in range(4)]
    assert not hasattr(protocol, "failedTomograms")
    (start,) = engine_log()
    assert sorted(start["ids"]) == ["TS_2", "TS_3"]


def test_repeatedly_cancelled_jobs_fail_the_protocol_and_continue_resumes(lab, slurm, monkeypatch):
    monkeypatch.setenv("FAKE_SECONDS", "1000")
    source = lab.source([lab.tomogram(f"TS_{number}", 3.0) for number in range(4)])
    protocol = protocol_for(source, lab, each_step=True)
    for _ in range(2):
        lab.until(slurm.jobs, protocol)
        run("scancel", *map(str, slurm.jobs()))
        slurm.until(lambda: not slurm.jobs())
    ended(lab, protocol)
    assert protocol.isFailed()
    message = protocol.getErrorMessage()
    assert "ended twice without a result: nothing (was it killed, or its job canc" in message
    monkeypatch.setenv("FAKE_SECONDS", "0")
    lab.resume(protocol, wait=False)
    ended(lab, protocol)
    assert ids(protocol, "acceptedTomograms") == [f"TS_{number}" for number in range(4)], log_of(
        protocol
    )
