# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore agreement`: from files of records to a verdict, figures, and a plot."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict
from typing import Any, Sequence

from tomoscore_scipion.agreement.drawing import SIZE, draw
from tomoscore_scipion.agreement.figures import Agreement, agreement_of
from tomoscore_scipion.agreement.summary_text import sentences
from tomoscore_scipion.images.figure_file import check_ending, save_drawing
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.line_file import write_file
from tomoscore_scipion.records.output_paths import check_outputs
from tomoscore_scipion.records.record_files import files_of, scored_records
from tomoscore_scipion.records.terminal import print_lines

SCHEMA = 1


def main(args: Namespace) -> int:
    """Compare predicted with measured scores.

    Returns:
        Exit status.

    Raises:
        StartError: the scores cannot be compared, or a file cannot be written.
    """
    if args.plot:
        check_ending(args.plot)
    check_outputs([args.plot, args.json], files_of(*args.results))
    scored = scored_records(args.results)
    try:
        agreement = agreement_of(scored)
    except ValueError as error:
        raise StartError(f"{', '.join(args.results)}: {error}") from error
    lines = sentences(agreement)
    if args.json:
        content = json.dumps(as_dict(agreement, lines), indent=1, allow_nan=False)
        write_file(args.json, content + "\n")
    if args.plot:
        save_drawing(args.plot, draw, agreement, SIZE)
    print_lines(lines)
    return 0


def as_dict(agreement: Agreement, lines: Sequence[str]) -> dict[str, Any]:
    """An agreement as a JSON object, with its summary."""
    content = asdict(agreement)
    for name in ("predicted", "measured"):
        content[name] = content[name].tolist()
    return {"schema": SCHEMA, **content, "verdict": agreement.verdict, "said": list(lines)}
