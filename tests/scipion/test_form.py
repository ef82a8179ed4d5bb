# SPDX-License-Identifier: GPL-3.0-or-later
"""The form before a run: errors, warnings and help; registration of protocols."""

import ast
import configparser
import re
from pathlib import Path

import pytest

import tomoscore_scipion
from tomoscore_scipion.records import verdict

PACKAGE = Path(tomoscore_scipion.__file__).parent


@pytest.fixture(scope="module")
def source(project, tmp_path_factory):
    from lab import Lab

    lab = Lab(project, tmp_path_factory.mktemp("tomograms"))
    return lab.source([lab.tomogram("a"), lab.tomogram("b")])


@pytest.fixture
def protocol(lab, source):
    from tomoscore_scipion.protocols import ProtTomoScore

    return lab.new(ProtTomoScore, source)


def test_the_default_form_is_valid(protocol):
    protocol.preset.set(verdict.BALANCED)
    assert protocol.validate() == [] and protocol.warnings() == []
    assert type(protocol)().getThreshold() == verdict.BALANCED_FROM
    criteria = type(protocol)().getCriteria()
    assert criteria.accept_borderline and not criteria.faults and not criteria.at_most


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("numberOfThreads", 2, "at least 3"),
        ("threshold", 5.1, "from 0 to 5 octaves"),
        ("threshold", -0.1, "from 0 to 5 octaves"),
        ("atMost", -1, "must be 0 (all) or more"),
        ("slabFirst", -1, "must be 0 or more"),
        ("slabLast", -2, "must be -1 (the volume's last) or more"),
        ("weights", "/no/such/file", "no file /no/such/file"),
    ],
)
def test_invalid_values_are_errors(protocol, name, value, error):
    protocol.preset.set(3)
    getattr(protocol, name).set(value)
    (found,) = protocol.validate()
    assert error in found


@pytest.mark.parametrize(
    ("first", "last", "z_range"),
    [(0, -1, None), (0, 0, [0, 0]), (3, -1, [3, None]), (3, 9, [3, 9]), (9, 9, [9, 9])],
)
def test_slab_limits_of_the_form_give_the_z_range(protocol, first, last, z_range):
    protocol.slabFirst.set(first)
    protocol.slabLast.set(last)
    assert protocol.validate() == [] and protocol.warnings() == []
    assert protocol.getZRange() == z_range


def test_slab_limits_in_reverse_order_are_an_error(protocol):
    protocol.slabFirst.set(9)
    protocol.slabLast.set(8)
    (error,) = protocol.validate()
    assert "must not come before the first" in error


@pytest.mark.parametrize(("first", "last"), [(16, -1), (0, 16)])
def test_slab_limits_outside_the_tomograms_give_a_warning(protocol, first, last):
    protocol.slabFirst.set(first)
    protocol.slabLast.set(last)
    (warning,) = protocol.warnings()
    assert "slice 16 is not there" in warning and "slices 0 to 15" in warning


@pytest.mark.parametrize(
    ("preset", "threshold", "choice"),
    [
        (0, verdict.STRICT_FROM, f"Strict (>= {verdict.STRICT_FROM})"),
        (1, verdict.BALANCED_FROM, f"Balanced (>= {verdict.BALANCED_FROM})"),
        (2, verdict.PERMISSIVE_FROM, f"Permissive (>= {verdict.PERMISSIVE_FROM})"),
        (3, 2.2, "Custom"),
    ],
)
def test_presets_and_custom_choice_give_the_threshold(protocol, preset, threshold, choice):
    protocol.preset.set(preset)
    protocol.threshold.set(2.2)
    assert protocol.getThreshold() == threshold
    assert protocol.getParam("preset").choices[preset] == choice


def test_the_presets_are_ordered_from_strict_to_permissive():
    assert verdict.STRICT_FROM == 3.0
    assert verdict.STRICT_FROM > verdict.BALANCED_FROM > verdict.PERMISSIVE_FROM


def test_unflipped_tomograms_give_a_warning(lab):
    from tomoscore_scipion.protocols import ProtTomoScore

    entry = lab.tomogram("xz", shape_zyx=(64, 16, 64), dim=[64, 16, 64])
    (warning,) = lab.new(ProtTomoScore, lab.source([entry])).warnings()
    assert "look unflipped" in warning and "64 x 16 x 64" in warning


def test_a_threshold_above_the_limit_of_the_voxel_size_gives_a_warning(protocol):
    protocol.voxelSize.set(200.0)
    (warning,) = protocol.warnings()
    assert "highest TomoScore is 1.68" in warning


def test_more_gpus_than_threads_give_a_warning(protocol):
    protocol.useGpu.set(True)
    protocol.gpuList.set("0 1 2")
    (warning,) = protocol.warnings()
    assert "choose 5 threads" in warning


def test_more_engine_threads_than_cores_give_a_warning(protocol, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    protocol.numberOfThreads.set(6)
    assert protocol.warnings() == []
    protocol.binThreads.set(2)
    (warning,) = protocol.warnings()
    assert "4 engine processes of 2 threads each" in warning
    assert "has 4 cores: choose 4 Scipion threads" in warning


SEARCHED = ("quality", "assessment", "rank", "screen", "score", "good")


@pytest.mark.parametrize("word", SEARCHED)
def test_the_search_finds_the_protocol(scipion, word):
    """Scipion searches the label and the help of a protocol."""
    from tomoscore_scipion.protocols import ProtTomoScore

    assert word in (ProtTomoScore.getClassLabel() + ProtTomoScore.getHelpText()).lower()


def test_all_protocols_have_the_label_and_name_of_the_plugin(scipion):
    import pyworkflow as pw

    ours = [
        kind
        for kind in pw.Config.getDomain().getProtocols().values()
        if kind.__module__.startswith("tomoscore_scipion")
    ]
    assert {kind.getClassLabel() for kind in ours} == {
        "TomoScore - score tomograms",
        "TomoScore - filter by score",
        "TomoScore - compare scores",
        "TomoScore - find the best dose",
        "TomoScore - threshold from examples",
    }
    assert {kind.getClassPackageName() for kind in ours} == {"tomoscore"}
    assert {kind.getPlugin().getName() for kind in ours} == {"tomoscore"}


def test_help_opens_the_manual(scipion):
    """The help has a link in Scipion's mark-up to an existing page."""
    from tomoscore_scipion.protocols import ProtTomoScore, ProtTomoScoreDose

    for kind, page in ((ProtTomoScore, "tutorial"), (ProtTomoScoreDose, "dose")):
        path, label = re.fullmatch(r"\[\[(.+)\]\[(.+)\]\]", kind.getUrl()).groups()
        assert Path(path).is_file() and Path(path).name == f"{page}.html"
        assert label == "TomoScore: manual"


def test_duplicate_ids_give_a_warning(lab):
    from tomoscore_scipion.protocols import ProtTomoScore

    entries = [lab.tomogram("a"), lab.tomogram("b"), lab.tomogram("c")]
    entries[1]["tsId"] = "a"
    (warning,) = lab.new(ProtTomoScore, lab.source(entries)).warnings()
    assert "several tomograms have: a." in warning


def test_protocols_viewers_and_wizards_are_registered(scipion):
    import pyworkflow as pw

    domain = pw.Config.getDomain()
    for kind, found in (
        ("protocols", domain.getProtocols()),
        ("viewers", domain.getViewers()),
        ("wizards", domain.getWizards()),
    ):
        modules = PACKAGE.glob(f"{kind}*/*.py"), PACKAGE.glob(f"{kind}.py")
        names = {
            node.name
            for paths in modules
            for path in paths
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.ClassDef) and is_public(node, kind)
        }
        assert names, kind
        assert names <= set(found), kind


def is_public(node, kind):
    starts = {"protocols": ("ProtTomoScore",), "viewers": ("TomoScore",), "wizards": ("TomoScore",)}
    ends = {"protocols": "", "viewers": "Viewer", "wizards": "Wizard"}
    return node.name.startswith(starts[kind]) and node.name.endswith(ends[kind])


def test_every_protocol_is_in_the_protocol_tree(scipion):
    import pyworkflow as pw

    ours = {
        name
        for name, kind in pw.Config.getDomain().getProtocols().items()
        if kind.__module__.startswith("tomoscore_scipion")
    }
    conf = configparser.ConfigParser()
    conf.read(PACKAGE / "protocols.conf", encoding="utf-8")
    (section,) = ast.literal_eval(conf["PROTOCOLS"]["Tomography"])
    (group,) = section["children"]
    assert {child["value"] for child in group["children"]} == ours


def test_every_parameter_has_help(scipion):
    from tomoscore_scipion import protocols
    from tomoscore_scipion.protocols import ProtTomoScore, ProtTomoScoreFilter

    for kind in (getattr(protocols, name) for name in protocols.__all__):
        for name, param in kind().getDefinition().iterParams():
            if name not in ("runName", "comment", "hostName"):
                assert param.help.get(), f"{kind.__name__}.{name}"
    for kind in (ProtTomoScore, ProtTomoScoreFilter):
        assert "128 nm" in kind().getParam("threshold").help.get()
