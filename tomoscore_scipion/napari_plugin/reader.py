# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader for napari: a file of records opens as the tomograms that it names."""

from __future__ import annotations

import os
from typing import Callable, Sequence, Union

from tomoscore_scipion.napari_plugin.layers import LayerData, layers_of
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.record import OK
from tomoscore_scipion.records.record_files import read_records

Paths = Union[str, Sequence[str]]
MAPS = "maps"
"""The folder of quality maps beside a file of records; the file's own folder is tried as well."""
MOST = 8
"""So many tomograms are opened at once, and not more."""


def get_reader(path: Paths) -> Callable[[Paths], list[LayerData]] | None:
    """The function that reads a file of records; None for what is none of ours.

    Args:
        path: a file, or a list of files.
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

    Raises:
        StartError: there are none, or too many.
        TomogramError: a tomogram cannot be read.
    """
    paths = [path] if isinstance(path, str) else list(path)
    found = [
        (record, map_folders(name))
        for name in paths
        for record in read_records(name)
        if record.status == OK
    ]
    if not 0 < len(found) <= MOST:
        raise StartError(
            f"{paths[0]}: expected 1 to {MOST} scored tomograms to open at once, found "
            f"{len(found)}; choose some by their ids: tomoscore napari {paths[0]} ID..."
        )
    return [layer for record, maps in found for layer in layers_of(record, maps)]


def map_folders(path: str) -> list[str]:
    """Where the quality maps of a file of records are looked for."""
    folder = os.path.dirname(os.path.abspath(path))
    return [os.path.join(folder, MAPS), folder]
