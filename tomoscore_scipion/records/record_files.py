# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading records: from JSON Lines files, and from folders of such files."""

from __future__ import annotations

import os
import re
from typing import Callable, Iterable, Sequence, TypeVar

from tomoscore_scipion.records.dose_record import DoseRecord
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.record import OK, Score

Record = TypeVar("Record")

SUFFIX = ".jsonl"


def json_line(record: Score | DoseRecord) -> str:
    """A record as a line of JSON, with the newline."""
    return record.to_json() + "\n"


def read_records(path: str) -> list[Score]:
    """The records of a JSON Lines file, except for an incomplete last line.

    Raises:
        StartError: it cannot be read, or a line is not a record.
    """
    return parse_lines(path, Score.from_json, "a TomoScore record")


def parse_lines(path: str, parse: Callable[[str], Record], expected: str) -> list[Record]:
    """Parse the lines of a JSON Lines file, except for an incomplete last line.

    Args:
        path: the file.
        parse: makes a record of a line; raises ValueError if the line is not a record.
        expected: what a line must be, for the message.

    Raises:
        StartError: it cannot be read, or a line is not what is expected.
    """
    try:
        with open(path, "rb") as file:
            lines = file.read().split(b"\n")[:-1]
    except OSError as error:
        raise StartError(f"cannot read {path}: {error.strerror}") from error
    records = []
    for number, line in enumerate(lines, 1):
        try:
            records.append(parse(line.decode("utf-8")))
        except (ValueError, RecursionError) as error:
            raise StartError(
                f"{path}, line {number}: expected {expected} ({error}): "
                "name another file, or remove this one"
            ) from error
    return records


def files_of(*paths: str) -> list[str]:
    """The files of records of each path: the path itself, or all files below a folder.

    The files of a folder are sorted by name, with numbers in the order of their values.

    Raises:
        StartError: a folder has no such file, or cannot be read.
    """
    return [file for path in paths for file in _files_below(path)]


def _files_below(path: str) -> list[str]:
    if not os.path.isdir(path):
        return [path]
    files = [
        os.path.join(folder, name)
        for folder, _, names in os.walk(path, onerror=_refuse)
        for name in names
        if name.endswith(SUFFIX)
    ]
    if not files:
        raise StartError(f"{path}: expected records in it, found no file named *{SUFFIX}")
    return sorted(files, key=_naturally)


def records_of(paths: Sequence[str]) -> list[Score]:
    """The records of files, and of folders of files, in their order.

    Raises:
        StartError: a file cannot be read, or a line is not a record.
    """
    return [record for file in files_of(*paths) for record in read_records(file)]


def latest_of_each(records: Iterable[Score]) -> list[Score]:
    """The last record of each id, in the order in which the ids occur first."""
    return list({record.ts_id: record for record in records}.values())


def scored_records(paths: Sequence[str]) -> list[Score]:
    """The scored records in files or folders of records, the last one of each id.

    Raises:
        StartError: records cannot be read, or are from several models or calibrations.
    """
    scored = [record for record in latest_of_each(records_of(paths)) if record.status == OK]
    model_of(scored)
    return scored


def model_of(records: Sequence[Score]) -> str | None:
    """SHA-256 of the weights that made records; None if no record has a model.

    Raises:
        StartError: the records are from several models or calibrations, or only some of them are
            calibrated, so that their scores cannot be compared.
    """
    models = sorted({record.model["sha256"] for record in records if record.model})
    if len(models) > 1:
        raise StartError(
            f"the scores come from {len(models)} models (sha256 "
            f"{', '.join(sha256[:12] for sha256 in models)}): score all tomograms with the same "
            "weights"
        )
    calibration_of(records)  # raises if there are several
    return models[0] if models else None


def calibration_of(records: Sequence[Score]) -> str | None:
    """SHA-256 of the calibration of records; None for uncalibrated records.

    Raises:
        StartError: the records have different calibrations; their scores cannot be compared.
    """
    scored = [record for record in records if record.tomoscore is not None]
    calibrations = {r.calibration["sha256"] if r.calibration else None for r in scored}
    if len(calibrations) > 1:
        names = sorted(sha256[:12] if sha256 else "none" for sha256 in calibrations)
        raise StartError(
            f"the scores come from {len(calibrations)} calibrations (sha256 {', '.join(names)}): "
            "score all tomograms with the same calibration, or all without one"
        )
    return calibrations.pop() if calibrations else None


def _refuse(error: OSError) -> None:
    raise StartError(f"cannot read the folder {error.filename}: {error.strerror}") from error


def _naturally(path: str) -> list[tuple[int, int, str]]:
    """Sort key that puts 9 before 10, and digits before letters."""
    parts = re.findall(r"\d+|\D+", path)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts]
