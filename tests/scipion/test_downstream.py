# SPDX-License-Identifier: GPL-3.0-or-later
"""Protocols after scoring: the filter, Scipion's subsets and joins, tomo's protocols."""

import os
import shutil
from pathlib import Path

import pytest
from lab import Lab, ids, log_of

SCORES = dict(A=1.0, B=2.0, C=2.6, D=3.5, E=0.0)


@pytest.fixture(scope="module")
def scored(project, tmp_path_factory):
    lab = Lab(project, tmp_path_factory.mktemp("tomograms"))
    half = lab.tomogram("half")["path"]
    entries = [lab.tomogram(key, score, halves=[half]) for key, score in SCORES.items()]
    entries[3]["enabled"] = False
    entries.append(lab.tomogram("X", None, halves=[half]))
    scored = lab.score(lab.source(entries))
    assert scored.isFinished(), log_of(scored)
    # From here on, opening an image fails.
    for entry in entries:
        Path(entry["path"]).rename(entry["path"] + ".hidden")
    yield scored


@pytest.fixture
def with_images(scored):
    """Provides the files of the tomograms during a test, for protocols that read them."""
    hidden = [Path(t.getFileName() + ".hidden") for t in scored.scoredTomograms]
    for path in hidden:
        path.rename(path.with_suffix(""))
    yield
    for path in hidden:
        path.with_suffix("").rename(path)


def filtered(lab, source, output="scoredTomograms", **values):
    from tomoscore_scipion.protocols import ProtTomoScoreFilter

    protocol = lab.launch(lab.new(ProtTomoScoreFilter, source, output, **values))
    assert protocol.isFinished(), log_of(protocol)
    return protocol


@pytest.mark.parametrize(
    ("values", "accepted", "criterion"),
    [
        (dict(preset=0), "D", ("_tomoScoreThreshold", 3.0)),
        (dict(preset=3, threshold=2.6), "CD", ("_tomoScoreThreshold", 2.6)),
        (dict(criterion=1, count=1), "D", ("_tomoScoreAtMost", 1)),
        (dict(criterion=2, percent=50.0), "BCD", ("_tomoScorePercent", 50.0)),
        (dict(criterion=1, count=9), "ABCDE", ("_tomoScoreAtMost", 9)),
    ],
)
def test_filter_splits_by_score_without_reading_images(lab, scored, values, accepted, criterion):
    protocol = filtered(lab, scored, **values)
    assert ids(protocol, "acceptedTomograms") == list(accepted)
    assert ids(protocol, "rejectedTomograms") == sorted(set(SCORES) - set(accepted))
    name, value = criterion
    assert getattr(protocol.acceptedTomograms, name).get() == value
    assert protocol.acceptedTomograms._tomoScoreModel.get() == "fake"
    best = [t.clone(copyEnable=True) for t in protocol.acceptedTomograms if t.getTsId() == "D"][0]
    assert best._tomoScore.get() == 3.5 and best._tomoScoreVerdict.get() == "accepted"
    assert best.hasHalfMaps() and not best.isEnabled() and best.hasOrigin()
    assert protocol.acceptedTomograms.getDim() == (64, 64, 16)
    summary = "\n".join(protocol.summary())
    assert "fake 1" in summary and "Median TomoScore 2.00 octaves (32 nm)" in summary
    assert "Worst: E 0.00, A 1.00, B 2.00." in summary
    methods = "\n".join(protocol.methods())
    number = "1 tomogram was" if len(accepted) == 1 else f"{len(accepted)} tomograms were"
    assert "(n = 5)" in methods and f"{number} accepted" in methods
    assert "ab" * 32 in methods and "10.1101/2024.11.06.622356" in methods


def test_filter_warns_of_tomograms_without_a_score(lab, scored):
    from tomoscore_scipion.protocols import ProtTomoScoreFilter

    assert lab.new(ProtTomoScoreFilter, scored, "scoredTomograms").warnings() == []
    protocol = lab.new(ProtTomoScoreFilter, scored, "failedTomograms")
    (warning,) = protocol.warnings()
    assert warning.startswith("1 tomograms have no score")
    lab.launch(protocol)
    assert ids(protocol, "rejectedTomograms") == ["X"], log_of(protocol)
    assert protocol.summary() == ["No tomogram is scored yet."] and protocol._methods() == []


def test_filter_uses_a_changed_threshold_on_continue(lab, scored):
    protocol = filtered(lab, scored)
    assert ids(protocol, "acceptedTomograms") == ["C", "D"]
    protocol.preset.set(0)
    lab.resume(protocol)
    assert ids(protocol, "acceptedTomograms") == ["D"], log_of(protocol)
    assert ids(protocol, "rejectedTomograms") == ["A", "B", "C", "E"]


def test_filter_refuses_a_set_without_scores(lab, scored):
    from tomoscore_scipion.protocols import ProtTomoScoreFilter

    protocol = lab.new(ProtTomoScoreFilter, scored.inTomograms.getObjValue())
    assert any("no TomoScore" in error for error in protocol.validate())


def test_user_subsets_and_set_filter_keep_the_attributes(lab, scored, with_images, tmp_path):
    from pwem.protocols import ProtSetFilter, ProtUserSubSet

    selection = tmp_path / "selection.sqlite"
    shutil.copy(scored.scoredTomograms.getFileName(), selection)
    subset = lab.project.newProtocol(
        ProtUserSubSet, sqliteFile=f"{selection},", outputClassName="SetOfTomograms"
    )
    subset.inputObject.set(scored)
    subset.inputObject.setExtended("scoredTomograms")
    lab.launch(subset)
    (name, tomograms), *_ = subset.iterOutputAttributes()
    assert {t.getTsId(): t._tomoScore.get() for t in tomograms} == {
        key: score for key, score in SCORES.items() if key != "D"
    }
    chosen = lab.project.newProtocol(ProtSetFilter, formula="item._tomoScore.get() > 2.1")
    chosen.inputSet.set(subset)
    chosen.inputSet.setExtended(name)
    lab.launch(chosen)
    (last, tomograms), *_ = chosen.iterOutputAttributes()
    assert [t._tomoScoreScale.get() for t in tomograms] == [pytest.approx(128 / 2**2.6)]
    protocol = filtered(lab, chosen, last)
    assert ids(protocol, "acceptedTomograms") == ["C"]
    assert "None" not in "\n".join([*protocol.summary(), *protocol.methods()])


def test_a_join_of_scored_sets_keeps_the_scores(lab, scored, with_images):
    from pwem.protocols import ProtUnionSet
    from pyworkflow.object import Pointer

    join = lab.project.newProtocol(ProtUnionSet)
    for name in ("acceptedTomograms", "rejectedTomograms"):
        join.inputSets.append(Pointer(scored, extended=name))
    lab.launch(join)
    assert join.isFinished(), log_of(join)
    ((name, tomograms),) = join.iterOutputAttributes()
    assert {t.getTsId(): t._tomoScore.get() for t in tomograms} == SCORES
    protocol = filtered(lab, join, name, preset=3, threshold=2.0)
    assert ids(protocol, "acceptedTomograms") == ["B", "C", "D"]


def test_tomo_selects_the_tilt_series_of_the_accepted_tomograms(lab, scored):
    from tomo.protocols import ProtTsFromTomos
    from tomoscore_testing.protocols import ProtTomoScoreTestTiltSeries

    series = lab.launch(lab.project.newProtocol(ProtTomoScoreTestTiltSeries, tsIds="A,B,C,D,E,X"))
    assert series.isFinished(), log_of(series)
    back = lab.project.newProtocol(ProtTsFromTomos)
    for pointer, source, output in (
        (back.inTomoSet, scored, "acceptedTomograms"),
        (back.inTsSet, series, "TiltSeries"),
    ):
        pointer.set(source)
        pointer.setExtended(output)
    lab.launch(back)
    assert back.isFinished(), log_of(back)
    assert sorted(ts.getTsId() for ts in back.tiltSeries) == ["C", "D"]


def test_failed_tomograms_can_be_scored_again_in_another_protocol(lab, scored):
    hidden = Path(scored.failedTomograms.getFirstItem().getFileName() + ".hidden")
    again = hidden.with_suffix("")
    from lab import write_mrc

    write_mrc(again, 2.8)
    protocol = lab.score(scored, "failedTomograms")
    assert ids(protocol, "acceptedTomograms") == ["X"], log_of(protocol)
    (item,) = [t.clone() for t in protocol.acceptedTomograms]
    assert item._tomoScoreError.get() is None and item._tomoScore.get() == pytest.approx(2.8)
    again.unlink()


def test_workflow_survives_export_and_import(lab, scored, tmp_path):
    from pyworkflow.project import Manager

    from tomoscore_scipion.protocols import ProtTomoScore

    chosen = dict(preset=3, threshold=1.25, atMost=7, slabFirst=2, slabLast=12, voxelSize=9.5)
    chosen.update(weights="other weights.safetensors", useGpu=True, gpuList="0 1")
    chosen.update(numberOfThreads=5, binThreads=3)
    other_protocol = lab.new(ProtTomoScore, scored.inTomograms.getObjValue(), **chosen)
    for name, value in chosen.items():
        assert getattr(other_protocol, name).get() == value
        assert getattr(ProtTomoScore(), name).get() != value, "not told from the default"
    lab.project.saveProtocol(other_protocol)
    protocol = filtered(lab, scored, criterion=2, percent=12.5)
    path = str(tmp_path / "workflow.json")
    lab.project.getRunsGraph(refresh=True)
    lab.project.exportProtocols([scored, other_protocol, protocol], path)
    other = Manager().createProject("imported")
    other.loadProtocols(path)
    kinds = [run.getClassName() for run in (scored, other_protocol, protocol)]
    again = sorted(other.getRuns(), key=lambda protocol: protocol.getObjId())
    assert [run.getClassName() for run in again] == kinds
    os.chdir(lab.project.path)
    for before, after in zip((scored, other_protocol, protocol), again):
        for name, _ in before.iterDefinitionAttributes():
            if not getattr(before, name).isPointer():
                assert after.getAttributeValue(name) == before.getAttributeValue(name), name
    assert again[2].inTomograms.getExtended() == "scoredTomograms"
