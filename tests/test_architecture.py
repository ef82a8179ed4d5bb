# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may import whom, read from the sources."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tomoscore_scipion"
ENGINE = PACKAGE / "engine"

FLOW = (
    "errors",
    "bands",
    "z_range",
    "text_file",
    "star_file",
    "warp_metadata",
    "file_kind",
    "foreign",
    "source_file",
    "mrc_fields",
    "mrc_header",
    "voxel_size",
    "data_samples",
    "byte_sign",
    "byte_order",
    "compressed",
    "volume",
    "sampling",
    "validity",
    "tiles",
    "normalisation",
    "octaves",
    "statistics",
    "features",
    "network",
    "weights",
    "device",
    "inference",
    "tomogram",
    "record",
    "acceptance",
    "scorer",
    "file_names",
    "aside",
    "pictures",
    "thumbnail_files",
    "thumbnails",
    "quality_map",
    "map_files",
    "products",
    "job",
    "output",
    "relion_tomograms",
    "warp_folder",
    "sources",
    "accepted_files",
    "record_files",
    "table",
    "progress",
    "stopping",
    "helper_process",
    "work",
    "scoring",
    "worker",
    "supervisor",
    "batch",
    "job_runner",
    "score_command",
    "info",
    "cli",
)
"""The steps of the engine in the order in which data goes through them."""

BESIDE_THE_FLOW = ("damage", "contrast_transfer", "backprojection", "imod_files", "tilt_series")
"""Modules that make tomograms: they may use steps of the engine, and no step uses them."""

ENDS = ("__init__", "__main__", "cli")
"""The engine's front doors, which may import every part of it."""

REPORT_READS = ("errors", "bands", "record", "file_names", "thumbnail_files", "output", "table")
REPORT_READS += ("record_files", "aside", "pictures", "acceptance")
"""Steps of the engine that report and comparison may use: what is written, and never a model."""

SCIPION = ("scipion", "pyworkflow", "pwem", "tomo")


def imported(path):
    """Absolute dotted names of all that a file imports, wherever in the file."""
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
    """Whether a dotted name is one of the packages or lies in it."""
    return any(name == package or name.startswith(package + ".") for package in packages)


def steps_imported(path):
    """Names of the engine's modules that a file imports; "__init__" for names of the facade."""
    modules = {module.stem for module in ENGINE.glob("*.py")}
    inside = {name for name in imported(path) if within(name, "tomoscore_scipion.engine")}
    steps = {(*name.split("."), "__init__")[2] for name in inside}
    return {step if step in modules else "__init__" for step in steps}


def named(paths):
    return [pytest.param(path, id=str(path.relative_to(PACKAGE))) for path in sorted(paths)]


ENGINE_FILES = named(ENGINE.rglob("*.py"))
SCIPION_FILES = named(
    path
    for pattern in ("*.py", "protocols/**/*.py", "viewers/**/*.py", "wizards/**/*.py")
    for path in PACKAGE.glob(pattern)
)


@pytest.mark.parametrize("path", ENGINE_FILES)
def test_engine_imports_neither_scipion_nor_what_is_built_on_it(path):
    above = [
        f"tomoscore_scipion.{name}"
        for name in (
            "simulation",
            "benchmark",
            "training",
            "comparison",
            "dose",
            "session",
            "napari_plugin",
            "agreement",
            "examples",
        )
    ]
    if path.stem != "scoring":
        above.append("tomoscore_scipion.halves")
    above += [f"tomoscore_scipion.{name}" for name in ("plugin", "Plugin")]
    above += [f"tomoscore_scipion.{name}" for name in ("protocols", "viewers", "wizards")]
    assert not [name for name in imported(path) if within(name, *SCIPION, *above)]


@pytest.mark.parametrize("path", ENGINE_FILES)
def test_every_engine_module_has_a_place_in_the_flow(path):
    assert path.stem in (*FLOW, *BESIDE_THE_FLOW, *ENDS), "give the new module its place in FLOW"


@pytest.mark.parametrize("step", [step for step in FLOW if step not in ENDS])
def test_a_step_imports_only_steps_before_it(step):
    assert steps_imported(ENGINE / f"{step}.py") <= set(FLOW[: FLOW.index(step)])


@pytest.mark.parametrize("path", named((PACKAGE / "report").rglob("*.py")))
def test_the_report_reads_what_is_written_and_never_a_model(path):
    assert steps_imported(path) <= set(REPORT_READS)
    heavy = ("torch", "safetensors", "mrcfile", *SCIPION)
    assert not [name for name in imported(path) if within(name, *heavy)]


@pytest.mark.parametrize("path", named((PACKAGE / "comparison").rglob("*.py")))
def test_the_comparison_needs_scores_and_nothing_else(path):
    assert steps_imported(path) <= set(REPORT_READS)
    heavy = ("torch", "scipy", "safetensors", "mrcfile", "tomoscore_scipion.report", *SCIPION)
    assert not [name for name in imported(path) if within(name, *heavy)]


@pytest.mark.parametrize("path", named((PACKAGE / "examples").rglob("*.py")))
def test_thresholds_from_examples_need_scores_and_nothing_else(path):
    beside = [name for name in imported(path) if within(name, "tomoscore_scipion")]
    allowed = ("tomoscore_scipion.engine", "tomoscore_scipion.examples")
    assert not [name for name in beside if not within(name, *allowed)]
    assert steps_imported(path) <= set(REPORT_READS)


@pytest.mark.parametrize("path", named((PACKAGE / "agreement").rglob("*.py")))
def test_the_agreement_needs_scores_and_notes_of_halves(path):
    assert steps_imported(path) <= set(REPORT_READS)
    heavy = ("torch", "scipy", "safetensors", "mrcfile", "tomoscore_scipion.report", *SCIPION)
    assert not [name for name in imported(path) if within(name, *heavy)]
    of_halves = [name for name in imported(path) if within(name, "tomoscore_scipion.halves")]
    assert not [name for name in of_halves if not within(name, "tomoscore_scipion.halves.note")]


@pytest.mark.parametrize("path", named((PACKAGE / "dose").rglob("*.py")))
def test_the_dose_analysis_stands_on_the_engine_alone(path):
    beside = [name for name in imported(path) if within(name, "tomoscore_scipion")]
    allowed = [f"tomoscore_scipion.{name}" for name in ("engine", "dose", "__version__")]
    assert not [name for name in beside if not within(name, *allowed)]
    assert not [name for name in imported(path) if within(name, *SCIPION)]


@pytest.mark.parametrize("path", named((PACKAGE / "session").rglob("*.py")))
def test_a_session_stands_on_engine_and_report(path):
    beside = [name for name in imported(path) if within(name, "tomoscore_scipion")]
    allowed = [f"tomoscore_scipion.{name}" for name in ("engine", "report", "session")]
    assert not [name for name in beside if not within(name, *allowed)]
    assert not [name for name in imported(path) if within(name, "torch", *SCIPION)]


@pytest.mark.parametrize("path", named((PACKAGE / "napari_plugin").rglob("*.py")))
def test_the_plugin_of_napari_stands_on_the_engine_alone(path):
    beside = [name for name in imported(path) if within(name, "tomoscore_scipion")]
    allowed = [f"tomoscore_scipion.{name}" for name in ("engine", "napari_plugin")]
    assert not [name for name in beside if not within(name, *allowed)]
    assert not [name for name in imported(path) if within(name, "torch", *SCIPION)]


@pytest.mark.parametrize("path", named((PACKAGE / "halves").rglob("*.py")))
def test_halves_stand_on_the_steps_up_to_the_record(path):
    beside = [name for name in imported(path) if within(name, "tomoscore_scipion")]
    allowed = ("tomoscore_scipion.engine", "tomoscore_scipion.halves")
    assert not [name for name in beside if not within(name, *allowed)]
    assert steps_imported(path) <= set(FLOW[: FLOW.index("record") + 1])
    assert not [name for name in imported(path) if within(name, *SCIPION)]


def test_what_reads_notes_of_halves_needs_no_model():
    path = PACKAGE / "halves" / "note.py"
    assert steps_imported(path) <= {"bands", "record"}
    assert not [name for name in imported(path) if within(name, "torch", "scipy")]


@pytest.mark.parametrize("path", SCIPION_FILES)
def test_what_scipion_loads_never_imports_torch(path):
    assert not [name for name in imported(path) if within(name, "torch", "safetensors")]


def test_imports_are_seen_in_every_form(tmp_path, monkeypatch):
    source = tmp_path / "tomoscore_scipion" / "engine" / "volume.py"
    source.parent.mkdir(parents=True)
    source.write_text(
        "import torch.nn\nfrom . import cli\nfrom .batch import run\nfrom .. import simulation\n"
        "def later():\n    from tomoscore_scipion.engine import scorer\n"
    )
    monkeypatch.setattr("test_architecture.ROOT", tmp_path)
    assert imported(source) == {
        "torch.nn",
        "tomoscore_scipion.engine.cli",
        "tomoscore_scipion.engine.batch.run",
        "tomoscore_scipion.simulation",
        "tomoscore_scipion.engine.scorer",
    }
