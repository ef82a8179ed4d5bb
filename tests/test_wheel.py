# SPDX-License-Identifier: GPL-3.0-or-later
"""The wheel, built from the source distribution and installed in a new environment."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import mrcfile
import numpy as np
import pytest

import tomoscore_scipion

ROOT = Path(__file__).resolve().parents[1]
TO_BUILD = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.rst", "CHANGES.txt", "LICENSE")
BUILD_SDIST = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"


def run(*command, folder):
    """Run a command outside of this repository and return its output."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Path of a wheel built from a source distribution built from a clean copy of the sources."""
    source = tmp_path_factory.mktemp("source")
    for name in TO_BUILD:
        shutil.copy(ROOT / name, source)
    leave_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "tomoscore_scipion", source / "tomoscore_scipion", ignore=leave_out)
    shutil.copytree(ROOT / "tests", source / "tests", ignore=leave_out)
    dist = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-c", BUILD_SDIST, dist, folder=source)
    (sdist,) = dist.iterdir()
    pip_wheel = (sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation")
    run(*pip_wheel, "--wheel-dir", dist, sdist, folder=dist)
    (built,) = dist.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """Folder of programs of a new environment with the wheel and the engine's constraints file."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", folder / "env", folder=folder)
    pip_install = (folder / "env" / "bin" / "python", "-m", "pip", "install", "--quiet")
    with zipfile.ZipFile(wheel) as files:
        locked = files.extract("tomoscore_scipion/engine/requirements.txt", folder)
    run(*pip_install, "--requirement", locked, folder=folder)
    run(*pip_install, "--no-deps", wheel, folder=folder)
    return folder / "env" / "bin"


def metadata(wheel):
    """The wheel's METADATA, parsed."""
    with zipfile.ZipFile(wheel) as files:
        (name,) = [name for name in files.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(files.read(name).decode("utf-8"))


def test_wheel_contains_weights_and_files_for_scipion_but_no_tests(wheel):
    with zipfile.ZipFile(wheel) as files:
        names = files.namelist()
    read = ("protocols.conf", "icon.png", "napari_plugin/napari.yaml")
    assert {f"tomoscore_scipion/{name}" for name in read} <= set(names)
    assert [name for name in names if name.endswith("LICENSE")]
    assert [name for name in names if name.endswith(".safetensors")]
    assert [name for name in names if name.endswith(".scores.json")]
    in_sources = {str(path.relative_to(ROOT)) for path in ROOT.glob("tomoscore_scipion/**/*.py")}
    assert {name for name in names if name.endswith(".py")} == in_sources


def test_wheel_metadata_state_name_version_and_requirements(wheel):
    said = metadata(wheel)
    assert said["Name"] == "scipion-em-tomoscore"
    assert said["Version"] == tomoscore_scipion.__version__
    assert said["Requires-Python"] == ">=3.8"
    base = [line for line in said.get_all("Requires-Dist") if "extra ==" not in line]
    assert {line.split(">=")[0] for line in base} == {
        "scipion-pyworkflow",
        "scipion-em",
        "scipion-em-tomo",
        "mrcfile",
        "numpy",
    }


def test_installed_wheel_scores_a_tomogram_without_scipion(environment, tmp_path):
    noise = np.random.default_rng(0).normal(size=(16, 200, 220)).astype(np.float32)
    with mrcfile.new(tmp_path / "small.mrc", noise) as mrc:
        mrc.voxel_size = 13.0
    tomoscore = environment / "tomoscore"
    run(tomoscore, "score", "small.mrc", "--output", "results.jsonl", folder=tmp_path)
    (line,) = (tmp_path / "results.jsonl").read_text(encoding="utf-8").splitlines()
    record = json.loads(line)
    assert (record["ts_id"], record["status"]) == ("small", "ok")
    assert 0.0 <= record["tomoscore"] <= 5.0
    assert record["engine_version"] == tomoscore_scipion.__version__
    find = "from importlib.util import find_spec; print(find_spec('pyworkflow'))"
    assert run(environment / "python", "-c", find, folder=tmp_path) == "None\n"


def test_installed_packages_meet_the_declared_requirements_of_the_engine(wheel, environment):
    check = (
        "import sys\n"
        "from importlib.metadata import version\n"
        "from pip._vendor.packaging.requirements import Requirement\n"
        "for line in sys.argv[1:]:\n"
        "    need = Requirement(line)\n"
        "    if need.marker.evaluate({'extra': 'engine'}):\n"
        "        print(need.name, need.specifier.contains(version(need.name)))\n"
    )
    extras = [line for line in metadata(wheel).get_all("Requires-Dist") if "extra ==" in line]
    answer = run(environment / "python", "-c", check, *extras, folder=environment)
    met = dict(line.split() for line in answer.splitlines())
    needed = {"torch", "safetensors", "numpy", "mrcfile", "scipy", "tqdm", "pillow", "jinja2"}
    needed |= {"matplotlib", "starfile", "watchdog", "defusedxml"}
    assert needed == met.keys()
    assert set(met.values()) == {"True"}
