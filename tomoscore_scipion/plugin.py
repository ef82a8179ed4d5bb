# SPDX-License-Identifier: GPL-3.0-or-later
"""The plugin as Scipion sees it: its variables and the environment of its commands."""

import os

import pwem
from pyworkflow import TOMO
from pyworkflow.utils import Environ

import tomoscore_scipion

TOMOSCORE_ENV_ACTIVATION = "TOMOSCORE_ENV_ACTIVATION"
TOMOSCORE_MODEL = "TOMOSCORE_MODEL"


class Plugin(pwem.Plugin):
    """TomoScore for Scipion."""

    # pyworkflow takes the plugin's name and folder from the module of its class.
    __module__ = tomoscore_scipion.__name__

    _url = "https://doi.org/10.1101/2024.11.06.622356"  # the idea; help on use is in the README
    _processingField = [TOMO]

    @classmethod
    def _defineVariables(cls):
        cls._defineVar(
            TOMOSCORE_ENV_ACTIVATION,
            "",
            description="Command that makes the program `tomoscore` available, for example the "
            "activation of its environment or a `module load`. Empty: Scipion's own Python.",
        )
        cls._defineVar(
            TOMOSCORE_MODEL,
            "",
            description="Weights (.safetensors) to score with. Empty: those that the plugin ships.",
        )

    @classmethod
    def getEnviron(cls):
        """The user's environment without PYTHONPATH, which would mix two Python installations."""
        environ = Environ(os.environ)
        environ.pop("PYTHONPATH", None)
        return environ
