# SPDX-License-Identifier: GPL-3.0-or-later
"""Doses of views: three conventions, missing views, invalid numbers."""

import numpy as np
import pytest

from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.dose_file import read_doses
from tomoscore_scipion.tilt_metadata.exposures import Exposures, exposures_of_accumulated


@pytest.mark.parametrize(
    ("convention", "accumulated"),
    [("start", [6, 0, 3]), ("middle", [7.5, 1.5, 4.5]), ("end", [9, 3, 6])],
)
def test_three_conventions_give_the_same_doses(convention, accumulated):
    found = exposures_of_accumulated(np.array(accumulated, dtype=float), convention, "file")
    np.testing.assert_allclose(found.before, [6, 0, 3])
    np.testing.assert_allclose(found.per_view, 3)
    np.testing.assert_allclose(found.end, [9, 3, 6])
    np.testing.assert_allclose(found.middle, [7.5, 1.5, 4.5])
    assert found.order.tolist() == [1, 2, 0]
    assert convention in found.convention and "file" in found.convention


def test_a_missing_view_does_not_change_the_dose_of_its_neighbours():
    found = exposures_of_accumulated(np.array([0.0, 3, 6, 12, 15, 18]), "start", "file")
    np.testing.assert_allclose(found.per_view, 3)
    np.testing.assert_allclose(found.before, [0, 3, 6, 12, 15, 18])


def test_dose_per_view_may_increase():
    found = exposures_of_accumulated(np.array([2.0, 4.4, 7.4]), "end", "file")
    np.testing.assert_allclose(found.per_view, [2.0, 2.4, 3.0])


def test_zero_dose_at_the_end_of_an_exposure_is_refused_with_advice():
    with pytest.raises(TomogramError, match="--dose-convention start"):
        exposures_of_accumulated(np.array([0.0, 3.0, 6.0]), "end", "doses.txt")


def test_equal_accumulated_doses_are_refused():
    with pytest.raises(TomogramError, match="different accumulated dose"):
        exposures_of_accumulated(np.array([3.0, 3.0, 6.0]), "end", "doses.txt")


@pytest.mark.parametrize(("before", "of"), [(-1.0, 3.0), (0.0, 0.0), (np.nan, 3.0)])
def test_negative_zero_and_nan_doses_are_refused(before, of):
    with pytest.raises(TomogramError, match="view 2"):
        Exposures(np.array([0.0, before]), np.array([3.0, of]), "file")


def test_the_dose_of_excluded_views_counts_for_the_others():
    some = Exposures(np.array([0.0, 3, 6]), np.full(3, 3.0), "file").select([0, 2])
    np.testing.assert_allclose(some.before, [0, 6])


def test_a_dose_file_may_have_one_or_two_columns(tmp_path):
    path = tmp_path / "doses.txt"
    path.write_text("0 2\n2 2.5\n4.5 3\n\n")
    two = read_doses(str(path), None, 3, "stack.mrc")
    np.testing.assert_allclose(two.end, [2, 4.5, 7.5])
    path.write_text("2\n4.5\n7.5\n")
    one = read_doses(str(path), None, 3, "stack.mrc")
    np.testing.assert_allclose(one.end, [2, 4.5, 7.5])
    assert "end of each view's exposure" in one.convention


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 3\n3 3\n", "expected 3 rows, one per image of stack.mrc, got 2"),
        ("0 3 1\n", "one column .* or two"),
        ("0 3\nx 3\n6 3\n", "text file of numbers"),
        ("", "got 0 columns"),
    ],
)
def test_an_invalid_dose_file_is_refused_with_the_expected_content(tmp_path, text, message):
    path = tmp_path / "doses.txt"
    path.write_text(text)
    with pytest.raises(TomogramError, match=f"doses.txt.*{message}"):
        read_doses(str(path), None, 3, "stack.mrc")
