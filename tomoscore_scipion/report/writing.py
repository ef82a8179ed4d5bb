# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the report of records."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Sequence

from tomoscore_scipion.records.acceptance import DEFAULT_THRESHOLD
from tomoscore_scipion.records.line_file import open_lines
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.record_files import latest_of_each
from tomoscore_scipion.records.session_order import Order, in_order
from tomoscore_scipion.report import agreed
from tomoscore_scipion.report.content import BY_SCORE, Facts, content_of
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
    """Write the report of records. An existing file is replaced when the new one is complete.

    Args:
        records: records; the last one of each id counts.
        path: path of the HTML file.
        folders: folders of thumbnails.
        maps: folders of quality maps.
        threshold: initial value of the slider, octaves.
        borderline: verdict on tomograms whose interval contains the threshold, or `BY_SCORE`.
        rejecting: faults for which tomograms are rejected at any score, from `FAULTS`.
        at_most: number of tomograms that may be accepted, the best ones; 0: no limit.
        title: title of the page.
        order: order of the session, from `session_order.read_order`; None: order of the records.
        comparison: comparison with other sets, from `compared.section_of`.
        facts: further facts on tomograms, see `content.Facts`.
        with_details: whether to include pictures of slices in detail; without them the file has a
            tenth of the size.

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
        for part in render(
            content, ((i, pictures_of_one) for i, pictures_of_one in pictures if pictures_of_one)
        ):
            file.write(part, is_row=False)
