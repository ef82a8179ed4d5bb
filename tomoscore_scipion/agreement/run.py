# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore agreement`: from files of records to a verdict, figures, and a plot."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from dataclasses import asdict
from typing import Any, Sequence

from tomoscore_scipion.agreement.figures import Agreement, agreement_of
from tomoscore_scipion.agreement.words import sentences
from tomoscore_scipion.engine.errors import StartError
from tomoscore_scipion.engine.output import check_replaceable, is_direct, open_lines
from tomoscore_scipion.engine.record import OK, Score
from tomoscore_scipion.engine.record_files import files_of, records_of
from tomoscore_scipion.engine.table import printable, write_text

SCHEMA = 1
PLOTS = (".png", ".svg", ".pdf")


def main(args: Namespace) -> int:
    """Compare what the arguments name.

    Returns:
        Exit status.

    Raises:
        StartError: it cannot be compared or written.
    """
    _check_outputs(args)
    latest = {record.ts_id: record for record in records_of(args.results)}
    scored = [record for record in latest.values() if record.status == OK]
    check_one_model(scored)
    try:
        found = agreement_of(scored)
    except ValueError as error:
        raise StartError(f"{', '.join(args.results)}: {error}") from error
    lines = sentences(found)
    if args.json:
        with open_lines(args.json) as file:
            file.write(json.dumps(as_dict(found, lines), indent=1, allow_nan=False) + "\n")
    if args.plot:
        _write_plot(found, args.plot)
    write_text(sys.stdout, "".join(printable(line) + "\n" for line in lines))
    return 0


def check_one_model(records: Sequence[Score]) -> None:
    """Stop with a StartError where scores of several models are mixed."""
    models = sorted({record.model["sha256"][:12] for record in records if record.model})
    if len(models) > 1:
        raise StartError(
            f"the scores come from {len(models)} models (sha256 {', '.join(models)}): score all "
            "tomograms with the same weights"
        )


def as_dict(found: Agreement, lines: Sequence[str]) -> dict[str, Any]:
    """An agreement as JSON knows it, with what is said of it."""
    content = asdict(found)
    content["predicted"], content["measured"] = found.predicted.tolist(), found.measured.tolist()
    return {"schema": SCHEMA, **content, "verdict": found.verdict, "said": list(lines)}


def _write_plot(found: Agreement, path: str) -> None:
    from matplotlib.figure import Figure

    from tomoscore_scipion.agreement.drawing import SIZE, draw

    figure = Figure(figsize=SIZE)
    draw(figure, found)
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise StartError(f"cannot write {path}: {error.strerror}: name another file") from error


def _check_outputs(args: Namespace) -> None:
    """A result must not replace what it is made from, nor another one."""
    taken = {os.path.realpath(file) for path in args.results for file in files_of(path)}
    if args.plot and os.path.splitext(args.plot)[1].lower() not in PLOTS:
        raise StartError(f"--plot {args.plot}: expected a name that ends with {', '.join(PLOTS)}")
    for path in filter(None, (args.plot, args.json)):
        if is_direct(path):
            continue
        check_replaceable(path)
        if os.path.realpath(path) in taken:
            raise StartError(f"{path} would be replaced, and is needed: name another output")
        taken.add(os.path.realpath(path))
