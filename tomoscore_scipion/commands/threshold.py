# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore threshold`: from records and marked ids to a threshold."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from dataclasses import asdict
from typing import Mapping

from tomoscore_scipion.examples.fit import Threshold, threshold_of
from tomoscore_scipion.records.bands import readable_scale, scale_nm
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.line_file import write_file
from tomoscore_scipion.records.output_paths import check_outputs
from tomoscore_scipion.records.record_files import files_of, model_of, records_of
from tomoscore_scipion.records.table import printable, write_text

SCHEMA = 1
SHOWN = 5


def main(args: Namespace) -> int:
    """Find the threshold that the arguments ask for.

    Returns:
        Exit status.

    Raises:
        StartError: it cannot be found or written.
    """
    inputs = [file for path in args.results for file in files_of(path)] + [args.good, args.bad]
    check_outputs([args.json], inputs)
    records = {record.ts_id: record for record in records_of(args.results)}
    model = model_of(list(records.values()))
    scores = {i: record.tomoscore for i, record in records.items() if record.tomoscore is not None}
    good, bad = read_ids(args.good), read_ids(args.bad)
    both = [ts_id for ts_id in good if ts_id in set(bad)]
    if both:
        raise StartError(f"{both[0]} is in {args.good} and in {args.bad}: leave it out of one")
    marked = [_scores_of(ids, scores, path) for ids, path in ((good, args.good), (bad, args.bad))]
    try:
        found = threshold_of(*marked)
    except ValueError as error:
        raise StartError(str(error)) from error
    lines = sentences(found)
    if args.json:
        content = {"schema": SCHEMA, "model_sha256": model, **asdict(found), "said": lines}
        write_file(args.json, json.dumps(content, indent=1, allow_nan=False) + "\n")
    write_text(sys.stdout, "".join(printable(line) + "\n" for line in lines))
    return 0


def read_ids(path: str) -> list[str]:
    """The ids of a file, one per line; blank lines do not count.

    Raises:
        StartError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            return list(dict.fromkeys(line.strip() for line in file if line.strip()))
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"cannot read the ids in {path}: {error}") from error


def _scores_of(ids: list[str], scores: Mapping[str, float], path: str) -> dict[str, float]:
    missing = [ts_id for ts_id in ids if ts_id not in scores]
    if missing:
        shown = ", ".join(missing[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
        raise StartError(
            f"{path}: no score of {len(missing)} of {len(ids)} ids ({shown}): give the ids as the "
            "records have them, or leave those out that failed"
        )
    return {ts_id: scores[ts_id] for ts_id in ids}


def sentences(found: Threshold) -> list[str]:
    """The threshold, how sure it is, and which examples to look at again."""
    low, high = found.interval
    area, (area_low, area_high) = found.auroc, found.auroc_interval
    lines = [
        f"Threshold {found.threshold:.2f} octaves (90 % interval {low:.2f} to {high:.2f}), "
        f"{readable_scale(scale_nm(found.threshold))}.",
        f"{found.good} good and {found.bad} bad examples; {found.agreement:.0%} of them agree.",
        f"A good example scores higher than a bad one with a probability of {area:.2f} "
        f"(90 % interval {area_low:.2f} to {area_high:.2f}).",
    ]
    if not found.separates:
        lines.insert(0, "The score does not tell these good examples from the bad ones: do not use")
        lines[0] += " a threshold on it before you have looked at the examples below."
    if found.disagree:
        lines += ["", "Look at these again:"]
    for ts_id, score, is_good in found.disagree:
        lines.append(f"  {ts_id}: marked {'good' if is_good else 'bad'}, TomoScore {score:.2f}")
    return lines
