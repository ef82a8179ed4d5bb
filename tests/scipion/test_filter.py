# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter: by score, by number, by a list of ids, and by faults."""

import pytest
from lab import ids, log_of

SCORES = {"TS_0": 0.5, "TS_1": 1.9, "TS_2": 2.1, "TS_3": 4.0}


@pytest.fixture(scope="module")
def scored(project, tmp_path_factory):
    """Four tomograms, of which TS_3 looks unflipped; intervals are +-0.25."""
    from lab import Lab

    lab = Lab(project, tmp_path_factory.mktemp("tomograms"))
    entries = [lab.tomogram(key, score) for key, score in list(SCORES.items())[:3]]
    entries.append(lab.tomogram("TS_3", 4.0, shape_zyx=(64, 16, 64)))
    run = lab.score(lab.source(entries), preset=3, threshold=2.0)
    assert run.isFinished(), log_of(run)
    return run


@pytest.fixture
def filtered(lab, scored):
    """Function that runs the filter with the given form values."""
    from tomoscore_scipion.protocols import ProtTomoScoreFilter

    def run(**values):
        protocol = lab.new(ProtTomoScoreFilter, scored, "scoredTomograms", **values)
        assert protocol.validate() == []
        lab.launch(protocol)
        assert protocol.isFinished(), log_of(protocol)
        return protocol

    return run


def decided(protocol):
    """{tsId: (verdict, decided by, borderline)} of the outputs."""
    names = ("_tomoScoreVerdict", "_tomoScoreDecidedBy", "_tomoScoreBorderline")
    return {
        item.getTsId(): tuple(item.getAttributeValue(name) for name in names)
        for name in ("acceptedTomograms", "rejectedTomograms")
        if hasattr(protocol, name)
        for item in getattr(protocol, name)
    }


def test_borderline_tomograms_are_marked_and_accepted_by_default(scored, filtered):
    expected = {
        "TS_0": ("rejected", "score", False),
        "TS_1": ("accepted", "score", True),
        "TS_2": ("accepted", "score", True),
        "TS_3": ("accepted", "score", False),
    }
    assert decided(scored) == expected
    summary = "\n".join(scored.summary())
    assert "Tomograms: *scored 4*, *accepted 3*, *rejected 1*." in summary
    assert "Accepted: TomoScore >= 2 (32 nm or finer); borderline ones too." in summary
    assert "*Borderline 2* (the 90 % interval contains the threshold): *accepted 2*." in summary
    careful = filtered(preset=3, threshold=2.0, acceptBorderline=False)
    assert ids(careful, "acceptedTomograms") == ["TS_3"]
    assert decided(careful)["TS_2"] == ("rejected", "score", True)
    summary = "\n".join(careful.summary())
    assert "without borderline ones" in summary and "*rejected 2*." in summary


def test_faults_reject_regardless_of_the_score_with_the_reason(filtered):
    chosen = filtered(preset=3, threshold=2.0, rejectUnflipped=True)
    assert decided(chosen)["TS_3"] == ("rejected", "unflipped", False)
    assert ids(chosen, "acceptedTomograms") == ["TS_1", "TS_2"]
    assert "Rejected regardless of the score: unflipped: 1." in chosen.summary()
    assert chosen.acceptedTomograms._tomoScoreRejectFaults.get() == "unflipped"


def test_the_best_are_chosen_among_tomograms_without_a_fault(filtered):
    chosen = filtered(criterion=1, count=1, rejectUnflipped=True)
    assert ids(chosen, "acceptedTomograms") == ["TS_2"]


SAVED = """ts_id,verdict,decided_by
TS_0,accepted,hand
TS_1,rejected,hand
TS_2,rejected,score
TS_3,accepted,score
"""


def test_decisions_from_the_report_apply_and_are_named_in_the_summary(filtered, tmp_path):
    path = tmp_path / "ids.csv"
    path.write_text(SAVED)
    chosen = filtered(criterion=3, idsFile=str(path), rejectUnflipped=True)
    assert decided(chosen) == {
        "TS_0": ("accepted", "hand", False),
        "TS_1": ("rejected", "hand", False),
        "TS_2": ("rejected", "score", False),
        "TS_3": ("accepted", "score", False),
    }
    summary = "\n".join(chosen.summary())
    assert "Accepted: by the list of ids of ids.csv." in summary
    assert "Accepted by hand: 1." in summary and "Rejected by hand: 1." in summary
    assert "list of ids of ids.csv" in chosen.methods()[0]
    assert chosen.acceptedTomograms._tomoScoreIds.get() == "ids.csv"


def test_a_text_of_ids_accepts_only_those(filtered):
    chosen = filtered(criterion=3, idsText="TS_0, TS_3")
    assert ids(chosen, "acceptedTomograms") == ["TS_0", "TS_3"]
    assert {who for _, who, _ in decided(chosen).values()} == {"hand"}
    assert chosen.acceptedTomograms._tomoScoreIds.get() == "the form"


def test_continue_reads_a_changed_file_of_ids(lab, filtered, tmp_path):
    path = tmp_path / "ids.txt"
    path.write_text("TS_0")
    chosen = filtered(criterion=3, idsFile=str(path))
    path.write_text("TS_1\nTS_2")
    lab.resume(chosen)
    assert ids(chosen, "acceptedTomograms") == ["TS_1", "TS_2"]


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({}, "expected a file with ids or a text of ids, found neither"),
        ({"idsFile": "/no/such", "idsText": "TS_0"}, "found both"),
        ({"idsFile": "/no/such"}, "cannot be read: No such file or directory: /no/such"),
        ({"idsText": "TS_8, TS_9"}, "none of its 2 ids is in the input: expected ids such as TS_0"),
        ({"idsText": "ts_id,verdict,decided_by\nTS_0,maybe,hand"}, "line 2: expected an id"),
    ],
)
def test_an_invalid_list_of_ids_is_an_error(lab, scored, values, fault):
    from tomoscore_scipion.protocols import ProtTomoScoreFilter

    protocol = lab.new(ProtTomoScoreFilter, scored, "scoredTomograms", criterion=3, **values)
    (error,) = protocol.validate()
    assert error.startswith("*List of ids*: ") and fault in error


def test_ids_missing_in_the_list_or_the_input_give_a_warning(lab, scored):
    from tomoscore_scipion.protocols import ProtTomoScoreFilter

    text = "TS_0, TS_8, TS_9"
    protocol = lab.new(ProtTomoScoreFilter, scored, "scoredTomograms", criterion=3, idsText=text)
    assert protocol.validate() == []
    assert protocol.warnings() == [
        "2 ids are not in the input: TS_8, TS_9",
        "3 ids are not in the list, and will be rejected: TS_1, TS_2, TS_3",
    ]
