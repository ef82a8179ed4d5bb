# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers, reader and manifest for napari; tests that need napari or npe2 are skipped without it."""

import re
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from scoring_fakes import make_score

import tomoscore_scipion.napari_plugin as plugin
from tomoscore_scipion.commands.cli import main
from tomoscore_scipion.napari_plugin.layers import LazySlices, layers_of
from tomoscore_scipion.napari_plugin.reader import MAX_TOMOGRAMS, get_reader
from tomoscore_scipion.records.errors import StartError, TomogramError
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.record_files import json_line

MANIFEST = Path(plugin.__file__).with_name("napari.yaml")
SHAPE_ZYX = (20, 32, 48)


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A results file with one scored tomogram, which has a map, and one failed tomogram."""
    monkeypatch.chdir(tmp_path)
    values = np.arange(np.prod(SHAPE_ZYX), dtype=np.float32).reshape(SHAPE_ZYX)
    write_mrc("TS_01.mrc", values, 10.0, (100.0, 200.0, 300.0))
    Path("maps").mkdir()
    write_mrc("maps/TS_01-quality.mrc", values[:5, :8, :12], 40.0, (115.0, 215.0, 315.0))
    slices = [{"z": z, "tomoscore": 0.5 * z, "scale_nm": 128 / 2 ** (0.5 * z)} for z in (5, 9)]
    record = make_score("TS_01", path="TS_01.mrc", slices=slices, shape_zyx=SHAPE_ZYX)
    failed = Score.failed("TS_02", "TS_02.mrc", "cut off")
    Path("r.jsonl").write_text(json_line(record) + json_line(failed))
    return record, values


def write_mrc(path, values, voxel_angstrom, origin_xyz):
    with mrcfile.new(path, values) as mrc:
        mrc.voxel_size = voxel_angstrom
        mrc.header.origin = origin_xyz


def test_tomogram_map_and_scores_are_aligned(results):
    record, values = results
    (tomogram, its, _), (quality, maps, _), (points, scores, kind) = layers_of(record, ["maps"])
    assert its["scale"] == (10.0,) * 3 and its["translate"] == (300.0, 200.0, 100.0)
    assert maps["scale"] == (40.0,) * 3 and maps["translate"] == (315.0, 215.0, 115.0)
    assert maps["contrast_limits"] == (0.0, 5.0)
    assert np.array_equal(quality, values[:5, :8, :12])
    assert kind == "points" and points[:, 0].tolist() == [5, 9]
    assert scores["features"] == {"tomoscore": [2.5, 4.5]}
    assert its["metadata"]["tomoscore"]["ts_id"] == "TS_01"


def test_without_a_map_the_other_layers_are_shown(results):
    assert [kind for _, _, kind in layers_of(results[0])] == ["image", "points"]


@pytest.mark.parametrize(
    "key",
    [
        3,
        -1,
        np.int64(4),
        (3, slice(2, 5)),
        (slice(4, 9, 2), slice(None), 7),
        slice(None),
        ([1, 5],),
    ],
)
def test_lazy_slices_support_every_kind_of_index(results, key):
    record, values = results
    lazy = layers_of(record)[0][0]
    assert isinstance(lazy, LazySlices) and lazy.shape == SHAPE_ZYX
    assert np.array_equal(lazy[key], values[key])
    assert np.array_equal(np.asarray(lazy), values)


def test_the_reader_accepts_records_and_ignores_other_files(results):
    Path("other.jsonl").write_text('{"a": 1}\n')
    assert get_reader("other.jsonl") is None
    assert get_reader("none.jsonl") is None
    layers = get_reader("r.jsonl")("r.jsonl")
    assert [kind for _, _, kind in layers] == ["image", "image", "points"]
    assert len(get_reader(["r.jsonl"])(["r.jsonl", "r.jsonl"])) == 6


@pytest.mark.parametrize("count", [0, MAX_TOMOGRAMS + 1])
def test_no_tomograms_and_too_many_are_an_error(results, count):
    Path("r.jsonl").write_text("".join(json_line(make_score(f"TS_{n}")) for n in range(count)))
    with pytest.raises(StartError, match=f"found {count}; choose some by their ids"):
        get_reader("r.jsonl")("r.jsonl")


def test_a_missing_tomogram_is_reported(results):
    Path("TS_01.mrc").unlink()
    with pytest.raises(TomogramError, match="TS_01.mrc: expected a file"):
        get_reader("r.jsonl")("r.jsonl")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["r.jsonl", "TS_09"], "expected a record of TS_09"),
        (["r.jsonl", "TS_02"], "TS_02: was not scored: cut off"),
        (["none.jsonl"], "none.jsonl"),
    ],
)
def test_records_that_cannot_be_shown_are_reported(results, capsys, arguments, says):
    assert main(["napari", *arguments]) == 1
    assert says in capsys.readouterr().err


def test_without_napari_the_message_says_how_to_install_it(results, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "napari", None)
    assert main(["napari", "r.jsonl"]) == 1
    assert "pip install 'scipion-em-tomoscore[engine,napari]'" in capsys.readouterr().err


def test_the_manifest_names_existing_functions():
    from importlib import import_module

    commands = re.findall(r"python_name: (\S+):(\w+)", MANIFEST.read_text())
    assert len(commands) == 2
    for module, name in commands:
        if not module.endswith("profile"):  # which needs Qt
            assert callable(getattr(import_module(module), name))


def test_the_manifest_is_valid_and_the_reader_is_found():
    npe2 = pytest.importorskip("npe2")
    manifest = npe2.PluginManifest.from_file(MANIFEST)
    manifest.validate_imports() if find_qt() else None
    assert [reader.command for reader in manifest.contributions.readers] == [
        "scipion-em-tomoscore.get_reader"
    ]


def find_qt():
    from importlib.util import find_spec

    return any(map(find_spec, ("PyQt6", "PyQt5", "PySide6")))


def test_napari_opens_records_through_the_plugin(results):
    npe2 = pytest.importorskip("npe2")
    pytest.importorskip("napari")
    from napari.components import ViewerModel

    _, values = results
    manager = npe2.PluginManager.instance()
    if "scipion-em-tomoscore" not in manager:
        manager.register(npe2.PluginManifest.from_file(MANIFEST))
    viewer = ViewerModel()
    viewer.open("r.jsonl", plugin="scipion-em-tomoscore")
    assert [layer.name for layer in viewer.layers] == [
        "TS_01",
        "TS_01: TomoScore per place",
        "TS_01: TomoScore per slice",
    ]
    tomogram = viewer.layers[0]
    viewer.dims.set_point(0, 300.0 + 9 * 10.0)
    assert np.array_equal(np.asarray(tomogram._slice.image.raw), values[9])
    assert viewer.layers[2]._view_text.tolist() == ["TomoScore 4.50"]


def test_the_profile_shows_the_selected_tomogram_and_the_slice_in_view(results, monkeypatch):
    pytest.importorskip("napari")
    pytest.importorskip("qtpy.QtWidgets")
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    from napari.components import ViewerModel
    from qtpy.QtWidgets import QApplication

    from tomoscore_scipion.napari_plugin.profile import SliceProfile

    application = QApplication.instance() or QApplication([])
    viewer = ViewerModel()
    widget = SliceProfile(viewer)
    (axes,) = widget.figure.axes
    assert axes.get_title() == "Select a scored tomogram"
    data, arguments, _ = layers_of(results[0])[0]
    viewer.add_image(data, **arguments)
    assert axes.get_title() == "TS_01: 2.50"
    curve, shown = axes.lines
    assert curve.get_xydata().tolist() == [[5, 2.5], [9, 4.5]]
    viewer.dims.set_point(0, 300.0 + 7 * 10.0)
    assert axes.lines[-1].get_xdata()[0] == pytest.approx(7)
    widget.close()
    assert application is not None
