# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore agreement`: from files of records to a verdict, figures, and a plot."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict
from typing import Any, Sequence

from tomoscore_scipion.agreement.figures import Agreement, agreement_of
from tomoscore_scipion.agreement.summary_text import sentences
from tomoscore_scipion.images.figure_file import check_ending, save_figure
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.line_file import write_file
from tomoscore_scipion.records.output_paths import check_outputs
from tomoscore_scipion.records.record import OK
from tomoscore_scipion.records.record_files import files_of, model_of, records_of
from tomoscore_scipion.records.terminal import print_lines

SCHEMA = 1


def main(args: Namespace) -> int:
    """Compare predicted with measured scores.

    Returns:
        Exit status.

    Raises:
        StartError: the scores cannot be compared, or a file cannot be written.
    """
    _check_outputs(args)
    latest = {record.ts_id: record for record in records_of(args.results)}
    scored = [record for record in latest.values() if record.status == OK]
    model_of(scored)  # stops where there are several
    try:
        agreement = agreement_of(scored)
    except ValueError as error:
        raise StartError(f"{', '.join(args.results)}: {error}") from error
    lines = sentences(agreement)
    if args.json:
        content = json.dumps(as_dict(agreement, lines), indent=1, allow_nan=False)
        write_file(args.json, content + "\n")
    if args.plot:
        _write_plot(agreement, args.plot)
    print_lines(lines)
    return 0


def as_dict(agreement: Agreement, lines: Sequence[str]) -> dict[str, Any]:
    """An agreement as a JSON object, with its summary."""
    content = asdict(agreement)
    for name in ("predicted", "measured"):
        content[name] = content[name].tolist()
    return {"schema": SCHEMA, **content, "verdict": agreement.verdict, "said": list(lines)}


def _write_plot(agreement: Agreement, path: str) -> None:
    from matplotlib.figure import Figure

    from tomoscore_scipion.agreement.drawing import SIZE, draw

    figure = Figure(figsize=SIZE)
    draw(figure, agreement)
    save_figure(figure, path)


def _check_outputs(args: Namespace) -> None:
    """A result must not replace what it is made from, nor another one."""
    if args.plot:
        check_ending(args.plot)
    inputs = [file for path in args.results for file in files_of(path)]
    check_outputs((args.plot, args.json), inputs)
