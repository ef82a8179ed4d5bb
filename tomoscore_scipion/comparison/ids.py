# SPDX-License-Identifier: GPL-3.0-or-later
"""Match names of tilt series that programs have extended: TS_01_Vol, TS_01_10.00Apx, TS_01.

The common ending of all names of a set, from a separator on, comes from the program. It is removed
if more names of the sets agree without it. A common beginning is removed only if another set has
the rest as its whole name, because different beginnings may mean different specimens. A whole
number at the end is kept.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Mapping, Sequence

MAX_NAMED = 3
GIVE_IDS = (
    "their ids must be the same: name the files alike, or score them by a job file that gives each "
    "tomogram the ts_id of its tilt series (tomoscore score --job)"
)
SEPARATORS = "_-. "
COUNTED = re.compile(r"[_\-. ]+\d+(?!\.?\d)(?=[_\-. ]|$)")
"""A whole number at the beginning of an ending counts specimens: Position_1_2, Position_1."""


@dataclass(frozen=True)
class Cut:
    """The common beginning and ending that are removed from all names of a set.

    Attributes:
        beginning: text at the beginning of every name.
        end: text at the end of every name.
    """

    beginning: str = ""
    end: str = ""

    def of(self, name: str) -> str:
        """A name without beginning and ending."""
        return name[len(self.beginning) : len(name) - len(self.end)]

    def __len__(self) -> int:
        return len(self.beginning) + len(self.end)


def common_names(sets: Mapping[str, Sequence[str]]) -> dict[str, Cut]:
    """The shortest cuts with which most names of the sets agree.

    Args:
        sets: {name of a set: ids in it}.

    Returns:
        {name of a set: cut}; empty cuts if nothing is gained.
    """
    uncut = {name: Cut() for name in sets}
    if any(not ids for ids in sets.values()):
        return uncut
    cuts = {name: _cuts(ids) for name, ids in sets.items()}
    reference = min(sets, key=lambda name: len(cuts[name]))
    best, best_value = uncut, _value(sets, uncut)
    for cut in cuts[reference]:
        keys = {cut.of(ts_id) for ts_id in sets[reference]}
        cut_of_set = {
            name: cut if name == reference else _closest(sets[name], cuts[name], keys)
            for name in sets
        }
        value = _value(sets, cut_of_set)
        if value > best_value and _is_safe(sets, cut_of_set):
            best, best_value = cut_of_set, value
    return best


def remark_on(cuts: Mapping[str, Cut]) -> list[str]:
    """Lines that report the ignored parts of names; empty if there are none."""
    ignored = []
    for name, cut in cuts.items():
        parts = [repr(part) for part in (cut.beginning, cut.end) if part]
        if parts:
            ignored.append(f"{name}: {' and '.join(parts)}")
    if not ignored:
        return []
    return [
        "Tilt series are matched by their names without the parts that all names of a set share "
        f"({'; '.join(ignored)})."
    ]


def some_of_each(sets: Mapping[str, Sequence[str]]) -> str:
    """A few ids of each set, for messages."""
    lists = []
    for name, ids in sets.items():
        more = ", ..." if len(ids) > MAX_NAMED else ""
        lists.append(f"{name} has {', '.join(list(ids)[:MAX_NAMED]) or 'no scores'}{more}")
    return "; ".join(lists)


def _value(sets: Mapping[str, Sequence[str]], cuts: Mapping[str, Cut]) -> tuple[int, int]:
    """Number of names that all sets share, then minus the number of removed characters."""
    keys = [{cuts[name].of(ts_id) for ts_id in ids} for name, ids in sets.items()]
    return len(set.intersection(*keys)), -sum(map(len, cuts.values()))


def _closest(ids: Sequence[str], cuts: Sequence[Cut], keys: set[str]) -> Cut:
    """The shortest cut after which most names are among the keys."""
    return max(cuts, key=lambda c: (sum(c.of(ts_id) in keys for ts_id in ids), -len(c)))


def _is_safe(sets: Mapping[str, Sequence[str]], cuts: Mapping[str, Cut]) -> bool:
    """Whether cuts cannot match names of different specimens.

    At least one set must keep its beginning. In sets of a single name the whole name is common:
    they must keep their numbers, unless one of the sets is not cut.
    """
    if all(cut.beginning for cut in cuts.values()):
        return False
    if any(len(ids) > 1 for ids in sets.values()) or any(len(cut) == 0 for cut in cuts.values()):
        return True
    return not any(cut.end.lstrip(SEPARATORS)[:1].isdigit() for cut in cuts.values())


def _cuts(ids: Sequence[str]) -> list[Cut]:
    """All cuts of the names of a set that leave at least one character of each name."""
    shared = os.path.commonprefix([ts_id[::-1] for ts_id in ids])[::-1]
    lengths = range(1, len(shared) + 1)
    ends = ["", *(shared[-n:] for n in lengths if _is_an_end(ids, n))]
    beginning = os.path.commonprefix(list(ids))
    beginnings = ["", *(beginning[: n + 1] for n, c in enumerate(beginning) if c in SEPARATORS)]
    shortest = min(map(len, ids))
    cuts = [Cut(first, last) for first in beginnings for last in ends]
    return [cut for cut in cuts if len(cut) < shortest]


def _is_an_end(ids: Sequence[str], length: int) -> bool:
    """Whether an ending of this length may be cut: after a separator or a digit (TS01rec)."""
    if COUNTED.match(ids[0][-length:]):
        return False
    first = ids[0][-length]
    if first in SEPARATORS:
        return True
    return first.isalpha() and all(ts_id[: len(ts_id) - length][-1:].isdigit() for ts_id in ids)
