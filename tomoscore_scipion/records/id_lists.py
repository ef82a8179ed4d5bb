# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of ids made by a person: plain ids, or verdicts saved by the report.

ts_id,verdict,decided_by
TS_01,accepted,score
TS_02,rejected,hand
TS_03,rejected,too thin
"""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from typing import Sequence

from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.reasons import FAULTS
from tomoscore_scipion.records.verdict import ACCEPTED, BY_HAND, BY_SCORE, REJECTED

HEADER = ("ts_id", "verdict", "decided_by")
VERDICTS = (ACCEPTED, REJECTED)


class IdListError(StartError):
    """A list cannot be read; the message has the line and the reason."""


@dataclass(frozen=True)
class IdList:
    """Verdicts on tomograms.

    Attributes:
        verdicts: {tsId: (verdict, who decided)}.
    """

    verdicts: dict[str, tuple[str, str]]

    def of(self, ts_id: str) -> tuple[str, str]:
        """(verdict, who decided) of a tomogram; ids that are not listed are rejected by hand."""
        return self.verdicts.get(ts_id, (REJECTED, BY_HAND))

    def digest(self) -> str:
        """A short hash of the verdicts."""
        return hashlib.sha256(repr(sorted(self.verdicts.items())).encode("utf-8")).hexdigest()[:16]


def read_ids(path: str) -> list[str]:
    """The ids of a text file, one per line, each once; blank lines are ignored.

    Raises:
        IdListError: the file cannot be read.
    """
    lines = (line.strip() for line in read_text(path).split("\n"))
    return list(dict.fromkeys(filter(None, lines)))


def read_text(path: str) -> str:
    """The text of a file of ids, without a byte order mark.

    Raises:
        IdListError: the file cannot be read.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text in UTF-8"
        raise IdListError(f"the file with ids cannot be read: {reason}: {path}") from None


def parse_id_list(text: str) -> IdList:
    """Parse a list of ids.

    With the header line of the report's file, each line has an id and its verdict. Without the
    header, the text is a list of ids to accept, separated by commas or newlines; an id that
    contains a comma is in double quotes.

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


def _verdicts(lines: Sequence[tuple[int, Sequence[str]]]) -> dict[str, tuple[str, str]]:
    verdicts: dict[str, tuple[str, str]] = {}
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


def _is_decider(text: str) -> bool:
    """Whether a text is "score", "hand", or the faults for which a tomogram was rejected."""
    return text in (BY_SCORE, BY_HAND) or set(text.split(", ")) <= set(FAULTS)
