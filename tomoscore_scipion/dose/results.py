# SPDX-License-Identifier: GPL-3.0-or-later
"""Where records of doses go: one file, or JSON Lines that a job goes on with."""

from __future__ import annotations

import os
from typing import Sequence

from tomoscore_scipion.dose.record import OK, DoseRecord
from tomoscore_scipion.dose.sources import Sources
from tomoscore_scipion.engine.errors import StartError
from tomoscore_scipion.engine.output import LineFile, is_direct, open_lines


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
    for record in read_records(path) if os.path.exists(path) else []:
        sources = wanted.get(record.ts_id)
        if sources is not None and _still_holds(record, sources, model_sha256):
            kept.setdefault(record.ts_id, record)
    with open_lines(path) as file:
        for record in kept.values():
            file.write(record.to_json() + "\n")
    try:
        return LineFile(path, os.open(path, os.O_WRONLY | os.O_APPEND)), list(kept.values())
    except OSError as error:
        raise StartError(f"cannot write {path}: {error.strerror}") from error


def read_records(path: str) -> list[DoseRecord]:
    """The records of a JSON Lines file; a last line without an end is left out.

    Raises:
        StartError: it cannot be read, or a line is not a record.
    """
    try:
        with open(path, "rb") as file:
            lines = file.read().split(b"\n")[:-1]
    except OSError as error:
        raise StartError(f"cannot read {path}: {error.strerror}") from error
    records = []
    for number, line in enumerate(lines, 1):
        try:
            records.append(DoseRecord.from_json(line.decode("utf-8")))
        except (ValueError, RecursionError, TypeError) as error:
            raise StartError(
                f"{path}, line {number}: expected a record of `tomoscore dose` ({error}): name "
                "another file, or remove this one"
            ) from error
    return records


def _still_holds(record: DoseRecord, sources: Sources, model_sha256: str) -> bool:
    if record.status != OK or record.path != sources.stack or record.model is None:
        return False
    given, used = sources.pixel_angstrom, record.pixel_size_angstrom
    same_pixel = given is None or (used is not None and abs(used - given) <= 1e-3 * given)
    return same_pixel and record.model["sha256"] == model_sha256
