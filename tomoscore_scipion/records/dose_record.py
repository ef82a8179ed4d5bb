# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of one tilt series.

A missing number is null, never NaN.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, Mapping

from tomoscore_scipion.records.atomic_write import write_atomically

SCHEMA = 1
OK, FAILED = "ok", "failed"


@dataclass(frozen=True)
class DoseRecord:
    """One tilt series. The fields, in this order, are the keys of its JSON form. Doses in e/A^2.

    Attributes:
        schema: version of the format.
        ts_id: id of the series.
        path: path of the stack.
        status: "ok" or "failed".
        error: reason of the failure.
        steps: the unweighted cumulative curve in order of dose, the last step with all views. Each
            step is {dose, n_views, angle_range, angle_step, weighted, tomoscore,
            tomoscore_interval, scale_nm, tomoscore_network}. dose: accumulated dose at the end of
            the last view used. tomoscore_network: score of this tomogram by the network, if
            computed.
        steps_weighted: the same curve with dose weighting.
        steps_matched: tomograms with the same numbers of views spread over all angles; dose: the
            dose of the step with the same number of views.
        optimum_dose: dose at the maximum of the smoothed unweighted curve; the last dose if the
            curve is still rising.
        suggested_range: doses within 0.1 octave of the maximum; None with a reason.
        reason: reason why there is no range.
        suggested_dose: optimum_dose if there is a range, else None.
        optimum_dose_weighted: as optimum_dose, for the weighted curve.
        suggested_range_weighted: as suggested_range, for the weighted curve.
        reason_weighted: as reason, for the weighted curve.
        convention: point in time of the exposure to which the doses of file and curve belong.
        assumptions: assumptions of the analysis.
        views_beyond: images of the stack, 0-based, with doses beyond the suggested dose.
        preview: path of the tomogram at the suggested dose, or None.
        slab_z: first and last plane of the specimen in the scored tomograms.
        n_views: number of images of the stack in use.
        pixel_size_angstrom: pixel size of the stack.
        shape_zyx: shape of the stack.
        warnings: messages for the user.
        model: {"name", "version", "sha256"} of the weights.
        engine_version: version of the program.
        device: device of the network.
        seconds: run time in seconds.
    """

    schema: int = SCHEMA
    ts_id: str = ""
    path: str = ""
    status: str = OK
    error: str | None = None
    steps: tuple[Mapping[str, Any], ...] = ()
    steps_weighted: tuple[Mapping[str, Any], ...] = ()
    steps_matched: tuple[Mapping[str, Any], ...] = ()
    optimum_dose: float | None = None
    suggested_range: tuple[float, float] | None = None
    reason: str | None = None
    suggested_dose: float | None = None
    optimum_dose_weighted: float | None = None
    suggested_range_weighted: tuple[float, float] | None = None
    reason_weighted: str | None = None
    convention: str | None = None
    assumptions: tuple[str, ...] = ()
    views_beyond: tuple[int, ...] = ()
    preview: str | None = None
    slab_z: tuple[int, int] | None = None
    n_views: int | None = None
    pixel_size_angstrom: float | None = None
    shape_zyx: tuple[int, int, int] | None = None
    warnings: tuple[str, ...] = ()
    model: Mapping[str, str] | None = None
    engine_version: str | None = None
    device: str | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.schema != SCHEMA or self.status not in (OK, FAILED):
            raise ValueError(
                f"expected schema {SCHEMA} and a status of {OK} or {FAILED}, got {self.schema!r} "
                f"and {self.status!r}"
            )
        if (self.status == FAILED) != bool(self.error):
            raise ValueError(f"expected a reason in a failed record only, got {self.error!r}")
        if self.status == OK and not (self.steps and self.optimum_dose and self.model):
            raise ValueError("expected steps, an optimum and a model in a record that is ok")

    @classmethod
    def failed(cls, ts_id: str, path: str, error: str, **known: Any) -> DoseRecord:
        """The record of a series that could not be analysed.

        Args:
            ts_id: id of the series.
            path: path of the stack.
            error: the reason, for the user.
            known: other fields that are known, such as model, device, seconds.
        """
        return cls(ts_id=ts_id, path=path, status=FAILED, error=error, **known)

    def best_step(self) -> Mapping[str, Any]:
        """The unweighted step at the optimum."""
        optimum = self.optimum_dose or 0.0
        return min(self.steps, key=lambda step: abs(step["dose"] - optimum))

    def total_dose(self) -> float:
        """Dose of the whole series, e/A^2."""
        return max(float(step["dose"]) for step in self.steps)

    def save(self, path: str) -> None:
        """Write the record as an indented file.

        Raises:
            OSError: it cannot be written.
        """
        write_atomically(path, (self.to_json(indent=1) + "\n").encode("ascii"))

    @classmethod
    def load(cls, path: str) -> DoseRecord:
        """Read the record of a file from `save`.

        Raises:
            OSError: the file cannot be read.
            ValueError: the file is not a record.
        """
        with open(path, encoding="utf-8") as file:
            return cls.from_json(file.read())

    @property
    def made_by(self) -> str | None:
        """SHA-256 of the weights; None without a model."""
        return self.model["sha256"] if self.model else None

    def to_dict(self) -> dict[str, Any]:
        """The record as a JSON object."""
        return json.loads(self.to_json())

    def to_json(self, indent: int | None = None) -> str:
        """The record as ASCII JSON; one line unless indented."""
        content = {f.name: getattr(self, f.name) for f in fields(self)}
        return json.dumps(content, allow_nan=False, indent=indent)

    @classmethod
    def from_json(cls, line: str) -> DoseRecord:
        """The record of one line; unknown keys are ignored.

        Raises:
            ValueError: it is not JSON, or not a record.
        """
        return cls.from_dict(json.loads(line))

    @classmethod
    def from_dict(cls, content: Any) -> DoseRecord:
        """The record that `to_dict` gave; unknown keys are ignored.

        Raises:
            ValueError: it is not a record.
        """
        if not isinstance(content, dict):
            raise ValueError(f"expected a record (a JSON object), got {type(content).__name__}")
        names = {f.name for f in fields(cls)}
        known: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in content.items()
            if key in names
        }
        if not {"schema", "ts_id", "path", "status"} <= known.keys():
            raise ValueError("expected a record with schema, ts_id, path and status")
        return cls(**known)
