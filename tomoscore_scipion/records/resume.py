# SPDX-License-Identifier: GPL-3.0-or-later
"""Resume a job: find the current records of an earlier run, and open its results to append."""

from __future__ import annotations

import os
from typing import Callable, Sequence, TypeVar, Union

from tomoscore_scipion.records.dose_record import DoseRecord
from tomoscore_scipion.records.dose_source_files import Sources
from tomoscore_scipion.records.job import Tomogram
from tomoscore_scipion.records.line_file import LineFile, append_after, open_lines
from tomoscore_scipion.records.output_paths import is_stream
from tomoscore_scipion.records.record import OK, Score
from tomoscore_scipion.records.record_files import json_line, parse_lines

Record = TypeVar("Record", bound=Union[Score, DoseRecord])

SIZE_TOLERANCE = 1e-3
"""Relative tolerance; MRC headers store the length of the volume in single precision."""


def resume_results(
    path: str,
    entries: Sequence[Tomogram | Sources],
    made_by: str,
    parse: Callable[[str], Record],
    expected: str = "a TomoScore record",
) -> tuple[LineFile, list[Record]]:
    """Open the results of a job to append to, and read the records in it that are current.

    All other records, including failed ones, and an incomplete last line are removed from the file.
    A pipe or device holds no records.

    Args:
        path: the JSON Lines file.
        entries: entries of the job.
        made_by: hashes of weights and calibration in use, see `Score.made_by`.
        parse: function that parses a line; raises ValueError if the line is not a record.
        expected: description of a valid line, for the message.

    Returns:
        The open file, and the current records in the order of the file.

    Raises:
        StartError: the file cannot be written, or has other content than records.
    """
    if is_stream(path):
        return open_lines(path), []
    current: dict[str, Record] = {}
    entry_of = {entry.ts_id: entry for entry in entries}
    for record in parse_lines(path, parse, expected) if os.path.exists(path) else []:
        entry = entry_of.get(record.ts_id)
        if entry is not None and is_current(record, entry, made_by):
            current.setdefault(record.ts_id, record)
    return append_after(path, map(json_line, current.values())), list(current.values())


def is_current(record: Score | DoseRecord, entry: Tomogram | Sources, made_by: str) -> bool:
    """Whether processing an entry of a job again would give the same record.

    The record is "ok", and was made by the same model and calibration from the same files, with the
    same z range and, if there are halves, the same tilt range, and with the voxel size that the
    entry gives, if it gives one.

    Args:
        record: record of an earlier run, with the id of the entry.
        entry: a tomogram to score or a tilt series to analyse.
        made_by: hashes of weights and calibration in use, see `Score.made_by`.
    """
    if record.status != OK or record.made_by != made_by:
        return False
    if isinstance(record, DoseRecord):
        assert isinstance(entry, Sources)
        is_same_size = _is_size(record.pixel_size_angstrom, entry.pixel_angstrom)
        return is_same_size and record.path == entry.stack
    assert isinstance(entry, Tomogram)
    is_same_size = _is_size(record.voxel_size_angstrom, entry.voxel_size_angstrom)
    is_same = (record.path, record.z_range) == (entry.path, entry.z_range)
    return is_same_size and is_same and _has_halves_of(record, entry)


def _has_halves_of(record: Score, entry: Tomogram) -> bool:
    """Whether a record is measured from the halves of an entry, with its tilt range."""
    if record.halves is None or entry.halves is None:
        return record.halves is None and entry.halves is None
    halves = (record.halves["half1"], record.halves["half2"])
    return (halves, record.halves.get("tilt_range_deg")) == (entry.halves, entry.tilt_range_deg)


def _is_size(used: float | None, given: float | None) -> bool:
    """Whether the voxel size of a record matches the given one; always True if None is given."""
    return given is None or (used is not None and abs(used - given) <= SIZE_TOLERANCE * given)
