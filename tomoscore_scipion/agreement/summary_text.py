# SPDX-License-Identifier: GPL-3.0-or-later
"""What an agreement says, in sentences."""

from __future__ import annotations

from tomoscore_scipion.agreement.figures import (
    ALIKE,
    NO_RANK,
    PERIODS,
    SHIFTED,
    Agreement,
    Estimate,
)

OF_FRAMES = (
    "Halves of frames do not see what both share (misalignment, an uncorrected CTF): where the "
    "prediction is lower, look at the alignment before you blame the prediction."
)


def verdict(found: Agreement) -> str:
    """The one sentence."""
    if found.verdict == NO_RANK:
        return "On this session the score does not rank: do not choose tomograms by it."
    if found.verdict == SHIFTED:
        direction = "low" if found.bias.value < 0 else "high"
        return f"On this session the score is {abs(found.bias.value):.1f} octave too {direction}."
    if found.verdict == ALIKE:
        return (
            "On this session the score agrees with the halves, but all tomograms are alike: "
            "whether it ranks them does not show."
        )
    return "On this session the score can be trusted."


def sentences(found: Agreement) -> list[str]:
    """The verdict and the figures behind it, a line each."""
    lines = [verdict(found), ""]
    kinds = ", ".join(f"{number} {kind}" for kind, number in found.kinds.items())
    lines.append(f"{len(found.ts_ids)} tomograms with measured halves ({kinds}).")
    if found.left_out:
        lines.append(f"Without measured halves: {_some(found.left_out)}.")
    if found.rank is not None:
        lines.append(f"Rank correlation of predicted and measured scores: {_said(found.rank)}.")
    lines.append(f"Predicted minus measured score, octaves: {_said(found.bias)}.")
    lines.append("Predicted minus measured R:")
    for (coarse, fine), bias in zip(PERIODS, found.band_bias):
        said = _said(bias) if bias is not None else "too few tomograms"
        lines.append(f"  {coarse:g} to {fine:g} nm: {said}")
    if "by-frame" in found.kinds and found.bias.value < 0:
        lines.append(OF_FRAMES)
    return lines


def _said(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} (90 % interval {estimate.low:.2f} to {estimate.high:.2f})"


def _some(ids: tuple[str, ...]) -> str:
    shown = ", ".join(ids[:5])
    return shown if len(ids) <= 5 else f"{shown} and {len(ids) - 5} more"
