# SPDX-License-Identifier: GPL-3.0-or-later
"""Ids and scores of the examples that an expert marked as good or bad."""

from __future__ import annotations

from typing import Mapping, Sequence

from tomoscore_scipion.records.errors import StartError

MAX_NAMED = 5


def scores_of_marked(
    good: Sequence[str], bad: Sequence[str], scores: Mapping[str, float], names: tuple[str, str]
) -> tuple[dict[str, float], dict[str, float]]:
    """The scores of good and bad examples.

    Args:
        good: ids of the good examples.
        bad: ids of the bad examples.
        scores: {id: TomoScore} of all scored tomograms, octaves.
        names: names of the two lists, for messages.

    Returns:
        {id: TomoScore} of the good examples, and of the bad ones.

    Raises:
        StartError: an id is in both lists, or has no score.
    """
    both = [ts_id for ts_id in good if ts_id in set(bad)]
    if both:
        raise StartError(f"{both[0]} is in {names[0]} and in {names[1]}: leave it out of one")
    return _scores_of(good, scores, names[0]), _scores_of(bad, scores, names[1])


def _scores_of(ids: Sequence[str], scores: Mapping[str, float], name: str) -> dict[str, float]:
    missing = [ts_id for ts_id in ids if ts_id not in scores]
    if missing:
        listed = ", ".join(missing[:MAX_NAMED]) + (", ..." if len(missing) > MAX_NAMED else "")
        raise StartError(
            f"{name}: no score of {len(missing)} of {len(ids)} ids ({listed}): give the ids as the "
            "records have them, or leave those out that failed"
        )
    return {ts_id: scores[ts_id] for ts_id in ids}
