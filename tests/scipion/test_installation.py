# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's environment: the installation commands, and the check of the engine."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tomoscore_scipion import __version__, installation
from tomoscore_scipion.installation import EngineError, ask_engine

CONDA = 'eval "$(/opt/conda/bin/conda shell.bash hook)"'


@pytest.fixture
def plugin(scipion, monkeypatch):
    from tomoscore_scipion.plugin import Plugin

    def with_variables(**values):
        for name, value in values.items():
            monkeypatch.setitem(Plugin._vars, name, value)
        return Plugin

    return with_variables


@pytest.fixture(autouse=True)
def clear_cached_answers():
    installation._answers.clear()
    yield
    installation._answers.clear()


def program_that_says(tmp_path, text, status=0):
    path = tmp_path / "said.txt"
    path.write_text(text)
    return f"cat {shlex.quote(str(path))}; exit {status}; :"


def info(**changes):
    import json

    packages = {"torch": "2.13.0", "numpy": "1.26.1"}
    return json.dumps({"version": __version__, "python": "3.11", "packages": packages, **changes})


def test_the_engine_info_is_found_after_output_of_a_module(tmp_path):
    said = program_that_says(tmp_path, "Loading cuda/12\n" + info())
    assert ask_engine(said, os.environ)["version"] == __version__


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (info(version="0.0.9"), f"is version 0.0.9, this plugin is {__version__}"),
        (info(packages={"torch": None, "numpy": "1"}), "lacks torch in its Python 3.11"),
        ("Segmentation fault", "It said: Segmentation fault"),
        ("", "It said: nothing"),
    ],
)
def test_an_unsuitable_engine_is_refused_with_advice(tmp_path, text, fault):
    with pytest.raises(EngineError, match="scipion3 installb tomoscore") as caught:
        ask_engine(program_that_says(tmp_path, text, 1), os.environ)
    assert fault in str(caught.value)


def test_only_valid_engine_info_is_cached(tmp_path):
    said = program_that_says(tmp_path, "")
    with pytest.raises(EngineError):
        ask_engine(said, os.environ)
    (tmp_path / "said.txt").write_text(info())
    ask_engine(said, os.environ)
    (tmp_path / "said.txt").write_text("")
    assert ask_engine(said, os.environ)["version"] == __version__


def test_a_missing_program_is_a_fault_of_the_installation(plugin):
    faults = plugin(TOMOSCORE_ENV_ACTIVATION="no-such-command").validateInstallation()
    assert len(faults) == 1
    assert "no-such-command" in faults[0] and "TOMOSCORE_ENV_ACTIVATION" in faults[0]


def test_missing_weights_are_a_fault_of_the_installation(plugin):
    assert plugin().validateInstallation() == []
    (fault,) = plugin(TOMOSCORE_MODEL="/no/weights").validateInstallation()
    assert fault == "TOMOSCORE_MODEL: expected a weights file, found none at /no/weights"


@pytest.mark.parametrize(
    ("activation", "program"),
    [
        ("", f"{sys.executable} -m tomoscore_scipion.engine"),
        ("module load tomoscore", "module load tomoscore && tomoscore"),
        (". '/my env/bin/activate' &&", ". '/my env/bin/activate' && tomoscore"),
        ("conda activate x", f"{CONDA}&& conda activate x && tomoscore"),
    ],
)
def test_the_program_follows_the_activation(plugin, monkeypatch, activation, program):
    chosen = plugin(TOMOSCORE_ENV_ACTIVATION=activation)
    monkeypatch.setattr(chosen, "_condaActivationCmd", CONDA + "&&")
    assert chosen.getProgram() == program


def test_scipions_python_is_the_default_if_it_has_torch(plugin, monkeypatch):
    import importlib.util

    real = importlib.util.find_spec
    for there, activation in ((object(), ""), (None, ". ")):
        found = {"torch": there}
        monkeypatch.setattr(importlib.util, "find_spec", lambda n, f=found: f.get(n, real))
        assert plugin()._defaultActivation().startswith(activation)
        assert bool(plugin()._defaultActivation()) is (there is None)


@pytest.fixture
def package(plugin):
    """The installation commands that the plugin passes to Scipion's installer."""

    class Environment:
        def addPackage(self, name, **kwargs):  # noqa: N802
            self.package = (name, kwargs)

    environment = Environment()
    plugin().defineBinaries(environment)
    return environment.package


def test_the_environment_is_a_plain_venv_with_the_locked_versions(package):
    name, kwargs = package
    assert (name, kwargs["version"]) == ("tomoscore", __version__)
    (make, _), (locked, _), (itself, target) = kwargs["commands"]
    assert "-m venv" in make and "conda" not in make
    assert f"-r {installation.REQUIREMENTS}" in locked
    assert "--no-deps" in itself and target == "engine-installed"


def test_with_conda_the_environment_is_made_by_conda():
    commands = [command for command, _ in installation.commands(CONDA + " &&")]
    assert commands[0].startswith(f"{CONDA} && conda create -y -n tomoscore-{__version__} python=")
    assert all(f"conda activate tomoscore-{__version__} && " in c for c in commands[1:])
    assert installation.activation("/em", CONDA) == f"conda activate tomoscore-{__version__}"


def test_the_commands_make_an_environment_that_the_activation_finds(tmp_path, monkeypatch):
    """Uses a fake pip that logs its arguments and downloads nothing."""
    folder = tmp_path / "my em" / installation.NAME
    folder.mkdir(parents=True)
    make, *rest = [command for command, _ in installation.commands("")]
    subprocess.run(make, shell=True, check=True, cwd=folder)
    for command in rest:
        noted = command.replace("env/bin/python -m pip", "echo >> pip.txt")
        subprocess.run(noted, shell=True, check=True, cwd=folder)
    assert (folder / "engine-installed").exists()
    requirements, itself = (folder / "pip.txt").read_text().splitlines()
    assert Path(requirements.split()[-1]) == installation.REQUIREMENTS
    assert "--no-deps" in itself
    activate = installation.activation(str(tmp_path / "my em"), "")
    command = f"{activate} && python -c 'import sys; print(sys.prefix)'"
    said = subprocess.run(command, shell=True, check=True, stdout=subprocess.PIPE, text=True)
    assert said.stdout.strip() == str(folder / "env")
