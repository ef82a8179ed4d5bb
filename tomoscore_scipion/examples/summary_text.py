# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences on a threshold from examples: how certain it is, and which examples disagree."""

from __future__ import annotations

from tomoscore_scipion.examples.fit import Threshold
from tomoscore_scipion.examples.octaves import OctaveWeights
from tomoscore_scipion.records.bands import readable_scale, scale_nm


def sentences(threshold: Threshold, octaves: OctaveWeights | None = None) -> list[str]:
    """Lines on the threshold, its interval, the ROC curve, and the examples to look at again.

    Args:
        threshold: the threshold.
        octaves: weights of octaves that separate the examples better than the score; None if the
            score decides.
    """
    low, high = threshold.interval
    area, (area_low, area_high) = threshold.auroc, threshold.auroc_interval
    lines = [
        f"Threshold {threshold.threshold:.2f} octaves (90 % interval {low:.2f} to {high:.2f}), "
        f"{readable_scale(scale_nm(threshold.threshold))}.",
        f"{threshold.good} good and {threshold.bad} bad examples; {threshold.agreement:.0%} of "
        "them agree.",
        f"A good example scores higher than a bad one with a probability of {area:.2f} "
        f"(90 % interval {area_low:.2f} to {area_high:.2f}).",
    ]
    if not threshold.separates:
        lines.insert(0, "The score does not separate these good and bad examples: do not use")
        lines[0] += " a threshold on it before you have looked at the examples below."
    if octaves is not None:
        weights = ", ".join(f"{weight:.1f}" for weight in octaves.weights)
        lines.append(
            "Octaves of the curve separate them better than the score: "
            f"{octaves.agreement_left_out:.0%} of left-out examples agree, weights {weights} from "
            "128-64 to 8-4 nm. The rule weighs octaves."
        )
    if threshold.disagree:
        lines += ["", "Look at these again:"]
    for ts_id, score, is_good in threshold.disagree:
        lines.append(f"  {ts_id}: marked {'good' if is_good else 'bad'}, TomoScore {score:.2f}")
    return lines
