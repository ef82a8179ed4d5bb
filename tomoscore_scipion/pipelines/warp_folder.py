# SPDX-License-Identifier: GPL-3.0-or-later
"""The processing folder of Warp or WarpTools: its tomograms, and a list of the accepted ones.

Names are defined in WarpLib (TiltSeries.cs): a tomogram is reconstruction/NAME_10.00Apx.mrc, with
the name of its tilt series and the pixel size in Angstrom. Other kinds of tomograms have the same
name in folders below it. NAME.xml in the processing folder is the metadata, which is never changed.
On the command line of WarpTools a tilt series is given as NAME.tomostar, which is in the folder of
the data; --input_data also accepts a .txt file with one such path per line (BaseOptions.cs).
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Mapping

from tomoscore_scipion.reading.file_kind import TOMOGRAM
from tomoscore_scipion.reading.mrc_fields import HEADER_BYTES
from tomoscore_scipion.reading.mrc_header import parse_header
from tomoscore_scipion.reading.source_file import open_source
from tomoscore_scipion.reading.voxel_size import choose_voxel_size
from tomoscore_scipion.records.errors import StartError, TomogramError
from tomoscore_scipion.records.job import Tomogram, check_id
from tomoscore_scipion.records.line_file import write_file
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.tilt_metadata.warp.xml_file import read_xml

RECONSTRUCTION = "reconstruction"
FOLDERS = {
    "reconstructed": "",
    "denoised": "denoised",
    "deconvolved": "deconv",
    "half1": "odd",
    "half2": "even",
}
"""The folder of each kind of tomogram, below `RECONSTRUCTION`."""
FILE = re.compile(r"(?P<series>.+)_(?P<pixel>\d+[.,]\d{2})Apx\.mrc")
"""The pixel size has a point or a comma, depending on the language of the user."""
ROUNDING_ANGSTROM = 0.0051
"""Largest rounding error of the pixel size in the name, which has two decimals."""
LIST_SUFFIX = ".txt"
"""Suffix of lists; WarpTools treats files with any other suffix as data."""


@dataclass(frozen=True)
class WarpFolder:
    """Content of a processing folder.

    Attributes:
        path: the folder.
        tomograms: tomograms of the requested kind, sorted by name.
        series: {id of a tomogram: name of its tilt series}.
        n_halves: number of tomograms with both halves.
        deselected: names of the tilt series that are deselected in Warp.
    """

    path: str
    tomograms: tuple[Tomogram, ...]
    series: Mapping[str, str]
    n_halves: int
    deselected: tuple[str, ...]


def is_warp_folder(path: str) -> bool:
    """Whether a path is a processing folder of Warp with a folder of tomograms."""
    return os.path.isdir(os.path.join(path, RECONSTRUCTION))


def read_warp_folder(
    path: str, which: str = "reconstructed", voxel_size_angstrom: float | None = None
) -> WarpFolder:
    """Find the tomograms of a processing folder.

    The id of a tomogram is the name of its tilt series, followed by the pixel size as in the file
    name if there are tomograms of several pixel sizes. Halves of a reconstructed tomogram are used
    if at least one exists; the record then has a warning if the other is missing.

    Args:
        path: the folder.
        which: the kind of tomogram, a key of `FOLDERS`.
        voxel_size_angstrom: voxel size that replaces that of names and headers; None to use them.

    Raises:
        StartError: the folder cannot be read, or has no tomogram of this kind.
        TomogramError: metadata (.xml) of a tilt series cannot be read.
    """
    folder = os.path.join(path, RECONSTRUCTION, FOLDERS[which])
    matches = [match for match in map(FILE.fullmatch, _names(path, folder, which)) if match]
    if not matches:
        kinds = [kind for kind in FOLDERS if kind != which and _has_tomograms(path, kind)]
        other = f"; there are others: --which {' or '.join(kinds)}" if kinds else ""
        raise StartError(
            f"{path}: expected tomograms in {folder}, named as WarpTools names them "
            f"(TS_01_10.00Apx.mrc), found none{other}"
        )
    halves = {match.group(): _halves(path, match.group()) for match in matches}
    counts = Counter(match["series"] for match in matches)
    tomograms, series = [], {}
    for match in matches:
        file = os.path.join(folder, match.group())
        name = match["series"]
        ts_id = name if counts[name] == 1 else match.group()[: -len(".mrc")]
        check_id(ts_id, file)
        size = voxel_size_angstrom
        if size is None:
            size = _size_of_name(file, _pixel_size(match))
        tomogram = Tomogram(ts_id, file, size)
        if which == "reconstructed" and any(map(os.path.isfile, halves[match.group()])):
            half1, half2 = halves[match.group()]
            tomogram = replace(tomogram, half1=half1, half2=half2)
        tomograms.append(tomogram)
        series[ts_id] = name
    n_halves = sum(all(map(os.path.isfile, pair)) for pair in halves.values())
    names = sorted(set(series.values()))
    deselected = tuple(name for name in names if _is_deselected(path, name))
    return WarpFolder(path, tuple(tomograms), series, n_halves, deselected)


@dataclass(frozen=True)
class WarpFile:
    """A tomogram with the folder and name that WarpTools gives it.

    Attributes:
        path: the file.
        series: name of its tilt series.
        folder: folder of its kind, a value of `FOLDERS`.
        named_angstrom: pixel size in the name, Angstrom.
    """

    path: str
    series: str
    folder: str
    named_angstrom: float

    @property
    def voxel_size_angstrom(self) -> float | None:
        """The voxel size of the name; None if the header has it, with more digits."""
        return _size_of_name(self.path, self.named_angstrom)


def warp_file(path: str) -> WarpFile | None:
    """The tomogram of WarpTools at a path; None for another file.

    Args:
        path: a file, which need not exist.
    """
    folder, name = os.path.split(os.path.abspath(path))
    match = FILE.fullmatch(name)
    above, kind = os.path.split(folder)
    if kind == RECONSTRUCTION:
        kind = ""
    elif kind not in FOLDERS.values() or os.path.basename(above) != RECONSTRUCTION:
        return None
    return None if match is None else WarpFile(path, match["series"], kind, _pixel_size(match))


def _pixel_size(match: re.Match[str]) -> float:
    return float(match["pixel"].replace(",", "."))


def _halves(path: str, name: str) -> tuple[str, str]:
    """Paths of the halves of a tomogram in a processing folder, from its file's name."""
    odd, even = (os.path.join(path, RECONSTRUCTION, FOLDERS[kind]) for kind in ("half1", "half2"))
    return os.path.join(odd, name), os.path.join(even, name)


def _names(path: str, folder: str, which: str) -> list[str]:
    """The names of files in a folder, sorted."""
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StartError(f"{path}: cannot read {folder} ({which}): {error.strerror}") from error


def _has_tomograms(path: str, kind: str) -> bool:
    folder = os.path.join(path, RECONSTRUCTION, FOLDERS[kind])
    return any(FILE.fullmatch(name) for name in _names(path, folder, kind))


def _size_of_name(file: str, named_angstrom: float) -> float | None:
    """The voxel size of a file's name; None if the header has it, with more digits.

    A file that cannot be read has the size of its name; scoring it will report the error.
    """
    try:
        source = open_source(file)
        try:
            header = parse_header(source.head(HEADER_BYTES), source.size, file, TOMOGRAM)
        finally:
            source.close()
        size, _ = choose_voxel_size(header.voxel_size_xyz_angstrom, None, file)
    except TomogramError:
        size = math.nan
    return None if abs(size - named_angstrom) <= ROUNDING_ANGSTROM else named_angstrom


def _is_deselected(path: str, name: str) -> bool:
    """Whether the metadata of a tilt series says that it is deselected, by hand or by filter."""
    file = os.path.join(path, f"{name}.xml")
    if not os.path.exists(file):
        return False
    root = read_xml(file)
    marks = [root.get(key, "") for key in ("UnselectManual", "UnselectFilter")]
    # A selection by hand takes precedence over the filter.
    by_hand, by_filter = (mark.strip().lower() for mark in marks)
    return by_hand == "true" or (by_hand != "false" and by_filter == "true")


def tomostar_files(source: WarpFolder, folder: str | None = None) -> dict[str, str]:
    """The .tomostar file of each tilt series, absolute: {name: path}.

    They are searched in the given folder; without one, in the data folder named by the metadata, in
    the processing folder, and in its sibling folders.

    Args:
        source: the processing folder.
        folder: folder of the files; None to search it.

    Raises:
        StartError: a file is missing, or tilt series have several tomograms each.
    """
    several = [name for name, count in Counter(source.series.values()).items() if count > 1]
    if several:
        raise StartError(
            f"{source.path}: expected one tomogram of each tilt series for the list of accepted "
            f"ones, found several pixel sizes of {', '.join(several[:3])}; move those of the other "
            "pixel sizes away, or score without --output-list"
        )
    folders = [folder] if folder is not None else _data_folders(source.path)
    files = {}
    for name in source.series.values():
        candidates = list(folders)
        if folder is None:
            candidates = [*_data_folder_of_metadata(source.path, name), *folders]
        paths = [os.path.join(folder_, f"{name}.tomostar") for folder_ in candidates]
        existing = next(filter(os.path.isfile, paths), None)
        if existing is None:
            raise StartError(
                f"{name}.tomostar: expected it in {' or '.join(candidates[:4])}, found none; name "
                "the folder of the .tomostar files: --tomostar DIR"
            )
        files[name] = os.path.abspath(existing)
    return files


def _data_folder_of_metadata(path: str, name: str) -> list[str]:
    """The folder of the data in the metadata."""
    file = os.path.join(path, f"{name}.xml")
    folder = read_xml(file).get("DataDirectory", "") if os.path.exists(file) else ""
    return [os.path.join(path, folder)] if folder else []


def _data_folders(path: str) -> list[str]:
    """The processing folder, and its sibling folders with .tomostar files."""
    parent = os.path.dirname(os.path.abspath(path))
    try:
        siblings = sorted(entry.path for entry in os.scandir(parent) if entry.is_dir())
        holding = [
            folder
            for folder in siblings
            if os.access(folder, os.R_OK | os.X_OK)
            and any(name.endswith(".tomostar") for name in os.listdir(folder))
        ]
    except OSError as error:
        raise StartError(f"cannot read {error.filename}: {error.strerror}") from error
    return [path, *holding]


def write_list(
    source: WarpFolder, tomostar: Mapping[str, str], accepted: Mapping[str, Score], path: str
) -> int:
    """Write the .tomostar files of accepted tomograms, one per line; deselected ones are left out.

    Args:
        source: the processing folder.
        tomostar: from `tomostar_files`.
        accepted: the accepted records by their ids.
        path: the file to write; an existing one is replaced atomically.

    Returns:
        The number of lines.

    Raises:
        StartError: the file cannot be written.
    """
    names = [source.series[tomogram.ts_id] for tomogram in source.tomograms]
    ids = {source.series[tomogram.ts_id]: tomogram.ts_id for tomogram in source.tomograms}
    listed = [name for name in names if ids[name] in accepted and name not in source.deselected]
    write_file(path, "".join(tomostar[name] + "\n" for name in listed))
    return len(listed)
