# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore compare`: from files of records to a verdict, a table, and a plot."""

from __future__ import annotations

from argparse import Namespace

from tomoscore_scipion.comparison.files import csv_text, json_text, write_plot
from tomoscore_scipion.comparison.paired import Comparison, compare
from tomoscore_scipion.comparison.sets import joined, read_sets, remarks_on, scores_of
from tomoscore_scipion.comparison.summary_text import METHOD, sentences
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.line_file import write_file
from tomoscore_scipion.records.output_paths import check_outputs
from tomoscore_scipion.records.record_files import files_of
from tomoscore_scipion.records.terminal import print_lines

RESULTS = ("csv", "plot", "json")
"""Options that name a file to be written."""


def main(args: Namespace) -> int:
    """Compare the sets that the arguments name.

    Returns:
        Exit status.

    Raises:
        StartError: the sets cannot be compared, or a file cannot be written.
    """
    if len(args.results) < 2:
        args.wrong_usage("name two sets of results or more")
    inputs = [file for path in args.results for file in files_of(path)]
    check_outputs((getattr(args, name) for name in RESULTS), inputs)
    sets, joined_by = joined(read_sets(args.results, args.names))
    try:
        comparison = compare(scores_of(sets))
    except ValueError as error:
        raise StartError(f"{', '.join(sets)}: {error}") from error
    lines = [*sentences(comparison), *joined_by, *remarks_on(sets), METHOD]
    _write(args, comparison, lines)
    print_lines(lines)
    return 0


def _write(args: Namespace, comparison: Comparison, lines: list[str]) -> None:
    texts = ((args.csv, csv_text(comparison)), (args.json, json_text(comparison, lines)))
    for path, text in texts:
        if path:
            write_file(path, text)
    if args.plot:
        write_plot(comparison, args.plot)
