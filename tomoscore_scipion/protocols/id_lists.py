# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of ids with verdicts of a person: plain ids, or the file that the report saves.

    ts_id,verdict,decided_by
    TS_01,accepted,score
    TS_02,rejected,hand
    TS_03,rejected,too thin

Independent of Scipion.
"""

import csv
import hashlib
import io
from dataclasses import dataclass
from typing import Dict, Tuple

from tomoscore_scipion.records.reasons import FAULTS
from tomoscore_scipion.records.verdict import ACCEPTED, BY_HAND, BY_SCORE, REJECTED

HEADER = ("ts_id", "verdict", "decided_by")
VERDICTS = (ACCEPTED, REJECTED)


class IdListError(Exception):
    """A list cannot be read; the message has the line and the reason."""


@dataclass(frozen=True)
class IdList:
    """Verdicts on tomograms.

    Attributes:
        verdicts: {tsId: (verdict, who decided)}.
    """

    verdicts: Dict[str, Tuple[str, str]]

    def of(self, ts_id):
        """(verdict, who decided) of a tomogram; one that is not in the list is rejected by hand."""
        return self.verdicts.get(ts_id, (REJECTED, BY_HAND))

    def digest(self):
        """A short hash of the verdicts."""
        return hashlib.sha256(repr(sorted(self.verdicts.items())).encode("utf-8")).hexdigest()[:16]


def read_id_list(text):
    """Parse a list of ids.

    With the header of the report's file each line has an id and its verdict. Without it, all ids
    between commas or line ends are those of tomograms to accept; an id that contains a comma is in
    double quotes.

    Raises:
        IdListError: there is no id, a line has no verdict, or an id has two verdicts.
    """
    rows = csv.reader(io.StringIO(text.lstrip("\ufeff")), skipinitialspace=True)
    try:
        lines = [(rows.line_num, [cell.strip() for cell in row]) for row in rows]
    except csv.Error as error:
        raise IdListError(f"the list of ids cannot be read: {error}") from None
    lines = [(number, cells) for number, cells in lines if any(cells)]
    if not lines:
        raise IdListError("the list of ids is empty")
    if tuple(lines[0][1][: len(HEADER)]) == HEADER:
        return IdList(_verdicts(lines[1:]))
    ids = [cell for _, cells in lines for cell in cells if cell]
    return IdList(dict.fromkeys(ids, (ACCEPTED, BY_HAND)))


def _verdicts(lines):
    verdicts = {}
    for number, cells in lines:
        ts_id, verdict, decider = (*cells, "", "", "")[: len(HEADER)]
        if not ts_id or verdict not in VERDICTS or not _is_decider(decider):
            raise IdListError(
                f"the list of ids, line {number}: expected an id, {' or '.join(VERDICTS)}, "
                f"{BY_SCORE}, {BY_HAND} or faults, found {','.join(cells)}"
            )
        if verdicts.setdefault(ts_id, (verdict, decider)) != (verdict, decider):
            raise IdListError(f"the list of ids, line {number}: {ts_id} has another verdict before")
    if not verdicts:
        raise IdListError("the list of ids has a header and no ids")
    return verdicts


def _is_decider(text):
    """Whether a text is "score", "hand", or the faults for which a tomogram was rejected."""
    return text in (BY_SCORE, BY_HAND) or set(text.split(", ")) <= set(FAULTS)
