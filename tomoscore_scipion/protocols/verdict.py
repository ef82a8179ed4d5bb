# SPDX-License-Identifier: GPL-3.0-or-later
"""Which scores are good enough: presets, thresholds, the best N, the best share.

Knows nothing of Scipion.
"""

import math

from tomoscore_scipion.engine.bands import N_SCORED, readable_scale, scale_nm

ACCEPTED, REJECTED, FAILED = "accepted", "rejected", "failed"

PRESETS = (("Conservative", 3.0), ("Balanced", 2.5), ("Aggressive", 1.5))
"""Names of the presets, and the TomoScore in octaves from which on they accept."""

SIMULATED_SCORES = {
    "sha256": "c2dee84564b498a1fc1de3e31d0177098dd92fc5e9640db95b72f54ec2e8a362",
    "tomograms": 75,
    "quantiles": {10: 0.01, 25: 0.6, 50: 1.75, 75: 2.91, 90: 3.66},
}
"""How simulated tomograms score with the weights of this sha256: {percent: TomoScore below which so
many of them are}. Measured by scripts/score_quantiles.py; without tomograms help claims nothing."""

BALANCED = 1
CUSTOM = len(PRESETS)
CHOICES = [name for name, _ in PRESETS] + ["Custom"]
LARGEST = float(N_SCORED)


def threshold_of(preset, custom):
    """The threshold in octaves: a preset's, or the custom one."""
    return float(custom) if preset == CUSTOM else PRESETS[preset][1]


def in_words(threshold):
    """A threshold in octaves and nm: "2.5 octaves (22.6 nm)"."""
    return f"{threshold:g} octaves ({readable_scale(scale_nm(threshold))})"


def presets_in_words():
    """The presets with what they mean, one a line, for help texts."""
    return "\n".join(f"  *{name}*: from {in_words(value)} on." for name, value in PRESETS)


def simulated_in_words():
    """How simulated tomograms score, for help texts; "" where that has not been measured."""
    if not SIMULATED_SCORES["tomograms"]:
        return ""
    below = [
        f"{'half' if percent == 50 else f'{percent} %'}{'' if number else ' score'} below {score:g}"
        for number, (percent, score) in enumerate(sorted(SIMULATED_SCORES["quantiles"].items()))
    ]
    return (
        f"Of {SIMULATED_SCORES['tomograms']} simulated tomograms of all qualities "
        + f"{', '.join(below)}. Those of a real session differ: look at its own histogram.\n"
    )


def reachable(voxel_size_angstrom):
    """The highest TomoScore that a voxel size can carry: what lies beyond Nyquist counts 0."""
    nyquist_nm = max(2.0 * voxel_size_angstrom / 10.0, 128.0 / 2.0**N_SCORED)
    return max(math.log2(128.0 / nyquist_nm), 0.0)


def accepted_by_threshold(scores, threshold, at_most=0):
    """The ids that are accepted.

    Args:
        scores: {id: TomoScore}.
        threshold: accept from this score on.
        at_most: keep only so many of them, the best; all when 0.

    Returns:
        A set of ids.
    """
    good = {key: score for key, score in scores.items() if score >= threshold}
    return best(good, at_most) if at_most else set(good)


def best(scores, count):
    """The ids of the `count` best scores; of equal ones those that come first by name."""
    ranked = sorted(scores, key=lambda key: (-scores[key], key))
    return set(ranked[:count])


def best_percent(scores, percent):
    """The ids of the best `percent` percent, rounded up to whole tomograms."""
    return best(scores, math.ceil(len(scores) * percent / 100.0 - 1e-9))
