# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's answer for one tilt series: TomoScore against accumulated dose.

Checked as far as the box relies on it; the rest stays in the line itself.  Knows nothing of
Scipion.
"""

import json
import os
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

SCHEMA = 1
OK, FAILED = "ok", "failed"
KINDS = ("steps", "steps_weighted", "steps_matched")
"""Lists of a record: all views up to a dose, the same with dose weighting, thinned views."""


class DoseRecord(NamedTuple):
    """One tilt series; doses are accumulated, at the end of the last view, in e/A^2.

    Attributes:
        ts_id: its id.
        path: its stack.
        error: why it failed, None where it did not.
        curves: {kind of KINDS: [step]}, a step being a dictionary with "dose", "tomoscore",
            "tomoscore_interval", "scale_nm" and more.
        optimum_dose: the dose of the best unweighted step.
        suggested_range: (low, high), None where there is none.
        reason: why there is none.
        views_beyond: images of the stack, from 0, that lie beyond the optimum.
        preview: path of the tomogram at the optimum, or None.
        content: the whole record, as JSON gives it.
    """

    ts_id: str
    path: Optional[str]
    error: Optional[str]
    curves: Dict[str, List[Dict[str, Any]]]
    optimum_dose: Optional[float]
    suggested_range: Optional[Tuple[float, float]]
    reason: Optional[str]
    views_beyond: Tuple[int, ...]
    preview: Optional[str]
    content: Dict[str, Any]

    @classmethod
    def from_json(cls, line):
        """The record of a line of JSON, or of a file's text.

        Raises:
            ValueError: it is not a record of this version.
        """
        content = json.loads(line)
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise ValueError(f"expected a record of schema {SCHEMA}, got {line[:80]!r}")
        status, ts_id = content.get("status"), content.get("ts_id")
        if status not in (OK, FAILED) or not isinstance(ts_id, str):
            raise ValueError(f"expected ts_id and a status, got {line[:80]!r}")
        low_high = content.get("suggested_range")
        record = cls(
            ts_id=ts_id,
            path=content.get("path"),
            error=(content.get("error") or "no reason given") if status == FAILED else None,
            curves={kind: content.get(kind) or [] for kind in KINDS},
            optimum_dose=content.get("optimum_dose"),
            suggested_range=tuple(low_high) if low_high else None,
            reason=content.get("reason"),
            views_beyond=tuple(content.get("views_beyond") or ()),
            preview=content.get("preview"),
            content=content,
        )
        if status == OK and (not record.curves["steps"] or record.optimum_dose is None):
            raise ValueError(f"{ts_id}: expected steps and optimum_dose in a record that is ok")
        return record

    @property
    def warnings(self):
        """What the user should know about this tilt series."""
        return self.content.get("warnings") or []

    @property
    def model(self):
        """{"name", "version", "sha256"} of the weights, or None."""
        return self.content.get("model")

    @property
    def engine_version(self):
        """Version of the program."""
        return self.content.get("engine_version")

    @property
    def device(self):
        """Where it ran."""
        return self.content.get("device")

    def best_step(self):
        """The unweighted step at the optimum."""
        return min(self.curves["steps"], key=lambda step: abs(step["dose"] - self.optimum_dose))

    def total_dose(self):
        """What the whole series got, in e/A^2."""
        return max(step["dose"] for step in self.curves["steps"])

    def save(self, path):
        """Write the whole record as a file that people can read, too."""
        aside = f"{path}.part"
        with open(aside, "w", encoding="utf-8") as file:
            json.dump(self.content, file, indent=1)
        os.replace(aside, path)

    @classmethod
    def load(cls, path):
        """The record of a file that `save` made."""
        with open(path, encoding="utf-8") as file:
            return cls.from_json(file.read())
