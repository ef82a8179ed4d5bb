# SPDX-License-Identifier: GPL-3.0-or-later
"""A job killed at any moment loses no finished tomogram and duplicates none."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from faulty_worlds import FAKE, run

COUNT = 12
COMMAND = [*FAKE, "score", "--job", "job.json", "--output", "r.jsonl", "--csv", "s.csv", "--quiet"]


@pytest.fixture
def job(tmp_path, monkeypatch):
    """The current folder, with a job of twelve slow tomograms."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAKE_SECONDS", "0.2")
    tomograms = []
    for number in range(COUNT):
        np.save(f"{number}.npy", np.full(2, number / 3))
        tomograms.append({"ts_id": f"TS_{number}", "path": f"{number}.npy"})
    Path("job.json").write_text(json.dumps({"schema": 1, "tomograms": tomograms}))
    return tmp_path


def finished():
    """{ts_id: line} of the complete lines of the results; checks that ids are unique."""
    if not os.path.exists("r.jsonl"):
        return {}
    lines = Path("r.jsonl").read_bytes().split(b"\n")[:-1]
    found = {json.loads(line)["ts_id"]: line for line in lines}
    assert len(found) == len(lines)
    return found


def workers_of(pid):
    """The processes that a process started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children]


def wait_for(condition, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.05)


def is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def kill_after(records):
    """Start the job, kill it after a number of records, and return its worker processes."""
    process = subprocess.Popen(COMMAND, stderr=subprocess.DEVNULL)
    with process:
        wait_for(lambda: len(finished()) >= records or process.poll() is not None)
        workers = workers_of(process.pid) if process.poll() is None else []
        process.kill()
    return workers


def uninterrupted(folder):
    """Results of an uninterrupted run."""
    command = [*COMMAND[:-3], "--quiet"]
    command[command.index("r.jsonl")] = str(folder / "calm.jsonl")
    assert run(command).returncode == 0
    return dict(
        (record["ts_id"], record["tomoscore"])
        for record in map(json.loads, (folder / "calm.jsonl").read_text().splitlines())
    )


def test_a_killed_job_keeps_finished_records_and_scores_the_others_once(job):
    workers = kill_after(3)
    before = finished()
    assert 3 <= len(before) < COUNT
    for worker in workers:  # workers end with the command that started them
        wait_for(lambda pid=worker: is_gone(pid))
    assert run(COMMAND).returncode == 0
    after = finished()
    assert {name: after[name] for name in before} == before
    assert list(after) == [f"TS_{n}" for n in range(COUNT)]
    assert len(Path("s.csv").read_text().splitlines()) == COUNT + 1
    assert {n: json.loads(line)["tomoscore"] for n, line in after.items()} == uninterrupted(job)


def test_killing_the_scoring_process_fails_only_one_tomogram(job):
    process = subprocess.Popen(COMMAND, stderr=subprocess.DEVNULL)
    with process:
        wait_for(lambda: len(finished()) >= 2)
        os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    assert process.returncode == 0
    records = [json.loads(line) for line in finished().values()]
    failed = [record for record in records if record["status"] == "failed"]
    assert len(records) == COUNT
    assert len(failed) == 1 and "was killed (SIGKILL)" in failed[0]["error"]
    assert run(COMMAND).returncode == 0  # the failed tomogram is scored again
    assert all(json.loads(line)["status"] == "ok" for line in finished().values())


def test_an_incomplete_last_line_is_written_again(job):
    assert run(COMMAND).returncode == 0
    whole = finished()
    for cut in (1, 20, len(whole["TS_11"])):
        Path("r.jsonl").write_bytes(Path("r.jsonl").read_bytes()[:-cut])
        assert run(COMMAND).returncode == 0
        assert list(finished()) == list(whole)


def test_a_kill_before_results_are_complete_keeps_the_old_file(job):
    Path("r.jsonl").write_text("old\n")
    paths = [f"{number}.npy" for number in range(COUNT)]
    process = subprocess.Popen([*FAKE, "score", *paths, "--output", "r.jsonl", "--quiet"])
    with process:
        wait_for(lambda: any(p.stat().st_size for p in job.glob(".tomoscore-*.partial")))
        process.kill()
    assert Path("r.jsonl").read_text() == "old\n"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_ten_kills_at_random_times_neither_lose_nor_duplicate_records(job, seed):
    rng = random.Random(seed)
    seen = {}
    for _ in range(10):
        process = subprocess.Popen(COMMAND, stderr=subprocess.DEVNULL)
        with process:
            time.sleep(rng.uniform(0.0, 1.5))
            process.kill()
        now = finished()
        assert {name: now[name] for name in seen} == seen
        seen = now
    assert run(COMMAND).returncode == 0
    assert list(finished())[: len(seen)] == list(seen)
    scores = {name: json.loads(line)["tomoscore"] for name, line in finished().items()}
    assert scores == uninterrupted(job)
