# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of accepted tomograms for the program that made the tomograms."""

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
    """A file that is written after the last score.

    Attributes:
        path: the file.
        write: writes the file from {id: accepted record}; returns the number of its entries.
    """

    path: str
    write: Callable[[Mapping[str, Score]], int]


def files_of(
    source: Source, star: str | None, listed: str | None, tomostar: str | None
) -> list[AcceptedFile]:
    """The files of accepted tomograms that were requested.

    Args:
        source: the tomograms.
        star: path for a table of RELION; None if it is not requested.
        listed: path for a list of WarpTools; None if it is not requested.
        tomostar: folder of the .tomostar files; None to search it.

    Raises:
        StartError: the source has no such table or list.
    """
    files = []
    if star:
        if source.relion is None:
            raise StartError("--output-star needs a star file of RELION (tomograms.star) as PATH")
        relion = source.relion
        files.append(AcceptedFile(star, lambda accepted: write_accepted(relion, accepted, star)))
    if listed:
        if source.warp is None:
            raise StartError("--output-list needs a processing folder of Warp as PATH")
        warp, paths = source.warp, tomostar_files(source.warp, tomostar)
        files.append(
            AcceptedFile(listed, lambda accepted: write_list(warp, paths, accepted, listed))
        )
    return files
