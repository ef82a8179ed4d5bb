# SPDX-License-Identifier: GPL-3.0-or-later
"""Where records come from: files of them, and folders of such files."""

from __future__ import annotations

import os
import re
from typing import Sequence

from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.line_files import read_records
from tomoscore_scipion.records.record import Score

SUFFIX = ".jsonl"


def files_of(path: str) -> list[str]:
    """The files of records that a path stands for: itself, or all that lie below a folder.

    Those of a folder come in the order of their names, numbers by their value.

    Raises:
        StartError: a folder has none, or cannot be read.
    """
    if not os.path.isdir(path):
        return [path]
    found = [
        os.path.join(folder, name)
        for folder, _, names in os.walk(path, onerror=_refuse)
        for name in names
        if name.endswith(SUFFIX)
    ]
    if not found:
        raise StartError(f"{path}: expected records in it, found no file named *{SUFFIX}")
    return sorted(found, key=_naturally)


def records_of(paths: Sequence[str]) -> list[Score]:
    """The records of files, and of folders of files, in their order.

    Raises:
        StartError: one cannot be read, or holds something else.
    """
    return [record for path in paths for file in files_of(path) for record in read_records(file)]


def model_of(records: Sequence[Score]) -> str | None:
    """SHA-256 of the weights that made records; None where none of them names a model.

    Raises:
        StartError: several models made them, whose scores cannot be compared.
    """
    models = sorted({record.model["sha256"] for record in records if record.model})
    if len(models) > 1:
        raise StartError(
            f"the scores come from {len(models)} models (sha256 "
            f"{', '.join(sha256[:12] for sha256 in models)}): score all tomograms with the same "
            "weights"
        )
    return models[0] if models else None


def _refuse(error: OSError) -> None:
    raise StartError(f"cannot read the folder {error.filename}: {error.strerror}") from error


def _naturally(path: str) -> list[tuple[int, int, str]]:
    """A key that puts 9 before 10, and digits before letters."""
    pieces = re.findall(r"\d+|\D+", path)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in pieces]
