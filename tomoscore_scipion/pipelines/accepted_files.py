# SPDX-License-Identifier: GPL-3.0-or-later
"""The accepted tomograms in the form that the program takes which made them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Mapping

from tomoscore_scipion.pipelines.relion_tomograms import write_accepted
from tomoscore_scipion.pipelines.sources import Source
from tomoscore_scipion.pipelines.warp_folder import tomostar_files, write_list
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.record import Score


@dataclass(frozen=True)
class AcceptedFile:
    """A file that is written when all is scored.

    Attributes:
        path: the file.
        write: writes it, of the accepted records by their ids; returns how many it has.
    """

    path: str
    write: Callable[[Mapping[str, Score]], int]


def files_of(
    source: Source, star: str | None, listed: str | None, tomostar: str | None
) -> list[AcceptedFile]:
    """The files that are asked for; whether they can be written is not checked here.

    Args:
        source: where the tomograms come from.
        star: path of RELION's table of the accepted ones; None: not asked for.
        listed: path of the list for WarpTools; None: not asked for.
        tomostar: folder of the .tomostar files; None: not known.

    Raises:
        StartError: the source has no such table or list.
    """
    files = []
    if star:
        if source.relion is None:
            raise StartError("--output-star needs a star file of RELION (tomograms.star) as PATH")
        relion = source.relion
        files.append(AcceptedFile(star, lambda found: write_accepted(relion, found, star)))
    if listed:
        if source.warp is None:
            raise StartError("--output-list needs a processing folder of Warp as PATH")
        warp, paths = source.warp, tomostar_files(source.warp, tomostar)
        files.append(AcceptedFile(listed, lambda found: write_list(warp, paths, found, listed)))
    return files
