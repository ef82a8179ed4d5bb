# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of one tilt series in a star file of RELION 5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

import numpy as np

from tomoscore_scipion.reading.star_file import read_star
from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.number_table import number

if TYPE_CHECKING:
    import pandas

NOMINAL, REFINED = "rlnTomoNominalStageTiltAngle", "rlnTomoYTilt"
SERIES = "rlnTomoName"
LIST_OF_SERIES = "rlnTomoTiltSeriesStarFile"
MATRICES = "rlnTomoProjX"
EMPTY = ("nan", "<na>", "none", "")
INSTEAD = "give angles, alignment and doses in text files (--tlt, --xf, --doses)"


def read_table(path: str, as_words: Sequence[str]) -> pandas.DataFrame:
    """Read the table with a row per view.

    Args:
        path: the file.
        as_words: columns to read as text, besides those used here.

    Raises:
        TomogramError: the file cannot be read, or is not that of one tilt series of RELION 5.
    """
    blocks = read_star(path, [NOMINAL, REFINED, SERIES, LIST_OF_SERIES, *as_words])
    tables = {name: block for name, block in blocks.items() if hasattr(block, "columns")}
    candidates = {
        name: table
        for name, table in tables.items()
        if (NOMINAL in table or REFINED in table) and len(table) > 1
    }
    if len(candidates) == 1:
        table = next(iter(candidates.values()))
        _check_one_series(path, table)
        return table
    if candidates:
        raise _several(path, list(candidates))
    for table in tables.values():
        if LIST_OF_SERIES in table:
            raise TomogramError(
                f"{path}: expected the star file of one tilt series, got a list of them; give one "
                f"of the files that it names: {_some([str(f) for f in table[LIST_OF_SERIES]])}"
            )
        if MATRICES in table:
            raise TomogramError(
                f"{path}: expected the angles of RELION 5 ({REFINED}), got the projection matrices "
                f"of RELION 4; {INSTEAD}"
            )
    raise TomogramError(
        f"{path}: expected RELION 5's star file of a tilt series, with a table that has {REFINED} "
        f"or {NOMINAL} for each view; {INSTEAD}"
    )


def column(path: str, table: pandas.DataFrame, name: str) -> np.ndarray | None:
    """Numbers of a column.

    Args:
        path: the file, for messages.
        table: table from `read_table`.
        name: label of the column.

    Returns:
        (n_rows,) float64; None if the column does not exist or is empty.

    Raises:
        TomogramError: a word is not a finite number.
    """
    if name not in table:
        return None
    words = [str(word) for word in table[name]]
    if all(word.lower() in EMPTY for word in words):
        return None
    values = np.empty(len(words))
    for row, word in enumerate(words):
        try:
            values[row] = number(word)
        except ValueError:
            raise TomogramError(
                f"{path}: row {row + 1}: expected a finite number in {name}, got {word[:40]!r}"
            ) from None
    return values


def _check_one_series(path: str, table: pandas.DataFrame) -> None:
    repeated = [name for name in table.columns if list(table.columns).count(name) > 1]
    if repeated:
        raise TomogramError(
            f"{path}: expected each column once, got {repeated[0]} {repeated.count(repeated[0])} "
            "times"
        )
    series = list(dict.fromkeys(str(name) for name in table[SERIES])) if SERIES in table else []
    if len(series) > 1:
        raise _several(path, series)


def _several(path: str, names: list[str]) -> TomogramError:
    return TomogramError(
        f"{path}: expected one tilt series, got {len(names)}: {_some(names)}; "
        "give the star file of one of them"
    )


def _some(names: list[str]) -> str:
    return ", ".join(name[:80] for name in names[:3]) + (", ..." if len(names) > 3 else "")
