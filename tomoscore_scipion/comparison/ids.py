# SPDX-License-Identifier: GPL-3.0-or-later
"""One tilt series has several names: programs add to it what they made, TS_01_Vol, TS_01_10.00Apx.

What all names of one set share at their end, from a separator on, tells of the program and not of
the tilt series. It is left out where more names agree then; so is what they share at their
beginning, but only where another set has the rest as its whole name: names that differ at their
beginning may well be those of other specimens. A whole number at the end stays.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Mapping, Sequence

SHOWN = 3
GIVE_IDS = (
    "their ids must be the same: name the files alike, or score them by a job file that gives each "
    "tomogram the ts_id of its tilt series (tomoscore score --job)"
)
SEPARATORS = "_-. "
COUNTED = re.compile(r"[_\-. ]+\d+(?!\.?\d)(?=[_\-. ]|$)")
"""A whole number at the beginning of an end counts specimens: Position_1_2 is not Position_1."""


@dataclass(frozen=True)
class Cut:
    """What is left out of all names of a set.

    Attributes:
        beginning: text at their beginning.
        end: text at their end.
    """

    beginning: str = ""
    end: str = ""

    def of(self, name: str) -> str:
        """The name without it."""
        return name[len(self.beginning) : len(name) - len(self.end)]

    def __len__(self) -> int:
        return len(self.beginning) + len(self.end)


def common_names(sets: Mapping[str, Sequence[str]]) -> dict[str, Cut]:
    """What is to be left out of the names of each set, so that most agree; as little as possible.

    Args:
        sets: {name of a set: ids in it}.
    """
    nothing = {name: Cut() for name in sets}
    if any(not ids for ids in sets.values()):
        return nothing
    cuts = {name: _cuts(ids) for name, ids in sets.items()}
    reference = min(sets, key=lambda name: len(cuts[name]))
    best, best_value = nothing, _value(sets, nothing)
    for cut in cuts[reference]:
        keys = {cut.of(ts_id) for ts_id in sets[reference]}
        chosen = {
            name: cut if name == reference else _closest(sets[name], cuts[name], keys)
            for name in sets
        }
        value = _value(sets, chosen)
        if value > best_value and _is_safe(sets, chosen):
            best, best_value = chosen, value
    return best


def remark_on(cuts: Mapping[str, Cut]) -> list[str]:
    """What is said of names that were joined without a part of theirs; a list of lines."""
    told = []
    for name, cut in cuts.items():
        parts = [repr(part) for part in (cut.beginning, cut.end) if part]
        if parts:
            told.append(f"{name}: {' and '.join(parts)}")
    if not told:
        return []
    return [
        "Tilt series are joined by their names without what all names of a set share "
        f"({'; '.join(told)})."
    ]


def some_of_each(sets: Mapping[str, Sequence[str]]) -> str:
    """A few ids of each set, for messages."""
    told = []
    for name, ids in sets.items():
        more = ", ..." if len(ids) > SHOWN else ""
        told.append(f"{name} has {', '.join(list(ids)[:SHOWN]) or 'no scores'}{more}")
    return "; ".join(told)


def _value(sets: Mapping[str, Sequence[str]], cuts: Mapping[str, Cut]) -> tuple[int, int]:
    """How many names all sets have in common, then how little is left out."""
    keys = [{cuts[name].of(ts_id) for ts_id in ids} for name, ids in sets.items()]
    return len(set.intersection(*keys)), -sum(map(len, cuts.values()))


def _closest(ids: Sequence[str], cuts: Sequence[Cut], keys: set[str]) -> Cut:
    """The cut after which most names are among the keys; of several the smallest."""
    return max(cuts, key=lambda c: (sum(c.of(ts_id) in keys for ts_id in ids), -len(c)))


def _is_safe(sets: Mapping[str, Sequence[str]], cuts: Mapping[str, Cut]) -> bool:
    """Whether names of different specimens are not joined.

    Some set keeps its beginning. Sets of one name each share all of it with themselves: they keep
    their numbers, unless a set has the rest as it stands.
    """
    if all(cut.beginning for cut in cuts.values()):
        return False
    if any(len(ids) > 1 for ids in sets.values()) or any(len(cut) == 0 for cut in cuts.values()):
        return True
    return not any(cut.end.lstrip(SEPARATORS)[:1].isdigit() for cut in cuts.values())


def _cuts(ids: Sequence[str]) -> list[Cut]:
    """Every cut of a set's names that leaves something of each of them."""
    shared = os.path.commonprefix([ts_id[::-1] for ts_id in ids])[::-1]
    lengths = range(1, len(shared) + 1)
    ends = ["", *(shared[-n:] for n in lengths if _is_an_end(ids, n))]
    beginning = os.path.commonprefix(list(ids))
    beginnings = ["", *(beginning[: n + 1] for n, c in enumerate(beginning) if c in SEPARATORS)]
    shortest = min(map(len, ids))
    cuts = [Cut(first, last) for first in beginnings for last in ends]
    return [cut for cut in cuts if len(cut) < shortest]


def _is_an_end(ids: Sequence[str], length: int) -> bool:
    """Whether names may be cut so long before their end: at a separator, or as in TS01rec."""
    if COUNTED.match(ids[0][-length:]):
        return False
    first = ids[0][-length]
    if first in SEPARATORS:
        return True
    return first.isalpha() and all(ts_id[: len(ts_id) - length][-1:].isdigit() for ts_id in ids)
