# SPDX-License-Identifier: GPL-3.0-or-later
"""Tomograms to score: a job file of another program, or the paths of a command line.

A job is one JSON object:

    {"schema": 1, "weights": null, "device": "auto", "map_dir": null, "thumbnail_dir": null,
     "calibration": null,
     "tomograms": [{"ts_id": "TS_01", "path": "TS_01.mrc", "voxel_size_angstrom": null,
                    "z_range": null, "half1": null, "half2": null,
                    "tilt_range_deg": null}]}

schema, tomograms, ts_id and path are required; other keys have the default values shown.
Relative paths start at the current working directory, as they do in a shell, wherever the job file
lies. An id is printable text; it is never used as a file name.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from typing import Any, Callable, Sequence, TypeVar

from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.fields import (
    Field,
    a_list,
    any_value,
    check_fields,
    check_keys,
    expect,
    is_id,
    is_index,
    is_path,
    is_text,
    optional,
    positive,
)
from tomoscore_scipion.records.record import default_ts_id
from tomoscore_scipion.records.tilt_range import TiltRange, check_tilt_range
from tomoscore_scipion.records.z_range import ZRange, check_z_range

Parsed = TypeVar("Parsed")

SCHEMA = 1
"""Version of the format of jobs; later versions are refused."""

PATH = expect(is_path, "a path")
OPTIONAL_PATH = optional(expect(is_path, "a path, or null"))
FOLDER = optional(expect(is_path, "a folder, or null"))
ID = Field("ts_id", expect(is_id, "printable text that is not empty"), required=True)

VERSION = expect(lambda value: is_index(value) and value == SCHEMA, str(SCHEMA))

SETTINGS = (
    Field("schema", VERSION, required=True),
    Field("weights", optional(expect(is_path, "a path, or null for the shipped weights"))),
    Field("device", expect(is_text, '"auto", "cpu" or "cuda:N"'), default="auto"),
)
"""Fields of all kinds of jobs."""

JOB_FIELDS = (
    *SETTINGS,
    Field("map_dir", FOLDER),
    Field("thumbnail_dir", FOLDER),
    Field("calibration", optional(expect(is_path, "a path, or null for uncalibrated scores"))),
    Field("tomograms", a_list, required=True),
)
TOMOGRAM_FIELDS = (
    ID,
    Field("path", PATH, required=True),
    Field("voxel_size_angstrom", optional(positive("a number > 0, or null for the header's"))),
    Field("z_range", check_z_range),
    Field("half1", any_value),
    Field("half2", any_value),
    Field("tilt_range_deg", check_tilt_range),
)
HALF = expect(is_path, "a path, since the other half is named, or null for both")
BOTH_HALVES = (Field("half1", HALF), Field("half2", HALF))
"""Fields of the halves if at least one half is given."""


@dataclass(frozen=True)
class Tomogram:
    """A tomogram to be scored.

    Attributes:
        ts_id: id of the tomogram, unique in the batch.
        path: path of the file, as given by the user.
        voxel_size_angstrom: voxel size that replaces the header's; None to use the header.
        z_range: (first, last) plane to score, see z_range.py; None for the whole volume.
        half1: path of the tomogram of one half of the frames or tilts; None without halves.
        half2: path of the tomogram of the other half.
        tilt_range_deg: (lowest, highest) tilt angle, see tilt_range.py; None to measure it in
            the halves.
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
        object.__setattr__(self, "tilt_range_deg", check_tilt_range(self.tilt_range_deg))

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of tomogram and halves."""
        return (self.path, *(self.halves or ()))

    @property
    def halves(self) -> tuple[str, str] | None:
        """Paths of both halves; None without halves."""
        return (self.half1, self.half2) if self.half1 and self.half2 else None


@dataclass(frozen=True)
class Job:
    """A batch of tomograms with the weights and the device to score them with.

    Attributes:
        tomograms: the tomograms.
        weights: path of the weights; None for the shipped weights.
        device: "auto", "cpu" or "cuda:N".
        map_dir: folder for quality maps; None for no maps.
        thumbnail_dir: folder for pictures of slices; None for no pictures.
        calibration: path of a calibration of the scores; None for uncalibrated scores.
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
    """Tomograms for the paths of a command line, each with a unique id.

    The id is the file name without extensions. For files with the same name in folders of different
    names, "-" and the folder's name are appended. Ids that are still equal get -2, -3 and so on, in
    the order of the paths.
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
    """The ids, with -2, -3 and so on after repeated ones."""
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
        StartError: it cannot be read, or is not a valid job; the message has the reason.
    """
    return read_checked(path, parse_job)


def read_checked(path: str, parse: Callable[[Any], Parsed]) -> Parsed:
    """Read a job file and check its content.

    Args:
        path: the file.
        parse: function that checks the content; raises StartError with the reason.

    Raises:
        StartError: it cannot be read, or is not a valid job; the message names the file.
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
    values = parse_batch(content, JOB_FIELDS)
    entries = enumerate(values.pop("tomograms"), 1)
    tomograms = tuple(_tomogram(f"tomogram {number}", entry) for number, entry in entries)
    check_unique([tomogram.ts_id for tomogram in tomograms])
    return Job(tomograms, **values)


def parse_batch(content: Any, fields: Sequence[Field]) -> dict[str, Any]:
    """Check the fields of a job.

    Args:
        content: the job, parsed from JSON.
        fields: the fields of this kind of job.

    Returns:
        The values of all fields except schema.

    Raises:
        StartError: a field is wrong; the message names it.
    """
    check_keys(content, "the job", fields)
    schema = content["schema"]
    if is_index(schema) and schema > SCHEMA:
        raise StartError(
            f"it was written for a later version (schema {schema}, expected {SCHEMA}): "
            "update TomoScore where it runs, or write the job with the same version"
        )
    values = check_fields(content, fields, error=StartError)
    del values["schema"]
    return values


def parse_entry(entry: Any, what: str, fields: Sequence[Field]) -> tuple[dict[str, Any], str]:
    """Check an entry of a job's list.

    Args:
        entry: the entry, parsed from JSON.
        what: name of the entry, such as "tomogram 3".
        fields: the fields of this kind of entry.

    Returns:
        The values of all fields, and the entry's name for messages: "tomogram 3 (TS_03)".

    Raises:
        StartError: a field is wrong; the message names entry and field.
    """
    check_keys(entry, what, fields)
    check_id(entry["ts_id"], what)
    what = f"{what} ({entry['ts_id']})"
    return check_fields(entry, fields, f"{what}: ", StartError), what


def _tomogram(what: str, entry: Any) -> Tomogram:
    values, what = parse_entry(entry, what, TOMOGRAM_FIELDS)
    if values["half1"] is not None or values["half2"] is not None:
        check_fields(values, BOTH_HALVES, f"{what}: ", StartError)
    return Tomogram(**values)


def check_id(ts_id: Any, what: str) -> None:
    """Check the id of an entry.

    Raises:
        StartError: the id is empty or not printable.
    """
    check_fields({"ts_id": ts_id}, [ID], f"{what}: ", StartError)


def check_unique(ids: Sequence[str]) -> None:
    """Check that no two entries of a job have the same id.

    Raises:
        StartError: an id occurs twice.
    """
    doubled = [repr(ts_id) for ts_id, count in Counter(ids).items() if count > 1]
    if doubled:
        raise StartError(
            f"the same ts_id twice: {', '.join(doubled[:5])}: "
            "give each an id of its own, results are joined by it"
        )
