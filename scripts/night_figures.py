# SPDX-License-Identifier: GPL-3.0-or-later
"""Print figures of an endurance test: median, maximum, and trend."""

from __future__ import annotations

from statistics import linear_regression, median
from typing import Sequence


def spread(values: Sequence[float]) -> str:
    """Median and maximum of values, as text."""
    if not values:
        return "none"
    return f"median {median(values):.3g}, worst {max(values):.3g}"


def print_trend(title: str, points: Sequence[tuple[int, float]]) -> None:
    """Print the median of values, the medians of both halves, and the slope, in a line.

    Args:
        title: title of the line.
        points: [(number of finished tomograms, value)].
    """
    numbers = sorted({number for number, _ in points})
    if len(numbers) < 4:
        return
    middle = numbers[len(numbers) // 2]
    early = median(value for number, value in points if number < middle)
    late = median(value for number, value in points if number >= middle)
    slope = 1000 * linear_regression(*zip(*points)).slope
    all_of_it = median(value for _, value in points)
    print(f"{title:28}  {all_of_it:6.2f}  {early:10.2f}  {late:11.2f}  {slope:+18.2f}")
