# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore dose` survives a crash of its worker process; one crash fails one tilt series."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import scoring_fakes
from faulty_worlds import FAKE, run

from tomoscore_scipion.commands.cli import main
from tomoscore_scipion.records.dose_record import DoseRecord
from tomoscore_scipion.records.dose_source_files import Sources
from tomoscore_scipion.running import batch, supervisor
from tomoscore_scipion.running.dose_analysis import DoseAnalysis, SeriesTask
from tomoscore_scipion.running.supervisor import Supervisor

COMMAND = ["dose", "--job", "job.json", "--output", "d.jsonl"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The current folder, with stacks a.npy, b.npy, c.npy of optimum dose 10, 20, 30."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(supervisor, "command", scoring_fakes.command)
    for name, value in (("a", 10.0), ("b", 20.0), ("c", 30.0)):
        np.save(f"{name}.npy", np.full((2, 2), value))
    return tmp_path


def write_job(*names, **changes):
    entries = [{"ts_id": name, "stack": f"{name}.npy", "tlt": "t.tlt"} for name in names]
    Path("job.json").write_text(json.dumps({"schema": 1, "tilt_series": entries, **changes}))


def records():
    return [DoseRecord.from_json(line) for line in Path("d.jsonl").read_text().splitlines()]


def statuses():
    return [(record.ts_id, record.status) for record in records()]


FAULTS = {
    "none": "none.npy: no such file",
    "memory": "MemoryError: the memory did not suffice",
    "GPU memory": "the GPU's memory did not suffice: free it, or choose another device "
    "(--device cpu) (CUDA out of memory.)",
    "bug": "ZeroDivisionError: division by zero (unexpected; --debug shows where)",
    "killed": "killed.npy: the process that analysed it was killed (SIGKILL); most likely the "
    "memory ran out: close other programs, ask the scheduler for more memory, or bin the stack",
    "crash": "crash.npy: the process that analysed it crashed (SIGSEGV); what was printed before "
    "(standard error) says more: please report it",
    "exit": "exit.npy: the process that analysed it ended with exit status 7; what was printed "
    "before (standard error) says more: please report it",
}


def test_a_fault_fails_only_its_series_and_the_job_ends_with_0(capfd):
    write_job("a", *FAULTS, "b")
    assert main(COMMAND) == 0
    first, *failed, last = records()
    assert (first.status, last.status) == ("ok", "ok")
    assert {record.ts_id: record.error for record in failed} == FAULTS
    assert all(record.model == scoring_fakes.MODEL for record in failed)
    out, err = capfd.readouterr()
    assert "killed  " in out and "Failed:" in out and "Warnings:" in out
    assert f"[{len(FAULTS) + 2}/{len(FAULTS) + 2}] b: best at 20.0 e/A^2" in err


def test_a_hanging_series_is_ended_and_the_others_are_analysed():
    write_job("a", "hang", "b")
    assert main([*COMMAND, "--timeout", "15", "--quiet"]) == 0
    assert statuses() == [("a", "ok"), ("hang", "failed"), ("b", "ok")]
    assert "gave no answer within 15 s" in records()[1].error
    assert "--timeout gives it longer" in records()[1].error


def test_the_timeout_grows_with_the_size_of_the_stack(monkeypatch):
    monkeypatch.setattr(DoseAnalysis, "min_timeout_s", 4.0)
    monkeypatch.setattr(DoseAnalysis, "timeout_s_per_byte", 1e-3)
    Path("hang.npy").write_bytes(bytes(2000))
    found = []
    with Supervisor(DoseAnalysis()) as supervised:
        batch.run(supervised, [SeriesTask(Sources("a", "hang.npy"))], found.append)
    assert "gave no answer within 6 s" in found[0].error


def test_a_second_run_analyses_failed_and_missing_series(capsys):
    write_job("a", "none")
    assert main(COMMAND) == 0
    first = Path("d.jsonl").read_text().splitlines()[0]
    np.save("none.npy", np.full(2, 40.0))
    write_job("a", "none", "c")
    capsys.readouterr()
    assert main([*COMMAND, "--csv", "d.csv"]) == 0
    assert statuses() == [("a", "ok"), ("none", "ok"), ("c", "ok")]
    assert Path("d.jsonl").read_text().splitlines()[0] == first
    assert "1 of 3 tilt series are in d.jsonl already" in capsys.readouterr().err
    assert len(Path("d.csv").read_text().splitlines()) == 1 + 3 * 3


@pytest.mark.parametrize("name", ["interrupt", "terminate", "hang up"])
def test_a_stop_keeps_finished_results(capsys, name):
    write_job("a", name, "b")
    np.save(f"{name}.npy", np.ones(2))
    assert main(COMMAND) == 130
    assert statuses() == [("a", "ok")]
    assert "stopped: 1 of 3 tilt series are done" in capsys.readouterr().err


def test_a_lost_gpu_stops_the_job_and_finished_results_are_kept(monkeypatch, capsys):
    monkeypatch.setenv("GPU_LOST", str(Path("lost").absolute()))
    Path("of a GPU.safetensors").touch()
    write_job("a", "lost GPU", "b", weights="of a GPU.safetensors", device="cuda:0")
    assert main(COMMAND) == 1
    assert statuses() == [("a", "ok"), ("lost GPU", "failed")]
    assert "device cuda:0: found no GPU" in capsys.readouterr().err


@pytest.mark.parametrize(("stack", "status"), [("a.npy", 0), ("none.npy", 3), ("killed.npy", 3)])
def test_a_single_series_has_a_record_and_a_status(stack, status, capfd):
    argv = ["dose", stack, "--tlt", "t.tlt", "--doses", "d.txt", "--output", "d.json"]
    assert main(argv) == status
    record = DoseRecord.load("d.json")
    assert record.ts_id == stack and (record.status == "ok") == (status == 0)
    out, err = capfd.readouterr()
    assert ("warning: a stack like any other" in out) == (status == 0)
    assert record.error is None or record.error in err


def test_sources_of_a_series_reach_the_process_unchanged():
    work = DoseAnalysis(flip_phases=True)
    sources = Sources("a", "s.mrc", xf="x", pixel_angstrom=3.0, excluded=(1, 4))
    task = SeriesTask(sources, "p.mrc")
    from dataclasses import asdict

    from tomoscore_scipion.running.work import work_from

    assert work.item_of(json.loads(json.dumps(asdict(task)))) == task
    assert work_from(json.loads(json.dumps(work.as_request()))) == work


def is_running(pid):
    """Whether a process exists and is not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_a_killed_engine_keeps_finished_results_and_leaves_no_process():
    names = [str(number) for number in range(8)]
    for name in names:
        np.save(f"{name}.npy", np.full(2, 5.0))
    write_job(*names)
    environ = {**os.environ, "FAKE_SECONDS": "0.5"}
    process = subprocess.Popen([*FAKE, *COMMAND], stderr=subprocess.DEVNULL, env=environ)
    with process:
        end = time.monotonic() + 300
        while time.monotonic() < end and not (os.path.exists("d.jsonl") and len(records()) >= 2):
            time.sleep(0.05)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(signal.SIGKILL)
    before = Path("d.jsonl").read_text().splitlines()
    assert 2 <= len(before) < len(names) and children
    end = time.monotonic() + 60
    while any(map(is_running, children)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(is_running, children))
    assert run([*FAKE, *COMMAND, "--quiet"]).returncode == 0
    assert [ts_id for ts_id, _ in statuses()] == names
    assert Path("d.jsonl").read_text().splitlines()[: len(before)] == before
