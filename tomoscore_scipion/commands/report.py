# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore report`: from files of records to the page."""

from __future__ import annotations

from argparse import Namespace

from tomoscore_scipion.records.output_paths import check_outputs
from tomoscore_scipion.records.record_files import files_of, latest_of_each, records_of
from tomoscore_scipion.records.session_order import read_order
from tomoscore_scipion.records.terminal import notify
from tomoscore_scipion.report.compared import section_of, sets_of
from tomoscore_scipion.report.pictures import check_folders
from tomoscore_scipion.report.writing import write_report


def main(args: Namespace) -> int:
    """Make the report that the arguments ask for.

    Returns:
        Exit status.

    Raises:
        StartError: records or pictures cannot be read, or the report cannot be written.
    """
    check_outputs([args.output], [*files_of(*args.results, *args.compare), args.order])
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
    notify(f"{args.output}: {count}{note}")
    return 0
