# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of a night, printed: medians, the worst, and whether they grow."""

from statistics import linear_regression, median


def spread(values):
    """The median and the worst of some values, in words."""
    if not values:
        return "none"
    return f"median {median(values):.3g}, worst {max(values):.3g}"


def print_trend(what, points):
    """Print a line: the median of [(tomograms done, value)], of its halves, and its slope."""
    numbers = sorted({number for number, _ in points})
    if len(numbers) < 4:
        return
    middle = numbers[len(numbers) // 2]
    early = median(value for number, value in points if number < middle)
    late = median(value for number, value in points if number >= middle)
    slope = 1000 * linear_regression(*zip(*points)).slope
    all_of_it = median(value for _, value in points)
    print(f"{what:28}  {all_of_it:6.2f}  {early:10.2f}  {late:11.2f}  {slope:+18.2f}")
