# SPDX-License-Identifier: GPL-3.0-or-later
"""A comparison in sentences."""

from __future__ import annotations

from tomoscore_scipion.comparison.paired import CONFIDENCE, MIN_SERIES, Comparison, Difference

METHOD = (
    "Paired by tilt series: mean difference of the scores, with the interval of a paired bootstrap "
    f"over tilt series ({100 * CONFIDENCE:.0f} % for all pairs together). It does not include "
    "errors that the model makes with all of them alike."
)


def sentences(comparison: Comparison) -> list[str]:
    """The verdict and the figures it is based on, as lines."""
    return [verdict(comparison), *gains(comparison), *missing(comparison)]


def verdict(comparison: Comparison) -> str:
    """The winner and its gain, as one sentence."""
    names, count = comparison.names, len(comparison.ts_ids)
    leader = names[comparison.leader]
    over = f"over {count} tilt series"
    if count < MIN_SERIES:
        return (
            f"Too few to tell: {count} tilt series are in every set, {MIN_SERIES} are needed. "
            f"{leader} has the highest mean."
        )
    if comparison.winner is None:
        return f"No winner {over}: the highest mean, that of {leader}, is within the uncertainty."
    closest = min(
        (comparison.gain_over(n) for n in range(len(names)) if n != comparison.leader),
        key=lambda gain: gain.mean,
    )
    return (
        f"{leader} wins {over}: {closest.mean:+.2f} octaves over {names[closest.first]}"
        f"{_interval(closest)}, features {2**closest.mean:.2f} times finer."
    )


def gains(comparison: Comparison) -> list[str]:
    """The gains of the leader over each other set, as lines."""
    names, leader = comparison.names, comparison.leader
    lines = [f"{names[leader]}: mean {comparison.means[leader]:.2f} octaves."]
    for number, name in enumerate(names):
        if number != leader:
            gain = comparison.gain_over(number)
            lines.append(
                f"{name}: mean {comparison.means[number]:.2f}; {names[leader]} gains "
                f"{gain.mean:+.2f}{_interval(gain)}, higher in {gain.better}, equal in "
                f"{gain.equal}, lower in {gain.worse}."
            )
    return lines


def missing(comparison: Comparison) -> list[str]:
    """The tilt series that are not compared, as lines."""
    return [
        f"Left out of {name}, since another set has no score of it: {_few(ids)}."
        for name, ids in zip(comparison.names, comparison.left_out)
        if ids
    ]


def _interval(gain: Difference) -> str:
    if gain.interval is None:
        return ""
    return f" ({gain.interval[0]:+.2f} to {gain.interval[1]:+.2f})"


def _few(ids: tuple[str, ...]) -> str:
    more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    return ", ".join(ids[:5]) + more
