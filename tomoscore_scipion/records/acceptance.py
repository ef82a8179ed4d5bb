# SPDX-License-Identifier: GPL-3.0-or-later
"""Acceptance of tomograms by a threshold on the TomoScore."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Iterable

from tomoscore_scipion.records.bands import N_SCORED
from tomoscore_scipion.records.record import Score

DEFAULT_THRESHOLD = 1.5
"""Default threshold in octaves, below the scores of good real tomograms.

The real images in docs/model_card.rst with a reader's estimate of 2.5 or more score at least 2.1,
except two crops of 127 nm (0.6 and 0.7). The three images with an estimate of 2 to 2.25 score 1.7
to 2.1."""


def octaves(text: str) -> float:
    """Parse a TomoScore in octaves from the command line."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= N_SCORED:
        raise ArgumentTypeError(f"expected octaves from 0 to {N_SCORED}, got {text!r}")
    return value


def is_accepted(record: Score, threshold: float) -> bool:
    """Whether a tomogram was scored and its score is at least the threshold, in octaves."""
    return record.tomoscore is not None and record.tomoscore >= threshold


def accepted_of(records: Iterable[Score], threshold: float) -> dict[str, Score]:
    """The accepted records, {id: record}, in the order of the records."""
    return {record.ts_id: record for record in records if is_accepted(record, threshold)}
