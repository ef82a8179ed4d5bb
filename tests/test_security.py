# SPDX-License-Identifier: GPL-3.0-or-later
"""Input is never executed, no data leave the machine, and no temporary files remain."""

import ast
import gzip
import json
import os
import sys
from pathlib import Path

import bad_tomograms
import numpy as np
import pytest
from faulty_worlds import FAKE, ROOT, TOMOSCORE, in_namespace, run

PACKAGE = ROOT / "tomoscore_scipion"
SOURCES = sorted(PACKAGE.rglob("*.py"))

FORBIDDEN = {
    "eval",
    "exec",
    "compile",
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "pickle.load",
    "pickle.loads",
    "marshal.loads",
    "shelve.open",
    "tempfile.mktemp",
    "mrcfile.mmap",
    "np.memmap",
    "mmap.mmap",
}
SHELL = {"installation.py": 1}
"""Calls with a shell, per file: the activation of the engine's environment is a shell command that
the administrator wrote, without any input from a project."""

STARTS_PROCESSES = {"info.py", "helper_process.py"}
"""Files of the engine that may start processes."""

NO_SOCKETS = """
import sys

LOG = open({log!r}, "a")

def forbid(event, args):
    if event.startswith(("socket.", "urllib.", "http.", "ftplib.", "smtplib.")):
        LOG.write(event + "\\n"), LOG.flush()
        raise RuntimeError("no network: " + event)
    if event in ("pickle.find_class", "os.system", "marshal.loads.foreign"):
        LOG.write(event + "\\n"), LOG.flush()

sys.addaudithook(forbid)
LOG.write("watching\\n"), LOG.flush()
"""


def calls(path):
    """(dotted name, call) of all calls in a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def keywords(call, name):
    return [ast.unparse(k.value) for k in call.keywords if k.arg == name]


def named(path):
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_no_source_evaluates_unpickles_or_maps_files(path):
    found = {name for name, _ in calls(path)}
    assert not found & FORBIDDEN
    assert not [c for _, c in calls(path) if "True" in keywords(c, "allow_pickle")]
    loads = [c for name, c in calls(path) if name == "torch.load"]  # checkpoints of training
    assert not loads or (path.parent.name == "training" and only_tensors(loads))


def only_tensors(loads):
    return all(keywords(call, "weights_only") == ["True"] for call in loads)


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_no_source_uses_a_shell_except_for_the_activation_command(path):
    with_shell = [c for _, c in calls(path) if keywords(c, "shell") not in ([], ["False"])]
    assert len(with_shell) == SHELL.get(named(path), 0)


def test_the_engine_starts_processes_in_two_places_only():
    starting = {
        path.name
        for folder in (
            "commands",
            "images",
            "model",
            "reading",
            "records",
            "running",
            "tilt_metadata",
        )
        for path in (PACKAGE / folder).rglob("*.py")
        if any(name.startswith(("subprocess.", "os.exec", "os.spawn")) for name, _ in calls(path))
    }
    assert starting == STARTS_PROCESSES


@pytest.fixture
def tomogram(tmp_path):
    (tmp_path / "TS_01.mrc").write_bytes(bad_tomograms.content())
    return tmp_path / "TS_01.mrc"


def test_scoring_needs_no_network(tmp_path, tomogram):
    """Runs in a namespace without network interfaces, even without the loopback."""
    start = in_namespace("--net")
    command = [*start, *TOMOSCORE, "score", tomogram, "--device", "cpu", "--output", "r.jsonl"]
    done = run(command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "r.jsonl").read_text())["status"] == "ok"


def test_scoring_opens_no_socket_and_unpickles_nothing(tmp_path, tomogram):
    """All processes of the engine log their audit events; a socket is an error."""
    log = tmp_path / "events"
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(NO_SOCKETS.format(log=str(log)))
    path = os.pathsep.join([str(hook), str(ROOT)])
    command = [*TOMOSCORE, "score", tomogram, "--device", "cpu", "--output", "r.jsonl"]
    done = run(command, cwd=tmp_path, env={"PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "r.jsonl").read_text())["status"] == "ok"
    assert log.read_text().splitlines() == ["watching"] * 2  # the command and its worker


def test_the_audit_hook_detects_a_socket(tmp_path):
    log = tmp_path / "events"
    (tmp_path / "sitecustomize.py").write_text(NO_SOCKETS.format(log=str(log)))
    done = run(
        [TOMOSCORE[0], "-c", "import socket; socket.socket()"], env={"PYTHONPATH": str(tmp_path)}
    )
    assert "no network: socket.__new__" in done.stderr
    assert log.read_text().splitlines() == ["watching", "socket.__new__"]


HOSTILE = ("../../up", "/etc/passwd", "<script>alert(1)</script>", "$(touch owned)", "`id`", "%s%n")


def test_hostile_ids_and_names_are_treated_as_text(tmp_path):
    """Ids that try to escape from the folder, or to run code in a shell or a browser."""
    folder = tmp_path / "deep" / "run"
    folder.mkdir(parents=True)
    names = [name.replace("/", "_") + ".npy" for name in HOSTILE]
    for name in names:
        np.save(folder / name, np.ones(2))
    tomograms = [{"ts_id": i, "path": f"./{n}"} for i, n in zip(HOSTILE, names)]
    (folder / "job.json").write_text(json.dumps({"schema": 1, "tomograms": tomograms}))
    command = [*FAKE, "score", "--job", "job.json", "--output", "r.jsonl", "--csv", "s.csv"]
    done = run(command, cwd=folder)
    assert done.returncode == 0, done.stderr
    lines = (folder / "r.jsonl").read_text().splitlines()
    assert [json.loads(line)["ts_id"] for line in lines] == list(HOSTILE)
    assert sorted(os.listdir(folder)) == sorted([*names, "job.json", "r.jsonl", "s.csv"])
    assert os.listdir(tmp_path) == ["deep"] and os.listdir(tmp_path / "deep") == ["run"]


def test_a_name_that_looks_like_an_option_is_read_as_a_path(tmp_path):
    np.save(tmp_path / "--output=owned.npy", np.ones(2))
    done = run([*FAKE, "score", "--", "--output=owned.npy"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path) == ["--output=owned.npy"]


def test_temporary_files_are_private_and_removed(tmp_path, monkeypatch):
    """Decompressed files have no name, so that others cannot open them and a kill leaves none."""
    from tomoscore_scipion.reading.volume import open_volume

    packed, folder = tmp_path / "t.mrc.gz", tmp_path / "tmp"
    packed.write_bytes(gzip.compress(bad_tomograms.content()))
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    with open_volume(packed) as volume:
        opened = os.readlink(f"/proc/self/fd/{volume._source.raw.fileno()}")
        assert opened.startswith(str(folder)) and opened.endswith("(deleted)")
        assert os.fstat(volume._source.raw.fileno()).st_mode & 0o077 == 0
        assert os.listdir(folder) == []
    assert os.listdir(folder) == []


def test_a_temporary_result_is_in_the_folder_of_the_result(tmp_path):
    """The temporary file is never in a folder that everybody can write to."""
    for name in ("line_file.py", "atomic_write.py"):
        source = ast.parse((PACKAGE / "records" / name).read_text(encoding="utf-8"))
        assert "tempfile" not in ast.dump(source)
    np.save(tmp_path / "a.npy", np.ones(2))
    run([*FAKE, "score", "a.npy", "--output", "r.jsonl"], cwd=tmp_path, env={"TMPDIR": "/nowhere"})
    assert sorted(os.listdir(tmp_path)) == ["a.npy", "r.jsonl"]


def test_foreign_modules_in_the_current_folder_are_not_run(tmp_path):
    """Runs `tomoscore` in a folder with files named like modules that it imports."""
    for name in ("numpy", "json", "runpy", "torch", "tomoscore_scipion"):
        Path(tmp_path, f"{name}.py").write_text(f"open({name!r}, 'w')\n")
    before = sorted(os.listdir(tmp_path))
    program = Path(sys.executable).parent / "tomoscore"
    done = run([program, "score", "none.mrc", "--device", "cpu"], cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "none.mrc: expected a file, but there is none of this name" in done.stderr
    assert sorted(os.listdir(tmp_path)) == before
