# SPDX-License-Identifier: GPL-3.0-or-later
"""Choice of the voxel size, and its warnings and errors."""

import math

import pytest

from tomoscore_scipion.reading.voxel_size import check_given_voxel_size, choose_voxel_size
from tomoscore_scipion.records.errors import TomogramError

BAD_HEADERS = {
    "zero": ((0.0, 0.0, 0.0), "unset"),
    "negative": ((-10.0, -10.0, -10.0), "unset"),
    "not a number": ((math.nan, math.nan, math.nan), "unset"),
    "infinite": ((math.inf, math.inf, math.inf), "unset"),
    "only y unset": ((10.0, 0.0, 10.0), "unset"),
    "huge": ((1e6, 1e6, 1e6), "not believable"),
    "tiny": ((0.01, 0.01, 0.01), "not believable"),
    "anisotropic in xy": ((10.0, 10.2, 10.0), "differs between the axes"),
    "anisotropic in z": ((10.0, 10.0, 20.0), "differs between the axes"),
}
bad_headers = pytest.mark.parametrize(
    ("header", "finding"), BAD_HEADERS.values(), ids=BAD_HEADERS.keys()
)


@bad_headers
def test_an_implausible_header_is_an_error_with_a_solution(header, finding):
    with pytest.raises(TomogramError, match=rf"^t\.mrc: .*{finding}.*; give --voxel-size$"):
        choose_voxel_size(header, None, "t.mrc")


@bad_headers
def test_an_implausible_header_with_a_given_size_is_a_warning(header, finding):
    size, (warning,) = choose_voxel_size(header, 13.0, "t.mrc")
    assert size == 13
    assert finding in warning and "13 A is used" in warning


def test_a_valid_header_is_used_without_a_warning():
    assert choose_voxel_size((13.3, 13.35, 13.3), None, "t.mrc") == (13.325, ())


def test_rounding_of_32_bit_sizes_is_removed():
    assert choose_voxel_size((13.329999923706055,) * 3, None, "t.mrc")[0] == 13.33


def test_an_unknown_size_along_z_is_ignored():
    assert choose_voxel_size((10.0, 10.0, None), None, "t.mrc") == (10, ())


@pytest.mark.parametrize(("given", "n_warnings"), [(10.05, 0), (9.95, 0), (10.2, 1), (9.8, 1)])
def test_the_given_size_is_used_and_differences_above_a_percent_give_a_warning(given, n_warnings):
    size, warnings = choose_voxel_size((10.0, 10.0, 10.0), given, "t.mrc")
    assert size == given
    assert len(warnings) == n_warnings
    assert all("header's voxel size is 10 A" in warning for warning in warnings)


def test_exactly_1_angstrom_in_the_header_gives_a_warning():
    size, (warning,) = choose_voxel_size((1.0, 1.0, 1.0), None, "t.mrc")
    assert size == 1
    assert "exactly 1 A" in warning
    assert choose_voxel_size((1.0, 1.0, 1.0), 1.0, "t.mrc") == (1, ())


@pytest.mark.parametrize(
    "given", [0, -1, 0.05, 1001, 1e6, math.nan, math.inf, -math.inf, "wide", None, [], 10**400]
)
def test_an_implausible_given_size_is_refused(given):
    with pytest.raises(TomogramError, match=r"^t\.mrc: expected .* 0\.1 to 1000 A, was given "):
        check_given_voxel_size(given, "t.mrc")


@pytest.mark.parametrize("given", [0.1, 13, 1000, "13.3"])
def test_a_given_size_within_the_limits_is_accepted(given):
    assert check_given_voxel_size(given, "t.mrc") == float(given)
