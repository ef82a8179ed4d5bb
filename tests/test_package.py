# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of the repository before the package is built or run."""

import ast
import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

import tomoscore_scipion

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tomoscore_scipion"
SOURCES = [ROOT / "setup.py", *sorted(PACKAGE.rglob("*.py"))]


def pins(path):
    """Entries of a constraints file, {name: version}."""
    lines = [line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return dict(line.split("==") for line in lines if line)


def test_newest_entry_of_changes_is_this_version():
    versions = re.findall(
        r"^(\d+\.\d+\.\d+) \(\d{4}-\d{2}-\d{2}\)$", (ROOT / "CHANGES.txt").read_text(), re.MULTILINE
    )
    assert versions[0] == tomoscore_scipion.__version__


@pytest.mark.parametrize("module", ["tomoscore_scipion", "tomoscore_scipion.commands.cli"])
def test_import_loads_no_heavy_package(module):
    heavy = ("torch", "scipy", "pwem", "pyworkflow", "skimage", "matplotlib")
    code = f"import sys, {module}; print(*(set({heavy}) & set(sys.modules)))"
    seen = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert seen.stdout.split() == []


def test_unknown_names_are_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Plugins'"):
        _ = tomoscore_scipion.Plugins


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_source_is_python_3_8(path):
    ast.parse(path.read_text(encoding="utf-8"), filename=str(path), feature_version=(3, 8))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_source_names_its_licence(path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == "# SPDX-License-Identifier: GPL-3.0-or-later"


def test_licence_is_the_whole_gpl_3():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Version 3, 29 June 2007" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_engine_requirements_are_the_tested_versions():
    tested = pins(ROOT / "constraints.txt")
    engine = pins(PACKAGE / "engine" / "requirements.txt")
    needed = {"torch", "safetensors", "numpy", "mrcfile", "scipy", "tqdm", "pillow", "Jinja2"}
    needed |= {"matplotlib", "starfile", "watchdog", "defusedxml"}
    assert engine.keys() >= needed
    assert engine == {name: tested.get(name) for name in engine}


def test_weights_ship_with_their_scores_and_fit_in_8_mb():
    files = list((PACKAGE / "weights").iterdir())
    assert files
    assert sorted(path.suffix for path in files) == [".json", ".safetensors"]
    assert sum(path.stat().st_size for path in files) <= 8_000_000


def test_icon_is_a_png_of_64_by_64_pixels():
    header = (PACKAGE / tomoscore_scipion._logo).read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert [int.from_bytes(header[at : at + 4], "big") for at in (16, 20)] == [64, 64]


def test_references_are_in_the_bibliography():
    from tomoscore_scipion import bibtex

    keys = re.findall(r"@\w+\{(\w+),", bibtex.__doc__)
    assert set(tomoscore_scipion._references) <= set(keys)


def test_protocols_are_listed_in_the_protocol_tree():
    conf = ConfigParser()
    conf.read(PACKAGE / "protocols.conf", encoding="utf-8")
    (section,) = ast.literal_eval(conf["PROTOCOLS"]["Tomography"])
    assert (section["tag"], section["text"]) == ("section", "Tomograms")
    assert [group["text"] for group in section["children"]] == ["Quality Analysis"]
