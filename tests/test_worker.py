# SPDX-License-Identifier: GPL-3.0-or-later
"""The scoring process: its answers, and its end together with the parent process."""

import json
import subprocess
import sys
import types

import numpy as np
import pytest
import scoring_fakes
from scoring_fakes import MODEL, FakeScorer, as_module

from tomoscore_scipion import __version__
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.running import worker
from tomoscore_scipion.running.scoring import Scoring

START = {
    "weights": None,
    "device": "auto",
    "threads": None,
    "debug": False,
    "work": Scoring().as_request(),
}
READY = {"ready": {"model": MODEL, "device": "cpu", "notices": list(FakeScorer.notices)}}


@pytest.fixture
def answers(tmp_path, monkeypatch):
    """Function that sends tomograms to a worker; returns its answers, the first on loading."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "tomoscore_scipion.model.scorer", as_module())
    np.save("a.npy", np.full((2, 2), 1.5))

    def ask(*paths, **start):
        requests = [{**START, **start}]
        requests += [{"ts_id": "TS_01", "path": p, "voxel_size_angstrom": 13.0} for p in paths]
        given = []
        worker.serve(map(json.dumps, requests), given.append)
        return json.loads(json.dumps(given))

    return ask


def test_the_first_answer_describes_the_loaded_model(answers):
    assert answers() == [READY]


def test_answers_are_file_size_progress_and_record(answers, tmp_path):
    ready, size, *slices, last = answers("a.npy")
    assert ready == READY
    assert size == {"bytes": (tmp_path / "a.npy").stat().st_size}
    assert slices == [{"slices": [done, 3]} for done in (1, 2, 3)]
    record = Score.from_dict(last["record"])
    assert (record.ts_id, record.path, record.tomoscore) == ("TS_01", "a.npy", 1.5)
    assert record.voxel_size_angstrom == 13.0
    assert last["reusable"]


@pytest.mark.parametrize(
    ("name", "error", "reusable"),
    [
        ("none.npy", "none.npy: no such file", True),
        ("nul\0.npy", "nul\0.npy: no such file", True),
        ("memory.npy", "MemoryError: the memory did not suffice", False),
        ("bug.npy", "ZeroDivisionError: division by zero (unexpected; --debug shows where)", False),
    ],
)
def test_a_failed_record_has_its_reason_and_whether_the_process_is_reusable(
    answers, name, error, reusable
):
    _, _, failed = answers(name)
    record = Score.from_dict(failed["record"])
    assert (record.ts_id, record.path, record.status, record.error) == (
        "TS_01",
        name,
        "failed",
        error,
    )
    assert (record.model, record.engine_version, record.device) == (MODEL, __version__, "cpu")
    assert failed["reusable"] is reusable


def test_the_worker_answers_the_next_request_after_a_failure(answers):
    statuses = [a["record"]["status"] for a in answers("none.npy", "a.npy") if "record" in a]
    assert statuses == ["failed", "ok"]


def test_debug_prints_the_traceback_of_a_failure(answers, capsys):
    answers("none.npy")
    assert capsys.readouterr().err == ""
    answers("none.npy", debug=True)
    assert "TomogramError: none.npy: no such file" in capsys.readouterr().err


def test_weights_that_cannot_be_loaded_are_refused_with_the_reason(answers, capsys):
    why = "weights none.safetensors: no such file: name a .safetensors file"
    assert answers("a.npy", weights="none.safetensors") == [{"refused": why}]
    assert capsys.readouterr().err == ""
    answers(weights="none.safetensors", debug=True)
    assert "Traceback" in capsys.readouterr().err


def test_a_missing_package_is_named(answers, tmp_path):
    (tmp_path / "no package.safetensors").touch()
    assert answers(weights="no package.safetensors") == [{"missing_package": "no_such_package"}]


def test_a_missing_module_of_tomoscore_is_not_a_missing_package(answers, monkeypatch):
    class Broken(FakeScorer):
        @classmethod
        def load(cls, weights=None, device="auto"):
            import tomoscore_scipion.no_such_module  # noqa: F401

    monkeypatch.setitem(sys.modules, "tomoscore_scipion.model.scorer", as_module(Broken))
    with pytest.raises(ModuleNotFoundError):
        answers()


def test_threads_are_limited(answers, monkeypatch):
    torch = types.ModuleType("torch")
    limits = []
    torch.set_num_threads = limits.append
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert answers(threads=2) == [READY]
    assert limits == [2]


@pytest.fixture
def process(tmp_path):
    """The process with its pipes, in a folder with prints.npy and hang.npy."""
    for name in ("prints.npy", "hang.npy"):
        np.save(tmp_path / name, np.ones(2))
    started = subprocess.Popen(
        scoring_fakes.command(),
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with started:
        yield started
        started.kill()


def ask(process, message):
    process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()


def test_output_of_libraries_is_not_among_the_answers(process):
    ask(process, START)
    ask(process, {"ts_id": "a", "path": "prints.npy", "voxel_size_angstrom": None})
    kinds = [list(json.loads(process.stdout.readline())) for _ in range(6)]
    assert kinds == [["ready"], ["bytes"], *[["slices"]] * 3, ["record", "reusable"]]
    process.stdin.close()
    said = process.stderr.read()
    assert "and so does its C code" in said
    assert process.stdout.read() == ""


def test_the_worker_ends_with_its_parent_process(process):
    ask(process, START)
    assert json.loads(process.stdout.readline()) == READY
    ask(process, {"ts_id": "a", "path": "hang.npy", "voxel_size_angstrom": None})
    assert "bytes" in json.loads(process.stdout.readline())
    process.stdin.close()
    assert process.wait(60) == 0
