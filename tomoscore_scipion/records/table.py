# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of scores for a terminal, with one line per tomogram and remarks below."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from tomoscore_scipion.records.bands import COARSEST_NM, N_SCORED, readable_scale
from tomoscore_scipion.records.record import CALIBRATION_KEYS, OK, Score
from tomoscore_scipion.records.terminal import printable

HEADINGS = (
    "tomogram",
    "TomoScore",
    "90 % interval",
    "by halves",
    "resolvable scale",
    "content",
    "slab z",
    "warnings",
)
BY_HALVES = HEADINGS.index("by halves")
OF_HALVES = (
    "By halves: the score measured from half tomograms, with its 90 % interval; of so many octaves "
    "where not all are measured."
)
EXPLANATION = (
    "TomoScore: octaves of feature scale that can be readily distinguished, 0 (nothing) to "
    f"{N_SCORED} (everything down to {COARSEST_NM / 2**N_SCORED:.0f} nm); higher is better."
)


def make_table(records: Sequence[Score]) -> str:
    """The table of the records in their order, with explanation, warnings and failures.

    Returns:
        The lines of the table, each with a newline.
    """
    rows = [HEADINGS] + [_cells(record) for record in records]
    if all(record.halves is None for record in records):
        rows = [row[:BY_HALVES] + row[BY_HALVES + 1 :] for row in rows]
    lines = aligned(rows)
    lines.insert(1, "-" * max(len(line) for line in lines))
    lines += ["", EXPLANATION, *_models(records)]
    if len(rows[0]) == len(HEADINGS):
        lines.append(OF_HALVES)
    lines += remarks("Warnings:", [(r.ts_id, w) for r in records for w in r.warnings])
    halves = [(r.ts_id, w) for r in records if r.halves for w in r.halves["warnings"]]
    lines += remarks("Halves:", halves)
    lines += remarks("Failed:", [(r.ts_id, r.error or "") for r in records if r.status != OK])
    return "\n".join(lines) + "\n"


def _cells(record: Score) -> tuple:
    warnings = str(len(record.warnings)) if record.warnings else "-"
    if record.tomoscore is None or not record.tomoscore_interval or not record.slab_z:
        return (printable(record.ts_id), "failed", "-", "-", "-", "-", "-", warnings)
    low, high = record.tomoscore_interval
    return (
        printable(record.ts_id),
        f"{record.tomoscore:.2f}",
        f"{low:.2f} to {high:.2f}",
        _by_halves(record),
        readable_scale(record.scale_nm),
        "-" if record.content is None else f"{record.content:.0%}",
        f"{record.slab_z[0]} to {record.slab_z[1]}",
        warnings,
    )


def _by_halves(record: Score) -> str:
    """The measured score with its interval, "2.41 (2.10 to 2.60) of 3", "refused", or "-"."""
    if record.halves is None:
        return "-"
    if record.halves["tomoscore"] is None:
        return "refused"
    low, high = record.halves["interval"]
    octaves = len(record.halves["octaves"])
    of = f" of {octaves}" if octaves < N_SCORED else ""
    return f"{record.halves['tomoscore']:.2f} ({low:.2f} to {high:.2f}){of}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Format rows of cells as lines; each column has the width of its widest cell."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in rows]


def _models(records: Sequence[Score]) -> list[str]:
    """The models and program versions of the scores, a line for each."""
    models = {}
    for record in records:
        if record.status == OK and record.model is not None:
            name, version = record.model["name"], record.model["version"]
            sha256 = record.model["sha256"][:12]
            models[f"Model: {name} {version}, sha256 {sha256}; engine {record.engine_version}."] = 1
        if record.calibration is not None:
            models[f"{calibrated_by(record.calibration)}."] = 1
    return [printable(line) for line in models]


def calibrated_by(calibration: Mapping[str, Any]) -> str:
    """Description of the calibration of a record."""
    name, sha256, tomograms = (calibration[key] for key in CALIBRATION_KEYS)
    return (
        f"Scores are calibrated by {name}, sha256 {sha256[:12]}, learned of {tomograms} tomograms"
    )


def remarks(heading: str, entries: Sequence[tuple[str, str]]) -> list[str]:
    """A heading and a line for each (id, text); no lines if there is no entry."""
    if not entries:
        return []
    return ["", heading] + [f"  {printable(ts_id)}: {printable(text)}" for ts_id, text in entries]
