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
from typing import Sequence, Tuple

from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.reasons import FAULTS
from tomoscore_scipion.records.verdict import ACCEPTED, BY_HAND, BY_SCORE, REJECTED

HEADER = ("ts_id", "verdict", "decided_by")
VERDICTS = (ACCEPTED, REJECTED)
TYPED = "the list of ids"
"""Name, in messages, of a list without a file."""


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
    """The ids of a text file, separated by commas or newlines, each once.

    Raises:
        IdListError: the file cannot be read, or has verdicts.
    """
    lines = _lines(read_text(path), path)
    if _have_verdicts(lines):
        raise IdListError(
            f"{path}: expected ids, found verdicts: give this file as verdicts of the report"
        )
    return _plain_ids(lines)


def read_marked(path: str) -> tuple[list[str], list[str]]:
    """The ids that a person accepted and rejected, from verdicts saved by the report.

    Verdicts by the score or by faults are left out.

    Raises:
        IdListError: the file cannot be read, or has no verdicts.
    """
    lines = _lines(read_text(path), path)
    if not _have_verdicts(lines):
        expected = ",".join(HEADER)
        raise IdListError(
            f"{path}: expected verdicts saved by the report, with the first line {expected}"
        )
    verdicts = _verdicts(lines[1:], path).items()
    accepted, rejected = (
        [ts_id for ts_id, found in verdicts if found == (verdict, BY_HAND)] for verdict in VERDICTS
    )
    return accepted, rejected


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
    lines = _lines(text)
    if not lines:
        raise IdListError("the list of ids is empty")
    if _have_verdicts(lines):
        return IdList(_verdicts(lines[1:]))
    return IdList(dict.fromkeys(_plain_ids(lines), (ACCEPTED, BY_HAND)))


Lines = Sequence[Tuple[int, Sequence[str]]]
"""Line numbers and cells of lines that are not blank."""


def _lines(text: str, name: str = TYPED) -> Lines:
    rows = csv.reader(io.StringIO(text.lstrip("\ufeff")), skipinitialspace=True)
    try:
        lines = [(rows.line_num, [cell.strip() for cell in row]) for row in rows]
    except csv.Error as error:
        raise IdListError(f"{name}: the ids cannot be read: {error}") from None
    return [(number, cells) for number, cells in lines if any(cells)]


def _have_verdicts(lines: Lines) -> bool:
    return bool(lines) and tuple(lines[0][1][: len(HEADER)]) == HEADER


def _plain_ids(lines: Lines) -> list[str]:
    return list(dict.fromkeys(cell for _, cells in lines for cell in cells if cell))


def _verdicts(lines: Lines, name: str = TYPED) -> dict[str, tuple[str, str]]:
    verdicts: dict[str, tuple[str, str]] = {}
    for number, cells in lines:
        ts_id, verdict, decider = (*cells, "", "", "")[: len(HEADER)]
        if not ts_id or verdict not in VERDICTS or not _is_decider(decider):
            raise IdListError(
                f"{name}, line {number}: expected an id, {' or '.join(VERDICTS)}, "
                f"{BY_SCORE}, {BY_HAND} or faults, found {','.join(cells)}"
            )
        if verdicts.setdefault(ts_id, (verdict, decider)) != (verdict, decider):
            raise IdListError(f"{name}, line {number}: {ts_id} has another verdict before")
    if not verdicts:
        raise IdListError(f"{name} has a header and no ids")
    return verdicts


def _is_decider(text: str) -> bool:
    """Whether a text is "score", "hand", or the faults for which a tomogram was rejected."""
    return text in (BY_SCORE, BY_HAND) or set(text.split(", ")) <= set(FAULTS)
