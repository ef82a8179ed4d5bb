# SPDX-License-Identifier: GPL-3.0-or-later
"""Install, upgrade and uninstall as users do: `scipion3 installp -p scipion-em-tomoscore`.

Scipion requests the list of plugins and the releases from a server, and pip installs a wheel.
Here the server and the wheels are local: nothing is downloaded.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAME = "scipion-em-tomoscore"
VERSIONS = ("990.1", "990.2")
TO_BUILD = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.rst", "LICENSE")

SCIPION = """
import sys
from scipion.install import plugin_funcs
plugin_funcs.PIP_BASE_URL = {url!r}
from scipion.install.install_plugin import installPluginMethods
sys.argv = ["scipion", *{arguments!r}]
installPluginMethods()
"""
SEEN = """
import importlib.util, json
import pyworkflow as pw
pw.Config.setDomain("pwem")
domain = pw.Config.getDomain()
plugins, protocols = domain.getPlugins(), domain.getProtocols()
spec = importlib.util.find_spec("tomoscore_scipion")
print("SEEN", json.dumps([
    spec and spec.origin,
    sorted(name for name, kind in protocols.items() if name.startswith("ProtTomoScore")),
    str(getattr(plugins.get("tomoscore_scipion"), "__version__", None)),
]))
"""

pytestmark = pytest.mark.slow


def run(*command, environ=None, folder=None):
    done = subprocess.run(
        [str(word) for word in command],
        env=environ,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """A folder with a wheel of each version."""
    folder = tmp_path_factory.mktemp("wheels")
    for version in VERSIONS:
        source = tmp_path_factory.mktemp("source")
        for name in TO_BUILD:
            shutil.copy(ROOT / name, source)
        leave_out = shutil.ignore_patterns("__pycache__")
        package = source / "tomoscore_scipion"
        shutil.copytree(ROOT / "tomoscore_scipion", package, ignore=leave_out)
        text = (package / "__init__.py").read_text()
        text = re.sub('^__version__ = ".*"$', f'__version__ = "{version}"', text, flags=re.M)
        (package / "__init__.py").write_text(text)
        build = (sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation")
        run(*build, "--no-index", "--wheel-dir", folder, source, folder=folder)
    return folder


@pytest.fixture
def server():
    """Server with the list of plugins and the releases of this plugin."""
    served = {"versions": VERSIONS[:1]}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802
            releases = {v: [{"comment_text": "scipion-3.0.0"}] for v in served["versions"]}
            info = {"home_page": "", "summary": "", "author": "", "author_email": ""}
            plugins = {NAME: {"pipName": NAME, "name": NAME, "pluginSourceUrl": ""}}
            found = {"info": info, "releases": releases} if "json" in self.path else plugins
            body = json.dumps(found).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Suppress the log."""

    running = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    served["url"] = f"http://127.0.0.1:{running.server_port}"
    yield served
    running.shutdown()


class Installation:
    """A Scipion that uses the packages of the tests' Scipion and installs to a separate folder."""

    def __init__(self, folder, wheels, server):
        run(sys.executable, "-m", "venv", "--without-pip", folder / "env")
        self.python = folder / "env" / "bin" / "python"
        (self.packages,) = (folder / "env" / "lib").glob("python*/site-packages")
        (self.packages / "scipion.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
        self.folder = folder
        self.server = server
        variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        self.environ = {
            **variables,
            "SCIPION_HOME": str(folder),
            "SCIPION_USER_DATA": str(folder / "data"),
            "SCIPION_SOFTWARE": str(folder / "software"),
            "EM_ROOT": str(folder / "software" / "em"),
            "SCIPION_PLUGIN_REPO_URL": server["url"] + "/plugins",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(wheels),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        (folder / "software" / "log").mkdir(parents=True)
        (folder / "software" / "em").mkdir()

    def scipion(self, *arguments):
        """Run a command of Scipion and return its output."""
        code = SCIPION.format(url=self.server["url"] + "/json", arguments=arguments)
        return run(self.python, "-c", code, environ=self.environ, folder=self.folder)

    def seen(self):
        """[file of the package, its protocols, version of the plugin] in Scipion."""
        said = run(self.python, "-c", SEEN, environ=self.environ, folder=self.folder)
        (line,) = [line for line in said.splitlines() if line.startswith("SEEN ")]
        return json.loads(line[len("SEEN ") :])


def test_install_upgrade_and_uninstall(tmp_path, wheels, server):
    installation = Installation(tmp_path, wheels, server)
    for count, version in enumerate(VERSIONS, 1):
        server["versions"] = VERSIONS[:count]
        said = installation.scipion("installp", "-p", NAME, "--noBin")
        origin, protocols, found = installation.seen()
        assert found == version, said
        assert Path(origin).parent.parent == installation.packages
        assert len(protocols) == 5
        assert list((installation.packages / "tomoscore_scipion" / "weights").glob("*.safetensors"))
        assert list((installation.packages / "tomoscore_scipion" / "manual").glob("*.html"))
        (metadata,) = installation.packages.glob("scipion_em_tomoscore-*.dist-info")
        assert version in metadata.name
    engine = tmp_path / "software" / "em" / f"tomoscore-{VERSIONS[-1]}"
    engine.mkdir()
    installation.scipion("uninstallp", "-p", NAME)
    assert not (installation.packages / "tomoscore_scipion").exists()
    assert not list(installation.packages.glob("scipion_em_tomoscore-*"))
    assert not engine.exists()
