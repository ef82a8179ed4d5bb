# SPDX-License-Identifier: GPL-3.0-or-later
"""The tomograms of a command line: files, RELION's star file, or Warp's folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Sequence

from tomoscore_scipion.pipelines.relion_tomograms import FILES, RelionTomograms, read_tomograms
from tomoscore_scipion.pipelines.warp_folder import (
    FOLDERS,
    WarpFolder,
    is_warp_folder,
    read_warp_folder,
)
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.job import Tomogram, tomograms_of_paths

STAR = ".star"
WHICH = tuple(dict.fromkeys((*FILES, *FOLDERS)))
"""The kinds of tomograms that star files and folders know."""
MAX_NAMED = 3


@dataclass(frozen=True)
class Source:
    """Tomograms to score, with their origin.

    Attributes:
        tomograms: each with an id of its own.
        inputs: further input files, which must not be replaced.
        notices: messages for the user about the tomograms.
        relion: the star file that names them; None for any other source.
        warp: the processing folder that holds them; None for any other source.
    """

    tomograms: tuple[Tomogram, ...]
    inputs: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    relion: RelionTomograms | None = None
    warp: WarpFolder | None = None


def source_of(
    paths: Sequence[str], voxel_size_angstrom: float | None = None, which: str | None = None
) -> Source:
    """The tomograms of a command line.

    Args:
        paths: files of tomograms, or one star file of RELION, or one processing folder of Warp.
        voxel_size_angstrom: voxel size that replaces all others; None to use them.
        which: the kind of tomogram, one of `WHICH`; None for the reconstructed ones.

    Raises:
        StartError: the source cannot be used, or does not know this kind of tomogram.
        TomogramError: a star file or Warp's metadata cannot be read.
    """
    stars = [path for path in paths if path.lower().endswith(STAR)]
    folders = [path for path in paths if is_warp_folder(path)]
    if (stars or folders) and len(paths) > 1:
        raise StartError(
            f"{(stars + folders)[0]}: a star file or a folder of Warp is scored alone, got "
            f"{len(paths)} paths: give one at a time"
        )
    if stars:
        return _of_star(stars[0], voxel_size_angstrom, which or "reconstructed")
    if folders:
        return _of_warp(folders[0], voxel_size_angstrom, which or "reconstructed")
    if which is not None:
        raise StartError(
            f"--which {which} chooses among the tomograms of a star file of RELION or a processing "
            f"folder of Warp, got {paths[0]}: leave it out, or give one of these"
        )
    return Source(tomograms_of_paths(paths, voxel_size_angstrom))


def _of_star(path: str, voxel_size_angstrom: float | None, which: str) -> Source:
    if which not in FILES:
        raise StartError(f"{path}: RELION knows no {which} tomograms: {', '.join(FILES)}")
    relion = read_tomograms(path, which, voxel_size_angstrom)
    notices = []
    if relion.without_file:
        notices.append(
            f"{path}: {len(relion.without_file)} tomograms have no file in {FILES[which]} and are "
            f"left out: {_some(relion.without_file)}"
        )
    if relion.with_one_half:
        notices.append(
            f"{path}: {len(relion.with_one_half)} tomograms name one half only and are not "
            f"measured from halves: {_some(relion.with_one_half)}"
        )
    return Source(relion.tomograms, (path,), tuple(notices), relion=relion)


def _of_warp(path: str, voxel_size_angstrom: float | None, which: str) -> Source:
    warp = read_warp_folder(path, which, voxel_size_angstrom)
    notices = [f"{path}: {len(warp.tomograms)} tomograms, {warp.n_halves} of them with halves"]
    if warp.deselected:
        notices.append(
            f"{len(warp.deselected)} tilt series are deselected in Warp: scored, but not listed as "
            f"accepted: {_some(warp.deselected)}"
        )
    metadata = [os.path.join(path, f"{name}.xml") for name in set(warp.series.values())]
    return Source(warp.tomograms, tuple(metadata), tuple(notices), warp=warp)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_NAMED]) + (", ..." if len(names) > MAX_NAMED else "")
