# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore threshold`: from records and marked ids to a threshold."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict
from typing import Iterable, Mapping

import numpy as np

from tomoscore_scipion.examples.fit import threshold_of
from tomoscore_scipion.examples.marks import scores_of_marked
from tomoscore_scipion.examples.octaves import octave_weights
from tomoscore_scipion.examples.rule import threshold_rule, visible_fractions, write_rule
from tomoscore_scipion.examples.summary_text import sentences
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.id_lists import read_ids, read_marked
from tomoscore_scipion.records.line_file import write_file
from tomoscore_scipion.records.output_paths import check_outputs
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.record_files import calibration_of, files_of, model_of, records_of
from tomoscore_scipion.records.terminal import print_lines

SCHEMA = 1


def main(args: Namespace) -> int:
    """Find the threshold that the arguments ask for.

    Returns:
        Exit status.

    Raises:
        StartError: no threshold can be derived, or a file cannot be written.
    """
    _check_usage(args)
    lists = [path for path in (args.marked, args.good, args.bad) if path is not None]
    check_outputs([args.json, args.output], [*files_of(*args.results), *lists])
    records = {record.ts_id: record for record in records_of(args.results)}
    model = model_of(list(records.values()))
    scores = {i: record.tomoscore for i, record in records.items() if record.tomoscore is not None}
    if args.marked is None:
        (good, bad), names = map(read_ids, lists), (args.good, args.bad)
    else:
        (good, bad), names = read_marked(args.marked), (args.marked, args.marked)
    marked = scores_of_marked(good, bad, scores, names)
    try:
        threshold = threshold_of(*marked)
    except ValueError as error:
        raise StartError(str(error)) from error
    octaves = octave_weights(*(_visible(records, part) for part in marked))
    lines = sentences(threshold, octaves)
    if args.output:
        calibration = calibration_of(list(records.values()))
        write_rule(args.output, threshold_rule(threshold, model, calibration, octaves))
    if args.json:
        content = {"schema": SCHEMA, "model_sha256": model, **asdict(threshold), "said": lines}
        write_file(args.json, json.dumps(content, indent=1, allow_nan=False) + "\n")
    print_lines(lines)
    return 0


def _check_usage(args: Namespace) -> None:
    """Stop with wrong usage (2) unless either --marked or both lists of ids are given."""
    given = [path is not None for path in (args.marked, args.good, args.bad)]
    if given not in ([True, False, False], [False, True, True]):
        args.wrong_usage("give the examples as --marked, or as --good and --bad")


def _visible(records: Mapping[str, Score], ids: Iterable[str]) -> dict[str, np.ndarray]:
    """{id: visible fraction of each octave} of some records."""
    return {
        ts_id: visible_fractions((records[ts_id].curve or {})["resolvability"]) for ts_id in ids
    }
