# SPDX-License-Identifier: GPL-3.0-or-later
"""Likely reasons for a low score, derived from a record.

A record has measured values only, no information on what happened at the microscope. A reason is
given only if the record shows evidence for it. Causes with the same evidence are named together.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Callable, Iterator, Sequence

from tomoscore_scipion.records.bands import (
    N_SCORED,
    NOTHING_SEEN,
    PERIODS_NM,
    fraction_below_nyquist,
)
from tomoscore_scipion.records.record import OK, Score

HIGH, MEDIUM, LOW = "high", "medium", "low"
CONFIDENCES = (HIGH, MEDIUM, LOW)

GOOD = 3.0
"""Minimum score, in octaves, for which no reasons are given."""
NOTHING_VISIBLE = 0.5
"""Below this score, in octaves, only reasons from the input and from empty slices are given."""
THICK_NM, VERY_THICK_NM = 300.0, 450.0
"""Thickness of the slab, nm. The mean free path at 300 kV is 200 to 350 nm; beyond it most
electrons scatter more than once."""
THIN_NM = 50.0
"""Thickness of the slab in nm below which it cannot hold large features."""
MAX_REASONS = 3

UNFLIPPED, TOO_THIN = "unflipped", "too thin"
UNKNOWN_VOXEL_SIZE, UNFAMILIAR = "voxel size unknown", "out of the model's depth"
FAULTS = (UNFLIPPED, TOO_THIN, UNKNOWN_VOXEL_SIZE, UNFAMILIAR)
"""Codes of reasons for which a tomogram may be rejected independent of its score."""


@dataclass(frozen=True)
class Reason:
    """A likely reason for a low score.

    Attributes:
        code: identifier, the same in all versions.
        text: explanation for users.
        confidence: "high", "medium" or "low".
    """

    code: str
    text: str
    confidence: str


@dataclass(frozen=True)
class Facts:
    """The quantities of a scored record that the rules use.

    Attributes:
        score: TomoScore, octaves.
        curve: R of the scored bands, 0 to 1; 0 beyond Nyquist.
        below_nyquist: fraction of each scored octave below Nyquist, 0 to 1.
        voxel_nm: voxel size, nm.
        slab_nm: thickness of the slab, nm.
        depth_nm: thickness of the volume, nm.
        planes: number of planes of the volume.
        scores: {plane: score} of the scored slices within the slab, octaves.
        warnings: warnings of the record.
    """

    score: float
    curve: tuple[float, ...]
    below_nyquist: tuple[float, ...]
    voxel_nm: float
    slab_nm: float
    depth_nm: float
    planes: int
    scores: dict[int, float]
    warnings: tuple[str, ...]

    @property
    def highest(self) -> float:
        """The highest possible score with this voxel size, octaves."""
        return sum(self.below_nyquist)

    @property
    def finest(self) -> int:
        """Index of the finest scored octave of which at least half is below Nyquist."""
        return max(
            (i for i, below_nyquist in enumerate(self.below_nyquist) if below_nyquist >= 0.5),
            default=0,
        )


def facts_of(record: Score) -> Facts | None:
    """The facts of a record; None if it was not scored."""
    if (
        record.status != OK
        or record.tomoscore is None
        or record.curve is None
        or record.slab_z is None
        or record.shape_zyx is None
        or record.voxel_size_angstrom is None
    ):
        return None
    voxel_nm = record.voxel_size_angstrom / 10
    first, last = record.slab_z
    return Facts(
        score=record.tomoscore,
        curve=tuple(r or 0.0 for r in record.curve["resolvability"][:N_SCORED]),
        below_nyquist=tuple(float(s) for s in fraction_below_nyquist(voxel_nm)[:N_SCORED]),
        voxel_nm=voxel_nm,
        slab_nm=(last - first + 1) * voxel_nm,
        depth_nm=record.shape_zyx[0] * voxel_nm,
        planes=record.shape_zyx[0],
        scores={s["z"]: s["tomoscore"] for s in record.slices if first <= s["z"] <= last},
        warnings=record.warnings,
    )


def reasons_of(record: Score) -> tuple[Reason, ...]:
    """At most three likely reasons for a low score, sorted by decreasing confidence.

    Failed records and records with a score of at least `GOOD` have no reasons.
    """
    facts = facts_of(record)
    if facts is None or facts.score >= GOOD:
        return ()
    reasons = [reason for rule in _rules(facts) for reason in rule(facts)]
    reasons.sort(key=lambda reason: CONFIDENCES.index(reason.confidence))
    return tuple(reasons[:MAX_REASONS])


def faults_of(record: Score) -> tuple[str, ...]:
    """The faults of a record, as codes in the order of `FAULTS`, independent of its score."""
    facts = facts_of(record)
    if facts is None:
        return ()
    codes = {reason.code for rule in (_input, _thickness) for reason in rule(facts)}
    return tuple(code for code in FAULTS if code in codes)


Rule = Callable[[Facts], Iterator[Reason]]


def _rules(facts: Facts) -> Sequence[Rule]:
    """The rules that apply to a score."""
    if facts.score < NOTHING_VISIBLE:
        return (_input, _empty_slices, _nothing)
    return (_input, _empty_slices, _voxel, _uneven, _thickness, _contrast, _only_coarse)


def _input(facts: Facts) -> Iterator[Reason]:
    """Reasons from warnings about the volume."""
    for start, code, text, confidence in (
        (
            "looks unflipped",
            UNFLIPPED,
            "The volume looks unflipped: its slices are not xy, so that the score is not that of "
            "the specimen. Turn it and score it again.",
            HIGH,
        ),
        (
            UNFAMILIAR,
            UNFAMILIAR,
            "Unlike anything that the model was trained on: the score may be wrong. Look at the "
            "tomogram.",
            HIGH,
        ),
    ):
        if any(warning.startswith(start) for warning in facts.warnings):
            yield Reason(code, text, confidence)
    warned = any(w.startswith("the header's voxel size is exactly 1 A") for w in facts.warnings)
    # Scipion passes the voxel size of the header explicitly, so that the warning is missing.
    if warned or math.isclose(facts.voxel_nm, 0.1):
        text = (
            "The voxel size is probably not the true one (exactly 1 A, which many programs write "
            "when they do not know it): the scale of everything is wrong then. Give the true one "
            "and score it again."
        )
        yield Reason(UNKNOWN_VOXEL_SIZE, text, MEDIUM)


def _empty_slices(facts: Facts) -> Iterator[Reason]:
    """Reasons from warnings about constant slices."""
    for warning in facts.warnings:
        if warning.startswith("constant, or nearly"):
            text = (
                "The volume is constant, or nearly: an empty reconstruction, or not the tomogram "
                "that it should be."
            )
            yield Reason("constant", text, HIGH)
        match = re.match(r"(\d+) of (\d+) scored slices are constant", warning)
        if match and 3 * int(match.group(1)) >= int(match.group(2)):
            text = (
                f"{match.group(1)} of {match.group(2)} scored slices are "
                "constant, as in a padded or cut volume."
            )
            yield Reason("few usable slices", text, HIGH)


def _nothing(facts: Facts) -> Iterator[Reason]:
    if any(warning.startswith("constant, or nearly") for warning in facts.warnings):
        return
    text = (
        "Nothing stands out at any scale: nothing in the field of view (ice, carbon, a hole), or "
        "so little contrast that nothing of it can be seen. The record cannot tell the two apart."
    )
    nowhere = max(facts.curve) <= NOTHING_SEEN
    yield Reason("nothing visible", text, HIGH if nowhere else MEDIUM)


def _voxel(facts: Facts) -> Iterator[Reason]:
    """Reason that the voxel limits the score, if features near Nyquist are visible."""
    seen = facts.curve[facts.finest]
    if facts.highest >= GOOD + 1 or seen < 0.3:
        return
    text = (
        f"A voxel of {facts.voxel_nm:.3g} nm carries nothing finer than "
        f"{2 * facts.voxel_nm:.3g} nm, and features near that are still seen (R = {seen:.2f}). "
        f"The score cannot exceed {facts.highest:.1f}; bin less."
    )
    yield Reason("voxel too coarse", text, HIGH if seen >= 0.45 else MEDIUM)


def _uneven(facts: Facts) -> Iterator[Reason]:
    """Reason that some slices are much better than the whole slab."""
    if len(facts.scores) < 4:
        return
    best = sorted(facts.scores, key=lambda z: facts.scores[z])[-2:]
    gain = min(facts.scores[z] for z in best) - facts.score
    if gain >= 0.7:
        text = (
            f"The best slices (around slice {best[-1]}) reach "
            f"{facts.scores[best[-1]]:.1f}, the slab as a whole {facts.score:.1f}. That depth may "
            "be worth segmenting by itself."
        )
        yield Reason("few usable slices", text, HIGH if gain >= 1.0 else MEDIUM)


def _thickness(facts: Facts) -> Iterator[Reason]:
    if facts.slab_nm >= THICK_NM:
        text = (
            f"The specimen fills {facts.slab_nm:.0f} nm; beyond about {THICK_NM:.0f} nm "
            "most electrons scatter more than once and contrast is lost."
        )
        yield Reason("too thick", text, HIGH if facts.slab_nm >= VERY_THICK_NM else MEDIUM)
    elif facts.planes > 1 and facts.slab_nm < THIN_NM:
        cut = facts.slab_nm > 0.8 * facts.depth_nm
        what = "The volume has only" if cut else "Specimen is found in only"
        text = f"{what} {facts.slab_nm:.0f} nm of depth; large features do not fit into it."
        yield Reason(TOO_THIN, text, LOW if cut else MEDIUM)


def _contrast(facts: Facts) -> Iterator[Reason]:
    """Reasons if even large features are hardly visible."""
    large = sum(facts.curve[:3]) / 3
    if large < 0.4:
        text = (
            f"Even features of 128 to 16 nm are hardly seen (mean R = {large:.2f}): "
            "few electrons, little defocus, thick ice, or little in the field of view."
        )
        yield Reason("low contrast", text, HIGH if large < 0.3 else MEDIUM)


def _only_coarse(facts: Facts) -> Iterator[Reason]:
    """Reasons if large features are visible but finer features are not."""
    carried = facts.curve[: facts.finest + 1]
    lost = next((i for i, r in enumerate(carried) if r <= 0.2), None)
    if lost not in (2, 3) or min(carried[:2]) < 0.45 or max(carried[lost:]) > 0.25:
        return
    text = (
        f"What is larger than {PERIODS_NM[lost][0]:.0f} nm is seen (R = "
        f"{carried[lost - 1]:.2f} down to there), finer is lost: blur, as by tilts that are not "
        "well aligned, radiation damage, or a strong filter or denoiser."
    )
    sharp = carried[lost - 1] >= 0.45
    yield Reason("only coarse features", text, HIGH if sharp else MEDIUM)
