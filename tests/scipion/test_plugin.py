# SPDX-License-Identifier: GPL-3.0-or-later
"""The installed plugin as Scipion loads it, in separate processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import tomoscore_scipion

LOOK = """
import json, sys
import pyworkflow as pw
from pyworkflow import VariablesRegistry
pw.Config.setDomain("pwem")
domain = pw.Config.getDomain()
module = domain.getPlugins()["tomoscore_scipion"]
plugin = module._pluginInstance
variables = {v.name: v.source for v in VariablesRegistry.variables().values()}
print("SEEN", json.dumps({
    "name": plugin.getName(),
    "path": plugin.getPath(),
    "references": list(module._bibtex),
    "variables": {k: v for k, v in variables.items() if k.startswith("TOMOSCORE_")},
    "model": plugin.getVar("TOMOSCORE_MODEL"),
    "pythonpath": plugin.getEnviron().get("PYTHONPATH"),
    "path_kept": plugin.getEnviron().get("PATH"),
    "faults": plugin.validateInstallation(),
    "torch": "torch" in sys.modules,
}))
"""

TREE = """
import pyworkflow as pw
pw.Config.setDomain("pwem")
domain = pw.Config.getDomain()
domain.getPlugins()
from pyworkflow.gui.project.viewprotocols_extra import ProtocolTreeConfig
tree = ProtocolTreeConfig.load(domain, "")["Tomography"]
tomograms = [child for child in tree.childs if child.text == "Tomograms"]
groups = [child.text for section in tomograms for child in section.childs]
print("SEEN", len(tomograms), groups.count("Quality Analysis"))
"""


def in_scipion(code, folder, **variables):
    """Run Python code in a process with Scipion's variables; returns its output after SEEN."""
    environment = {
        **os.environ,
        "SCIPION_HOME": str(folder),
        "SCIPION_USER_DATA": str(folder / "data"),
        "SCIPION_DOMAIN": "pwem",
        "SCIPION_NOTIFY": "False",
        "SCIPION_PRIORITY_PACKAGE_LIST": "pwem tomo",
        "TOMOSCORE_ENV_ACTIVATION": "",
        **variables,
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "does not import properly" not in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("SEEN ")]
    return line[len("SEEN ") :]


def test_plugin_is_registered_with_its_path_variables_and_reference(tmp_path):
    weights = str(tmp_path / "other weights.safetensors")
    Path(weights).touch()
    seen = json.loads(in_scipion(LOOK, tmp_path, TOMOSCORE_MODEL=weights, PYTHONPATH="/elsewhere"))
    package = Path(tomoscore_scipion.__file__).parent
    assert seen == {
        "name": "tomoscore",
        "path": str(package),
        "references": ["Tan2024", "Grant2015"],
        "variables": {
            "TOMOSCORE_ENV_ACTIVATION": "tomoscore_scipion",
            "TOMOSCORE_MODEL": "tomoscore_scipion",
        },
        "model": weights,
        "pythonpath": None,
        "path_kept": os.environ["PATH"],
        "faults": [],
        "torch": False,
    }


def test_the_protocol_tree_merges_the_group_into_the_existing_one(tmp_path):
    assert in_scipion(TREE, tmp_path) == "1 1"
