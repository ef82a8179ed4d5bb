# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of one tomogram: what is scored, written, read back and shown.

A record is a line of JSON.  A number that does not exist is null, never NaN; an invalid record
cannot be made.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, fields
from typing import Any, Mapping

from tomoscore_scipion.records.bands import N_BANDS, N_SCORED
from tomoscore_scipion.records.z_range import ZRange, check_z_range

SCHEMA = 1
"""The version of the record's form.  Reading refuses any other."""
LATER_KEYS = ("z_range", "content", "halves", "tomoscore_uncalibrated", "calibration")
"""Keys that schema 1 had not from the beginning: where they are missing they are None."""

HALVES_KEYS: tuple[str, ...]
HALVES_KEYS = ("half1", "half2", "status", "error", "tomoscore", "interval", "curve", "kind")
HALVES_KEYS += ("max_tilt_deg", "octaves", "warnings")
"""Keys of `Score.halves`: both files, "measured" or "refused", why refused, the measured score with
its 90 % interval and curve, "by-frame", "by-tilt" or "unknown", half of the tilt range, the periods
of the octaves that count, and what the user should know. The score of halves by tilt counts fewer
octaves than the predicted one. Refused ones have None, and no octaves. A further key of later
records, tilt_range_deg, is the range that was given, (lowest, highest); half of it is then
max_tilt_deg. None where none was given: max_tilt_deg is then as it shows in the halves."""

CALIBRATION_KEYS = ("name", "sha256", "tomograms")
"""Keys of `Score.calibration`: name and SHA-256 of the calibration file, and of how many tomograms
it was learned."""

OK, FAILED = "ok", "failed"
LARGEST = sys.float_info.max
COMPRESSED_SUFFIXES = (".gz", ".bz2")
TOMOGRAM_SUFFIXES = (".mrc", ".rec", ".map")


def default_ts_id(path: str) -> str:
    """The id of a tomogram that has none: its file name without .mrc, .rec, .map (.gz, .bz2).

    Characters that cannot be printed become "_", so that the id is one that a job could hold.
    """
    name = stem = os.path.basename(os.path.normpath(path))
    for suffixes in (COMPRESSED_SUFFIXES, TOMOGRAM_SUFFIXES):
        root, suffix = os.path.splitext(stem)
        stem = root if suffix.lower() in suffixes else stem
    return "".join(c if c.isprintable() else "_" for c in stem) or name


def maker(model_sha256: str, calibration_sha256: str | None) -> str:
    """What `Score.made_by` is for these weights and this calibration; None: not calibrated."""
    return f"{model_sha256}+{calibration_sha256}" if calibration_sha256 else model_sha256


@dataclass(frozen=True)
class Score:
    """One tomogram's record; the fields, in this order, are the keys of its JSON form.

    Numbers may be given as numpy scalars and sequences as lists or arrays; they are kept as
    plain Python numbers and tuples.

    Attributes:
        schema: version of the record's form.
        ts_id: the tomogram's id, by which results are joined; not empty, printable.
        path: the file as it was named by the user; None when an array was scored.
        status: "ok" or "failed".
        error: why it failed; None when ok.
        tomoscore: octaves, 0 to 5, higher is better.
        tomoscore_interval: 90 % interval (low, high), octaves.
        scale_nm: resolvable scale in nm; None when coarser than 128 nm (score 0).
        curve: {"period_nm": ((coarse, fine), ...), "resolvability": (...)}, six bands,
            resolvability 0 to 1, None beyond Nyquist.
        content: share of the slab that holds specimen, 0 to 1; None from weights before 0.2.
        slab_z: first and last slice of the specimen, 0-based, inclusive.
        z_range: the limits that were asked for, (first, last) plane, 0-based, inclusive, last None
            for the volume's last; None where the whole volume was scored.
        slices: ({"z", "tomoscore", "scale_nm"}, ...) of the scored slices.
        halves: what its halves say, see `HALVES_KEYS`; None where none were named.
        tomoscore_uncalibrated: TomoScore before it was calibrated; None where it is not calibrated.
        calibration: what calibrated the curve and all scores, see `CALIBRATION_KEYS`; None where
            they are not calibrated.
        voxel_size_angstrom: the voxel size that was used.
        shape_zyx: the volume's shape (z, y, x).
        warnings: what the user should know about this tomogram.
        model: {"name", "version", "sha256"} of the weights.
        engine_version: version of the program that scored.
        device: where it was scored, such as "cpu" or "cuda:0".
        seconds: time taken.

    Raises:
        ValueError: a field is not what it must be; the message says which, and what was found.
    """

    schema: int = SCHEMA
    ts_id: str = ""
    path: str | None = None
    status: str = OK
    error: str | None = None
    tomoscore: float | None = None
    tomoscore_interval: tuple[float, float] | None = None
    scale_nm: float | None = None
    curve: Mapping[str, Any] | None = None
    content: float | None = None
    slab_z: tuple[int, int] | None = None
    z_range: ZRange | None = None
    slices: tuple[Mapping[str, Any], ...] = ()
    halves: Mapping[str, Any] | None = None
    tomoscore_uncalibrated: float | None = None
    calibration: Mapping[str, Any] | None = None
    voxel_size_angstrom: float | None = None
    shape_zyx: tuple[int, int, int] | None = None
    warnings: tuple[str, ...] = ()
    model: Mapping[str, str] | None = None
    engine_version: str | None = None
    device: str | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _plain(getattr(self, field.name)))
        _check_identity(self)
        if self.status == OK:
            _check_scored(self)
        else:
            _check_failed(self)

    @classmethod
    def failed(cls, ts_id: str, path: str | None, error: str, **known: Any) -> Score:
        """The record of a tomogram that could not be scored.

        Args:
            ts_id: the tomogram's id.
            path: its file.
            error: the reason, for the user.
            known: other fields that are known all the same, such as model, device, seconds.
        """
        return cls(ts_id=ts_id, path=path, status=FAILED, error=error, **known)

    @property
    def made_by(self) -> str | None:
        """SHA-256 of the weights, with "+" and that of the calibration behind it, if there is one.

        Scores of records that differ in it are of different scales. None without a model.
        """
        if self.model is None:
            return None
        return maker(self.model["sha256"], self.calibration["sha256"] if self.calibration else None)

    def to_dict(self) -> dict:
        """The record as JSON knows it: plain dictionaries, lists, numbers, strings, None."""
        return {field.name: _listed(getattr(self, field.name)) for field in fields(self)}

    def to_json(self) -> str:
        """The record as one line of ASCII JSON, without the line's end."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Score:
        """The record that `to_dict` gave; keys that this version does not know are left out.

        Raises:
            ValueError: it is not a record, or one of another schema.
        """
        if not isinstance(record, Mapping):
            raise ValueError(f"expected a record (a JSON object), got {_short(record)}")
        if record.get("schema") != SCHEMA:
            raise ValueError(f"expected schema {SCHEMA}, got {_short(record.get('schema'))}")
        names = [field.name for field in fields(cls)]
        missing = [name for name in names if name not in record and name not in LATER_KEYS]
        if missing:
            raise ValueError(f"the record lacks {', '.join(missing)}")
        return cls(**{name: record[name] for name in names if name in record})

    @classmethod
    def from_json(cls, line: str) -> Score:
        """The record of one line of JSON.

        Raises:
            ValueError: the line is not JSON, or not a record.
        """
        return cls.from_dict(json.loads(line))


def _plain(value: Any) -> Any:
    """Scalars of numpy as Python numbers, lists and arrays as tuples, dictionaries copied."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return tuple(_plain(item) for item in value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _listed(value: Any) -> Any:
    """Tuples as lists, all the way down."""
    if isinstance(value, tuple):
        return [_listed(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _listed(item) for key, item in value.items()}
    return value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _expect(fine: bool, name: str, expected: str, value: Any) -> None:
    if not fine:
        raise ValueError(f"{name}: expected {expected}, got {_short(value)}")


def _is_number(value: Any, low: float, high: float) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and low <= value <= high  # False for NaN


def _are_integers(values: Any, count: int, low: int) -> bool:
    return (
        isinstance(values, tuple)
        and len(values) == count
        and all(isinstance(v, int) and not isinstance(v, bool) and v >= low for v in values)
    )


def _check_identity(score: Score) -> None:
    """The fields that every record has, scored or failed."""
    _expect(score.schema == SCHEMA, "schema", str(SCHEMA), score.schema)
    named = isinstance(score.ts_id, str) and score.ts_id != "" and score.ts_id.isprintable()
    _expect(named, "ts_id", "printable text that is not empty", score.ts_id)
    _expect(score.path is None or isinstance(score.path, str), "path", "text or None", score.path)
    _expect(score.status in (OK, FAILED), "status", f'"{OK}" or "{FAILED}"', score.status)
    texts = isinstance(score.warnings, tuple) and all(isinstance(w, str) for w in score.warnings)
    _expect(texts, "warnings", "a list of texts", score.warnings)
    if score.voxel_size_angstrom is not None:
        positive = _is_number(score.voxel_size_angstrom, 0, LARGEST) and score.voxel_size_angstrom
        _expect(bool(positive), "voxel_size_angstrom", "a number > 0", score.voxel_size_angstrom)
    if score.shape_zyx is not None:
        _expect(_are_integers(score.shape_zyx, 3, 1), "shape_zyx", "(z, y, x)", score.shape_zyx)
    try:
        check_z_range(score.z_range)
    except ValueError as error:
        raise ValueError(f"z_range: {error}") from error
    if score.model is not None:
        keys = {"name", "version", "sha256"}
        known = isinstance(score.model, dict) and keys <= score.model.keys()
        _expect(known, "model", "name, version and sha256", score.model)
    for name in ("engine_version", "device"):
        value = getattr(score, name)
        _expect(value is None or isinstance(value, str), name, "text or None", value)
    seconds = score.seconds
    fine = seconds is None or _is_number(seconds, 0, LARGEST)
    _expect(fine, "seconds", "a number >= 0 or None", seconds)


def _check_failed(score: Score) -> None:
    """A failed record has a reason and no result."""
    reason = isinstance(score.error, str) and bool(score.error.strip())
    _expect(reason, "error", "the reason of the failure", score.error)
    results = ("tomoscore", "tomoscore_interval", "scale_nm", "curve", "slab_z", "halves")
    for name in (*results, "tomoscore_uncalibrated", "calibration"):
        value = getattr(score, name)
        _expect(value is None, name, "None in a failed record", value)
    _expect(score.slices == (), "slices", "none in a failed record", score.slices)


def _check_scored(score: Score) -> None:
    """A scored record has every number, and they agree with one another."""
    _expect(score.error is None, "error", "None in a scored record", score.error)
    for name in ("voxel_size_angstrom", "shape_zyx", "model", "engine_version", "device"):
        _expect(getattr(score, name) is not None, name, "a value in a scored record", None)
    _expect(score.seconds is not None, "seconds", "a value in a scored record", None)
    _check_value("", score.tomoscore, score.scale_nm)
    interval = score.tomoscore_interval
    ordered = (
        isinstance(interval, tuple)
        and len(interval) == 2
        and all(_is_number(bound, 0, N_SCORED) for bound in interval)
        and interval[0] <= interval[1]
    )
    _expect(ordered, "tomoscore_interval", f"(low, high) within 0 to {N_SCORED}", interval)
    _check_curve(score.curve)
    depth = score.shape_zyx[0] if score.shape_zyx else 0
    slab = score.slab_z
    inside = _are_integers(slab, 2, 0) and slab is not None and slab[0] <= slab[1] < depth
    _expect(inside, "slab_z", f"(first, last) within {depth} slices", slab)
    _check_slices(score.slices, depth)
    if score.halves is not None:
        _check_halves(score.halves)
    _check_calibration(score.calibration, score.tomoscore_uncalibrated)


def _check_calibration(calibration: Any, uncalibrated: Any) -> None:
    """Both are there or none is."""
    if calibration is None:
        _expect(uncalibrated is None, "tomoscore_uncalibrated", "None", uncalibrated)
        return
    known = isinstance(calibration, dict) and set(CALIBRATION_KEYS) <= calibration.keys()
    _expect(known, "calibration", ", ".join(CALIBRATION_KEYS), calibration)
    named = all(isinstance(calibration[key], str) for key in ("name", "sha256"))
    _expect(named, "calibration", "name and sha256 as texts", calibration)
    fine = _is_number(uncalibrated, 0, N_SCORED)
    _expect(fine, "tomoscore_uncalibrated", f"a number, 0 to {N_SCORED}", uncalibrated)


def _check_halves(halves: Any) -> None:
    known = isinstance(halves, dict) and set(HALVES_KEYS) <= halves.keys()
    _expect(known, "halves", ", ".join(HALVES_KEYS), halves)
    if halves["tomoscore"] is None:
        reason = isinstance(halves["error"], str) and bool(halves["error"].strip())
        _expect(reason, "halves.error", "why they are refused", halves["error"])
        return
    _expect(halves["error"] is None, "halves.error", "None beside a score", halves["error"])
    fine = _is_number(halves["tomoscore"], 0, N_SCORED)
    _expect(fine, "halves.tomoscore", f"a number, 0 to {N_SCORED}", halves["tomoscore"])
    interval = halves["interval"]
    fine = isinstance(interval, tuple) and len(interval) == 2
    fine = fine and all(_is_number(bound, 0, N_SCORED) for bound in interval)
    _expect(fine, "halves.interval", f"(low, high) within 0 to {N_SCORED}", interval)
    _check_curve(halves["curve"])


def _check_value(where: str, tomoscore: Any, scale_nm: Any) -> None:
    """A TomoScore and its scale: in range, and the scale is None exactly where the score is 0."""
    fine = _is_number(tomoscore, 0, N_SCORED)
    _expect(fine, where + "tomoscore", f"a number, 0 to {N_SCORED}", tomoscore)
    if tomoscore == 0:
        _expect(scale_nm is None, where + "scale_nm", "None where the score is 0", scale_nm)
    else:
        fine = _is_number(scale_nm, 0, LARGEST) and scale_nm > 0
        _expect(fine, where + "scale_nm", "a number > 0", scale_nm)


def _check_curve(curve: Any) -> None:
    known = isinstance(curve, dict) and {"period_nm", "resolvability"} <= curve.keys()
    _expect(known, "curve", "period_nm and resolvability", curve)
    periods, values = curve["period_nm"], curve["resolvability"]
    pairs = isinstance(periods, tuple) and all(
        isinstance(p, tuple) and len(p) == 2 and all(_is_number(e, 0, LARGEST) for e in p)
        for p in periods
    )
    fine = pairs and len(periods) == N_BANDS
    _expect(fine, "curve.period_nm", f"{N_BANDS} pairs (coarse, fine)", periods)
    fine = isinstance(values, tuple) and len(values) == N_BANDS
    fine = fine and all(v is None or _is_number(v, 0, 1) for v in values)
    _expect(fine, "curve.resolvability", f"{N_BANDS} values, each 0 to 1 or None", values)


def _check_slices(slices: Any, depth: int) -> None:
    _expect(isinstance(slices, tuple), "slices", "a list", slices)
    for entry in slices:
        known = isinstance(entry, dict) and {"z", "tomoscore", "scale_nm"} <= entry.keys()
        _expect(known, "slices", "z, tomoscore and scale_nm", entry)
        fine = _are_integers((entry["z"],), 1, 0) and entry["z"] < depth
        _expect(fine, "slices: z", f"an integer within {depth} slices", entry["z"])
        _check_value("slices: ", entry["tomoscore"], entry["scale_nm"])
