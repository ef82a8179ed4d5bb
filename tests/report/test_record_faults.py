# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of a tomogram that its record shows, independent of the score."""

from dataclasses import replace

import pytest
from report_records import record_of

from tomoscore_scipion.records.reasons import FAULTS, faults_of
from tomoscore_scipion.records.record import Score

GOOD = [0.8, 0.8, 0.75, 0.6, 0.4, 0.1]


def test_a_good_record_has_no_fault():
    assert faults_of(record_of(GOOD, warnings=("a warning of no consequence",))) == ()


@pytest.mark.parametrize(
    ("warning", "code"),
    [
        ("looks unflipped: slices should lie in xy", "unflipped"),
        ("the header's voxel size is exactly 1 A, which many", "voxel size unknown"),
        ("out of the model's depth: unlike anything", "out of the model's depth"),
    ],
)
def test_warnings_of_the_engine_are_faults_even_of_good_tomograms(warning, code):
    assert faults_of(record_of(GOOD, warnings=(warning,))) == (code,)


def test_a_thin_specimen_is_a_fault_even_of_a_good_tomogram():
    assert faults_of(record_of(GOOD, slab=(40, 42))) == ("too thin",)


def test_a_voxel_size_of_exactly_1_angstrom_is_a_fault():
    """Scipion passes the voxel size as a given one, so that the engine gives no warning."""
    record = replace(record_of(GOOD), voxel_size_angstrom=1.0)
    assert "voxel size unknown" in faults_of(record)


def test_several_faults_are_given_in_a_fixed_order():
    warnings = ("out of the model's depth: x", "looks unflipped: x")
    found = faults_of(record_of(GOOD, slab=(40, 42), warnings=warnings))
    assert found == tuple(code for code in FAULTS if code != "voxel size unknown")


def test_a_failed_record_has_no_fault():
    assert faults_of(Score.failed("TS_01", "a.mrc", "cut off")) == ()
