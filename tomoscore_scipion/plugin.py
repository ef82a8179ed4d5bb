# SPDX-License-Identifier: GPL-3.0-or-later
"""The plugin as Scipion sees it: its variables, the program that it runs and its environment."""

import importlib.util
import os
import shlex
import sys
from pathlib import Path

import pwem
from pyworkflow import TOMO
from pyworkflow.utils import Environ

import tomoscore_scipion
from tomoscore_scipion import installation
from tomoscore_scipion.workflows import CheckedTemplate

TOMOSCORE_ENV_ACTIVATION = "TOMOSCORE_ENV_ACTIVATION"
TOMOSCORE_MODEL = "TOMOSCORE_MODEL"

MANUAL = Path(tomoscore_scipion.__file__).resolve().parent / "manual"
"""Folder of the pages that Help opens; scripts/manual.py makes them of docs/."""
PAGES = {
    "ProtTomoScoreDose": "dose.html",
    "ProtTomoScoreFilter": "reading_the_score.html",
    "ProtTomoScoreCompare": "reading_the_score.html",
    "ProtTomoScoreThreshold": "own_data.html",
}
"""{protocol: its page of the manual}; others have the tutorial."""


class Plugin(pwem.Plugin):
    """TomoScore for Scipion."""

    # pyworkflow takes the plugin's name and folder from the module of its class.
    __module__ = tomoscore_scipion.__name__

    NAME = "tomoscore"
    """What users see in trees, templates and logs; the Python package has a longer name."""

    _url = "https://doi.org/10.1101/2024.11.06.622356"  # the idea
    _processingField = [TOMO]
    _supportedVersions = [tomoscore_scipion.__version__]

    def getName(self):
        """The name that users see."""
        return self.NAME

    @classmethod
    def getUrl(cls, protClass=None):
        """The link that a protocol's Help shows, to its page of the manual.

        Without a protocol: the address of the paper with the idea.
        """
        if protClass is None:
            return cls._url
        page = MANUAL / PAGES.get(protClass.__name__, "tutorial.html")
        return f"[[{page}][TomoScore: manual]]"

    def getTemplates(self):
        """The workflow templates, which refuse parameters that they do not have."""
        return [CheckedTemplate(one.source, one.templatePath) for one in super().getTemplates()]

    @classmethod
    def _defineVariables(cls):
        cls._defineVar(
            TOMOSCORE_ENV_ACTIVATION,
            cls._defaultActivation(),
            description="Command that makes the program `tomoscore` available, for example the "
            "activation of its environment or a `module load`. Empty: Scipion's own Python.",
        )
        cls._defineVar(
            TOMOSCORE_MODEL,
            "",
            description="Weights (.safetensors) to score with. Empty: those that the plugin ships.",
        )

    @classmethod
    def _defaultActivation(cls):
        """Empty where torch is importable here, else the environment that Scipion installs."""
        if importlib.util.find_spec("torch") is not None:
            return ""
        return installation.activation(pwem.Config.EM_ROOT, pwem.Config.CONDA_ACTIVATION_CMD)

    @classmethod
    def getEnviron(cls):
        """The user's environment without PYTHONPATH, which would mix two Python installations."""
        environ = Environ(os.environ)
        environ.pop("PYTHONPATH", None)
        return environ

    @classmethod
    def getProgram(cls):
        """The engine's program for a shell, with the activation of its environment before it.

        Nothing is formatted into it later: GPUs are named in the environment, so that a "%" in a
        path stays what it is.
        """
        activation = (cls.getVar(TOMOSCORE_ENV_ACTIVATION) or "").strip()
        if not activation:
            return f"{shlex.quote(sys.executable)} -m tomoscore_scipion.engine"
        if activation.startswith("conda "):
            activation = f"{cls.getCondaActivationCmd()} {activation}".strip()
        return f"{activation.rstrip('&; ')} && tomoscore"

    @classmethod
    def getModel(cls):
        """The weights that TOMOSCORE_MODEL names, "" for those that the engine ships."""
        return (cls.getVar(TOMOSCORE_MODEL) or "").strip()

    @classmethod
    def getEngineInfo(cls):
        """Version, weights and devices of the engine, as `tomoscore info --json` prints them.

        Raises:
            installation.EngineError: it does not answer, or has another version.
        """
        return installation.ask_engine(cls.getProgram(), cls.getEnviron())

    @classmethod
    def validateInstallation(cls):
        """Messages on an engine or weights that do not work; empty where they do."""
        try:
            info = cls.getEngineInfo()
        except installation.EngineError as fault:
            return [str(fault)]
        model = cls.getModel()
        if model and not os.path.isfile(model):
            return [f"{TOMOSCORE_MODEL}: expected a weights file, found none at {model}"]
        if not model and info["weights"]["error"]:
            return [f"The weights cannot be used: {info['weights']['error']}"]
        return []

    @classmethod
    def defineBinaries(cls, env):
        """The engine in an environment of its own: `scipion3 installb tomoscore`."""
        from scipion.install.funcs import VOID_TGZ

        conda = pwem.Config.CONDA_ACTIVATION_CMD
        env.addPackage(
            installation.PACKAGE,
            version=tomoscore_scipion.__version__,
            tar=VOID_TGZ,
            commands=installation.commands(conda),
            neededProgs=installation.needed_programs(conda),
            vars={"PATH": os.environ.get("PATH", "")},
            default=importlib.util.find_spec("torch") is None,
        )
