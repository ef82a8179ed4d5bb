# SPDX-License-Identifier: GPL-3.0-or-later
"""A comparison as CSV table, and as JSON that can be read back."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Mapping, Sequence

from tomoscore_scipion.comparison.paired import CONFIDENCE, Comparison, Difference
from tomoscore_scipion.records.csv_lines import csv_row, harmless

SCHEMA = 1
"""Version of the JSON form. `from_dict` refuses any other."""


def csv_text(comparison: Comparison) -> str:
    """A CSV row for each tilt series: its scores, and the set with the best one."""
    best = comparison.best_of_each()
    rows = [csv_row(["ts_id", *map(harmless, comparison.names), "best"])]
    for index, ts_id in enumerate(comparison.ts_ids):
        scores = [values[index] for values in comparison.scores]
        rows.append(csv_row([harmless(ts_id), *scores, harmless(comparison.names[best[ts_id]])]))
    return "".join(rows)


def as_dict(comparison: Comparison, lines: Sequence[str] = ()) -> dict[str, Any]:
    """A comparison as JSON-compatible dictionary.

    Args:
        comparison: the comparison.
        lines: sentences about it, which are stored under "said".
    """
    winner = comparison.winner
    return {
        "schema": SCHEMA,
        "names": list(comparison.names),
        "ts_ids": list(comparison.ts_ids),
        "scores": [list(values) for values in comparison.scores],
        "means": list(comparison.means),
        "differences": [asdict(difference) for difference in comparison.differences],
        "left_out": [list(ids) for ids in comparison.left_out],
        "confidence": CONFIDENCE,
        "leader": comparison.names[comparison.leader],
        "winner": None if winner is None else comparison.names[winner],
        "said": list(lines),
    }


def from_dict(content: Mapping[str, Any]) -> Comparison:
    """The comparison from a dictionary that `as_dict` made.

    Raises:
        ValueError: the dictionary has another schema.
    """
    if content.get("schema") != SCHEMA:
        raise ValueError(f"expected schema {SCHEMA}, got {content.get('schema')!r}")
    return Comparison(
        names=tuple(content["names"]),
        ts_ids=tuple(content["ts_ids"]),
        scores=tuple(map(tuple, content["scores"])),
        means=tuple(content["means"]),
        differences=tuple(
            Difference(**{**d, "interval": d["interval"] and tuple(d["interval"])})
            for d in content["differences"]
        ),
        left_out=tuple(map(tuple, content["left_out"])),
    )


def json_text(comparison: Comparison, lines: Sequence[str] = ()) -> str:
    """The JSON of `as_dict` with a final line feed."""
    return json.dumps(as_dict(comparison, lines), indent=1, allow_nan=False) + "\n"
