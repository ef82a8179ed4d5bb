# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a folder that may be tomograms: their states, and whether they are complete."""

from __future__ import annotations

import os
import stat
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple, Sequence

from tomoscore_scipion.reading.compressed import compression_of
from tomoscore_scipion.reading.mrc_fields import HEADER_BYTES
from tomoscore_scipion.reading.mrc_header import parse_header
from tomoscore_scipion.reading.source_file import open_source
from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.records.thumbnail_files import MAP_END

HALVES = ("*_EVN_Vol.mrc", "*_ODD_Vol.mrc")
"""Half tomograms of AreTomo3, which match the pattern of its tomograms."""


class State(NamedTuple):
    """State of a file, which changes when it is written: size in bytes and modification time."""

    size: int
    mtime_ns: int


def state_of(path: str) -> State | None:
    """The state of a regular file; None if it does not exist or may not be read."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    is_file = stat.S_ISREG(status.st_mode)
    return State(status.st_size, status.st_mtime_ns) if is_file else None


def states_in(
    folder: str, pattern: str, exclude: Sequence[str], maps: str | None = None
) -> dict[str, State] | None:
    """The files of a folder that match a pattern.

    Args:
        folder: the folder.
        pattern: as in a shell, below the folder: "*_Vol.mrc", "reconstruction/*.mrc", "**/*.mrc".
        exclude: patterns of file names that are left out.
        maps: folder of quality maps, which are left out; None if no maps are made.

    Returns:
        {path: state}; None if the folder cannot be read now.
    """
    states = {}
    own = os.path.realpath(maps) if maps is not None else None
    try:
        os.scandir(folder).close()
        for entry in Path(folder).glob(pattern):
            path, name = str(entry), entry.name
            if name.startswith(".") or any(fnmatch(name, left_out) for left_out in exclude):
                continue
            if name.endswith(f"{MAP_END}.mrc") and os.path.realpath(entry.parent) == own:
                continue
            state = state_of(path)
            if state is not None:
                states[path] = state
    except OSError:
        return None
    return states


def is_complete(path: str) -> bool:
    """Whether a file has the size that its header requires.

    A compressed file counts as complete, as its size is only known after decompression.
    """
    try:
        source = open_source(path)
        try:
            head = source.head(HEADER_BYTES)
            if compression_of(head) is None:
                parse_header(head, source.size, path)
        finally:
            source.close()
    except TomogramError:
        return False
    return True
