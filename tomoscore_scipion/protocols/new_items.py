# SPDX-License-Identifier: GPL-3.0-or-later
"""New items of a growing set, and the ids of their records."""

from pwem.objects import EMSet

from tomoscore_scipion.protocols.item_attributes import ERROR, value

NO_TS_ID = "it has no tsId that can be printed: give it one where it is imported or reconstructed"
SAME_TS_ID = "another tomogram of the input has the same tsId: tsIds must be unique"


def identities_of(tomograms, first=None, last=None):
    """{(tsId, object id)} of a set's items; empty for None.

    Only two columns are read, without creating items, because this is called after every batch and
    sets may have thousands of items.

    Args:
        tomograms: the set.
        first: minimum object id; None for no minimum.
        last: maximum object id; None for no maximum.
    """
    if tomograms is None or not tomograms._getMapper().count():
        return set()
    limits = [f"id>={first}"] if first is not None else []
    limits += [f"id<={last}"] if last is not None else []
    columns = tomograms.getUniqueValues(["_tsId", "id"], " AND ".join(limits) or None)
    return set(zip(columns["_tsId"], columns["id"]))


def identities_among(tomograms, items):
    """{(tsId, object id)} of a set, between the smallest and the largest object id of items."""
    numbers = [item.getObjId() for item in items if item.getObjId() is not None]
    return identities_of(tomograms, min(numbers), max(numbers)) if numbers else set()


def known_ids(done_set, failed_set):
    """The record ids (see NewItems.named) of two output sets; each set may be None."""
    known = {ts_id for ts_id, _ in identities_of(done_set)}
    for item in EMSet.iterItems(failed_set) if failed_set is not None else ():
        known.add(f"{item.getTsId() or ''}#{item.getObjId()}")
        if value(item, ERROR) != SAME_TS_ID:
            known.add(item.getTsId())
    return known


class NewItems:
    """Finds the new items of a growing set, and gives each a unique id."""

    def __init__(self):
        self._taken = set()  # tsIds
        self._named = set()  # (tsId, object id)
        self._last = 0  # the largest of these object ids

    def unnamed(self, tomograms):
        """Copies of the items that have not been named yet, with all their attributes."""
        new = identities_of(tomograms, first=self._last + 1)
        if len(self._named) + len(new) != tomograms._getMapper().count():
            new = identities_of(tomograms) - self._named  # ids may be added in any order
        if not new:
            return []
        first = min(number for _, number in new)
        items = tomograms.iterItems(where=f"id>={first}")
        return [
            item.clone(copyEnable=True)
            for item in items
            if (item.getTsId(), item.getObjId()) in new
        ]

    def named(self, items):
        """Give each item the id of its record.

        Yields:
            (id, item, problem). The id is the item's tsId and the problem is None, unless the tsId
            cannot be used or is a duplicate; then it is another id and a message.
        """
        for item in items:
            ts_id = item.getTsId()
            self._named.add((ts_id, item.getObjId()))
            self._last = max(self._last, item.getObjId())
            if not ts_id or not ts_id.isprintable():
                yield f"#{item.getObjId()}", item, NO_TS_ID
            elif ts_id in self._taken:
                yield f"{ts_id}#{item.getObjId()}", item, SAME_TS_ID
            else:
                self._taken.add(ts_id)
                yield ts_id, item, None
