# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be scored: a job file from another program, or the paths of a command line.

A job is one JSON object:

    {"schema": 1, "weights": null, "device": "auto", "map_dir": null, "thumbnail_dir": null,
     "calibration": null,
     "tomograms": [{"ts_id": "TS_01", "path": "TS_01.mrc", "voxel_size_angstrom": null,
                    "z_range": null, "half1": null, "half2": null,
                    "tilt_range_deg": null}]}

schema, tomograms, ts_id and path must be there; what else is left out has the value shown.
Relative paths start at the current working directory, as they do in a shell, wherever the job file
lies.  An id is printable text; it is never made into a file name.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any, Callable, Sequence, TypeVar

from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.record import default_ts_id
from tomoscore_scipion.records.tilt_range import TiltRange, check_tilt_range
from tomoscore_scipion.records.z_range import ZRange, check_z_range

Parsed = TypeVar("Parsed")

SCHEMA = 1
"""The version of the job's form.  A later one is refused."""

JOB_KEYS = ("schema", "weights", "device", "map_dir", "thumbnail_dir", "calibration", "tomograms")
TOMOGRAM_KEYS = (
    *("ts_id", "path", "voxel_size_angstrom", "z_range"),
    *("half1", "half2", "tilt_range_deg"),
)


@dataclass(frozen=True)
class Tomogram:
    """A tomogram to be scored.

    Attributes:
        ts_id: its id, unique in the batch.
        path: its file, as the user named it.
        voxel_size_angstrom: a voxel size that wins over the file's header; None: the header's.
        z_range: (first, last) plane to score, see z_range.py; None: the whole volume.
        half1: the tomogram of one half of its frames or tilts, by which the score is checked; None
            without halves.
        half2: that of the other half.
        tilt_range_deg: (lowest, highest) tilt angle, see tilt_range.py; None: as it shows in the
            halves.
    """

    ts_id: str
    path: str
    voxel_size_angstrom: float | None = None
    z_range: ZRange | None = None
    half1: str | None = None
    half2: str | None = None
    tilt_range_deg: TiltRange | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "z_range", check_z_range(self.z_range))

    @property
    def paths(self) -> tuple[str, ...]:
        """All files that are named."""
        return (self.path, *(self.halves or ()))

    @property
    def halves(self) -> tuple[str, str] | None:
        """Both halves; None where there are none."""
        return (self.half1, self.half2) if self.half1 and self.half2 else None


@dataclass(frozen=True)
class Job:
    """A batch of tomograms with the weights and the device to score them with.

    Attributes:
        tomograms: what to score.
        weights: path of the weights; None: those shipped.
        device: "auto", "cpu" or "cuda:N".
        map_dir: folder for quality maps; None: none are made.
        thumbnail_dir: folder for pictures of slices; None: none are made.
        calibration: path of a calibration of the scores; None: they are not calibrated.
    """

    tomograms: tuple[Tomogram, ...]
    weights: str | None = None
    device: str = "auto"
    map_dir: str | None = None
    thumbnail_dir: str | None = None
    calibration: str | None = None


def tomograms_of_paths(
    paths: Sequence[str], voxel_size_angstrom: float | None = None
) -> tuple[Tomogram, ...]:
    """Tomograms for the paths of a command line, each with an id of its own.

    The id is the file name without its extensions.  Where files of one name lie in folders of
    different names, "-" and the folder's name follow; what is still the same gets -2, -3 ... in
    the order given.
    """
    names = [default_ts_id(path) for path in paths]
    folders = [default_ts_id(os.path.dirname(os.path.abspath(path))) for path in paths]
    folders_of: dict[str, set[str]] = {}
    for name, folder in zip(names, folders):
        folders_of.setdefault(name, set()).add(folder)
    ids = [f"{n}-{f}" if len(folders_of[n]) > 1 else n for n, f in zip(names, folders)]
    return tuple(
        Tomogram(ts_id, path, voxel_size_angstrom) for ts_id, path in zip(_numbered(ids), paths)
    )


def _numbered(ids: Sequence[str]) -> list[str]:
    """The ids, with -2, -3 ... behind those that were there before."""
    taken = set(ids)
    seen: set[str] = set()
    unique = []
    for ts_id in ids:
        candidate, number = ts_id, 1
        while candidate in seen or (number > 1 and candidate in taken):
            number += 1
            candidate = f"{ts_id}-{number}"
        seen.add(candidate)
        unique.append(candidate)
    return unique


def read_job(path: str) -> Job:
    """Read and check a job file.

    Raises:
        StartError: it cannot be read, or is not a job of this schema; the message names what.
    """
    return read_checked(path, parse_job)


def read_checked(path: str, parse: Callable[[Any], Parsed]) -> Parsed:
    """Read a job file and check its content.

    Args:
        path: the file.
        parse: checks what JSON gives, and raises a StartError that says what is wrong.

    Raises:
        StartError: it cannot be read, or is no such job; the message names the file and what.
    """
    try:
        with open(path, "rb") as file:
            content = json.loads(file.read())
    except OSError as error:
        raise StartError(f"cannot read the job file {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise StartError(
            f"the job file {path} is not valid JSON ({error}): expected one JSON object"
        ) from error
    try:
        return parse(content)
    except StartError as error:
        raise StartError(f"the job file {path}: {error}") from error


def parse_job(content: Any) -> Job:
    """Check a job's content, as JSON gives it.

    Raises:
        StartError: see `read_job`.
    """
    check_keys(content, "the job", JOB_KEYS, required=("schema", "tomograms"))
    check_schema(content["schema"])
    weights, device = content.get("weights"), content.get("device", "auto")
    if weights is not None:
        check_path(weights, "weights", "a path, or null for the shipped weights")
    calibration = content.get("calibration")
    if calibration is not None:
        check_path(calibration, "calibration", "a path, or null for uncalibrated scores")
    folders = {key: content.get(key) for key in ("map_dir", "thumbnail_dir")}
    for key, folder in folders.items():
        if folder is not None:
            check_path(folder, key, "a folder, or null")
    check_device(device)
    if not isinstance(content["tomograms"], list):
        raise StartError(f"tomograms: expected a list, got {type(content['tomograms']).__name__}")
    tomograms = tuple(_tomogram(i, entry) for i, entry in enumerate(content["tomograms"], 1))
    check_unique([tomogram.ts_id for tomogram in tomograms])
    return Job(
        tomograms=tomograms, weights=weights, device=device, calibration=calibration, **folders
    )


def check_keys(content: Any, what: str, allowed: Sequence[str], required: Sequence[str]) -> None:
    """Stop with a StartError where an object of a job lacks keys or has unknown ones."""
    if not isinstance(content, dict):
        raise StartError(f"{what}: expected a JSON object, got {type(content).__name__}")
    missing = [key for key in required if key not in content]
    if missing:
        raise StartError(f"{what} lacks {', '.join(missing)}")
    unknown = [repr(key) for key in content if key not in allowed]
    if unknown:
        raise StartError(
            f"{what} has unknown keys {', '.join(unknown)}: remove them "
            f"(known: {', '.join(allowed)})"
        )


def check_schema(schema: Any) -> None:
    """Stop with a StartError where a job is not of this schema."""
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise StartError(f"schema: expected {SCHEMA}, got {schema!r}")
    if schema > SCHEMA:
        raise StartError(
            f"it was written for a later version (schema {schema}, expected {SCHEMA}): "
            "update TomoScore where it runs, or write the job with the same version"
        )


def check_path(path: Any, what: str, expected: str) -> None:
    """Stop with a StartError where a job has no path where it must have one."""
    if not isinstance(path, str) or not path or "\0" in path:
        raise StartError(f"{what}: expected {expected}, got {path!r}")


def _tomogram(number: int, entry: Any) -> Tomogram:
    """The tomogram of one entry of the job's list, counted from 1."""
    what = f"tomogram {number}"
    check_keys(entry, what, TOMOGRAM_KEYS, required=("ts_id", "path"))
    ts_id, voxel_size = entry["ts_id"], entry.get("voxel_size_angstrom")
    check_id(ts_id, what)
    check_path(entry["path"], f"{what} ({ts_id}): path", "a path")
    if voxel_size is not None:
        number_given = isinstance(voxel_size, (int, float)) and not isinstance(voxel_size, bool)
        if not (number_given and 0 < voxel_size <= sys.float_info.max):  # NaN is not either
            raise StartError(
                f"{what} ({ts_id}): voxel_size_angstrom: expected a number > 0, "
                f"or null for the header's, got {voxel_size!r}"
            )
        voxel_size = float(voxel_size)
    ranges: dict[str, Any] = {}
    for key, check in (("z_range", check_z_range), ("tilt_range_deg", check_tilt_range)):
        try:
            ranges[key] = check(entry.get(key))
        except ValueError as error:
            raise StartError(f"{what} ({ts_id}): {key}: {error}") from error
    halves = [entry.get(key) for key in ("half1", "half2")]
    if halves != [None, None]:
        for key, half in zip(("half1", "half2"), halves):
            expected = "a path, since the other half is named, or null for both"
            check_path(half, f"{what} ({ts_id}): {key}", expected)
    half1, half2 = halves
    return Tomogram(ts_id, entry["path"], voxel_size, half1=half1, half2=half2, **ranges)


def check_device(device: Any) -> None:
    """Stop with a StartError where a job's device is not a text."""
    if not isinstance(device, str) or not device:
        raise StartError(f'device: expected "auto", "cpu" or "cuda:N", got {device!r}')


def check_id(ts_id: Any, what: str) -> None:
    """Stop with a StartError where an id cannot be printed, or is none."""
    if not isinstance(ts_id, str) or not ts_id or not ts_id.isprintable():
        raise StartError(f"{what}: ts_id: expected printable text that is not empty, got {ts_id!r}")


def check_unique(ids: Sequence[str]) -> None:
    """Stop with a StartError where two entries of a job have one id."""
    doubled = [repr(ts_id) for ts_id, count in Counter(ids).items() if count > 1]
    if doubled:
        raise StartError(
            f"the same ts_id twice: {', '.join(doubled[:5])}: "
            "give each an id of its own, results are joined by it"
        )
