# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the report page of some records."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Sequence

from tomoscore_scipion.records.acceptance import DEFAULT_THRESHOLD
from tomoscore_scipion.records.line_file import open_lines
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.session_order import Order, in_order
from tomoscore_scipion.report import agreed
from tomoscore_scipion.report.content import BY_SCORE, Facts, content_of, latest_of_each
from tomoscore_scipion.report.page import render
from tomoscore_scipion.report.pictures import map_of, pictures_of


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
        order: that of the session, from `session_order.read_order`; None: the records have it.
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
        agreement=agreed.section_of(latest),
        facts=facts,
    )
    pictures = (
        (i, {**pictures_of(record, folders, with_details), **map_of(record, maps)})
        for i, record in enumerate(latest)
    )
    with open_lines(path) as file:
        for piece in render(content, ((i, found) for i, found in pictures if found)):
            file.write(piece, is_row=False)
