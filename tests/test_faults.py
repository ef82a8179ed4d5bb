# SPDX-License-Identifier: GPL-3.0-or-later
"""The real engine with bad tomograms, bad jobs and full disks: messages and saved results."""

import json
import os
import re
import resource
import signal
import subprocess
import threading
import time
from pathlib import Path

import bad_tomograms
import numpy as np
import pytest
from bad_tomograms import LIKE_VALID, ONLY_VOXEL_SIZE, REFUSED, SCORED, WITHOUT_CONTENT
from faulty_worlds import FAKE, TOMOSCORE, on_small_disk, run, unprivileged

from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.record_files import read_records
from tomoscore_scipion.running import worker
from tomoscore_scipion.running.scoring import Scoring


@pytest.fixture(scope="module")
def batch(tmp_path_factory, random_weights):
    """A batch of all bad and unusual files and then a valid one, and a second batch."""
    folder = tmp_path_factory.mktemp("bad")
    paths = bad_tomograms.make_all(folder)
    last = folder / "last.mrc"
    last.write_bytes(bad_tomograms.content())
    score = [*TOMOSCORE, "score", "--device", "cpu", "--weights", random_weights]
    command = [*score, *paths.values(), last, "--output", "results.jsonl", "--csv", "scores.csv"]
    return folder, run(unprivileged(command), cwd=folder)


@pytest.fixture(scope="module")
def records(batch):
    return {record.ts_id: record for record in read_records(str(batch[0] / "results.jsonl"))}


def record_of(records, name):
    return records[name.replace(" ", "-")]


@pytest.mark.parametrize("name", REFUSED)
def test_an_invalid_tomogram_is_refused_with_the_reason(batch, records, name):
    record = record_of(records, name)
    assert record.status == "failed"
    assert record.error.startswith(f"{record.path}: ")
    assert REFUSED[name][1] in record.error
    assert f"{record.ts_id}: failed: {record.path}" in batch[1].stderr
    assert record.tomoscore is None and record.curve is None


@pytest.mark.parametrize("name", SCORED)
def test_an_unusual_tomogram_is_scored_with_a_warning(records, name):
    record = record_of(records, name)
    assert record.status == "ok", record.error
    says = SCORED[name][1]
    assert says is None or any(says in warning for warning in record.warnings)
    assert (record.tomoscore == 0) or name not in WITHOUT_CONTENT
    if name in LIKE_VALID:
        assert record.tomoscore == record_of(records, "sound").tomoscore


def test_a_batch_with_invalid_tomograms_scores_the_others(batch, records):
    folder, done = batch
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert len(records) == len(REFUSED) + len(SCORED) + 1
    assert not re.search(r": (NaN|-?Infinity)", (folder / "results.jsonl").read_text())
    assert records["last"].tomoscore == records["sound"].tomoscore
    assert len((folder / "scores.csv").read_text().splitlines()) == len(records) + 1
    assert not list(folder.glob(".tomoscore-*"))


def test_a_job_with_invalid_tomograms_exits_0_and_scores_the_others(tmp_path, random_weights):
    paths = bad_tomograms.make_all(tmp_path)
    names = ["cut off", "sound", *ONLY_VOXEL_SIZE]
    entries = [
        {"ts_id": name, "path": str(paths[name]), "voxel_size_angstrom": size}
        for name, size in zip(names, [None, None, *(16.0 for _ in ONLY_VOXEL_SIZE)])
    ]
    job = {"schema": 1, "weights": str(random_weights), "device": "cpu", "tomograms": entries}
    (tmp_path / "job.json").write_text(json.dumps(job))
    done = run([*TOMOSCORE, "score", "--job", "job.json", "--output", "r.jsonl"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    records = {r.ts_id: r for r in read_records(str(tmp_path / "r.jsonl"))}
    assert records["cut off"].status == "failed"
    # With a given voxel size, an invalid one in the header is only a warning.
    for name in ONLY_VOXEL_SIZE:
        assert records[name].tomoscore == records["sound"].tomoscore
        assert any("the given 16 A is used" in warning for warning in records[name].warnings)


@pytest.mark.parametrize("how", ["truncated", "rewritten", "removed"])
def test_a_file_changed_while_it_is_read_does_not_affect_the_others(
    tmp_path, monkeypatch, random_weights, how
):
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        Path(f"{name}.mrc").write_bytes(bad_tomograms.content(bad_tomograms.texture((60, 48, 48))))
    changes = {
        "truncated": lambda: os.truncate("b.mrc", 30_000),
        "rewritten": lambda: Path("b.mrc").write_bytes(bad_tomograms.content()),
        "removed": lambda: os.unlink("b.mrc"),
    }
    begun, records = [], []

    def answer(message):
        if "bytes" in message:
            begun.append(message)
        if "slices" in message and len(begun) == 2 and message["slices"][0] == 1:
            changes[how]()
        if "record" in message:
            records.append(Score.from_dict(message["record"]))

    start = {"weights": str(random_weights), "device": "cpu", "threads": None, "debug": False}
    start["work"] = Scoring().as_request()
    tomograms = [{"ts_id": n, "path": f"{n}.mrc", "voxel_size_angstrom": None} for n in "abc"]
    worker.serve(map(json.dumps, [start, *tomograms]), answer)
    one, changed, other = records
    assert (one.status, other.status) == ("ok", "ok")
    if how == "removed":  # an open file can still be read to its end
        assert changed.tomoscore == one.tomoscore
    else:
        assert "b.mrc: changed while it was read" in changed.error


def test_huge_dimensions_in_a_header_take_no_memory(tmp_path, random_weights):
    """Slices of 2^31 x 2^31 voxels, read in the process that holds torch and the model."""
    path = tmp_path / "huge.mrc"
    REFUSED["absurd slices"][0](path)
    start = {"weights": str(random_weights), "device": "cpu", "threads": None, "debug": False}
    start["work"] = Scoring().as_request()
    request = {"ts_id": "a", "path": str(path), "voxel_size_angstrom": None}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    given = []
    worker.serve(map(json.dumps, [start, request]), given.append)
    assert "expected slices of at most" in given[-1]["record"]["error"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB


@pytest.fixture
def fakes(tmp_path, monkeypatch):
    """The current folder, with ten .npy files for the fake scorer and a job of them."""
    monkeypatch.chdir(tmp_path)
    tomograms = []
    for number in range(10):
        np.save(f"{number}.npy", np.full(2, number / 2))
        tomograms.append({"ts_id": f"TS_{number}", "path": str(tmp_path / f"{number}.npy")})
    Path("job.json").write_text(json.dumps({"schema": 1, "tomograms": tomograms}))
    return tmp_path


JOB = ["score", "--job", "job.json", "--output"]


def complete_records(path):
    """The records of a file; checks that every line is complete."""
    text = Path(path).read_text()
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("as_job", [True, False], ids=["job", "paths"])
def test_a_full_disk_leaves_complete_records_and_the_job_resumes(fakes, as_job):
    disk, kept = fakes / "disk", fakes / "kept"
    disk.mkdir(), kept.mkdir()
    paths = [f"{number}.npy" for number in range(10)]
    score = [*FAKE, *(JOB if as_job else ["score", *paths, "--output"]), disk / "r.jsonl"]
    full = run(on_small_disk(disk, "4k", score, kept), cwd=fakes)
    assert full.returncode == 1, full.stderr
    assert "r.jsonl: No space left on device" in full.stderr
    written = complete_records(kept / "r.jsonl")
    assert 0 < len(written) < 10
    assert os.listdir(kept) == ["r.jsonl"]
    if as_job:
        assert run([*FAKE, *JOB, kept / "r.jsonl"], cwd=fakes).returncode == 0
        finished = complete_records(kept / "r.jsonl")
        assert finished[: len(written)] == written
        assert [r["ts_id"] for r in finished] == [f"TS_{n}" for n in range(10)]


def test_a_read_only_folder_allows_scoring_but_no_results_file(fakes):
    fakes.chmod(0o555)
    try:
        refused = run(unprivileged([*FAKE, *JOB, "r.jsonl"]), cwd=fakes)
        assert refused.returncode == 1
        assert "cannot write r.jsonl: Permission denied: name a file that" in refused.stderr
        scored = run(unprivileged([*FAKE, "score", "3.npy"]), cwd=fakes)
        assert scored.returncode == 0
        assert "1.50" in scored.stdout
    finally:
        fakes.chmod(0o755)


def test_insufficient_memory_fails_only_one_tomogram(fakes):
    np.save("grows.npy", np.ones(2))
    done = run([*FAKE, "score", "1.npy", "grows.npy", "2.npy", "--output", "r.jsonl"], cwd=fakes)
    assert done.returncode == 3
    one, failed, other = complete_records("r.jsonl")
    assert (one["tomoscore"], other["tomoscore"]) == (0.5, 1.0)
    assert failed["error"].startswith("MemoryError: the memory did not suffice")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_process_group_stops_the_batch_cleanly(fakes, signum):
    """All processes get the signal, as from Ctrl-C in a terminal or from a scheduler."""
    np.save("hang.npy", np.ones(2))
    command = [*FAKE, "score", "1.npy", "hang.npy", "2.npy", "--output", "r.jsonl"]
    started = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, process_group=0
    )
    lines = []
    with started:
        for line in started.stderr:
            lines.append(line)
            if line.startswith("[1/3]"):
                break
        os.killpg(started.pid, signum)
        lines += started.stderr
        assert started.wait(300) == 130
    assert lines[-1] == "tomoscore: stopped: 1 of 3 tomograms are done\n"
    assert not any("Traceback" in line for line in lines)
    assert [r["ts_id"] for r in complete_records("r.jsonl")] == ["1.npy"]


def test_two_runs_with_the_same_output_leave_one_complete_file(fakes):
    started = [
        subprocess.Popen([*FAKE, "score", *paths, "--output", "r.jsonl", "--quiet"])
        for paths in (["1.npy", "2.npy"], ["3.npy", "4.npy", "5.npy"])
    ]
    assert [process.wait(600) for process in started] == [0, 0]
    found = [r["ts_id"] for r in complete_records("r.jsonl")]
    assert found in (["1.npy", "2.npy"], ["3.npy", "4.npy", "5.npy"])
    assert not list(fakes.glob(".tomoscore-*"))


def test_a_results_file_never_has_incomplete_lines(fakes):
    seen = set()
    over = threading.Event()

    def look():
        while not over.is_set():
            if os.path.exists("r.jsonl"):
                seen.add(len(complete_records("r.jsonl")))
            time.sleep(0.001)

    reader = threading.Thread(target=look)
    reader.start()
    try:
        assert run([*FAKE, *JOB, "r.jsonl"], cwd=fakes).returncode == 0
    finally:
        over.set()
        reader.join()
    assert len(complete_records("r.jsonl")) == 10
    assert seen <= set(range(11))
