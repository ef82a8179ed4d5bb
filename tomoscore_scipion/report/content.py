# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of the page: records as JSON-compatible dictionaries."""

from __future__ import annotations

from datetime import datetime
from typing import Any, List, Mapping, Sequence

from tomoscore_scipion import __version__
from tomoscore_scipion.records.acceptance import DEFAULT_THRESHOLD
from tomoscore_scipion.records.bands import (
    N_SCORED,
    NOTHING_SEEN,
    PERIODS_NM,
    READILY_SEEN,
    SCORE_DEFINITION,
    readable_scale,
)
from tomoscore_scipion.records.failures import cause_first
from tomoscore_scipion.records.reasons import faults_of, reasons_of
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.session_order import Order, in_order
from tomoscore_scipion.records.table import calibrated_by
from tomoscore_scipion.records.thumbnail_files import chosen_slices, slices_shown

Facts = Mapping[str, List[List[str]]]
"""{id of a tomogram: pairs of (quantity, value)}, shown with its details."""
BY_SCORE = "score"
"""Borderline tomograms get the verdict of their score."""


def content_of(
    records: Sequence[Score],
    *,
    title: str,
    created: str,
    threshold: float = DEFAULT_THRESHOLD,
    borderline: str = BY_SCORE,
    rejecting: Sequence[str] = (),
    at_most: int = 0,
    order: Order | None = None,
    comparison: dict[str, Any] | None = None,
    agreement: dict[str, Any] | None = None,
    facts: Facts | None = None,
) -> dict[str, Any]:
    """The content of the page without the pictures.

    Args:
        records: one for each tomogram, in the order of the session.
        title: title of the page.
        created: date and time to show.
        threshold: initial value of the slider, octaves.
        borderline: verdict on tomograms whose interval contains the threshold, or `BY_SCORE`.
        rejecting: faults for which tomograms are rejected at any score, from `FAULTS`.
        at_most: number of tomograms that may be accepted, the best ones; 0: no limit.
        order: order of the session, from `session_order.read_order`; None: unknown.
        comparison: comparison with other sets, from `compared.section_of`; None: no section.
        agreement: agreement with half maps, from `agreed.section_of`; None: no section.
        facts: further facts on tomograms, see `Facts`.

    Returns:
        A JSON-compatible dictionary.
    """
    order, facts = order or {}, facts or {}
    _, ordered_by = in_order(records, (record.ts_id for record in records), order)
    return {
        "title": title,
        "created": created,
        "version": __version__,
        "definition": SCORE_DEFINITION,
        "threshold": threshold,
        "borderline": borderline,
        "rejecting": list(rejecting),
        "at_most": at_most,
        "largest": N_SCORED,
        "nothing_seen": NOTHING_SEEN,
        "readily_seen": READILY_SEEN,
        "periods": [f"{coarse:g}\u2013{fine:g}" for coarse, fine in PERIODS_NM],
        "models": models_of(records),
        "comparison": comparison,
        "agreement": agreement,
        "order": ordered_by,
        "tomograms": [
            {
                **_tomogram(record),
                "faults": [fault for fault in faults_of(record) if fault in rejecting],
                "acquired": _time(order.get(record.ts_id)),
                "facts": facts.get(record.ts_id, []),
            }
            for record in records
        ],
    }


def models_of(records: Sequence[Score]) -> list[dict[str, Any]]:
    """The models and engines that made the scores, with their numbers of tomograms."""
    counts: dict[tuple, int] = {}
    for record in records:
        if record.tomoscore is not None and record.model is not None:
            model = tuple(record.model[key] for key in ("name", "version", "sha256"))
            calibration = calibrated_by(record.calibration) if record.calibration else None
            key = (*model, record.engine_version, calibration)
            counts[key] = counts.get(key, 0) + 1
    names = ("name", "version", "sha256", "engine", "calibration", "count")
    return [dict(zip(names, (*key, count))) for key, count in counts.items()]


def _tomogram(record: Score) -> dict[str, Any]:
    if record.tomoscore is None:
        return {
            "id": record.ts_id,
            "path": record.path,
            "error": cause_first(record.error or "", record.path),
            "score": None,
            "warnings": list(record.warnings),
        }
    fields = record.to_dict()
    model = fields["model"]
    return {
        "id": record.ts_id,
        "path": record.path,
        "score": record.tomoscore,
        "interval": fields["tomoscore_interval"],
        "scale": readable_scale(record.scale_nm),
        "scale_nm": record.scale_nm,
        "curve": fields["curve"]["resolvability"],
        "content": record.content,
        "halves": _halves(fields["halves"]),
        "slab": fields["slab_z"],
        "slices": [[s["z"], s["tomoscore"]] for s in fields["slices"]],
        "voxel": record.voxel_size_angstrom,
        "shape": fields["shape_zyx"],
        "warnings": fields["warnings"],
        "reasons": [[r.code, r.text, r.confidence] for r in reasons_of(record)],
        "chosen": chosen_slices(record),
        "shown": _caption(record),
        "model": f"{model['name']} {model['version']}, sha256 {model['sha256'][:12]}"
        + (f"; {calibrated_by(record.calibration)}" if record.calibration else ""),
        "engine": record.engine_version,
        "device": record.device,
        "seconds": record.seconds,
    }


def _halves(halves: dict[str, Any] | None) -> dict[str, Any] | None:
    """The half maps of a tomogram as the page shows them; None if it has none."""
    if halves is None:
        return None
    names = ("tomoscore", "interval", "kind", "error", "warnings")
    curve = halves["curve"]
    return {
        **{name: halves[name] for name in names},
        "octaves": len(halves["octaves"]),
        "curve": curve and curve["resolvability"],
    }


def _caption(record: Score) -> str:
    """Caption of the pictures of a scored tomogram."""
    depth = record.shape_zyx[0] if record.shape_zyx else 1
    voxel_nm = (record.voxel_size_angstrom or 0.0) / 10
    count = len(slices_shown(0, depth, voxel_nm))
    if count == 1:
        return f"one slice, {voxel_nm:.3g} nm"
    return f"the mean of {count} slices, {count * voxel_nm:.3g} nm in z"


def _time(acquired: datetime | None) -> str | None:
    return acquired.isoformat(sep=" ", timespec="seconds") if acquired else None
