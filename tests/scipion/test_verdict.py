# SPDX-License-Identifier: GPL-3.0-or-later
"""Accepted tomograms: thresholds, borderline scores, faults, the best N, lists of ids."""

import pytest

from tomoscore_scipion.records import verdict
from tomoscore_scipion.records.id_lists import IdListError, parse_id_list
from tomoscore_scipion.records.verdict import Criteria, Measured


def certain(**scores):
    """Tomograms with very small intervals."""
    return {key: Measured(s, s - 0.001, s - 0.0005) for key, s in scores.items()}


@pytest.mark.parametrize(
    ("threshold", "at_most", "accepted"),
    [(2.0, 0, "bc"), (2.0, 1, "c"), (2.1, 0, "c"), (0.0, 0, "abc"), (5.0, 3, ""), (None, 2, "bc")],
)
def test_scores_from_the_threshold_up_are_accepted_up_to_the_given_number(
    threshold, at_most, accepted
):
    criteria = Criteria(threshold, at_most=at_most)
    assert verdict.accepted_by(criteria, certain(a=1.0, b=2.0, c=3.0)) == set(accepted)


@pytest.mark.parametrize(
    ("measured", "borderline", "with_borderline", "without"),
    [
        (Measured(2.4, 2.1, 2.7), False, True, True),  # clearly above
        (Measured(2.2, 2.0, 2.4), True, True, False),  # the interval begins at the threshold
        (Measured(1.9, 1.6, 2.2), True, True, False),
        (Measured(1.7, 1.4, 2.0), True, True, False),  # it ends there
        (Measured(1.6, 1.3, 1.9), False, False, False),  # clearly below
        (Measured(2.0), False, True, True),  # no interval is known
        (Measured(None), False, False, False),
    ],
)
def test_a_tomogram_is_borderline_when_its_interval_contains_the_threshold(
    measured, borderline, with_borderline, without
):
    assert measured.is_borderline(2.0) is borderline
    assert Criteria(2.0).accepts(measured) is with_borderline
    assert Criteria(2.0, accept_borderline=False).accepts(measured) is without


def test_only_selected_faults_reject_regardless_of_the_score():
    measured = Measured(3.5, 3.2, 3.8, faults=("unflipped", "too thin"))
    assert Criteria(2.0).accepts(measured)
    assert Criteria(2.0).decided_by(measured) == "score"
    criteria = Criteria(2.0, faults=frozenset({"too thin", "voxel size unknown"}))
    assert not criteria.accepts(measured)
    assert criteria.decided_by(measured) == "too thin"
    assert criteria.accepts(Measured(3.5, 3.2, 3.8, faults=("unflipped",)))


def test_tomograms_rejected_by_a_fault_do_not_count_among_the_best():
    tomograms = {**certain(a=1.0, b=2.0), "c": Measured(3.0, 2.9, 3.1, faults=("unflipped",))}
    criteria = Criteria(0.0, faults=frozenset({"unflipped"}), at_most=1)
    assert verdict.accepted_by(criteria, tomograms) == {"b"}


def test_equal_scores_are_ranked_by_name():
    assert verdict.best({"b": 2.0, "a": 2.0, "c": 1.0}, 1) == {"a"}


@pytest.mark.parametrize(("percent", "count"), [(0, 0), (1, 1), (50, 2), (51, 3), (100, 4)])
def test_a_percentage_is_rounded_up_to_whole_tomograms(percent, count):
    assert len(verdict.best_percent(dict(zip("abcd", range(4))), percent)) == count


def test_voxel_size_limits_the_score():
    assert [round(verdict.reachable(size), 2) for size in (5, 20, 40, 1000)] == [5, 5, 4, 0]


def test_presets_are_described_in_octaves_and_nm():
    assert verdict.threshold_text(2.5) == "TomoScore >= 2.5 (22.6 nm or finer)"
    assert verdict.threshold_text(0.0) == "TomoScore >= 0 (all)"
    assert all(
        f"*{name}*: TomoScore >= {value:g} (" in verdict.presets_text()
        for name, value in verdict.PRESETS
    )


SAVED = """ts_id,verdict,decided_by
TS_01,accepted,score
"with, comma",accepted,hand
TS_03,rejected,hand
TS_04,rejected,"unflipped, too thin"
"""


def test_a_file_saved_by_the_report_gives_the_verdict_of_each_id():
    ids = parse_id_list("\ufeff" + SAVED)
    assert ids.of("TS_01") == ("accepted", "score")
    assert ids.of("with, comma") == ("accepted", "hand")
    assert ids.of("TS_03") == ("rejected", "hand")
    assert ids.of("TS_04") == ("rejected", "unflipped, too thin")
    assert ids.of("another") == ("rejected", "hand")


@pytest.mark.parametrize(
    "text", ["TS 1\nTS_2\n\n", "TS 1, TS_2", " TS 1 \r\nTS_2", '"TS 1",TS_2', "TS 1\nTS_2\nTS_2"]
)
def test_the_ids_of_a_plain_list_are_accepted(text):
    ids = parse_id_list(text)
    assert ids.verdicts == dict.fromkeys(("TS 1", "TS_2"), ("accepted", "hand"))
    assert ids.of("TS_3") == ("rejected", "hand")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (" \n", "is empty"),
        ("ts_id,verdict,decided_by\n", "no ids"),
        (SAVED + "TS_05,perhaps,hand", "line 6: expected an id, accepted or rejected, score,"),
        (SAVED + "TS_05,accepted,somebody", "line 6: expected"),
        (SAVED + "TS_05", "line 6: expected"),
        (SAVED + "TS_01,rejected,hand", "line 6: TS_01 has another verdict before"),
    ],
)
def test_an_invalid_list_of_ids_is_refused(text, fault):
    with pytest.raises(IdListError, match=fault):
        parse_id_list(text)


def test_the_digest_depends_on_the_ids_and_not_on_their_order():
    assert parse_id_list("a,b").digest() == parse_id_list("b\na").digest()
    assert parse_id_list("a,b").digest() != parse_id_list("a").digest()
