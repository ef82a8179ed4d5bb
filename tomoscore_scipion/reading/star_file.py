# SPDX-License-Identifier: GPL-3.0-or-later
"""Star files of RELION, read by the package starfile after checks of their text."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Sequence

from tomoscore_scipion.reading.text_file import read_text
from tomoscore_scipion.records.errors import TomogramError

BLOCK = re.compile(r"^[ \t]*data_([^\r\n]*)$", re.MULTILINE)
WORD = re.compile(r""""[^"]*"|'[^']*'|#.*|[^\s#]+""")
"""A word of a row, quoted or not, or a comment from "#" to the end of the line."""


def read_star(path: str, as_words: Sequence[str]) -> dict[str, Any]:
    """Read the blocks of a star file.

    Args:
        path: the file.
        as_words: columns to read as text.

    Returns:
        {name of a block: pandas.DataFrame for a loop, dict for single values}.

    Raises:
        TomogramError: the file cannot be read or is not a star file, two tables have the same name,
            a row begins with data_, or a row has too few words.
    """
    import starfile

    text = read_text(path, "a star file of RELION 5")
    _check_names_of_blocks(path, text)
    _check_rows(path, text)
    try:
        # starfile reads files only, in UTF-8 and with line feeds.
        with TemporaryDirectory(prefix="tomoscore-") as folder:
            plain = Path(folder, "plain.star")
            plain.write_text("\n".join(text.splitlines()) + "\n", encoding="utf-8")
            return dict(starfile.read(plain, always_dict=True, parse_as_string=list(as_words)))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OSError) as error:
        raise TomogramError(
            f"{path}: expected a star file of RELION 5, got one with tables that cannot be read "
            f"({type(error).__name__}); is it whole, with a word in each column of each row?"
        ) from error


def _check_names_of_blocks(path: str, text: str) -> None:
    """Check for content that readers of star files silently misread.

    They keep the last of two tables with one name, and end a table at a row that begins with data_.

    Raises:
        TomogramError: two tables have one name, or a row begins with data_.
    """
    names = [found.strip() for found in BLOCK.findall(text)]
    for name in names:
        if len(name.split()) > 1:
            raise TomogramError(
                f"{path}: expected no row that begins with data_, which begins a table in star "
                f"files, got {('data_' + name)[:80]!r}; put another column first"
            )
        if names.count(name) > 1:
            raise TomogramError(
                f"{path}: expected each table once, got data_{name[:80]} {names.count(name)} "
                "times; which of them is right? Leave the others out"
            )


def _check_rows(path: str, text: str) -> None:
    """Check that each row has a word per column: readers of star files fill short rows silently.

    Raises:
        TomogramError: a row has too few words.
    """
    n_labels, in_loop = 0, False
    for number, line in enumerate(text.splitlines(), 1):
        row_words = [word for word in WORD.findall(line) if not word.startswith("#")]
        if not row_words:
            continue
        if row_words[0].startswith("data_") or row_words[0] == "loop_":
            n_labels, in_loop = 0, row_words[0] == "loop_"
        elif in_loop and line.startswith("_"):
            n_labels += 1
        elif in_loop and len(row_words) < n_labels:
            raise TomogramError(
                f"{path}: line {number}: expected a word in each of {n_labels} columns, found "
                f"{len(row_words)}; is the file whole? A # begins a comment unless it is in quotes"
            )
