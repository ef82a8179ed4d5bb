# SPDX-License-Identifier: GPL-3.0-or-later
"""Dose curves as CSV lines, with a row for each point of each curve."""

from __future__ import annotations

from typing import Iterator

from tomoscore_scipion.records.csv_lines import csv_row, harmless
from tomoscore_scipion.records.dose_record import DoseRecord

COLUMNS = (
    *("ts_id", "curve", "dose", "n_views", "angle_min", "angle_max", "angle_step"),
    *("tomoscore", "tomoscore_low", "tomoscore_high", "scale_nm", "tomoscore_network", "warnings"),
)
CURVES = (("steps", "unweighted"), ("steps_weighted", "weighted"), ("steps_matched", "matched"))


def heading() -> str:
    """The first line: the names of the columns."""
    return csv_row(COLUMNS)


def rows(record: DoseRecord) -> Iterator[str]:
    """The lines of a record; a failed record has no lines."""
    for field, name in CURVES:
        for step in getattr(record, field):
            views = (step["dose"], step["n_views"], *step["angle_range"], step["angle_step"])
            scores = (step["tomoscore"], *step["tomoscore_interval"], step["scale_nm"])
            scores += (step["tomoscore_network"],)
            warnings = harmless("; ".join(record.warnings))
            yield csv_row((harmless(record.ts_id), name, *views, *scores, warnings))
