# SPDX-License-Identifier: GPL-3.0-or-later
"""Records as lines of a CSV file."""

from __future__ import annotations

import csv
import io
from typing import Sequence

from tomoscore_scipion.records.bands import PERIODS_NM
from tomoscore_scipion.records.record import Score

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""First characters of a cell that a spreadsheet interprets as a formula."""

CSV_COLUMNS = (
    ("ts_id", "path", "status", "tomoscore", "tomoscore_low", "tomoscore_high", "scale_nm")
    + tuple(f"r_{coarse:g}_{fine:g}_nm" for coarse, fine in PERIODS_NM)
    + ("halves_tomoscore", "halves_low", "halves_high", "halves_octaves", "halves_kind")
    + ("tomoscore_uncalibrated", "calibration")
    + ("content", "slab_first", "slab_last", "voxel_size_angstrom", "warnings", "error")
)


def csv_heading() -> str:
    """The first line of the CSV file: the names of its columns."""
    return csv_row(CSV_COLUMNS)


def csv_line(record: Score) -> str:
    """A record as a line of the CSV file."""
    return csv_row(csv_cells(record))


def csv_cells(record: Score) -> tuple:
    """A record as cells in the order of `CSV_COLUMNS`; None for missing numbers.

    Text that a spreadsheet would interpret as a formula gets an apostrophe in front.
    """
    low, high = record.tomoscore_interval or (None, None)
    first, last = record.slab_z or (None, None)
    curve = record.curve["resolvability"] if record.curve else (None,) * len(PERIODS_NM)
    names = (harmless(record.ts_id), harmless(record.path or ""), record.status)
    voxel = record.voxel_size_angstrom
    scores = (record.tomoscore, low, high, record.scale_nm, *curve, *_halves_cells(record))
    scores += (record.tomoscore_uncalibrated, record.calibration and record.calibration["sha256"])
    place = (record.content, first, last, voxel)
    remarks = (harmless("; ".join(record.warnings)), harmless(record.error or ""))
    return names + scores + place + remarks


def _halves_cells(record: Score) -> tuple:
    """Cells of the halves: measured score, interval, number of octaves, kind."""
    halves = record.halves
    if halves is None or halves["tomoscore"] is None:
        return (None,) * 5
    return (halves["tomoscore"], *halves["interval"], len(halves["octaves"]), halves["kind"])


def harmless(text: str) -> str:
    """Text with an apostrophe in front if a spreadsheet would interpret it as a formula."""
    return "'" + text if text.startswith(FORMULA_STARTS) else text


def csv_row(cells: Sequence) -> str:
    """Cells as a line of a CSV file, with the newline."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()
