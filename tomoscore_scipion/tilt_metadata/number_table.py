# SPDX-License-Identifier: GPL-3.0-or-later
"""Text files of numbers, one row per image.

The files may have a byte order mark, typographic minus signs, comments and further columns.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np

from tomoscore_scipion.reading.text_file import PathLike, read_text
from tomoscore_scipion.records.errors import TomogramError

MINUS = str.maketrans({"\u2212": "-", "\u2013": "-"})
"""Minus sign and en dash, which documents and web pages use instead of a hyphen."""


def number(word: str) -> float:
    """Parse a finite number, with a hyphen or a typographic minus sign.

    Raises:
        ValueError: the word is not a finite number.
    """
    value = float(word.translate(MINUS))
    if not np.isfinite(value) or "_" in word:
        raise ValueError(f"expected a finite number, got {word!r}")
    return value


def read_words(path: PathLike) -> list[list[str]]:
    """Read the words of each line, without empty lines and comments (#).

    Raises:
        TomogramError: the file cannot be read, or a word is not a number.
    """
    lines = read_text(path, "a text file of numbers").splitlines()
    rows = [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    for at, row in enumerate(rows, start=1):
        for word in row:
            try:
                float(word.translate(MINUS))
            except ValueError:
                shortened = word if len(word) <= 40 else word[:40] + "..."
                raise TomogramError(
                    f"{path}: expected a text file of numbers, got {shortened!r} in row {at}"
                ) from None
    return rows


def as_numbers(path: PathLike, rows: Sequence[Sequence[str]], n_columns: int) -> np.ndarray:
    """Convert words to numbers.

    Args:
        path: the file, for messages.
        rows: words of each row, from `read_words`.
        n_columns: expected number of columns.

    Returns:
        (n_rows, n_columns) float64.

    Raises:
        TomogramError: a row has another number of columns, or a number is not finite.
    """
    table = np.empty((len(rows), n_columns))
    for at, row in enumerate(rows):
        try:
            values = [number(word) for word in row]
        except ValueError:
            values = []
        if len(values) != n_columns:
            raise TomogramError(
                f"{path}: expected {n_columns} finite numbers in row {at + 1}, got "
                f"{' '.join(row)[:80]!r}"
            )
        table[at] = values
    return table


def read_rows(path: PathLike, n_columns: int, n_rows: int, stack: PathLike) -> np.ndarray:
    """Read a table of numbers with a row per image.

    Args:
        path: the file.
        n_columns: expected number of columns.
        n_rows: expected number of rows.
        stack: name of the stack, for messages.

    Returns:
        (n_rows, n_columns) float64.

    Raises:
        TomogramError: the file cannot be read, or is not such a table.
    """
    table = as_numbers(path, read_words(path), n_columns)
    check_count(path, len(table), n_rows, stack)
    return table


def check_count(path: PathLike, n_found: int, n_views: int, stack: PathLike) -> None:
    """Check that a table has one row per image.

    Args:
        path: the file, for messages.
        n_found: number of rows.
        n_views: number of images in the stack.
        stack: name of the stack, for messages.

    Raises:
        TomogramError: the numbers differ.
    """
    if n_found != n_views:
        raise TomogramError(
            f"{path}: expected {n_views} rows, one per image of {stack}, got {n_found}; "
            "images left out of the alignment must be left out of the stack too"
        )
