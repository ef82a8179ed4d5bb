# SPDX-License-Identifier: GPL-3.0-or-later
"""An agreement in sentences."""

from __future__ import annotations

from tomoscore_scipion.agreement.figures import (
    ALIKE,
    NO_RANK,
    PERIODS,
    SHIFTED,
    Agreement,
    Estimate,
)

MAX_NAMED = 5
OF_FRAMES = (
    "An upper limit does not count for the verdict, because halves of frames do not see "
    "misalignment and an uncorrected CTF in fine octaves."
)


def verdict(agreement: Agreement) -> str:
    """The verdict of an agreement as one sentence, with the octaves it is based on."""
    octaves = "in the octaves from {:g} to {:g} nm".format(*agreement.period_nm)
    if agreement.verdict == NO_RANK:
        return (
            f"On this session the half maps do not confirm the order of the scores {octaves}: look "
            "at some tomograms before you select by the score."
        )
    if agreement.verdict == SHIFTED:
        bias = agreement.bias.value
        direction = "low" if bias < 0 else "high"
        return f"On this session the score is {abs(bias):.1f} octave too {direction} {octaves}."
    if agreement.verdict == ALIKE:
        return (
            f"On this session the score agrees with the half maps {octaves}, but all tomograms are "
            "alike: whether it ranks them cannot be tested."
        )
    return f"On this session the score can be trusted {octaves}."


def sentences(agreement: Agreement) -> list[str]:
    """The verdict and the figures it is based on, as lines."""
    kinds = ", ".join(f"{number} {kind}" for kind, number in agreement.kinds.items())
    lines = [verdict(agreement), ""]
    lines.append(f"{len(agreement.ts_ids)} tomograms with measured halves ({kinds}).")
    if agreement.left_out:
        lines.append(f"Without measured halves: {_first_of(agreement.left_out)}.")
    if agreement.rank is not None:
        rank = _with_interval(agreement.rank)
        lines.append(f"Rank correlation of predicted and measured scores: {rank}.")
    bias = _with_interval(agreement.bias)
    lines.append(f"Predicted minus measured score over these octaves: {bias}.")
    lines.append("Predicted minus measured R:")
    octaves = zip(PERIODS, agreement.band_bias, agreement.upper_limit)
    for (coarse, fine), bias_or_none, is_limit in octaves:
        lines.append(f"  {coarse:g} to {fine:g} nm: {_octave(bias_or_none, is_limit)}")
    if any(agreement.upper_limit):
        lines.append(OF_FRAMES)
    return lines


def _octave(bias: Estimate | None, is_upper_limit: bool) -> str:
    if bias is None:
        return "too few tomograms"
    if not is_upper_limit:
        return _with_interval(bias)
    exceeded = ": the predicted R is too high" if bias.low > 0 else ""
    return f"{_with_interval(bias)}, measured R is an upper limit{exceeded}"


def _with_interval(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} (90 % interval {estimate.low:.2f} to {estimate.high:.2f})"


def _first_of(ids: tuple[str, ...]) -> str:
    listed = ", ".join(ids[:MAX_NAMED])
    return listed if len(ids) <= MAX_NAMED else f"{listed} and {len(ids) - MAX_NAMED} more"
