# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of napari: opens the tomograms of a file of records."""

from __future__ import annotations

import os
from typing import Callable, Sequence, Union

from tomoscore_scipion.napari_plugin.layers import LayerData, layers_of
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.record import OK
from tomoscore_scipion.records.record_files import read_records

Paths = Union[str, Sequence[str]]
MAPS = "maps"
"""Name of the folder of quality maps. The folder of the records is tried as well."""
MAX_TOMOGRAMS = 8
"""Largest number of tomograms that are opened at once."""


def get_reader(path: Paths) -> Callable[[Paths], list[LayerData]] | None:
    """Return the function that reads files of records.

    Args:
        path: a file, or a list of files.

    Returns:
        `read`; None if a file has no records of TomoScore.
    """
    paths = [path] if isinstance(path, str) else list(path)
    try:
        for name in paths:
            read_records(name)
    except StartError:
        return None
    return read


def read(path: Paths) -> list[LayerData]:
    """The layers of all scored tomograms of files of records.

    Args:
        path: a file, or a list of files.

    Raises:
        StartError: there are no scored tomograms, or too many.
        TomogramError: a tomogram cannot be read.
    """
    paths = [path] if isinstance(path, str) else list(path)
    scored = [
        (record, map_folders(name))
        for name in paths
        for record in read_records(name)
        if record.status == OK
    ]
    if not 0 < len(scored) <= MAX_TOMOGRAMS:
        raise StartError(
            f"{paths[0]}: expected 1 to {MAX_TOMOGRAMS} scored tomograms to open at once, found "
            f"{len(scored)}; choose some by their ids: tomoscore napari {paths[0]} ID..."
        )
    return [layer for record, maps in scored for layer in layers_of(record, maps)]


def map_folders(path: str) -> list[str]:
    """The folders in which quality maps of a file of records are searched for."""
    folder = os.path.dirname(os.path.abspath(path))
    return [os.path.join(folder, MAPS), folder]
