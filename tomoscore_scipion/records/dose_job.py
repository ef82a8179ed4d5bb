# SPDX-License-Identifier: GPL-3.0-or-later
"""A batch of tilt series in a file, from another program.

    {"schema": 1, "weights": null, "device": "auto", "preview_dir": null, "tilt_series": [
      {"ts_id": "TS_01", "stack": "TS_01.mrc", "xf": null, "tlt": "TS_01.tlt", "doses": null,
       "tilt_series_star": null, "warp_xml": null, "mdoc": null, "aln": null,
       "pixel_size_angstrom": null, "excluded": [], "thickness_nm": null,
       "dose_convention": null}]}

schema, tilt_series, ts_id, stack and a file of angles (tlt, or one of the second row) must be
there; what else is left out has the value shown. The files are those of the options of the same
names: doses, tilt_series_star, warp_xml and mdoc exclude one another. Relative paths start at the
current working directory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

from tomoscore_scipion.records.dose_source_files import Sources
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.job import (
    check_device,
    check_id,
    check_keys,
    check_path,
    check_schema,
    check_unique,
    read_checked,
)

DOSE_CONVENTIONS = ("start", "middle", "end")
"""The point in time of a view's exposure to which an accumulated dose belongs."""

JOB_KEYS = ("schema", "weights", "device", "preview_dir", "tilt_series")
DOSE_FILES = ("doses", "tilt_series_star", "warp_xml", "mdoc")
"""Files that have the doses: at most one of them."""
ANGLE_FILES = ("tlt", "tilt_series_star", "warp_xml", "mdoc", "aln")
"""Files that have the angles: at least one of them."""
SERIES_KEYS = (
    "ts_id",
    "stack",
    "xf",
    "tlt",
    "aln",
    *DOSE_FILES,
    "pixel_size_angstrom",
    "excluded",
    "thickness_nm",
    "dose_convention",
)


@dataclass(frozen=True)
class DoseJob:
    """Tilt series to analyse, with the weights and the device for it.

    Attributes:
        series: their files.
        weights: path of the weights; None: those shipped.
        device: "auto", "cpu" or "cuda:N".
        preview_dir: folder for tomograms at the suggested dose; None: none are made.
    """

    series: tuple[Sources, ...]
    weights: str | None = None
    device: str = "auto"
    preview_dir: str | None = None


def read_dose_job(path: str) -> DoseJob:
    """Read and check a job file.

    Raises:
        StartError: it cannot be read, or is not a job of this schema; the message names what.
    """
    return read_checked(path, parse_dose_job)


def parse_dose_job(content: Any) -> DoseJob:
    """Check a job's content, as JSON gives it.

    Raises:
        StartError: see `read_dose_job`.
    """
    check_keys(content, "the job", JOB_KEYS, required=("schema", "tilt_series"))
    check_schema(content["schema"])
    weights, device = content.get("weights"), content.get("device", "auto")
    for key in ("weights", "preview_dir"):
        if content.get(key) is not None:
            check_path(content[key], key, "a path, or null")
    check_device(device)
    entries = content["tilt_series"]
    if not isinstance(entries, list):
        raise StartError(f"tilt_series: expected a list, got {type(entries).__name__}")
    series = tuple(_sources(number, entry) for number, entry in enumerate(entries, 1))
    check_unique([one.ts_id for one in series])
    return DoseJob(series, weights, device, content.get("preview_dir"))


def _sources(number: int, entry: Any) -> Sources:
    what = f"tilt series {number}"
    check_keys(entry, what, SERIES_KEYS, required=("ts_id", "stack"))
    ts_id = entry["ts_id"]
    check_id(ts_id, what)
    what = f"{what} ({ts_id})"
    check_path(entry["stack"], f"{what}: stack", "a path")
    named = [key for key in ("xf", "tlt", "aln", *DOSE_FILES) if entry.get(key) is not None]
    for key in named:
        check_path(entry[key], f"{what}: {key}", "a path, or null")
    _check_sources(what, named)
    convention = entry.get("dose_convention")
    if convention is not None and convention not in DOSE_CONVENTIONS:
        raise StartError(
            f"{what}: dose_convention: expected one of {', '.join(DOSE_CONVENTIONS)} or null, got "
            f"{convention!r}"
        )
    return Sources(
        ts_id=ts_id,
        stack=entry["stack"],
        xf=entry.get("xf"),
        tlt=entry.get("tlt"),
        doses=entry.get("doses"),
        warp_xml=entry.get("warp_xml"),
        mdoc=entry.get("mdoc"),
        aln=entry.get("aln"),
        star=entry.get("tilt_series_star"),
        pixel_angstrom=_positive(entry, "pixel_size_angstrom", what),
        convention=convention,
        excluded=_indices(entry.get("excluded") or [], what),
        thickness_nm=_positive(entry, "thickness_nm", what),
    )


def _check_sources(what: str, named: Sequence[str]) -> None:
    """Stop with a StartError where no file has angles, or several have doses."""
    if not any(key in ANGLE_FILES for key in named):
        raise StartError(f"{what} lacks {' or '.join(ANGLE_FILES)}, of which one has its angles")
    doses = [key for key in DOSE_FILES if key in named]
    if len(doses) > 1:
        raise StartError(
            f"{what}: expected one of {', '.join(DOSE_FILES)}, got {' and '.join(doses)}: which "
            "doses hold would not be known; set the others to null"
        )


def _positive(entry: dict[str, Any], key: str, what: str) -> float | None:
    value = entry.get(key)
    if value is None:
        return None
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (number and 0 < value < 1e6):
        raise StartError(f"{what}: {key}: expected a number > 0, or null, got {value!r}")
    return float(value)


def _indices(values: Any, what: str) -> tuple[int, ...]:
    fine = isinstance(values, list) and all(
        isinstance(value, int) and not isinstance(value, bool) and value >= 0 for value in values
    )
    if not fine:
        raise StartError(f"{what}: excluded: expected a list of indices from 0, got {values!r}")
    return tuple(values)
