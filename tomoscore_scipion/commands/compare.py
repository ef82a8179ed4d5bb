# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore compare`: from files of records to a verdict, a table, and a plot."""

from __future__ import annotations

from argparse import Namespace

from tomoscore_scipion.comparison.drawing import SIZE, draw
from tomoscore_scipion.comparison.files import csv_text, json_text
from tomoscore_scipion.comparison.sets import compare_sets, read_sets
from tomoscore_scipion.images.figure_file import save_drawing
from tomoscore_scipion.records.line_file import write_file
from tomoscore_scipion.records.output_paths import check_outputs
from tomoscore_scipion.records.record_files import files_of
from tomoscore_scipion.records.terminal import print_lines


def main(args: Namespace) -> int:
    """Compare the sets that the arguments name.

    Returns:
        Exit status.

    Raises:
        StartError: the sets cannot be compared, or a file cannot be written.
    """
    if len(args.results) < 2:
        args.wrong_usage("name two sets of results or more")
    check_outputs([args.csv, args.plot, args.json], files_of(*args.results))
    comparison, lines = compare_sets(read_sets(args.results, args.names))
    for path, text in ((args.csv, csv_text(comparison)), (args.json, json_text(comparison, lines))):
        if path:
            write_file(path, text)
    if args.plot:
        save_drawing(args.plot, draw, comparison, SIZE)
    print_lines(lines)
    return 0
