# SPDX-License-Identifier: GPL-3.0-or-later
"""The page's section that compares its tomograms with other sets of the same tilt series."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from tomoscore_scipion.comparison.files import as_dict
from tomoscore_scipion.comparison.paired import compare
from tomoscore_scipion.comparison.sets import joined, names_of, read_sets, remarks_on, scores_of
from tomoscore_scipion.comparison.summary_text import METHOD, sentences
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.record import Score


def sets_of(
    results: Sequence[str],
    records: Sequence[Score],
    others: Sequence[str],
    names: Sequence[str] | None,
) -> dict[str, list[Score]]:
    """The sets to be compared: the page's own one first.

    Args:
        results: the files or folders of the page's own records; the first one names them.
        records: these records.
        others: a file or folder of records for each other set.
        names: of all sets; made from the files when None.

    Raises:
        StartError: names do not fit, or records cannot be read.
    """
    names = names_of([results[0], *others]) if names is None else list(names)
    if len(names) != 1 + len(others):
        raise StartError(
            f"--names: expected {1 + len(others)}, for the page's own set and each that it is "
            f"compared with, got {len(names)}"
        )
    return {names[0]: list(records), **read_sets(others, names[1:])}


def section_of(sets: Mapping[str, Sequence[Score]]) -> dict[str, Any]:
    """What the section shows, as JSON knows it.

    Raises:
        StartError: the sets cannot be compared.
    """
    sets, joined_by = joined(sets)
    try:
        found = compare(scores_of(sets))
    except ValueError as error:
        raise StartError(f"{', '.join(sets)}: {error}") from error
    shown = as_dict(found, [*sentences(found), *joined_by, *remarks_on(sets), METHOD])
    others = [number for number in range(len(found.names)) if number != found.leader]
    shown["gains"] = [
        {
            "over": found.names[number],
            "mean": found.gain_over(number).mean,
            "interval": found.gain_over(number).interval,
        }
        for number in others
    ]
    return shown
