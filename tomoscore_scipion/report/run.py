# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore report`: from files of records to the page."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from datetime import datetime
from typing import Any, Sequence

from tomoscore_scipion.engine.acceptance import DEFAULT_THRESHOLD
from tomoscore_scipion.engine.errors import StartError
from tomoscore_scipion.engine.output import is_direct, open_lines
from tomoscore_scipion.engine.record import Score
from tomoscore_scipion.engine.record_files import files_of, records_of
from tomoscore_scipion.engine.table import printable, write_text
from tomoscore_scipion.report.compared import section_of, sets_of
from tomoscore_scipion.report.content import BY_SCORE, Facts, content_of, latest_of_each
from tomoscore_scipion.report.order import Order, in_order, read_order
from tomoscore_scipion.report.page import render
from tomoscore_scipion.report.pictures import check_folders, map_of, pictures_of


def main(args: Namespace) -> int:
    """Make the report that the arguments ask for.

    Returns:
        Exit status.

    Raises:
        StartError: records or pictures cannot be read, or the report cannot be written.
    """
    _protect_inputs(args)
    check_folders(args.thumbnails, "thumbnails")
    check_folders(args.maps, "maps")
    records = records_of(args.results)
    order = read_order(args.order) if args.order else {}
    latest = latest_of_each(records)
    sets = sets_of(args.results, latest, args.compare, args.names) if args.compare else {}
    write_report(
        records,
        args.output,
        folders=args.thumbnails,
        maps=args.maps,
        threshold=args.threshold,
        borderline=args.borderline,
        rejecting=args.reject,
        at_most=args.at_most,
        title=args.title,
        order=order,
        comparison=section_of(sets) if sets else None,
    )
    failed = sum(record.tomoscore is None for record in latest)
    again = len(records) - len(latest)
    note = f"; {again} earlier records of the same ids left out" if again else ""
    noun = "tomogram" if len(latest) == 1 else "tomograms"
    count = f"{len(latest)} {noun}, {failed} of them failed"
    write_text(sys.stderr, printable(f"tomoscore: {args.output}: {count}{note}") + "\n")
    return 0


def write_report(
    records: Sequence[Score],
    path: str,
    *,
    folders: Sequence[str] = (),
    maps: Sequence[str] = (),
    threshold: float = DEFAULT_THRESHOLD,
    borderline: str = BY_SCORE,
    rejecting: Sequence[str] = (),
    at_most: int = 0,
    title: str = "TomoScore report",
    order: Order | None = None,
    comparison: dict[str, Any] | None = None,
    facts: Facts | None = None,
    with_details: bool = True,
) -> None:
    """Write the report of some records; an earlier file of its name is replaced when it is whole.

    Args:
        records: of each id the last one counts.
        path: the HTML file.
        folders: folders of thumbnails.
        maps: folders of quality maps.
        threshold: where the slider stands at first, octaves.
        borderline: verdict on tomograms whose interval contains the threshold, or `BY_SCORE`.
        rejecting: faults for which tomograms are rejected whatever their score, of `FAULTS`.
        at_most: so many tomograms are accepted, the best; 0: all.
        title: of the page.
        order: that of the session, from `order.read_order`; None: the records have it.
        comparison: with other sets, from `compared.section_of`.
        facts: what else is known of tomograms, for their details.
        with_details: whether pictures of slices in detail are put in; else the thumbnails alone,
            a tenth of the size.

    Raises:
        StartError: pictures cannot be read, or the file cannot be written.
    """
    latest = latest_of_each(records)
    latest, _ = in_order(latest, (record.ts_id for record in latest), order or {})
    created = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    content = content_of(
        latest,
        title=title,
        created=created,
        threshold=threshold,
        borderline=borderline,
        rejecting=rejecting,
        at_most=at_most,
        order=order,
        comparison=comparison,
        facts=facts,
    )
    pictures = (
        (i, {**pictures_of(record, folders, with_details), **map_of(record, maps)})
        for i, record in enumerate(latest)
    )
    with open_lines(path) as file:
        for piece in render(content, ((i, found) for i, found in pictures if found)):
            file.write(piece, is_row=False)


def _protect_inputs(args: Namespace) -> None:
    """The report must not replace what it is made from."""
    files = [file for path in (*args.results, *args.compare) for file in files_of(path)]
    inputs = {os.path.realpath(file) for file in (*files, *filter(None, [args.order]))}
    if not is_direct(args.output) and os.path.realpath(args.output) in inputs:
        raise StartError(f"{args.output} would be replaced, and is an input: name another output")
