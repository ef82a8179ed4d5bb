# SPDX-License-Identifier: GPL-3.0-or-later
"""File names made from a tomogram's id: safe for any id, and different for different ids."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomoscore_scipion.records.file_names import MAX_STEM_LENGTH, file_stem

PRINTABLE = st.text(min_size=1, max_size=200).filter(str.isprintable)


@pytest.mark.parametrize("ts_id", ["TS_01", "Position_1_2", "a.b-c+d", "7", "x" * MAX_STEM_LENGTH])
def test_a_safe_id_is_used_unchanged(ts_id):
    assert file_stem(ts_id) == ts_id


@pytest.mark.parametrize(
    "ts_id",
    ["../../etc/passwd", ".hidden", "-rf", "a b", "<script>", "caf\u00e9", "x" * 500, "\udcff"],
)
def test_an_unsafe_id_is_made_safe(ts_id):
    stem = file_stem(ts_id)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", stem)
    assert len(stem) <= MAX_STEM_LENGTH


def test_safe_characters_of_an_id_are_kept():
    assert file_stem("../TS 01 (good)").startswith("TS_01_good-")


@settings(deadline=None)
@given(PRINTABLE, PRINTABLE)
def test_different_ids_have_different_stems(one, other):
    assert (file_stem(one) == file_stem(other)) == (one == other)
