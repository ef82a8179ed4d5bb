# SPDX-License-Identifier: GPL-3.0-or-later
"""A rule file: accepts or rejects tomograms as learned from examples.

A rule is a threshold on the TomoScore, or a weighted sum over the octaves of the curve. It applies
only to scores of the weights and the calibration that it was learned with.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timezone
from typing import Any, Sequence

import numpy as np

from tomoscore_scipion import __version__
from tomoscore_scipion.examples.fit import Threshold
from tomoscore_scipion.examples.octaves import OctaveWeights
from tomoscore_scipion.records.bands import N_SCORED, visible_fraction
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.small_file import is_finite, numbers, read_object, write_object

CONTENT, SCHEMA = "TomoScore rule", 1
BY_SCORE, BY_OCTAVES = "threshold", "octaves"


@dataclass(frozen=True)
class Rule:
    """A rule. Fields of the other kind are None.

    Attributes:
        kind: `BY_SCORE` or `BY_OCTAVES`.
        threshold: TomoScore at and above which a tomogram is accepted, octaves.
        interval: 90 % interval (low, high) of the threshold, octaves.
        weights: (N_SCORED,) weight of the visible fraction of each octave, coarsest first.
        intercept: a tomogram is accepted if the weighted sum plus the intercept is 0 or more.
        model_sha256: SHA-256 of the weights that made the scores; None if records name none.
        calibration_sha256: SHA-256 of their calibration; None for uncalibrated scores.
        good: number of good examples.
        bad: number of bad examples.
        agreement: fraction of the examples that the rule classifies as marked, 0 to 1.
        engine_version: version of the program that learned the rule.
        created: date and time, ISO 8601.

    Raises:
        ValueError: a number that this kind of rule needs is missing or not finite.
    """

    kind: str
    threshold: float | None = None
    interval: tuple[float, ...] | None = None
    weights: tuple[float, ...] | None = None
    intercept: float | None = None
    model_sha256: str | None = None
    calibration_sha256: str | None = None
    good: int = 0
    bad: int = 0
    agreement: float | None = None
    engine_version: str | None = None
    created: str | None = None

    def __post_init__(self) -> None:
        if self.kind == BY_SCORE:
            if not is_finite(self.threshold):
                raise ValueError(f"threshold: expected a number, got {self.threshold!r}")
            if self.interval is not None:
                object.__setattr__(self, "interval", numbers(self.interval, 2))
        elif self.kind == BY_OCTAVES:
            if not is_finite(self.intercept):
                raise ValueError(f"intercept: expected a number, got {self.intercept!r}")
            object.__setattr__(self, "weights", numbers(self.weights, N_SCORED))
        else:
            raise ValueError(f"kind: expected {BY_SCORE} or {BY_OCTAVES}, got {self.kind!r}")

    @property
    def needs_curve(self) -> bool:
        """Whether the rule needs the curve in addition to the score."""
        return self.kind == BY_OCTAVES

    @property
    def octaves_text(self) -> str | None:
        """Weights of octaves, coarsest first, and the intercept; None for a threshold."""
        if self.weights is None:
            return None
        weights = ", ".join(f"{weight:.3g}" for weight in self.weights)
        return f"weights {weights}, intercept {self.intercept:.3g}"

    def accepts(self, record: Score) -> bool:
        """Whether a tomogram is accepted. Failed ones are not."""
        curve = record.curve["resolvability"] if record.curve else None
        return self.accepts_values(record.tomoscore, curve)

    def accepts_values(
        self, tomoscore: float | None, resolvability: Sequence[float | None] | None = None
    ) -> bool:
        """Whether a tomogram with these values is accepted.

        Args:
            tomoscore: TomoScore, octaves; None if the tomogram failed.
            resolvability: R of each band as in a record, None beyond Nyquist; only rules over
                octaves use it.

        Raises:
            ValueError: the rule needs a curve and has none.
        """
        if tomoscore is None:
            return False
        if self.kind == BY_SCORE:
            assert self.threshold is not None
            return tomoscore >= self.threshold
        if resolvability is None:
            raise ValueError("expected a resolvability curve: the rule weighs its octaves")
        assert self.intercept is not None
        weighted_sum = float(np.dot(self.weights or (), visible_fractions(resolvability)))
        return weighted_sum + self.intercept >= 0

    def check_made_for(self, model_sha256: str | None, calibration_sha256: str | None) -> None:
        """Check that scores have the weights and the calibration of the rule.

        Args:
            model_sha256: SHA-256 of the weights that made the scores; None if unknown.
            calibration_sha256: SHA-256 of their calibration; None for uncalibrated scores.

        Raises:
            ValueError: the weights or the calibration differ; the message says what to do.
        """
        both_known = None not in (self.model_sha256, model_sha256)
        if both_known and self.model_sha256 != model_sha256:
            raise ValueError(
                f"the rule is for scores of the weights {str(self.model_sha256)[:12]} (sha256), "
                f"found those of {str(model_sha256)[:12]}: learn it again with these scores"
            )
        if self.calibration_sha256 != calibration_sha256:
            names = [
                sha[:12] if sha else "none" for sha in (self.calibration_sha256, calibration_sha256)
            ]
            raise ValueError(
                f"the rule is for scores with the calibration {names[0]} (sha256), found "
                f"{names[1]}: learn it again with these scores, or score with that calibration"
            )


def threshold_rule(
    threshold: Threshold,
    model_sha256: str | None,
    calibration_sha256: str | None = None,
    octaves: OctaveWeights | None = None,
) -> Rule:
    """Make a rule of a threshold, or of weights of octaves.

    Args:
        threshold: threshold from examples.
        model_sha256: SHA-256 of the weights that made the scores; None if unknown.
        calibration_sha256: SHA-256 of their calibration; None for uncalibrated scores.
        octaves: weights of octaves to use instead of the threshold; None to use the threshold.
    """
    return Rule(
        kind=BY_SCORE if octaves is None else BY_OCTAVES,
        threshold=threshold.threshold if octaves is None else None,
        interval=threshold.interval if octaves is None else None,
        weights=octaves.weights if octaves else None,
        intercept=octaves.intercept if octaves else None,
        model_sha256=model_sha256,
        calibration_sha256=calibration_sha256,
        good=threshold.good,
        bad=threshold.bad,
        agreement=octaves.agreement if octaves else threshold.agreement,
        engine_version=__version__,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def visible_fractions(resolvability: Sequence[float | None]) -> np.ndarray:
    """The visible fraction of each scored octave, (N_SCORED,), 0 to 1.

    Their sum is the TomoScore where no octave is cut by Nyquist.

    Args:
        resolvability: R of each band as in a record, None beyond Nyquist.
    """
    curve = [0.0 if value is None else value for value in resolvability[:N_SCORED]]
    return visible_fraction(np.array(curve))


def write_rule(path: str, rule: Rule) -> None:
    """Write a rule file, which replaces an existing one.

    Raises:
        StartError: the file cannot be written.
    """
    write_object(path, {"what": CONTENT, "schema": SCHEMA, **_as_dict(rule)})


def read_rule(path: str) -> Rule:
    """Read a rule file.

    Raises:
        StartError: the file cannot be read, or has no rule.
    """
    names = [field.name for field in fields(Rule)]
    content = read_object(path, CONTENT, SCHEMA, names)
    try:
        return Rule(**{name: content[name] for name in names})
    except ValueError as error:
        raise StartError(f"{path}: {error}: write the rule again") from error


def _as_dict(rule: Rule) -> dict[str, Any]:
    content = {field.name: getattr(rule, field.name) for field in fields(rule)}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in content.items()}
