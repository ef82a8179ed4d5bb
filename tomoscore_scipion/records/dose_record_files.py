# SPDX-License-Identifier: GPL-3.0-or-later
"""Where records of doses go: one file, or JSON Lines that a job goes on with."""

from __future__ import annotations

import os
from typing import Sequence

from tomoscore_scipion.records.dose_record import OK, DoseRecord
from tomoscore_scipion.records.dose_source_files import Sources
from tomoscore_scipion.records.line_files import (
    LineFile,
    begin_with,
    is_direct,
    open_lines,
    parse_lines,
)

WHAT = "a record of `tomoscore dose`"


def write_record(path: str, record: DoseRecord) -> None:
    """One record, indented; replaces the file.

    Raises:
        StartError: it cannot be written.
    """
    with open_lines(path) as file:
        file.write(record.to_json(indent=1) + "\n")


def resume(
    path: str, series: Sequence[Sources], model_sha256: str
) -> tuple[LineFile, list[DoseRecord]]:
    """Open a job's results to append to, with the records in it that need not be made again.

    Kept are "ok" records of the job's series (ts_id, stack, pixel size where one is given) by the
    same model; a last line that a kill cut short, and failed records, are made again.

    Raises:
        StartError: the file cannot be written, or holds something else.
    """
    if is_direct(path):
        return open_lines(path), []
    wanted = {one.ts_id: one for one in series}
    kept: dict[str, DoseRecord] = {}
    there = os.path.exists(path)
    for record in parse_lines(path, DoseRecord.from_json, WHAT) if there else []:
        sources = wanted.get(record.ts_id)
        if sources is not None and _still_holds(record, sources, model_sha256):
            kept.setdefault(record.ts_id, record)
    lines = [record.to_json() + "\n" for record in kept.values()]
    return begin_with(path, lines), list(kept.values())


def _still_holds(record: DoseRecord, sources: Sources, model_sha256: str) -> bool:
    if record.status != OK or record.path != sources.stack or record.model is None:
        return False
    given, used = sources.pixel_angstrom, record.pixel_size_angstrom
    same_pixel = given is None or (used is not None and abs(used - given) <= 1e-3 * given)
    return same_pixel and record.model["sha256"] == model_sha256
