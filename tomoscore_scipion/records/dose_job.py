# SPDX-License-Identifier: GPL-3.0-or-later
"""Tilt series to analyse, in a job file of another program.

    {"schema": 1, "weights": null, "device": "auto", "preview_dir": null, "tilt_series": [
      {"ts_id": "TS_01", "stack": "TS_01.mrc", "xf": null, "tlt": "TS_01.tlt", "doses": null,
       "tilt_series_star": null, "warp_xml": null, "mdoc": null, "aln": null,
       "pixel_size_angstrom": null, "excluded": [], "thickness_nm": null,
       "dose_convention": null}]}

schema, tilt_series, ts_id, stack and a file of angles (tlt, or one of the second row) are required;
other keys have the default values shown. The files are those of the options of the same names:
doses, tilt_series_star, warp_xml and mdoc exclude one another. Relative paths start at the current
working directory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

from tomoscore_scipion.records.dose_source_files import Sources
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.fields import (
    Field,
    a_list,
    expect,
    is_index,
    optional,
    positive,
    shortened,
)
from tomoscore_scipion.records.job import (
    ID,
    OPTIONAL_PATH,
    PATH,
    SETTINGS,
    check_unique,
    parse_batch,
    parse_entry,
    read_checked,
)

DOSE_CONVENTIONS = ("start", "middle", "end")
"""Point in time of a view's exposure to which its accumulated dose belongs."""

DOSE_FILES = ("doses", "tilt_series_star", "warp_xml", "mdoc")
"""Keys of files with doses; a series has at most one of them."""
ANGLE_FILES = ("tlt", "tilt_series_star", "warp_xml", "mdoc", "aln")
"""Keys of files with angles; a series needs at least one of them."""
CONVENTION = optional(
    expect(DOSE_CONVENTIONS.__contains__, f"one of {', '.join(DOSE_CONVENTIONS)} or null")
)
SIZE = optional(positive("a number > 0, or null", 1e6))


def _indices(values: Any) -> tuple[int, ...]:
    """Convert a list of 0-based indices to a tuple; None is an empty list."""
    if not values:
        return ()
    if not (isinstance(values, list) and all(map(is_index, values))):
        raise ValueError(f"expected a list of indices from 0, got {shortened(values)}")
    return tuple(values)


JOB_FIELDS = (
    *SETTINGS,
    Field("preview_dir", OPTIONAL_PATH),
    Field("tilt_series", a_list, required=True),
)
SERIES_FIELDS = (
    ID,
    Field("stack", PATH, required=True),
    *(Field(name, OPTIONAL_PATH) for name in ("xf", "tlt", "aln", *DOSE_FILES)),
    Field("pixel_size_angstrom", SIZE),
    Field("excluded", _indices),
    Field("thickness_nm", SIZE),
    Field("dose_convention", CONVENTION),
)
ATTRIBUTES = {
    "tilt_series_star": "star",
    "pixel_size_angstrom": "pixel_angstrom",
    "dose_convention": "convention",
}
"""Names in a job of some attributes of `Sources`."""


@dataclass(frozen=True)
class DoseJob:
    """Tilt series to analyse, with the weights and the device for it.

    Attributes:
        series: files of each tilt series.
        weights: path of the weights; None for the shipped weights.
        device: "auto", "cpu" or "cuda:N".
        preview_dir: folder for tomograms at the suggested dose; None for no such tomograms.
    """

    series: tuple[Sources, ...]
    weights: str | None = None
    device: str = "auto"
    preview_dir: str | None = None


def read_dose_job(path: str) -> DoseJob:
    """Read and check a job file.

    Raises:
        StartError: the file cannot be read or is not a valid job; the message has the reason.
    """
    return read_checked(path, parse_dose_job)


def parse_dose_job(content: Any) -> DoseJob:
    """Check the content of a job, parsed from JSON.

    Raises:
        StartError: see `read_dose_job`.
    """
    values = parse_batch(content, JOB_FIELDS)
    entries = enumerate(values.pop("tilt_series"), 1)
    series = tuple(_sources(f"tilt series {number}", entry) for number, entry in entries)
    check_unique([sources.ts_id for sources in series])
    return DoseJob(series, **values)


def _sources(what: str, entry: Any) -> Sources:
    values, what = parse_entry(entry, what, SERIES_FIELDS)
    _check_sources(what, [name for name, value in values.items() if value is not None])
    return Sources(**{ATTRIBUTES.get(name, name): value for name, value in values.items()})


def _check_sources(what: str, named: Sequence[str]) -> None:
    """Check that at least one file has angles and at most one file has doses."""
    if not any(key in ANGLE_FILES for key in named):
        raise StartError(f"{what} lacks {' or '.join(ANGLE_FILES)}, of which one has its angles")
    doses = [key for key in DOSE_FILES if key in named]
    if len(doses) > 1:
        raise StartError(
            f"{what}: expected one of {', '.join(DOSE_FILES)}, got {' and '.join(doses)}: which "
            "doses hold would not be known; set the others to null"
        )
