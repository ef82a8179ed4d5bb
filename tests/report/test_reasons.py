# SPDX-License-Identifier: GPL-3.0-or-later
"""Reasons for a low score are given if and only if the record shows them."""

from dataclasses import replace

import pytest
from report_records import record_of

from tomoscore_scipion.records.reasons import CONFIDENCES, reasons_of
from tomoscore_scipion.records.record import Score

GOOD = [0.8, 0.8, 0.75, 0.5, 0.2, 0.1]
MIDDLING = [0.6, 0.55, 0.45, 0.3, 0.15, 0.05]
FAINT = [0.3, 0.25, 0.2, 0.1, 0.05, 0.0]
BLURRED = [0.75, 0.7, 0.5, 0.1, 0.02, 0.0]
INVISIBLE = [0.1, 0.08, 0.05, 0.02, 0.0, 0.0]
HARMLESS = "a warning of no consequence"


def found(record):
    """{code: confidence} of a record's reasons."""
    return {reason.code: reason.confidence for reason in reasons_of(record)}


def test_a_good_score_gets_no_reason():
    assert reasons_of(record_of(GOOD, warnings=(HARMLESS,))) == ()


def test_a_failed_record_gets_no_reason():
    assert reasons_of(Score.failed("TS_01", "a.mrc", "cut off")) == ()


def test_a_middling_score_without_a_visible_cause_gets_no_reason():
    assert found(record_of(MIDDLING, warnings=(HARMLESS,))) == {}


def test_nothing_visible_is_given_for_an_invisible_specimen():
    assert found(record_of(INVISIBLE)) == {"nothing visible": "high"}
    assert found(record_of([0.3, 0.2, 0.1, 0.05, 0.0, 0.0])) == {"nothing visible": "medium"}


def test_constant_is_given_for_a_constant_volume():
    warning = "constant, or nearly: no scored slice varies, so that nothing can be seen"
    assert found(record_of([0.0] * 6, warnings=(warning,))) == {"constant": "high"}


def test_low_contrast_is_given_for_a_low_curve():
    assert found(record_of([0.4, 0.4, 0.3, 0.1, 0.0, 0.0], slab=(20, 79))) == {
        "low contrast": "medium"
    }
    assert found(record_of([0.35, 0.4, 0.1, 0.0, 0.0, 0.0], slab=(20, 79))) == {
        "low contrast": "high"
    }


def test_only_coarse_features_is_given_for_a_blurred_tomogram():
    record = record_of(BLURRED, slab=(20, 79))
    assert found(record) == {"only coarse features": "high"}
    assert "larger than 16 nm" in reasons_of(record)[0].text


def test_a_curve_that_rises_again_is_not_blurred():
    assert "only coarse features" not in found(record_of([0.7, 0.7, 0.5, 0.1, 0.4, 0.0]))


@pytest.mark.parametrize(
    ("voxel", "curve", "expected"),
    [
        (100.0, [0.7, 0.7, 0.6, 0.6, 0.6, 0.6], {"voxel too coarse": "high"}),
        (100.0, [0.7, 0.7, 0.35, 0.3, 0.3, 0.3], {"voxel too coarse": "medium"}),
        (13.0, [0.7, 0.7, 0.35, 0.3, 0.3, 0.3], {}),
    ],
)
def test_voxel_too_coarse_is_given_only_if_the_voxel_limits_the_score(voxel, curve, expected):
    record = record_of(curve, voxel=voxel, planes=40, slab=(5, 20))
    codes = {code: sure for code, sure in found(record).items() if code == "voxel too coarse"}
    assert codes == expected


def test_voxel_too_coarse_is_not_given_for_a_blurred_tomogram():
    record = record_of([0.6, 0.4, 0.2, 0.1, 0.0, 0.0], voxel=100.0, planes=40, slab=(5, 20))
    assert "voxel too coarse" not in found(record)


@pytest.mark.parametrize(
    ("slab", "planes", "expected"),
    [
        ((10, 59), 400, {}),
        ((10, 29), 400, {"too thin": "medium"}),
        ((0, 19), 20, {"too thin": "low"}),
        ((10, 329), 400, {"too thick": "medium"}),
        ((10, 479), 500, {"too thick": "high"}),
    ],
)
def test_reasons_of_thickness_depend_on_the_slab(slab, planes, expected):
    assert found(record_of(MIDDLING, voxel=10.0, slab=slab, planes=planes)) == expected


def test_a_single_image_is_not_too_thin():
    record = record_of(MIDDLING, planes=1, slab=(0, 0), scores={0: 1.5})
    assert "too thin" not in found(record)


def test_few_usable_slices_is_given_if_few_slices_are_much_better():
    score = record_of(MIDDLING).tomoscore
    scores = dict.fromkeys(range(22, 79, 4), score - 0.1)
    even = record_of(MIDDLING, slab=(20, 79), scores=scores)
    uneven = record_of(MIDDLING, slab=(20, 79), scores={**scores, 38: score + 1.2, 42: score + 1})
    assert found(even) == {}
    assert found(uneven) == {"few usable slices": "high"}
    assert "around slice 38" in reasons_of(uneven)[0].text


def test_a_single_outlying_slice_is_no_reason():
    score = record_of(MIDDLING).tomoscore
    scores = {**dict.fromkeys(range(30, 60, 4), score), 38: 5.0}
    assert found(record_of(MIDDLING, slab=(20, 79), scores=scores)) == {}


@pytest.mark.parametrize(("blank", "given"), [(2, False), (8, True), (20, True)])
def test_few_usable_slices_is_given_for_many_constant_slices(blank, given):
    warning = f"{blank} of 24 scored slices are constant: empty, or padded volume?"
    record = record_of(MIDDLING, slab=(20, 79), warnings=(warning,))
    assert ("few usable slices" in found(record)) == given


@pytest.mark.parametrize(
    ("warning", "code"),
    [
        ("looks unflipped: slices should lie in xy, but y is the thinnest axis", "unflipped"),
        ("the header's voxel size is exactly 1 A, which many programs write", "voxel size unknown"),
        ("out of the model's depth: unlike anything", "out of the model's depth"),
    ],
)
@pytest.mark.parametrize("curve", [MIDDLING, INVISIBLE])
def test_some_warnings_are_reasons(warning, code, curve):
    assert code in found(record_of(curve, slab=(20, 79), warnings=(HARMLESS, warning)))
    assert code not in found(record_of(GOOD, warnings=(warning,)))


def test_at_most_three_reasons_are_given_sorted_by_confidence():
    warnings = (
        "out of the model's depth: x",
        "looks unflipped: x",
        "the header's voxel size is exactly 1 A, x",
    )
    record = replace(record_of(FAINT, slab=(0, 99), voxel=60.0), warnings=warnings)
    confidences = [CONFIDENCES.index(reason.confidence) for reason in reasons_of(record)]
    assert len(confidences) == 3
    assert confidences == sorted(confidences)
