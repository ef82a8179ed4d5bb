# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol on a closed set of tomograms: output sets, attributes, metadata, summary."""

import json
from pathlib import Path

import pytest
from lab import Lab, ids, log_of

from tomoscore_scipion import __version__

ALL_SETS = ["scoredTomograms", "acceptedTomograms", "rejectedTomograms", "failedTomograms"]


@pytest.fixture(scope="module")
def source(project, tmp_path_factory):
    lab = Lab(project, tmp_path_factory.mktemp("tomograms"))
    halves = [lab.tomogram(f"half{n}")["path"] for n in (1, 2)]
    common = {"halves": halves, "ctfCorrected": True}
    return lab.source(
        [
            lab.tomogram("good", 3.5, origin=(1.0, 2.0, 3.0), **common),
            lab.tomogram("large", 0.5, shape_zyx=(20, 80, 100), samplingRate=8.0, **common),
            lab.tomogram("corrupt", None, **common),
            lab.tomogram("nothing", 0.0, **common),
            lab.tomogram("off", 4.0, enabled=False, **common),
            lab.tomogram("on the line", 2.5, **common),
        ]
    )


@pytest.fixture(scope="module")
def scored(project, source, tmp_path_factory):
    """A finished run over good, bad, corrupt and disabled tomograms."""
    return Lab(project, tmp_path_factory.mktemp("scored")).score(source)


def item(protocol, name, ts_id):
    (found,) = [t.clone(copyEnable=True) for t in getattr(protocol, name) if t.getTsId() == ts_id]
    return found


def test_tomograms_are_in_the_sets_of_their_verdicts(scored):
    assert scored.isFinished(), log_of(scored)
    assert ids(scored, "acceptedTomograms") == ["good", "off", "on the line"]
    assert ids(scored, "rejectedTomograms") == ["large", "nothing"]
    assert ids(scored, "scoredTomograms") == ["good", "large", "nothing", "off", "on the line"]
    assert ids(scored, "failedTomograms") == ["corrupt"]


def test_outputs_are_listed_accepted_first(scored):
    names = [name for name, _ in scored.iterOutputAttributes()]
    assert [name.replace("Tomograms", "") for name in names] == [
        "accepted",
        "rejected",
        "scored",
        "failed",
    ]


@pytest.mark.parametrize("name", ALL_SETS)
def test_outputs_are_closed_sets_of_tomograms_with_a_source(scored, project, name):
    tomograms = getattr(scored, name)
    assert tomograms.getClassName() == "SetOfTomograms"
    assert tomograms.isStreamClosed()
    assert tomograms.getSamplingRate() == 10.0
    assert tomograms.getDim() == (64, 64, 16)
    assert tomograms.hasOddEven()
    parents = [r["object_parent_id"] for r in scored.getRelations()]
    assert len(parents) == len(ALL_SETS)


@pytest.mark.parametrize(
    ("name", "ts_id", "values"),
    [
        ("scoredTomograms", "good", (3.5, 3.25, 3.75, 11.31, "accepted", None)),
        ("acceptedTomograms", "good", (3.5, 3.25, 3.75, 11.31, "accepted", None)),
        ("rejectedTomograms", "large", (0.5, 0.25, 0.75, 90.51, "rejected", None)),
        ("rejectedTomograms", "nothing", (0.0, 0.0, 0.25, None, "rejected", None)),
    ],
)
def test_items_have_score_interval_scale_and_verdict(scored, name, ts_id, values):
    found = item(scored, name, ts_id)
    names = ("", "Low", "High", "Scale", "Verdict", "Error")
    seen = [found.getAttributeValue(f"_tomoScore{n}") for n in names]
    assert [round(v, 2) if isinstance(v, float) else v for v in seen] == list(values)


def test_failed_items_have_the_reason_and_no_numbers(scored):
    failed = item(scored, "failedTomograms", "corrupt")
    assert "not an MRC file" in failed._tomoScoreError.get()
    assert failed._tomoScoreVerdict.get() == "failed"
    assert failed._tomoScore.get() is None
    assert failed.getFileName().endswith("corrupt.mrc")


def test_outputs_have_the_metadata_of_the_input(scored, source):
    for before in source.Tomograms.iterItems():
        before = before.clone(copyEnable=True)
        name = "failedTomograms" if before.getTsId() == "corrupt" else "scoredTomograms"
        after = item(scored, name, before.getTsId())
        assert after.getObjId() == before.getObjId()
        assert after.isEnabled() == before.isEnabled() == (before.getTsId() != "off")
        for part in ("_filename", "_samplingRate", "_halfMapFilenames", "_ctfCorrected"):
            assert after.getAttributeValue(part) == before.getAttributeValue(part), part
        assert after._origin.equalAttributes(before._origin)
        assert after._acquisition.equalAttributes(before._acquisition)
    assert item(scored, "scoredTomograms", "large").getSamplingRate() == 8.0
    assert len(item(scored, "scoredTomograms", "good").getHalfMaps(asList=True)) == 2


@pytest.mark.parametrize("name", ALL_SETS)
def test_sets_have_model_engine_and_threshold(project, scored, name):
    stored = project.getProtocol(scored.getObjId())
    tomograms = getattr(stored, name)
    assert tomograms._tomoScoreModel.get() == "fake"
    assert tomograms._tomoScoreModelVersion.get() == "1"
    assert tomograms._tomoScoreModelSha256.get() == "ab" * 32
    assert tomograms._tomoScoreEngineVersion.get() == __version__
    assert tomograms._tomoScoreDevice.get() == "cpu"
    assert tomograms._tomoScoreVoxelSize.get() == 0.0
    assert tomograms._tomoScoreThreshold.get() == 2.5
    assert tomograms._tomoScoreAtMost.get() == 0
    assert tomograms._tomoScorePercent.get() is None
    assert (tomograms._tomoScoreSlabFirst.get(), tomograms._tomoScoreSlabLast.get()) == (0, -1)
    # The file of the set alone gives the same values.
    assert tomograms.getProperty("_tomoScoreThreshold") == "2.5"
    assert tomograms.getProperty("_tomoScoreModelSha256") == "ab" * 32
    assert tomograms.getProperty("_tomoScorePercent") is None


def test_missing_values_are_none_when_read_again(project, scored):
    """Reads the set in the project, and the set read from its file alone."""
    from tomo.objects import SetOfTomograms

    stored = project.getProtocol(scored.getObjId())
    for name in ("scoredTomograms", "failedTomograms"):
        path = getattr(stored, name).getFileName()
        for tomograms in (getattr(stored, name), SetOfTomograms(filename=path)):
            for found in tomograms.iterItems():
                has_score = name == "scoredTomograms"
                assert (found._tomoScoreError.get() is None) is has_score
                assert (found._tomoScore.get() is None) is not has_score


def test_slab_limits_reach_the_engine_and_the_summary(lab):
    from tomoscore_scipion.records.record import Score

    entries = [lab.tomogram("thick", 3.0), lab.tomogram("thin", 3.0, shape_zyx=(8, 64, 64))]
    scored = lab.score(lab.source(entries), slabFirst=2, slabLast=11)
    assert ids(scored, "acceptedTomograms") == ["thick"], log_of(scored)
    assert ids(scored, "failedTomograms") == ["thin"]
    error = item(scored, "failedTomograms", "thin")._tomoScoreError.get()
    assert "slab limits 2 to 11: expected slices within 0 to 7" in error
    (results,) = Path(scored._getExtraPath("batches")).glob("*/results.jsonl")
    records = [Score.from_json(line) for line in results.read_text().splitlines()]
    assert [r.slab_z for r in records if not r.error] == [(2, 11)]
    for name in ("scoredTomograms", "acceptedTomograms", "failedTomograms"):
        tomograms = getattr(scored, name)
        limits = tomograms._tomoScoreSlabFirst.get(), tomograms._tomoScoreSlabLast.get()
        assert limits == (2, 11)
    assert "Scored slices 2 to 11 (counted from 0)." in scored.summary()
    assert "in xy slices, of slices 2 to 11 (counted from 0)." in scored.methods()[0]


def test_slab_limits_without_an_end_go_to_the_last_slice_of_each(lab):
    entries = [lab.tomogram("thick", 3.0), lab.tomogram("thin", 3.0, shape_zyx=(8, 64, 64))]
    scored = lab.score(lab.source(entries), slabFirst=2)
    assert ids(scored, "acceptedTomograms") == ["thick", "thin"], log_of(scored)
    assert "Scored slices 2 to the last (counted from 0)." in scored.summary()


def test_the_failed_set_has_the_model_even_if_its_items_came_first(lab):
    entries = [lab.tomogram("no id"), lab.tomogram("good", 3.0, name="good.mrc")]
    entries[0]["tsId"] = None
    scored = lab.score(lab.source(entries))
    assert ids(scored, "scoredTomograms") == ["good"], log_of(scored)
    assert scored.failedTomograms._tomoScoreModelSha256.get() == "ab" * 32


def test_scores_can_be_selected_and_sorted_by_sql(scored):
    good = scored.scoredTomograms.iterItems(where="_tomoScore>3", orderBy="_tomoScore")
    assert [t.getTsId() for t in good] == ["good", "off"]


def test_each_item_has_its_own_voxel_size_in_the_job(scored):
    (job,) = Path(scored._getExtraPath("batches")).glob("*/job.json")
    entries = json.loads(job.read_text())["tomograms"]
    assert {e["ts_id"]: e["voxel_size_angstrom"] for e in entries}["large"] == 8.0
    assert {e["ts_id"]: e["voxel_size_angstrom"] for e in entries}["good"] == 10.0


def test_summary_and_methods_have_counts_criteria_model_and_references(scored):
    summary = "\n".join(scored.summary())
    assert "scored 5" in summary and "accepted 3" in summary and "rejected 2" in summary
    assert "Median TomoScore 2.50 octaves (22.6 nm)" in summary
    assert "Worst: nothing 0.00, large 0.50, on the line 2.50." in summary
    assert "Accepted: TomoScore >= 2.5 (22.6 nm or finer); borderline ones too." in summary
    assert "*Borderline 1* (the 90 % interval contains the threshold): *accepted 1*." in summary
    assert "fake 1 (abababababab), on cpu" in summary
    assert "1 failed" in summary and "corrupt" in summary
    methods = "\n".join(scored.methods())
    assert "Tomograms (n = 5) were rated by TomoScore" in methods
    assert "ab" * 32 in methods
    assert "Tan et al., 2024, doi:10.1101/2024.11.06.622356" in methods
    assert "[" not in scored._methods()[0]  # no mark-up
    assert "[[https://doi.org/10.1101/2024.11.06.622356][Tan et al." in methods  # a link that opens
    citations = "\n".join(scored.citations())
    assert "2024.11.06.622356" in citations and "eLife" not in citations


def test_a_run_without_any_score_fails_with_the_reason(lab):
    source = lab.source([lab.tomogram("a", None), lab.tomogram("b", None)])
    scored = lab.score(source)
    assert scored.isFailed()
    assert "none of 2 tomograms could be scored" in scored.getErrorMessage()
    assert "not an MRC file" in scored.getErrorMessage()
    assert ids(scored, "failedTomograms") == ["a", "b"]
    assert scored.failedTomograms.isStreamClosed()


def test_an_engine_that_cannot_start_fails_the_protocol_with_its_reason(lab, monkeypatch):
    monkeypatch.setenv("FAKE_ERROR", "device cuda:7: found 2 visible GPUs")
    scored = lab.score(lab.source([lab.tomogram("a")]))
    assert scored.isFailed()
    assert "could not start: device cuda:7: found 2 visible GPUs" in scored.getErrorMessage()


def test_only_the_tomogram_that_kills_the_engine_fails(lab, monkeypatch):
    monkeypatch.setenv("FAKE_DIE", "huge")
    names = ["a", "huge", "c"]
    scored = lab.score(lab.source([lab.tomogram(name) for name in names]))
    assert scored.isFinished(), log_of(scored)
    assert ids(scored, "scoredTomograms") == ["a", "c"]
    assert ids(scored, "failedTomograms") == ["huge"]
    assert "out of memory" in item(scored, "failedTomograms", "huge")._tomoScoreError.get()


ODD_NAMES = ["two words", "100%", "it's", 'say "hi"', "$(touch owned)", "`ls`", "señal-日本", "-x"]


def test_tomograms_with_special_characters_in_their_names_are_scored(lab, project):
    entries = [lab.tomogram(name, 3.0, name=f"{name}.mrc") for name in ODD_NAMES]
    scored = lab.score(lab.source(entries))
    assert ids(scored, "acceptedTomograms") == sorted(ODD_NAMES), log_of(scored)


def test_duplicate_and_missing_tsids_fail_those_items(lab):
    entries = [lab.tomogram(n, name=f"{n}.mrc") for n in ("a", "b", "c", "d")]
    for entry, ts_id in zip(entries, ("same", "same", None, "fine")):
        entry["tsId"] = ts_id
    scored = lab.score(lab.source(entries))
    assert ids(scored, "scoredTomograms") == ["fine", "same"]
    errors = [t._tomoScoreError.get() for t in scored.failedTomograms]
    assert ["same tsId" in e for e in errors] == [True, False]
    assert "no tsId" in errors[1]
