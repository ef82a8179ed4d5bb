# SPDX-License-Identifier: GPL-3.0-or-later
"""A batch survives a crash of the scoring process; a crash fails only one tomogram."""

import gc
import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import scoring_fakes
from scoring_fakes import MODEL, FakeScorer

from tomoscore_scipion import __version__
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.job import Tomogram
from tomoscore_scipion.running import batch, helper_process, supervisor
from tomoscore_scipion.running.helper_process import HelperProcess, NoAnswerError, TimeLimit
from tomoscore_scipion.running.progress import Silent
from tomoscore_scipion.running.scoring import Scoring
from tomoscore_scipion.running.stopping import no_check
from tomoscore_scipion.running.supervisor import Supervisor


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The current folder, with a.npy, b.npy, c.npy of score 1, 2, 3, and a fake scorer."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(supervisor, "command", scoring_fakes.command)
    for name, value in (("a", 1.0), ("b", 2.0), ("c", 3.0)):
        np.save(f"{name}.npy", np.full((2, 2), value))
    return tmp_path


class Started(Silent):
    """Records the process that scores each tomogram."""

    def __init__(self, scoring):
        self.scoring = scoring
        self.pids = []

    def slices(self, done, total):
        if done == total:
            self.pids.append(self.scoring._process.pid)


def run(*paths, **how):
    """The records of a batch, and the processes that scored them."""
    records = []
    with Supervisor(Scoring(), **how) as scoring:
        started = Started(scoring)
        batch.run(scoring, [Tomogram(p, p) for p in paths], records.append, started)
    assert [(r.ts_id, r.path) for r in records] == [(p, p) for p in paths]
    return records, started.pids


def test_one_process_scores_the_whole_batch():
    records, pids = run("a.npy", "b.npy", "c.npy")
    assert [r.tomoscore for r in records] == [1.0, 2.0, 3.0]
    assert len(pids) == 3
    assert len(set(pids)) == 1


def test_the_process_ends_with_the_batch():
    _, (pid,) = run("a.npy")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("none.npy", "none.npy: no such file"),
        ("memory.npy", "MemoryError: the memory did not suffice"),
        ("bug.npy", "ZeroDivisionError: division by zero (unexpected; --debug shows where)"),
        (
            "killed.npy",
            "killed.npy: the process that scored it was killed (SIGKILL); most likely the memory "
            "ran out: close other programs, ask the scheduler for more memory, or bin the tomogram",
        ),
        (
            "crash.npy",
            "crash.npy: the process that scored it crashed (SIGSEGV); what was printed before "
            "(standard error) says more: please report it",
        ),
        (
            "exit.npy",
            "exit.npy: the process that scored it ended with exit status 7; what was printed "
            "before (standard error) says more: please report it",
        ),
    ],
)
def test_an_error_or_a_crash_fails_only_one_tomogram(name, error):
    records, pids = run("a.npy", name, "b.npy")
    assert [r.status for r in records] == ["ok", "failed", "ok"]
    failed = records[1]
    assert failed.error == error
    assert (failed.model, failed.engine_version, failed.device) == (MODEL, __version__, "cpu")
    assert failed.seconds >= 0
    assert (len(set(pids)) == 1) is (name == "none.npy")


def test_a_hanging_process_is_killed_and_fails_only_one_tomogram():
    records, pids = run("a.npy", "hang.npy", "b.npy", timeout_s=5.0)
    assert [r.status for r in records] == ["ok", "failed", "ok"]
    assert records[1].error == (
        "hang.npy: the process that scored it gave no answer within 5 s; is the disk answering, "
        "and the GPU (nvidia-smi)? --timeout gives it longer"
    )
    assert len(set(pids)) == 2


def test_a_larger_file_gets_more_time(monkeypatch):
    monkeypatch.setattr(Scoring, "min_timeout_s", 4.0)
    monkeypatch.setattr(Scoring, "timeout_s_per_byte", 1e-3)
    Path("hang.npy").write_bytes(bytes(2000))
    (record,), _ = run("hang.npy")
    assert "gave no answer within 6 s" in record.error


def test_a_process_that_died_while_idle_is_replaced():
    with Supervisor(Scoring()) as scoring:
        os.kill(scoring._process.pid, signal.SIGKILL)
        scoring._process._process.wait()
        assert scoring.process(Tomogram("a", "a.npy")).tomoscore == 1.0


def test_a_batch_ends_if_every_tomogram_kills_the_process():
    records, _ = run("killed.npy", "killed.npy", "exit.npy")
    assert [r.status for r in records] == ["failed"] * 3


def test_a_lost_gpu_fails_one_tomogram_and_stops_the_batch(monkeypatch, tmp_path):
    monkeypatch.setenv("GPU_LOST", str(tmp_path / "lost"))
    Path("of a GPU.safetensors").touch()
    records = []
    tomograms = [Tomogram(n, n) for n in ("a.npy", "lost GPU.npy", "b.npy", "c.npy")]
    with Supervisor(
        Scoring(), weights="of a GPU.safetensors", device="cuda:0"
    ) as scoring, pytest.raises(StartError, match="device cuda:0: found no GPU"):
        batch.run(scoring, tomograms, records.append)
    assert [r.status for r in records] == ["ok", "failed"]
    assert "CUDA error: unspecified launch failure" in records[1].error


def test_a_replacement_process_uses_the_same_device(monkeypatch):
    requested = []
    monkeypatch.setattr(FakeScorer, "notices", ())
    with Supervisor(Scoring(), device="auto") as scoring:
        assert scoring.device == "cpu"
        send = HelperProcess.send
        monkeypatch.setattr(
            HelperProcess,
            "send",
            lambda self, m: (requested.append(m.get("device")), send(self, m)),
        )
        scoring.process(Tomogram("a", "killed.npy"))
        scoring.process(Tomogram("a", "a.npy"))
    assert requested == [None, "cpu", None]


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ("killed", r"the process that loads the model was killed \(SIGKILL\); .* memory ran out"),
        ("bug", "the process that loads the model ended with exit status 1; what was printed"),
        ("hang", "the process that loads the model gave no answer within 4 s; is the disk"),
    ],
)
def test_a_process_that_fails_to_load_the_model_is_a_start_error(monkeypatch, weights, says):
    monkeypatch.setattr(supervisor, "LOAD_S", 4.0)
    Path(f"{weights}.safetensors").touch()
    with pytest.raises(StartError, match=says), Supervisor(
        Scoring(), weights=f"{weights}.safetensors"
    ):
        pass


def test_a_process_that_cannot_be_started_is_a_start_error(monkeypatch):
    monkeypatch.setattr(supervisor, "command", lambda: ["/nonexistent/python"])
    with pytest.raises(StartError, match=r"cannot start a process .*: No such file.*\(ulimit -u"):
        Supervisor(Scoring()).start()


def test_the_message_names_a_missing_package():
    Path("no package.safetensors").touch()
    with pytest.raises(ModuleNotFoundError) as missing:
        Supervisor(Scoring(), weights="no package.safetensors").start()
    assert missing.value.name == "no_such_package"


def test_the_process_gets_the_module_search_path_of_its_parent(monkeypatch):
    monkeypatch.undo()
    assert supervisor.command()[3:] == sys.path
    assert "'" not in supervisor.WORKER  # nothing is formatted into it


def test_the_process_imports_no_modules_from_the_current_folder(folder, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", ".")])
    for name in ("torch", "json", "tomoscore_scipion"):
        Path(f"{name}.py").write_text("raise SystemExit('taken from the current folder')\n")
    with pytest.raises(StartError, match=r"none\.safetensors"):
        Supervisor(Scoring(), weights="none.safetensors", device="cpu").start()


def test_the_time_limit_ignores_large_steps():
    limit = TimeLimit(1.0)
    limit.spend(3600)  # as after Ctrl-Z or a sleep of the machine
    limit.spend(0.5)
    with pytest.raises(NoAnswerError, match="gave no answer within 1 s"):
        limit.spend(0.2)


def test_setting_the_system_clock_does_not_affect_a_batch(monkeypatch):
    monkeypatch.setattr(time, "time", iter([1e9, 0.0, 5e9] * 1000).__next__)
    records, _ = run("a.npy", "b.npy", timeout_s=60.0)
    assert [r.status for r in records] == ["ok", "ok"]
    assert all(0 <= r.seconds < 60 for r in records)


def test_an_incomplete_answer_is_an_error():
    process = HelperProcess([sys.executable, "-c", "print('{\"record\": {', end='')"])
    with pytest.raises(helper_process.ProcessEndedError, match="ended with exit status 0"):
        process.receive(TimeLimit(60), no_check)
    process.close()


def test_a_process_that_closes_its_output_is_an_error_and_killed(monkeypatch):
    monkeypatch.setattr(helper_process, "END_S", 0.5)
    process = HelperProcess([sys.executable, "-c", "import os, time; os.close(1); time.sleep(60)"])
    with pytest.raises(helper_process.ProcessEndedError, match="closed its output and hangs"):
        process.receive(TimeLimit(60), no_check)
    process.close()
    assert not process.is_alive


def test_sending_to_an_ended_process_is_an_error():
    process = HelperProcess([sys.executable, "-c", "pass"])
    process._process.wait()
    with pytest.raises(helper_process.ProcessEndedError, match="ended with exit status 0"):
        process.send({"path": "a"})
    process.close()
    process.close()


def test_an_interrupt_while_waiting_ends_the_process():
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Supervisor(Scoring()) as scoring:
        pid = scoring._process.pid
        scoring.process(Tomogram("hang", "hang.npy"), check=stop)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_batch_leaves_no_open_file_and_no_thread():
    run("a.npy")
    gc.collect()
    files, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    run("a.npy", "killed.npy", "b.npy")
    assert len(os.listdir("/proc/self/fd")) <= files  # fewer if files of earlier tests were closed
    assert threading.active_count() <= threads
