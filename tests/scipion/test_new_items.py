# SPDX-License-Identifier: GPL-3.0-or-later
"""New items of a growing set are found without reading the whole set again."""

import pytest


@pytest.fixture
def tomograms(scipion, tmp_path):
    from tomo.objects import SetOfTomograms

    return SetOfTomograms.create(str(tmp_path), template="tomograms")


def append(tomograms, *ids):
    """Append items of these object ids, each with the tsId "TS_<id>", or of (object id, tsId)."""
    from pwem.objects import EMSet, Transform
    from tomo.objects import TomoAcquisition, Tomogram

    if tomograms.getSize():
        tomograms.enableAppend()
    for number, ts_id in ((n, f"TS_{n}") if isinstance(n, int) else n for n in ids):
        item = Tomogram(tsId=ts_id)
        item.setObjId(number)
        item.setFileName(f"{ts_id}.mrc")
        item.setOrigin(Transform())
        item.setAcquisition(TomoAcquisition())
        EMSet.append(tomograms, item)
    tomograms.write()
    tomograms.close()


def keys(new, tomograms):
    return [(key, problem is None) for key, _, problem in new.named(new.unnamed(tomograms))]


def test_only_new_items_are_returned_in_any_order_of_ids(tomograms):
    from tomoscore_scipion.protocols.new_items import NewItems

    new = NewItems()
    append(tomograms, 3, 5)
    assert keys(new, tomograms) == [("TS_3", True), ("TS_5", True)]
    assert keys(new, tomograms) == []
    append(tomograms, 8)
    assert keys(new, tomograms) == [("TS_8", True)]
    append(tomograms, 4, 9)
    assert keys(new, tomograms) == [("TS_4", True), ("TS_9", True)]
    assert keys(new, tomograms) == []


def test_a_repeated_tsid_is_a_problem_of_the_later_item(tomograms):
    from tomoscore_scipion.protocols.new_items import NewItems

    new = NewItems()
    append(tomograms, (1, "a"))
    assert keys(new, tomograms) == [("a", True)]
    append(tomograms, (2, "a"), (3, "b"))
    assert keys(new, tomograms) == [("a#2", False), ("b", True)]


def test_identities_can_be_limited_to_a_range(tomograms):
    from tomoscore_scipion.protocols.new_items import identities_among, identities_of

    assert identities_of(None) == identities_of(tomograms) == set()
    append(tomograms, 1, 4, 7)
    assert identities_of(tomograms) == {("TS_1", 1), ("TS_4", 4), ("TS_7", 7)}
    assert identities_of(tomograms, 2, 4) == {("TS_4", 4)}
    assert identities_of(tomograms, first=4) == {("TS_4", 4), ("TS_7", 7)}
    items = [item.clone() for item in tomograms.iterItems(where="id>=4")]
    assert identities_among(tomograms, items) == {("TS_4", 4), ("TS_7", 7)}
    assert identities_among(tomograms, []) == set()
