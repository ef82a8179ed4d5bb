# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: exit status, output streams, resuming, and imports."""

import csv
import json
import os
import re
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
import scoring_fakes

from tomoscore_scipion import __version__
from tomoscore_scipion.commands import info
from tomoscore_scipion.commands.cli import main
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.record_files import read_records
from tomoscore_scipion.running import supervisor

ROOT = Path(scoring_fakes.__file__).resolve().parents[1]


@pytest.fixture
def tomograms(tmp_path, monkeypatch):
    """The current folder, with a.npy, b.npy, c.npy of score 1, 2, 3."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(supervisor, "command", scoring_fakes.command)
    for name, value in (("a", 1.0), ("b", 2.0), ("c", 3.0)):
        np.save(f"{name}.npy", np.full((2, 2), value))
    return tmp_path


def write_job(*names, **changes):
    entries = [{"ts_id": n, "path": f"{n}.npy", "voxel_size_angstrom": None} for n in names]
    job = {"schema": 1, "weights": None, "device": "auto", "map_dir": None, "thumbnail_dir": None}
    Path("job.json").write_text(json.dumps({**job, "tomograms": entries, **changes}))


def ids_in(path):
    return [record.ts_id for record in read_records(path)]


def test_scores_are_shown_and_written(tomograms, capsys):
    assert main(["score", "a.npy", "b.npy", "--output", "r.jsonl", "--csv", "s.csv"]) == 0
    out, err = capsys.readouterr()
    assert "a.npy" in out
    assert "higher is better" in out
    assert "[2/2] b.npy: TomoScore 2.00 (32 nm), 1.5 s\n" in err
    assert "auto: no GPU is usable" in err
    assert [r.tomoscore for r in read_records("r.jsonl")] == [1.0, 2.0]
    with open("s.csv", newline="") as file:
        assert [row["tomoscore"] for row in csv.DictReader(file)] == ["1.0", "2.0"]
    assert sorted(os.listdir()) == ["a.npy", "b.npy", "c.npy", "r.jsonl", "s.csv"]


def test_the_report_lists_tomograms_in_the_given_order(tomograms, capsys):
    assert main(["score", "b.npy", "none.npy", "a.npy", "--report", "r.html", "--quiet"]) == 3
    assert capsys.readouterr().out == ""
    page = Path("r.html").read_text(encoding="utf-8")
    shown = json.loads(re.search(r'id="content">(.*?)</script>', page).group(1))
    assert [(t["id"], t["score"]) for t in shown["tomograms"]] == [
        ("b.npy", 2.0),
        ("none.npy", None),
        ("a.npy", 1.0),
    ]
    assert sorted(os.listdir()) == ["a.npy", "b.npy", "c.npy", "r.html"]


def test_a_stopped_batch_still_writes_the_report(tomograms):
    np.save("interrupt.npy", np.ones(2))
    assert main(["score", "a.npy", "interrupt.npy", "b.npy", "--report", "r.html"]) == 130
    assert '"id":"a.npy"' in Path("r.html").read_text(encoding="utf-8")


def test_without_output_options_only_the_table_is_printed(tomograms, capsys):
    assert main(["score", "a.npy"]) == 0
    assert "1.00" in capsys.readouterr().out
    assert sorted(os.listdir()) == ["a.npy", "b.npy", "c.npy"]


def test_options_can_stand_between_paths(tomograms):
    assert main(["score", "a.npy", "--output", "r.jsonl", "b.npy", "--quiet", "c.npy"]) == 0
    assert ids_in("r.jsonl") == ["a.npy", "b.npy", "c.npy"]


def test_a_path_can_look_like_an_option(tomograms):
    os.rename("a.npy", "--a.npy")
    assert main(["score", "--output", "r.jsonl", "--", "--a.npy"]) == 0
    assert ids_in("r.jsonl") == ["--a.npy"]


def test_a_given_voxel_size_applies_to_every_tomogram(tomograms):
    assert main(["score", "a.npy", "b.npy", "--voxel-size", "13.5", "--output", "r.jsonl"]) == 0
    assert {r.voxel_size_angstrom for r in read_records("r.jsonl")} == {13.5}


@pytest.mark.parametrize("by_job", [False, True])
def test_the_given_device_and_weights_are_loaded(tomograms, by_job):
    Path("w.safetensors").touch()
    if by_job:
        write_job("a", device="cuda:1", weights="w.safetensors")
        command = ["--job", "job.json"]
    else:
        command = ["a.npy", "--device", "cuda:1", "--weights", "w.safetensors"]
    assert main(["score", *command, "--output", "r.jsonl"]) == 0
    (record,) = read_records("r.jsonl")
    assert record.device == "cuda:1"
    assert record.model["name"] == "w.safetensors"


@pytest.mark.parametrize("name", ["none.npy", "memory.npy", "bug.npy"])
def test_a_tomogram_that_fails_does_not_stop_the_others(tomograms, capsys, name):
    assert main(["score", "a.npy", name, "b.npy", "--output", "r.jsonl"]) == 3
    records = read_records("r.jsonl")
    assert [r.status for r in records] == ["ok", "failed", "ok"]
    assert f"{name}: failed: {records[1].error}" in capsys.readouterr().err
    assert records[1].model == scoring_fakes.MODEL
    assert records[1].engine_version == __version__


def test_exit_status_is_3_if_all_tomograms_failed(tomograms):
    assert main(["score", "none.npy", "--output", "r.jsonl"]) == 3
    assert ids_in("r.jsonl") == ["none.npy"]


def test_debug_prints_the_traceback_of_a_failed_tomogram(tomograms, capfd):
    assert main(["score", "bug.npy"]) == 3
    assert "Traceback" not in capfd.readouterr().err
    assert main(["score", "bug.npy", "--debug"]) == 3
    assert "Traceback" in capfd.readouterr().err


def test_files_with_the_same_name_get_different_ids(tomograms):
    for folder in ("x", "y"):
        os.mkdir(folder)
        np.save(f"{folder}/a.npy", np.ones(2))
    assert main(["score", "x/a.npy", "y/a.npy", "--output", "r.jsonl"]) == 0
    assert ids_in("r.jsonl") == ["a.npy-x", "a.npy-y"]


def test_standard_output_has_only_the_results(tomograms, capfd):
    assert main(["score", "a.npy", "--output", "/dev/stdout"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["ts_id"] == "a.npy"
    assert "higher is better" in err


def test_standard_output_has_only_the_csv(tomograms, capfd):
    assert main(["score", "a.npy", "--csv", "/dev/stdout"]) == 0
    out, err = capfd.readouterr()
    assert len(out.splitlines()) == 2
    assert "higher is better" in err


def test_quiet_prints_errors_only(tomograms, capsys):
    assert main(["score", "a.npy", "none.npy", "--output", "r.jsonl", "--quiet"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "tomoscore: none.npy: failed: none.npy: no such file\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["score"], "name tomograms"),
        (["score", "a.npy", "--job", "job.json", "--output", "r.jsonl"], "one of the two"),
        (["score", "--job", "job.json"], "--job needs --output"),
        (["score", "--job", "j", "--output", "r", "--device", "cpu"], "--device does not go with"),
        (["score", "--job", "j", "--output", "r", "--voxel-size", "1"], "--voxel-size does not"),
        (
            ["score", "--job", "j", "--output", "r", "--half1", "h"],
            "--half1 does not go with --job",
        ),
        (["score", "a.npy", "--half1", "h"], "--half1 and --half2 go together"),
        (["score", "a", "b", "--half1", "h", "--half2", "i"], "the halves of one tomogram"),
        (["score", "a", "--tilt-range", "60", "-60"], "--tilt-range: expected [lowest, highest]"),
        (["score", "--job", "j", "--tilt-range", "-60", "60"], "--tilt-range does not go with"),
        (["score", "--job", "j", "--output", "r", "--weights", "w"], "--weights does not go"),
        (["score", "--job", "j", "--output", "r", "--thumbnails", "t"], "--thumbnails does not go"),
        (["score", "a.npy", "--quiet"], "--quiet needs --output, --csv or --report"),
        (["score", "a.npy", "--output", "r", "--csv", "./r"], "name the same file"),
        (["score", "a.npy", "--csv", "r", "--report", "./r"], "--csv and --report name the same"),
        (["score", "a.npy", "--voxel-size", "0"], "expected a number > 0, got '0'"),
        (["score", "a.npy", "--voxel-size", "nan"], "expected a number > 0, got 'nan'"),
        (["score", "a.npy", "--voxel-size", "big"], "expected a number > 0, got 'big'"),
        (["score", "a.npy", "--timeout", "0"], "expected a number > 0"),
        (["score", "a.npy", "--threads", "0"], "expected a whole number"),
        (["score", "a.npy", "--threads", "two"], "expected a whole number"),
        (["score", "a.npy", "--frobnicate"], "--frobnicate"),
        (["frobnicate"], "frobnicate"),
        ([], "COMMAND"),
    ],
)
def test_wrong_usage_exits_2_with_the_reason(tomograms, capsys, arguments, says):
    assert main(arguments) == 2
    assert says in capsys.readouterr().err
    assert sorted(os.listdir()) == ["a.npy", "b.npy", "c.npy"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["a.npy", "--weights", "none.safetensors"], "none.safetensors: no such file"),
        (["a.npy", "--output", "none/r.jsonl"], "folder .*none does not exist"),
        (["a.npy", "--output", "r.jsonl", "--csv", "none/s.csv"], "none does not exist"),
        (["a.npy", "--output", "a.npy"], "a.npy would be replaced, and is an input"),
        (["a.npy", "--report", "a.npy"], "a.npy would be replaced, and is an input"),
        (["a.npy", "--report", "none/r.html"], "none does not exist"),
        (["--job", "none.json", "--output", "r.jsonl"], "cannot read the job file none.json"),
    ],
)
def test_a_start_error_exits_1_with_one_line_and_no_output(tomograms, capsys, arguments, says):
    assert main(["score", *arguments]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert line.startswith("tomoscore: error: ")
    assert re.search(says, line)
    assert sorted(os.listdir()) == ["a.npy", "b.npy", "c.npy"]


def test_debug_prints_the_traceback_of_a_start_error(tomograms, capsys):
    assert main(["score", "--job", "none.json", "--output", "r.jsonl", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_job_exits_0_if_a_tomogram_failed(tomograms):
    write_job("a", "none", "b")
    assert main(["score", "--job", "job.json", "--output", "r.jsonl"]) == 0
    assert [(r.ts_id, r.status) for r in read_records("r.jsonl")] == [
        ("a", "ok"),
        ("none", "failed"),
        ("b", "ok"),
    ]


def test_a_job_never_overwrites_its_own_file(tomograms, capsys):
    write_job("a")
    assert main(["score", "--job", "job.json", "--output", "job.json"]) == 1
    assert "is an input" in capsys.readouterr().err


def test_a_job_resumes_and_scores_failed_tomograms_again(tomograms, capsys):
    command = ["score", "--job", "job.json", "--output", "r.jsonl", "--csv", "s.csv"]
    write_job("a", "late")
    assert main(command) == 0
    np.save("late.npy", np.full(2, 4.0))
    write_job("b", "late", "a")
    capsys.readouterr()
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert "1 of 3 tomograms are in r.jsonl already" in err
    assert [line.split(":")[0] for line in err.splitlines()[-2:]] == ["[2/3] b", "[3/3] late"]
    assert ids_in("r.jsonl") == ["a", "b", "late"]
    assert [line.split()[0] for line in out.splitlines()[2:5]] == ["b", "late", "a"]
    assert len(Path("s.csv").read_text().splitlines()) == 4


def test_a_killed_job_resumes_with_the_missing_tomograms(tomograms):
    np.save("kill.npy", np.full(2, 4.0))
    write_job("a", "b", "kill", "c")
    command = [sys.executable, scoring_fakes.__file__, "score", "--job", "job.json"]
    command += ["--output", "r.jsonl"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KILL": "1"}
    killed = subprocess.run(command, env=environment, stderr=subprocess.DEVNULL, check=False)
    assert killed.returncode == -9
    assert ids_in("r.jsonl") == ["a", "b"]
    before = Path("r.jsonl").read_text()
    assert main(command[2:]) == 0
    assert Path("r.jsonl").read_text().startswith(before)
    assert ids_in("r.jsonl") == ["a", "b", "kill", "c"]


@pytest.mark.parametrize("name", ["interrupt.npy", "terminate.npy", "hang up.npy"])
def test_a_stopped_batch_keeps_finished_records(tomograms, capsys, name):
    np.save(name, np.ones(2))
    assert main(["score", "a.npy", name, "b.npy", "--output", "r.jsonl", "--csv", "s.csv"]) == 130
    out, err = capsys.readouterr()
    assert ids_in("r.jsonl") == ["a.npy"]
    assert len(Path("s.csv").read_text().splitlines()) == 2
    assert "a.npy" in out
    assert err.endswith("tomoscore: stopped: 1 of 3 tomograms are done\n")


def test_a_stop_before_the_first_result_keeps_the_old_file(tomograms):
    Path("r.jsonl").write_text("old\n")
    assert main(["score", "interrupt.npy", "--output", "r.jsonl"]) == 130
    assert Path("r.jsonl").read_text() == "old\n"


def test_a_stop_while_the_model_loads_exits_130(tomograms, capsys):
    Path("interrupt.safetensors").touch()
    assert main(["score", "a.npy", "--weights", "interrupt.safetensors"]) == 130
    assert capsys.readouterr().err == "tomoscore: stopped\n"


def test_a_closed_pipe_gives_no_traceback(tomograms):
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, scoring_fakes.__file__, "score", "a.npy"]
    ended = subprocess.run(
        command, env=environment, stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert ended.returncode == 1
    assert b"Traceback" not in ended.stderr
    assert b"Exception ignored" not in ended.stderr


def run_python(*arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        encoding="utf-8",
    )


def test_help_and_info_import_no_heavy_package(tmp_path):
    program = (
        "import sys\n"
        "from tomoscore_scipion.commands.cli import main\n"
        "main(['--help']), main(['score', '--help']), main(['info'])\n"
        "print(sorted({'torch', 'scipy', 'pwem', 'pyworkflow'} & set(sys.modules)))"
    )
    ended = run_python("-c", program)
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[-1] == "[]"


def test_the_module_can_be_run_with_python_m():
    ended = run_python("-m", "tomoscore_scipion.engine", "--version")
    assert (ended.returncode, ended.stdout) == (0, f"tomoscore {__version__}\n")


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("score", "report", "info", "simulate", "train"))


@pytest.fixture(params=["simulate", "train"])
def lazy_command(request, monkeypatch):
    """Name of a command with fake modules, and its fake module that runs."""
    name = request.param
    arguments, run = types.ModuleType("arguments"), types.ModuleType("run")
    arguments.add_arguments = lambda parser: parser.add_argument("--seed", type=int)
    monkeypatch.setitem(sys.modules, f"tomoscore_scipion.commands.arguments.{name}", arguments)
    monkeypatch.setitem(sys.modules, f"tomoscore_scipion.commands.{name}", run)
    return name, run


def test_simulate_and_train_run_their_own_modules(lazy_command):
    name, run = lazy_command
    run.main = lambda args: args.seed
    assert main([name, "--seed", "7"]) == 7


def test_a_missing_package_is_named_with_its_pip_command(lazy_command, capsys):
    name, run = lazy_command
    run.main = lambda args: __import__("no_such_package")
    assert main([name]) == 1
    says = f"tomoscore {name} needs the Python package no_such_package: pip install"
    assert says in capsys.readouterr().err


def test_unexpected_errors_are_not_caught(lazy_command):
    name, run = lazy_command
    run.main = lambda args: __import__("tomoscore_scipion.no_such_module")
    with pytest.raises(ModuleNotFoundError):
        main([name])
    run.main = lambda args: sys.exit("a text")
    with pytest.raises(SystemExit, match="a text"):
        main([name])


@pytest.fixture
def shipped_weights(tmp_path, monkeypatch):
    path = tmp_path / "tomoscore-1.safetensors"
    path.write_bytes(b"x" * 2_500_000)
    metrics = {"rank correlation": 0.95, "nulls": {"white": 0.1}}
    card = {"name": "tomoscore", "version": "1", "metrics": metrics}
    monkeypatch.setattr(info, "shipped_weights_path", lambda: path)
    monkeypatch.setattr(info, "read_card", lambda path: card)
    monkeypatch.setattr(info, "sha256_of", lambda path: "ab" * 32)
    return path


def test_info_names_versions_weights_and_devices(shipped_weights, capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert f"tomoscore    {__version__}\n" in out
    assert "weights      tomoscore 1, 2.5 MB\n" in out
    assert f"sha256 {'ab' * 32}\n" in out
    assert "rank correlation: 0.95\n" in out
    assert 'nulls: {"white": 0.1}\n' in out
    assert f"device       cpu: {info.count_cores()} cores" in out
    assert f"numpy        {np.__version__}\n" in out


def test_info_as_json_has_the_same_content(shipped_weights, capsys):
    assert main(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["version"] == __version__
    assert found["weights"]["sha256"] == "ab" * 32
    assert found["weights"]["bytes"] == 2_500_000
    assert found["weights"]["metrics"]["rank correlation"] == 0.95
    assert found["devices"][0]["device"] == "cpu"
    assert found["packages"]["numpy"] == np.__version__


def test_info_without_usable_weights_exits_1_with_the_reason(shipped_weights, monkeypatch, capsys):
    def missing(path):
        raise StartError("no weights: install the package again")

    monkeypatch.setattr(info, "read_card", missing)
    assert main(["info"]) == 1
    assert "weights      not usable: no weights: install" in capsys.readouterr().out


def test_info_reports_a_missing_package(shipped_weights, monkeypatch, capsys):
    monkeypatch.setattr(info, "PACKAGES", ("torch", "no-such-package"))
    main(["info"])
    assert "no-such-package not installed\n" in capsys.readouterr().out


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Function that puts a fake nvidia-smi with a given script on the PATH."""

    def make(script):
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    return make


def test_info_lists_the_gpus_of_the_driver(shipped_weights, nvidia_smi, monkeypatch, capsys):
    nvidia_smi("echo 'GPU 0: NVIDIA H200 (UUID: GPU-1)'; echo 'GPU 1: Quadro (old) (UUID: GPU-2)'")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setattr(info.metadata, "version", lambda name: "2.13.0+cpu")
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert "device       cuda:0: NVIDIA H200\n" in out
    assert "device       cuda:1: Quadro (old)\n" in out
    assert "CUDA_VISIBLE_DEVICES=1" in out
    assert "torch 2.13.0+cpu is a build without CUDA" in out


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo no driver; exit 9", "nvidia-smi failed: no driver"),
        ("exec sleep 60", "nvidia-smi gave no answer: .* timed out"),
    ],
)
def test_a_faulty_driver_is_reported_and_does_not_hang(nvidia_smi, monkeypatch, script, says):
    monkeypatch.setattr(info, "NVIDIA_SMI_TIMEOUT_S", 0.2)
    nvidia_smi(script)
    gpus, error = info.list_gpus()
    assert gpus == []
    assert re.match(says, error)


def test_a_missing_driver_is_not_an_error(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert info.list_gpus() == ([], None)


def test_cores_are_counted_without_sched_getaffinity(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert info.count_cores() == os.cpu_count()


def test_a_batch_can_run_in_a_thread(tomograms):
    status = []
    thread = threading.Thread(target=lambda: status.append(main(["score", "a.npy"])))
    thread.start()
    thread.join(30)
    assert status == [0]
