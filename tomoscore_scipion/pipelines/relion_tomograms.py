# SPDX-License-Identifier: GPL-3.0-or-later
"""RELION 5's tomograms.star: its tomograms, and the same table with the accepted ones only.

Labels are those of RELION 5 (src/metadata_label.h). Paths in the file start at the folder of the
RELION project. A tomogram's voxel size is rlnTomoTiltSeriesPixelSize, in Angstrom, times
rlnTomoTomogramBinning. Its halves are of the even and of the odd frames or tilts. RELION keeps
columns whose labels it does not know, as text (src/metadata_table.cpp, readStarLoop and write).
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from tomoscore_scipion.reading.star_file import read_star
from tomoscore_scipion.reading.text_file import read_text
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.job import Tomogram, check_id, check_unique
from tomoscore_scipion.records.line_file import write_file
from tomoscore_scipion.records.record import Score

if TYPE_CHECKING:
    import pandas

NAME = "rlnTomoName"
PIXEL_SIZE = "rlnTomoTiltSeriesPixelSize"
BINNING = "rlnTomoTomogramBinning"
FILES = {
    "reconstructed": "rlnTomoReconstructedTomogram",
    "denoised": "rlnTomoReconstructedTomogramDenoised",
    "half1": "rlnTomoReconstructedTomogramHalf1",
    "half2": "rlnTomoReconstructedTomogramHalf2",
}
"""The label of each kind of tomogram."""
ADDED = ("tomoScore", "tomoScoreLow", "tomoScoreHigh")
"""Labels of the score, in octaves, and of the bounds of its 90 % interval."""
NO_FILE = ("", "n/a", "none", "nan", "<na>")
"""Entries for a missing file."""
MISSING = "nan"
PROJECT_MARKS = (".gui_projectdir", "default_pipeline.star")
"""Files that RELION makes in the folder of a project."""
VERSION = re.compile(r"^# version \d+$", re.MULTILINE)


@dataclass(frozen=True)
class RelionTomograms:
    """Content of a tomograms.star.

    Attributes:
        path: the file.
        tomograms: tomograms with a file of the requested kind; ids are RELION's names.
        without_file: names of the tomograms without such a file.
        with_one_half: names of tomograms with a file for one half only, which are not measured.
        blocks: {name of a block: its table or dict}; all values of tables are text.
        table: name of the block with the tomograms.
        version: the line with RELION's version of the format; empty if it is missing.
    """

    path: str
    tomograms: tuple[Tomogram, ...]
    without_file: tuple[str, ...]
    with_one_half: tuple[str, ...]
    blocks: Mapping[str, Any]
    table: str
    version: str


def read_tomograms(
    path: str, which: str = "reconstructed", voxel_size_angstrom: float | None = None
) -> RelionTomograms:
    """Read a tomograms.star of RELION 5.

    Args:
        path: the file.
        which: the kind of tomogram, a key of `FILES`.
        voxel_size_angstrom: voxel size that replaces the table's; None to use the table.

    Raises:
        TomogramError: the file is no star file.
        StartError: it has no table of tomograms, or the table cannot be used; the message has
            the row or column.
    """
    labels = [label for block in read_star(path, ()).values() for label in block]
    blocks = read_star(path, labels)
    name = _block_of_tomograms(path, blocks, which)
    table = blocks[name].fillna(MISSING)
    blocks[name] = table
    repeated = sorted(set(table.columns[table.columns.duplicated()]))
    if repeated:
        raise StartError(f"{path}: expected each label once, found {', '.join(repeated)} twice")
    if table.empty:
        raise StartError(f"{path}: expected tomograms, found none: the table has no rows")
    ids = _ids_of(path, table)
    files = [str(word) for word in table[FILES[which]]]
    has_file = [file.lower() not in NO_FILE for file in files]
    if not any(has_file):
        raise StartError(
            f"{path}: expected files in {FILES[which]}, found none in any row; "
            f"{_other_kinds(table, which)}"
        )
    project = _project_folder(path, [file for file, is_there in zip(files, has_file) if is_there])
    given = voxel_size_angstrom
    halves = _halves(table) if which == "reconstructed" else [()] * len(ids)
    tomograms = []
    for row, (ts_id, file) in enumerate(zip(ids, files)):
        if has_file[row]:
            size = _voxel_size(path, table, row) if given is None else given
            tomogram = Tomogram(ts_id, _from_here(path, project, file), size)
            if len(halves[row]) == 2:
                half1, half2 = (_from_here(path, project, half) for half in halves[row])
                tomogram = replace(tomogram, half1=half1, half2=half2)
            tomograms.append(tomogram)
    version = VERSION.search(read_text(path, "a star file of RELION 5"))
    return RelionTomograms(
        path=path,
        tomograms=tuple(tomograms),
        without_file=tuple(ts_id for ts_id, is_there in zip(ids, has_file) if not is_there),
        with_one_half=tuple(ts_id for ts_id, half in zip(ids, halves) if len(half) == 1),
        blocks=blocks,
        table=name,
        version=version.group() if version else "",
    )


def _ids_of(path: str, table: pandas.DataFrame) -> list[str]:
    """The ids of the tomograms of a table, checked.

    Raises:
        StartError: an id is not valid or occurs twice; the message has the row or column.
    """
    ids = [str(word) for word in table[NAME]]
    for row, ts_id in enumerate(ids, 1):
        check_id(ts_id, f"{path}: row {row}")
    try:
        check_unique(ids)
    except StartError as error:
        raise StartError(f"{path}: {NAME}: {error}") from error
    return ids


def _halves(table: pandas.DataFrame) -> list[tuple[str, ...]]:
    """The half map files of each row: two, one or none."""
    columns = [map(str, table[FILES[kind]]) for kind in ("half1", "half2") if FILES[kind] in table]
    rows = zip(*columns) if columns else [()] * len(table)
    return [tuple(word for word in row if word.lower() not in NO_FILE) for row in rows]


def _block_of_tomograms(path: str, blocks: Mapping[str, Any], which: str) -> str:
    """The name of the one block whose table has names and files of tomograms."""
    tables = {name: block for name, block in blocks.items() if hasattr(block, "columns")}
    named = [name for name, table in tables.items() if NAME in table]
    matching = [name for name in named if FILES[which] in tables[name]]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise StartError(
            f"{path}: expected one table with {NAME} and {FILES[which]}, found {len(matching)}: "
            f"{', '.join(matching)}; take the others out"
        )
    if not named:
        raise StartError(
            f"{path}: expected RELION 5's tomograms.star, with a table that has {NAME} and "
            f"{FILES[which]}; found no table with {NAME}"
        )
    raise StartError(f"{path}: expected {FILES[which]}; {_other_kinds(tables[named[0]], which)}")


def _other_kinds(table: pandas.DataFrame, which: str) -> str:
    """Kinds that can be scored instead of a missing kind."""
    kinds = [kind for kind in FILES if kind != which and FILES[kind] in table]
    if kinds:
        return f"found tomograms of another kind: choose it, --which {' or '.join(kinds)}"
    return "the file names no tomograms: give the tomograms.star that Reconstruct tomograms wrote"


def _project_folder(path: str, files: Sequence[str]) -> str:
    """The folder of the RELION project, to which the paths in the file are relative.

    It is the nearest folder above the file in which one of the paths exists; otherwise the nearest
    one with a file of a RELION project; otherwise the current folder.
    """
    above = []
    folder = os.path.dirname(os.path.abspath(path))
    while folder not in above:
        above.append(folder)
        folder = os.path.dirname(folder)
    for names in (files, PROJECT_MARKS):
        for folder in above:
            if any(os.path.exists(os.path.join(folder, name)) for name in names):
                return folder
    return os.getcwd()


def _from_here(path: str, project: str, file: str) -> str:
    """Path of a tomogram: absolute if it or the star file is, else relative to the current folder.

    Args:
        path: path of the star file.
        project: folder of the project.
        file: path of the tomogram in the star file.
    """
    full_path = os.path.join(project, file)
    return full_path if os.path.isabs(path) or os.path.isabs(file) else os.path.relpath(full_path)


def _voxel_size(path: str, table: pandas.DataFrame, row: int) -> float | None:
    """Voxel size in Angstrom; None, to use the header, if the table has none."""
    if PIXEL_SIZE not in table or BINNING not in table:
        return None
    size = 1.0
    for label in (PIXEL_SIZE, BINNING):
        word = str(table[label].iloc[row])
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise StartError(
                f"{path}: row {row + 1}: expected a number > 0 in {label}, got {word[:40]!r}; "
                "mend it, or give --voxel-size"
            )
        size *= value
    return float(f"{size:.8g}")


def write_accepted(source: RelionTomograms, accepted: Mapping[str, Score], path: str) -> int:
    """Write the same file with the rows of accepted tomograms only, and their scores.

    Columns, text and further blocks are unchanged. The columns `ADDED` are appended, or replaced if
    an earlier run appended them.

    Args:
        source: content of the file.
        accepted: the accepted records by their ids.
        path: the file to write; an existing one is replaced atomically.

    Returns:
        The number of rows.

    Raises:
        StartError: it cannot be written.
    """
    import starfile

    table = source.blocks[source.table]
    table = table[[name in accepted for name in table[NAME]]].copy()
    scores = [_octaves(accepted[name]) for name in table[NAME]]
    for column, label in enumerate(ADDED):
        table[label] = [f"{numbers[column]:.4f}" for numbers in scores]
    text = starfile.to_string({**source.blocks, source.table: table}, na_rep=MISSING)
    if source.version:
        heading, _, rest = text.partition("\n")
        text = f"{heading}\n\n{source.version}\n{rest}"
    write_file(path, text)
    return len(table)


def _octaves(record: Score) -> tuple[float, float, float]:
    """The values of `ADDED` of a scored tomogram."""
    low, high = record.tomoscore_interval or (math.nan, math.nan)
    return (math.nan if record.tomoscore is None else record.tomoscore), low, high
