# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's own environment: its installation, its activation, and a check that it works.

Scipion's installations are Python 3.8 with versions of numpy and scipy that are pinned; the engine
has Python 3.11 and the versions in engine/requirements.txt.  Nothing here imports Scipion.
"""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from tomoscore_scipion import __version__

PACKAGE = "tomoscore"
DISTRIBUTION = "scipion-em-tomoscore"
NAME = f"{PACKAGE}-{__version__}"
"""The environment's folder below Scipion's software, and its name in conda."""

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "engine" / "requirements.txt"
PYTHON = "3.11"
ANSWER_TIMEOUT_S = 120
REMEDY = (
    "install it with `scipion3 installb tomoscore`, or set TOMOSCORE_ENV_ACTIVATION in scipion.conf"
)

_answers = {}
"""{program: its info} of engines that work; others are asked again each time."""


class EngineError(Exception):
    """The engine cannot be used; the message has the reason and the remedy."""


def activation(em_root, conda_activation):
    """The command that activates the environment that `commands` makes."""
    if conda_activation:
        return f"conda activate {NAME}"
    return ". " + shlex.quote(os.path.join(em_root, NAME, "env", "bin", "activate"))


def python_of_engine():
    """The Python that makes the environment: Scipion's own where it has the right version."""
    here = "{}.{}".format(*sys.version_info[:2])
    return sys.executable if here == PYTHON else f"python{PYTHON}"


def needed_programs(conda_activation):
    """Programs that Scipion's installer should look for on the PATH."""
    python = python_of_engine()
    return [] if conda_activation or os.path.isabs(python) else [python]


def source():
    """The argument of pip for the engine: this clone of the repository, or the release."""
    clone = HERE.parent
    if (clone / "setup.py").is_file():
        return shlex.quote(str(clone))
    return f"{DISTRIBUTION}=={__version__}"


def commands(conda_activation):
    """[(command, file that it creates when it succeeds)] for Scipion's installer, in order.

    They run under /bin/sh in the environment's folder.
    """
    if conda_activation:
        shell = conda_activation.rstrip("&; ")
        make = f"{shell} && conda create -y -n {NAME} python={PYTHON}"
        pip = f"{shell} && conda activate {NAME} && python -m pip install"
    else:
        make = f"{shlex.quote(python_of_engine())} -m venv --clear env"
        pip = "env/bin/python -m pip install"
    locked = f"{pip} -r {shlex.quote(str(REQUIREMENTS))}"
    # Without dependencies: those are the locked ones, and Scipion itself is not wanted there.
    itself = f"{pip} --no-deps --no-build-isolation --force-reinstall {source()}"
    return [
        (f"{make} && touch env-made", "env-made"),
        (f"{locked} && touch requirements-installed", "requirements-installed"),
        (f"{itself} && touch engine-installed", "engine-installed"),
    ]


def ask_engine(program, environ):
    """The output of `tomoscore info --json`, a dictionary.

    Args:
        program: the program for a shell, its activation included.
        environ: its environment variables.

    Raises:
        EngineError: it does not answer, has another version than this plugin, or lacks packages.
    """
    if program not in _answers:
        info = _answer(program, environ)
        _check(info)
        _answers[program] = info
    return _answers[program]


def _answer(program, environ):
    command = f"{program} info --json"
    try:
        process = subprocess.run(
            command,
            shell=True,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ANSWER_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise EngineError(
            f"The TomoScore engine gave no answer in {ANSWER_TIMEOUT_S} s: {command}"
        ) from None
    text = process.stdout.decode("utf-8", "replace")
    try:
        return json.loads(text[text.index("{") :])  # an activation may print before it
    except ValueError:
        said = (process.stderr.decode("utf-8", "replace").strip() or text.strip()).splitlines()
        raise EngineError(
            f"The TomoScore engine does not answer to: {command}\n"
            f"It said: {' / '.join(said[-3:]) or 'nothing'}\n"
            f"Way out: {REMEDY}."
        ) from None


def _check(info):
    version = info.get("version")
    if version != __version__:
        raise EngineError(
            f"The TomoScore engine is version {version}, this plugin is {__version__}: "
            f"they must be the same; {REMEDY}."
        )
    missing = [name for name, found in info.get("packages", {}).items() if found is None]
    if missing:
        raise EngineError(
            f"The TomoScore engine lacks {', '.join(missing)} in its Python "
            f"{info.get('python')}: {REMEDY}."
        )
