# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress of a session, from the files that it writes."""

from __future__ import annotations

import csv

from tomoscore_scipion.records.record import FAILED


def counts_of(path: str) -> tuple[int, int]:
    """The tomograms of a session, and how many of them failed, from its CSV file.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, newline="", encoding="utf-8") as file:
        states = [row["status"] for row in csv.DictReader(file)]
    return len(states), states.count(FAILED)
