# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on tomograms: presets, thresholds, borderline scores, faults, the best N.

This module does not depend on Scipion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Mapping

from tomoscore_scipion.records.acceptance import DEFAULT_THRESHOLD
from tomoscore_scipion.records.bands import N_SCORED, readable_scale, scale_nm

ACCEPTED, REJECTED, FAILED = "accepted", "rejected", "failed"

BY_SCORE, BY_HAND = "score", "hand"
"""What decided on a tomogram; if a fault decided, this is the name of the fault instead."""

STRICT_FROM, BALANCED_FROM, PERMISSIVE_FROM = 3.0, DEFAULT_THRESHOLD, 0.75
"""The TomoScore in octaves from which each preset accepts.

From the strict threshold on, membranes are visible as lines. The balanced threshold is the initial
value of the slider of the report."""

PRESETS = (
    ("Strict", STRICT_FROM),
    ("Balanced", BALANCED_FROM),
    ("Permissive", PERMISSIVE_FROM),
)
"""The presets: (name, TomoScore in octaves from which it accepts)."""

BALANCED = 1
CUSTOM = len(PRESETS)
CHOICES = [f"{name} (>= {value})" for name, value in PRESETS] + ["Custom"]
MAX_SCORE = float(N_SCORED)


def threshold_of(preset: int, custom: float) -> float:
    """The threshold in octaves: a preset's, or the custom one."""
    return float(custom) if preset == CUSTOM else PRESETS[preset][1]


def threshold_text(threshold: float) -> str:
    """A threshold as a condition: "TomoScore >= 2.5 (22.6 nm or finer)"."""
    if threshold <= 0:
        return f"TomoScore >= {threshold:g} (all)"
    return f"TomoScore >= {threshold:g} ({readable_scale(scale_nm(threshold))} or finer)"


def presets_text() -> str:
    """Names and meanings of the presets, one per line, for help texts."""
    return "\n".join(f"  *{name}*: {threshold_text(value)}" for name, value in PRESETS)


def reachable(voxel_size_angstrom: float) -> float:
    """The maximum possible TomoScore at a voxel size; octaves beyond Nyquist add 0."""
    nyquist_nm = max(2.0 * voxel_size_angstrom / 10.0, 128.0 / 2.0**N_SCORED)
    return max(math.log2(128.0 / nyquist_nm), 0.0)


@dataclass(frozen=True)
class Measured:
    """Measured values on which a verdict depends.

    Attributes:
        score: TomoScore in octaves; None without a score.
        low, high: ends of the 90 % interval of the score; None if unknown.
        faults: names of faults of the tomogram, which do not depend on the score.
    """

    score: float | None
    low: float | None = None
    high: float | None = None
    faults: tuple[str, ...] = ()

    def is_borderline(self, threshold: float | None) -> bool:
        """Whether the interval contains the threshold."""
        if self.score is None or self.low is None or self.high is None or threshold is None:
            return False
        return self.low <= threshold <= self.high


@dataclass(frozen=True)
class Criteria:
    """Criteria of acceptance.

    Attributes:
        threshold: TomoScore in octaves from which a tomogram is accepted; None for no threshold.
        accept_borderline: whether tomograms whose interval contains the threshold are accepted.
        faults: a tomogram with one of these faults is rejected independent of its score.
        at_most: maximum number of accepted tomograms, with the best scores; 0 for no limit.
    """

    threshold: float | None
    accept_borderline: bool = True
    faults: frozenset[str] = frozenset()
    at_most: int = 0

    def accepts(self, measured: Measured) -> bool:
        """Whether a tomogram is accepted, regardless of other tomograms."""
        if measured.score is None or self.deciding_faults(measured):
            return False
        if measured.is_borderline(self.threshold):
            return self.accept_borderline
        return self.threshold is None or measured.score >= self.threshold

    def deciding_faults(self, measured: Measured) -> tuple[str, ...]:
        """The names of the faults for which a tomogram is rejected."""
        return tuple(fault for fault in measured.faults if fault in self.faults)

    def decided_by(self, measured: Measured) -> str:
        """Who decides on a tomogram: the score, or the faults for which it is rejected."""
        return ", ".join(self.deciding_faults(measured)) or BY_SCORE


def accepted_by(criteria: Criteria, tomograms: Mapping[str, Measured]) -> set[str]:
    """The ids of the accepted tomograms.

    Args:
        criteria: criteria of acceptance.
        tomograms: measured values of each tomogram, {id: Measured}.

    Returns:
        Set of accepted ids.
    """
    good = {
        key: one.score
        for key, one in tomograms.items()
        if one.score is not None and criteria.accepts(one)
    }
    return best(good, criteria.at_most) if criteria.at_most else set(good)


def best(scores: Mapping[str, float], count: int) -> set[str]:
    """The ids of the `count` best scores; equal scores are sorted by id."""
    ranked = sorted(scores, key=lambda key: (-scores[key], key))
    return set(ranked[:count])


def best_percent(scores: Mapping[str, float], percent: float, total: int | None = None) -> set[str]:
    """The ids of the best tomograms.

    Args:
        scores: {id: TomoScore} of the tomograms that may be accepted.
        percent: percentage of the total, rounded up to whole tomograms.
        total: number of scored tomograms; the length of `scores` when None.
    """
    total = len(scores) if total is None else total
    return best(scores, math.ceil(total * percent / 100.0 - 1e-9))
