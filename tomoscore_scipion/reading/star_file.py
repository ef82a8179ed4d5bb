# SPDX-License-Identifier: GPL-3.0-or-later
"""RELION's star files, by the package starfile."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Sequence

from tomoscore_scipion.reading.text_file import read_text
from tomoscore_scipion.records.errors import TomogramError

BLOCK = re.compile(r"^[ \t]*data_([^\r\n]*)$", re.MULTILINE)
WORD = re.compile(r""""[^"]*"|'[^']*'|#.*|[^\s#]+""")
"""A word of a row, in quotes or not; from "#" on the rest of the line is a comment."""


def read_star(path: str, as_words: Sequence[str]) -> dict[str, Any]:
    """The blocks of a star file.

    Args:
        path: the file.
        as_words: columns that are read as words.

    Returns:
        {name of a block: pandas.DataFrame of a table, or dict of a block without one}.

    Raises:
        TomogramError: it cannot be read, is not a star file, has a table twice, a row that begins
            with data_, or one with too few words.
    """
    import starfile

    text = read_text(path, "a star file of RELION 5")
    _check_names_of_blocks(path, text)
    _check_rows(path, text)
    try:
        # The package reads files, in UTF-8 and with line feeds only.
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
    """Refuse what readers of star files take for another table than it is.

    Of two tables of one name they keep the last one, and a row that begins with data_ ends its
    table.

    Raises:
        TomogramError: a table is there twice, or a row begins with data_.
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
    """Refuse a row with fewer words than its table has columns: readers fill it with nothing.

    Raises:
        TomogramError: a row has too few words.
    """
    n_labels, in_loop = 0, False
    for number, line in enumerate(text.splitlines(), 1):
        words = [word for word in WORD.findall(line) if not word.startswith("#")]
        if not words:
            continue
        if words[0].startswith("data_") or words[0] == "loop_":
            n_labels, in_loop = 0, words[0] == "loop_"
        elif in_loop and line.startswith("_"):
            n_labels += 1
        elif in_loop and len(words) < n_labels:
            raise TomogramError(
                f"{path}: line {number}: expected a word in each of {n_labels} columns, found "
                f"{len(words)}; is the file whole? A # begins a comment unless it is in quotes"
            )
