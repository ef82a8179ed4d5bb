# SPDX-License-Identifier: GPL-3.0-or-later
"""Distribution of the scores of simulated tomograms, from a file beside the shipped weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
SUFFIX = ".scores.json"
"""Suffix of the file; the stem of its name is the stem of the weights file."""


def simulated_scores(folder: Path = WEIGHTS) -> dict[str, Any] | None:
    """Quantiles of the scores of simulated tomograms; None if the file does not exist.

    Returns:
        {"sha256": SHA-256 of the weights, "tomograms": number of tomograms, "quantiles": {percent
        as text: TomoScore below which this percentage of the tomograms lies}}.
    """
    files = sorted(folder.glob("*" + SUFFIX))
    return json.loads(files[0].read_text(encoding="utf-8")) if len(files) == 1 else None


def write_simulated_scores(weights: Path, figures: dict[str, Any]) -> Path:
    """Write figures for `simulated_scores` to a file beside a weights file; returns its path."""
    path = weights.with_name(weights.stem + SUFFIX)
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return path


def simulated_scores_text(figures: dict[str, Any] | None) -> str:
    """The figures of `simulated_scores` as a sentence for help texts; "" for None."""
    if figures is None:
        return ""
    below = [
        f"{'half' if percent == '50' else f'{percent} %'}{'' if n else ' score'} below {score:g}"
        for n, (percent, score) in enumerate(figures["quantiles"].items())
    ]
    return (
        f"Of {figures['tomograms']} simulated tomograms of all qualities {', '.join(below)}. "
        "Those of a real session differ: look at its own histogram.\n"
    )
