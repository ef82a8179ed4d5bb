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
    "Halves of frames do not show errors that both share (misalignment, an uncorrected CTF): if "
    "the prediction is lower, check the alignment first."
)


def verdict(agreement: Agreement) -> str:
    """The verdict of an agreement as one sentence."""
    if agreement.verdict == NO_RANK:
        return "On this session the score does not rank: do not select tomograms by it."
    if agreement.verdict == SHIFTED:
        bias = agreement.bias.value
        return f"On this session the score is {abs(bias):.1f} octave too {_direction(bias)}."
    if agreement.verdict == ALIKE:
        return (
            "On this session the score agrees with the half maps, but all tomograms are alike: "
            "whether it ranks them cannot be tested."
        )
    return "On this session the score can be trusted."


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
    lines.append(f"Predicted minus measured score, octaves: {bias}.")
    lines.append("Predicted minus measured R:")
    for (coarse, fine), band_bias in zip(PERIODS, agreement.band_bias):
        value = _with_interval(band_bias) if band_bias is not None else "too few tomograms"
        lines.append(f"  {coarse:g} to {fine:g} nm: {value}")
    if "by-frame" in agreement.kinds and agreement.bias.value < 0:
        lines.append(OF_FRAMES)
    return lines


def _direction(bias: float) -> str:
    return "low" if bias < 0 else "high"


def _with_interval(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} (90 % interval {estimate.low:.2f} to {estimate.high:.2f})"


def _first_of(ids: tuple[str, ...]) -> str:
    listed = ", ".join(ids[:MAX_NAMED])
    return listed if len(ids) <= MAX_NAMED else f"{listed} and {len(ids) - MAX_NAMED} more"
