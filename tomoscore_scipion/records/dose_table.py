# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of dose records: curves, verdicts, and a table of many tilt series."""

from __future__ import annotations

from typing import Sequence

from tomoscore_scipion.records.dose_record import FAILED, DoseRecord
from tomoscore_scipion.records.table import aligned, remarks
from tomoscore_scipion.records.terminal import printable

HEADINGS = ("tilt series", "best dose", "as good within", "TomoScore", "warnings")
EXPLANATION = (
    "Doses in e/A^2, accumulated at the end of a view; TomoScore at the best one, in octaves."
)


def verdict(record: DoseRecord) -> str:
    """The verdict of a record in one line."""
    if record.suggested_range is None:
        return f"no dose suggested: {record.reason}"
    low, high = record.suggested_range
    return (
        f"best at {record.optimum_dose:.1f} e/A^2; {low:.1f} to {high:.1f} e/A^2 as good within "
        "0.1 octave"
    )


def as_text(record: DoseRecord) -> str:
    """The curves of a tilt series, its verdict, warnings and notes."""
    head = f"{'dose':>7} {'views':>5} {'angles':>13} {'step':>5}"
    lines = [head + f" {'TomoScore':>9} {'weighted':>8} {'matched':>8}"]
    for step, weighted, thinned in zip(record.steps, record.steps_weighted, record.steps_matched):
        low, high = step["angle_range"]
        lines.append(
            f"{step['dose']:7.1f} {step['n_views']:5d} {low:6.1f} {high:6.1f} "
            f"{step['angle_step']:5.1f} {step['tomoscore']:9.2f} {weighted['tomoscore']:8.2f} "
            f"{thinned['tomoscore']:8.2f}"
        )
    lines += ["", f"{record.ts_id}: {verdict(record)}"]
    lines += [f"warning: {text}" for text in record.warnings]
    lines += [f"note: {text}" for text in (record.convention or "", *record.assumptions) if text]
    return "".join(printable(line) + "\n" for line in lines)


def make_table(records: Sequence[DoseRecord]) -> str:
    """A table with a line per tilt series, an explanation of the columns, warnings and failures."""
    lines = aligned([HEADINGS, *map(_cells, records)])
    lines.insert(1, "-" * max(len(line) for line in lines))
    lines += ["", EXPLANATION]
    lines += remarks("Warnings:", [(r.ts_id, w) for r in records for w in r.warnings])
    lines += remarks("No range:", [(r.ts_id, r.reason) for r in records if r.reason])
    lines += remarks("Failed:", [(r.ts_id, r.error) for r in records if r.error])
    return "\n".join(lines) + "\n"


def _cells(record: DoseRecord) -> tuple[str, ...]:
    warnings = str(len(record.warnings)) if record.warnings else "-"
    if record.status == FAILED:
        return (printable(record.ts_id), "failed", "-", "-", warnings)
    low_high = record.suggested_range
    return (
        printable(record.ts_id),
        f"{record.optimum_dose:.1f}",
        "-" if low_high is None else f"{low_high[0]:.1f} to {low_high[1]:.1f}",
        f"{record.best_step()['tomoscore']:.2f}",
        warnings,
    )
