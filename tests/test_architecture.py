# SPDX-License-Identifier: GPL-3.0-or-later
"""Import order of the folders of the package, read from the sources."""

import ast
from collections import Counter
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tomoscore_scipion"

ENGINE_FOLDERS = (
    "records",
    "reading",
    "tilt_metadata",
    "tomography",
    "model",
    "halves",
    "calibration",
    "images",
    "dose",
    "pipelines",
    "running",
    "comparison",
    "agreement",
    "examples",
    "report",
    "session",
    "napari_plugin",
    "simulation",
    "benchmark",
    "training",
    "commands",
    "engine",
)
"""Folders without Scipion. Each may import the folders before it and none after it."""

SCIPION_FOLDERS = ("protocols", "viewers", "tests")
"""Folders that Scipion loads, like the modules beside them (plugin, wizards and others)."""

WITHOUT_TORCH = ("records", "reading", "pipelines", "comparison", "agreement", "examples")
WITHOUT_TORCH += ("calibration", "report", "session", "napari_plugin", *SCIPION_FOLDERS)
"""Folders that work where torch is not installed."""

READ_BY_SCIPION = (
    "calibration",
    "records",
    "reading",
    "images",
    "comparison",
    "agreement",
    "examples",
)
"""Folders of the engine that may be imported in the process of Scipion."""

SCIPION = ("scipion", "pyworkflow", "pwem", "tomo")
LARGEST_SHARE = 0.15
"""Largest fraction of the lines that a folder may have."""


@lru_cache(maxsize=None)
def imported(path):
    """Absolute dotted names of all imports anywhere in a file."""
    package = (*path.relative_to(ROOT).parent.parts,)
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, node.module) if node.module else base)
            names.update(f"{module}.{alias.name}" for alias in node.names)
    return names


def within(name, *packages):
    """Whether a dotted name is one of the packages or a part of one."""
    return any(name == package or name.startswith(package + ".") for package in packages)


def folder_of(path):
    """The folder below the package in which a file lies; "" for the package itself."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def folders_imported(path):
    """The other folders that a file imports; modules beside the folders have their own names."""
    inside = (name.split(".") for name in imported(path) if within(name, "tomoscore_scipion"))
    return {parts[1] for parts in inside if len(parts) > 1} - {folder_of(path), "__version__"}


def files_of(*folders):
    paths = [path for path in sorted(PACKAGE.rglob("*.py")) if folder_of(path) in folders]
    return [pytest.param(path, id=str(path.relative_to(PACKAGE))) for path in paths]


def test_every_folder_with_code_is_listed():
    folders = {folder_of(path) for path in PACKAGE.rglob("*.py")} - {""}
    assert folders == {*ENGINE_FOLDERS, *SCIPION_FOLDERS}


def test_every_folder_has_a_docstring():
    for folder in (*ENGINE_FOLDERS, *SCIPION_FOLDERS):
        assert ast.get_docstring(ast.parse((PACKAGE / folder / "__init__.py").read_text())), folder


def test_no_folder_exceeds_the_largest_share_of_lines():
    lines = Counter()
    for path in PACKAGE.rglob("*.py"):
        lines[folder_of(path)] += len(path.read_text(encoding="utf-8").splitlines())
    folder, largest = lines.most_common(1)[0]
    assert largest <= LARGEST_SHARE * sum(lines.values()), folder


@pytest.mark.parametrize("path", files_of(*ENGINE_FOLDERS))
def test_a_folder_imports_only_folders_before_it(path):
    before = ENGINE_FOLDERS[: ENGINE_FOLDERS.index(folder_of(path))]
    assert folders_imported(path) <= set(before)


@pytest.mark.parametrize("path", files_of(*ENGINE_FOLDERS))
def test_the_engine_never_imports_scipion(path):
    assert not [name for name in imported(path) if within(name, *SCIPION)]


@pytest.mark.parametrize("path", files_of(*ENGINE_FOLDERS, *SCIPION_FOLDERS, ""))
def test_only_the_program_entry_imports_commands(path):
    allowed = {PACKAGE / "engine" / "__main__.py"}
    assert path in allowed or "commands" not in folders_imported(path)


@pytest.mark.parametrize("path", files_of(*WITHOUT_TORCH, ""))
def test_folders_without_torch_never_import_it(path):
    assert not [name for name in imported(path) if within(name, "torch", "safetensors")]


@pytest.mark.parametrize("path", files_of(*SCIPION_FOLDERS, ""))
def test_scipion_folders_import_only_allowed_engine_folders(path):
    assert not folders_imported(path) & (set(ENGINE_FOLDERS) - set(READ_BY_SCIPION))


@pytest.mark.parametrize("path", files_of("records"))
def test_records_import_no_heavy_package(path):
    heavy = ("scipy", "mrcfile", "matplotlib", "PIL", "jinja2", "pandas", "starfile")
    assert not [name for name in imported(path) if within(name, *heavy)]


@pytest.mark.parametrize("folder", [*ENGINE_FOLDERS, *SCIPION_FOLDERS])
def test_modules_of_a_folder_have_no_circular_imports(folder):
    names = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in PACKAGE.rglob("*.py")
        if folder_of(path) == folder and path.stem != "__init__"
    }
    uses = {
        name: {other for other in names if other != name and within_any(imported(path), other)}
        for name, path in names.items()
    }
    while uses:
        leaves = {name for name, others in uses.items() if not others & set(uses)}
        assert leaves, f"circular imports among {sorted(uses)}"
        uses = {name: others for name, others in uses.items() if name not in leaves}


def within_any(names, package):
    return any(within(name, package) for name in names)


def test_imports_are_found_in_every_form(tmp_path, monkeypatch):
    source = tmp_path / "tomoscore_scipion" / "reading" / "volume.py"
    source.parent.mkdir(parents=True)
    source.write_text(
        "import torch.nn\nfrom . import headers\nfrom .batch import run\n"
        "from .. import simulation\n"
        "def later():\n    from tomoscore_scipion.model import scorer\n"
    )
    monkeypatch.setattr("test_architecture.ROOT", tmp_path)
    assert imported(source) == {
        "torch.nn",
        "tomoscore_scipion.reading.headers",
        "tomoscore_scipion.reading.batch.run",
        "tomoscore_scipion.simulation",
        "tomoscore_scipion.model.scorer",
    }
