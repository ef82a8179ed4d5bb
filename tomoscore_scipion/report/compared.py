# SPDX-License-Identifier: GPL-3.0-or-later
"""The section of the page that compares its tomograms with other sets of the same tilt series."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from tomoscore_scipion.comparison.files import as_dict
from tomoscore_scipion.comparison.sets import compare_sets, names_of, read_sets
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.record import Score


def sets_of(
    results: Sequence[str],
    records: Sequence[Score],
    others: Sequence[str],
    names: Sequence[str] | None,
) -> dict[str, list[Score]]:
    """The sets to compare, the set of the page first.

    Args:
        results: files or folders of the records of the page; the first one gives their name.
        records: the records of the page.
        others: a file or folder of records for each other set.
        names: names of all sets; None: derived from the files.

    Returns:
        {name: records}.

    Raises:
        StartError: the number of names is wrong, or records cannot be read.
    """
    names = names_of([results[0], *others]) if names is None else list(names)
    if len(names) != 1 + len(others):
        raise StartError(
            f"--names: expected {1 + len(others)}, for the set of the page and each set that it "
            f"is compared with, got {len(names)}"
        )
    return {names[0]: list(records), **read_sets(others, names[1:])}


def section_of(sets: Mapping[str, Sequence[Score]]) -> dict[str, Any]:
    """The content of the section, as JSON-compatible dictionary.

    Args:
        sets: {name: records}, the set of the page first.

    Raises:
        StartError: the sets cannot be compared.
    """
    comparison, lines = compare_sets(sets)
    section = as_dict(comparison, lines)
    others = [number for number in range(len(comparison.names)) if number != comparison.leader]
    section["gains"] = [
        {
            "over": comparison.names[number],
            "mean": comparison.gain_over(number).mean,
            "interval": comparison.gain_over(number).interval,
        }
        for number in others
    ]
    return section
