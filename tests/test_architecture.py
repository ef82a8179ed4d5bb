# SPDX-License-Identifier: GPL-3.0-or-later
"""Import order of the folders (rooms) of the package, read from the sources."""

import ast
from collections import Counter
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tomoscore_scipion"

ENGINE_ROOMS = (
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
"""Rooms without Scipion. Each may import the rooms before it and none after it."""

SCIPION_ROOMS = ("protocols", "viewers", "tests")
"""Rooms that Scipion loads, like the modules beside them (plugin, wizards and others)."""

WITHOUT_TORCH = ("records", "reading", "pipelines", "comparison", "agreement", "examples")
WITHOUT_TORCH += ("calibration", "report", "session", "napari_plugin", *SCIPION_ROOMS)
"""Rooms that work where torch is not installed."""

READ_BY_SCIPION = (
    "calibration",
    "records",
    "reading",
    "images",
    "comparison",
    "agreement",
    "examples",
)
"""Rooms of the engine that may be imported in the process of Scipion."""

SCIPION = ("scipion", "pyworkflow", "pwem", "tomo")
LARGEST_SHARE = 0.15
"""Largest fraction of the lines that a room may have."""


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


def room_of(path):
    """The folder below the package in which a file lies; "" for the package itself."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def rooms_imported(path):
    """The other rooms that a file imports; modules beside the rooms have their own names."""
    inside = (name.split(".") for name in imported(path) if within(name, "tomoscore_scipion"))
    return {parts[1] for parts in inside if len(parts) > 1} - {room_of(path), "__version__"}


def files_of(*rooms):
    paths = [path for path in sorted(PACKAGE.rglob("*.py")) if room_of(path) in rooms]
    return [pytest.param(path, id=str(path.relative_to(PACKAGE))) for path in paths]


def test_every_folder_with_code_is_a_room():
    folders = {room_of(path) for path in PACKAGE.rglob("*.py")} - {""}
    assert folders == {*ENGINE_ROOMS, *SCIPION_ROOMS}


def test_every_room_says_what_it_is_for():
    for room in (*ENGINE_ROOMS, *SCIPION_ROOMS):
        assert ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text())), room


def test_no_room_is_a_hall():
    lines = Counter()
    for path in PACKAGE.rglob("*.py"):
        lines[room_of(path)] += len(path.read_text(encoding="utf-8").splitlines())
    room, largest = lines.most_common(1)[0]
    assert largest <= LARGEST_SHARE * sum(lines.values()), room


@pytest.mark.parametrize("path", files_of(*ENGINE_ROOMS))
def test_a_room_imports_only_rooms_before_it(path):
    before = ENGINE_ROOMS[: ENGINE_ROOMS.index(room_of(path))]
    assert rooms_imported(path) <= set(before)


@pytest.mark.parametrize("path", files_of(*ENGINE_ROOMS))
def test_the_engine_never_imports_scipion(path):
    assert not [name for name in imported(path) if within(name, *SCIPION)]


@pytest.mark.parametrize("path", files_of(*ENGINE_ROOMS, *SCIPION_ROOMS, ""))
def test_only_the_program_entry_imports_commands(path):
    allowed = {PACKAGE / "engine" / "__main__.py"}
    assert path in allowed or "commands" not in rooms_imported(path)


@pytest.mark.parametrize("path", files_of(*WITHOUT_TORCH, ""))
def test_rooms_without_torch_never_import_it(path):
    assert not [name for name in imported(path) if within(name, "torch", "safetensors")]


@pytest.mark.parametrize("path", files_of(*SCIPION_ROOMS, ""))
def test_scipion_reads_what_is_written_and_never_runs_a_model(path):
    assert not rooms_imported(path) & (set(ENGINE_ROOMS) - set(READ_BY_SCIPION))


@pytest.mark.parametrize("path", files_of("records"))
def test_records_are_light(path):
    heavy = ("scipy", "mrcfile", "matplotlib", "PIL", "jinja2", "pandas", "starfile")
    assert not [name for name in imported(path) if within(name, *heavy)]


@pytest.mark.parametrize("room", [*ENGINE_ROOMS, *SCIPION_ROOMS])
def test_modules_of_a_room_do_not_import_one_another_in_a_circle(room):
    names = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in PACKAGE.rglob("*.py")
        if room_of(path) == room and path.stem != "__init__"
    }
    uses = {
        name: {other for other in names if other != name and within_any(imported(path), other)}
        for name, path in names.items()
    }
    while uses:
        leaves = {name for name, others in uses.items() if not others & set(uses)}
        assert leaves, f"a circle among {sorted(uses)}"
        uses = {name: others for name, others in uses.items() if name not in leaves}


def within_any(names, package):
    return any(within(name, package) for name in names)


def test_imports_are_seen_in_every_form(tmp_path, monkeypatch):
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
