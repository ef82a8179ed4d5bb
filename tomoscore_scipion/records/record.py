# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of one tomogram.

A record is a line of JSON. A missing number is null, never NaN. The constructor raises ValueError
for invalid records.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields
from typing import Any, Callable, Mapping

from tomoscore_scipion.records.bands import N_BANDS, N_SCORED
from tomoscore_scipion.records.fields import (
    Field,
    check_fields,
    expect,
    is_id,
    is_index,
    is_number,
    optional,
    positive,
    shortened,
)
from tomoscore_scipion.records.z_range import ZRange, check_z_range

SCHEMA = 1
"""Version of the format of records; records of other versions are refused."""
LATER_KEYS = ("z_range", "content", "halves", "tomoscore_uncalibrated", "calibration")
"""Keys that were added to schema 1 later; they are None if missing."""

MODEL_KEYS = ("name", "version", "sha256")
HALVES_KEYS: tuple[str, ...]
HALVES_KEYS = ("half1", "half2", "status", "error", "tomoscore", "interval", "curve", "kind")
HALVES_KEYS += ("max_tilt_deg", "octaves", "warnings")
"""Keys of `Score.halves`: both files; "measured" or "refused"; the reason of a refusal; the
measured score with its 90 % interval and curve; "by-frame", "by-tilt" or "unknown"; half of the
tilt range; the periods of the octaves in the measured score; and warnings. The measured score of
halves by tilt has fewer octaves than the predicted score. Refused halves have None and no octaves.
Later records have the additional key tilt_range_deg, the (lowest, highest) angle given by the user;
then max_tilt_deg is half of this range. If tilt_range_deg is None, max_tilt_deg is estimated from
the halves."""

CALIBRATION_KEYS = ("name", "sha256", "tomograms")
"""Keys of `Score.calibration`: name and SHA-256 of the calibration file, and the number of
tomograms to which the calibration was fitted."""

OK, FAILED = "ok", "failed"
COMPRESSED_SUFFIXES = (".gz", ".bz2")
TOMOGRAM_SUFFIXES = (".mrc", ".rec", ".map")


def default_ts_id(path: str) -> str:
    """The default id of a tomogram: its file name without .mrc, .rec, .map (.gz, .bz2).

    Characters that cannot be printed become "_", so that the id is valid in a job.
    """
    name = stem = os.path.basename(os.path.normpath(path))
    for suffixes in (COMPRESSED_SUFFIXES, TOMOGRAM_SUFFIXES):
        root, suffix = os.path.splitext(stem)
        stem = root if suffix.lower() in suffixes else stem
    return "".join(c if c.isprintable() else "_" for c in stem) or name


def maker(model_sha256: str, calibration_sha256: str | None) -> str:
    """The value of `Score.made_by` for weights and a calibration (None: uncalibrated scores)."""
    return f"{model_sha256}+{calibration_sha256}" if calibration_sha256 else model_sha256


@dataclass(frozen=True)
class Score:
    """One tomogram's record; the fields, in this order, are the keys of its JSON form.

    Numbers may be given as numpy scalars and sequences as lists or arrays; they are stored
    as plain Python numbers and tuples.

    Attributes:
        schema: version of the record's format.
        ts_id: the tomogram's id, by which results are joined; not empty, printable.
        path: path of the file as given by the user; None if an array was scored.
        status: "ok" or "failed".
        error: reason of the failure; None when ok.
        tomoscore: octaves, 0 to 5, higher is better.
        tomoscore_interval: 90 % interval (low, high), octaves.
        scale_nm: resolvable scale in nm; None when coarser than 128 nm (score 0).
        curve: {"period_nm": ((coarse, fine), ...), "resolvability": (...)}, six bands,
            resolvability 0 to 1, None beyond Nyquist.
        content: fraction of the slab's tiles that hold specimen, 0 to 1; None with weights before
            version 0.2.
        slab_z: first and last slice of the specimen, 0-based, inclusive.
        z_range: requested limits, (first, last) plane, 0-based, inclusive, last None for the
            volume's last plane; None if the whole volume was scored.
        slices: ({"z", "tomoscore", "scale_nm"}, ...) of the scored slices.
        halves: the measurement from the halves, see `HALVES_KEYS`; None without halves.
        tomoscore_uncalibrated: TomoScore before calibration; None for an uncalibrated record.
        calibration: calibration of the curve and all scores, see `CALIBRATION_KEYS`; None for an
            uncalibrated record.
        voxel_size_angstrom: the voxel size used for scoring.
        shape_zyx: the volume's shape (z, y, x).
        warnings: messages for the user about this tomogram.
        model: {"name", "version", "sha256"} of the weights.
        engine_version: version of the program.
        device: device of the network, such as "cpu" or "cuda:0".
        seconds: run time in seconds.

    Raises:
        ValueError: a field is not valid; the message has its name and value.
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
        _check(self)

    @classmethod
    def failed(cls, ts_id: str, path: str | None, error: str, **known: Any) -> Score:
        """The record of a tomogram that could not be scored.

        Args:
            ts_id: the tomogram's id.
            path: its file.
            error: the reason, for the user.
            known: other fields that are known, such as model, device, seconds.
        """
        return cls(ts_id=ts_id, path=path, status=FAILED, error=error, **known)

    @property
    def made_by(self) -> str | None:
        """SHA-256 of the weights, followed by "+" and the SHA-256 of the calibration if any.

        Scores of records with different values are not comparable. None without a model.
        """
        if self.model is None:
            return None
        return maker(self.model["sha256"], self.calibration["sha256"] if self.calibration else None)

    def to_dict(self) -> dict:
        """The record as a JSON object: dictionaries, lists, numbers, strings, None."""
        return {field.name: _listed(getattr(self, field.name)) for field in fields(self)}

    def to_json(self) -> str:
        """The record as one line of ASCII JSON, without a newline."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Score:
        """The record of a dictionary from `to_dict`; unknown keys are ignored.

        Raises:
            ValueError: the dictionary is not a record, or has another schema.
        """
        if not isinstance(record, Mapping):
            raise ValueError(f"expected a record (a JSON object), got {shortened(record)}")
        if record.get("schema") != SCHEMA:
            raise ValueError(f"expected schema {SCHEMA}, got {shortened(record.get('schema'))}")
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
    """Convert numpy scalars to Python numbers, lists and arrays to tuples; copy dictionaries."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return tuple(_plain(item) for item in value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _listed(value: Any) -> Any:
    """Convert tuples to lists, recursively."""
    if isinstance(value, tuple):
        return [_listed(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _listed(item) for key, item in value.items()}
    return value


def _are_integers(count: int, low: int) -> Callable[[Any], bool]:
    """A function that tests for a tuple of `count` integers >= `low`."""

    def accepts(value: Any) -> bool:
        fine = isinstance(value, tuple) and len(value) == count
        return fine and all(is_index(v) and v >= low for v in value)

    return accepts


def _is_range(value: Any) -> bool:
    """Whether a value is a range (low, high) of scores."""
    pair = isinstance(value, tuple) and len(value) == 2
    return pair and all(is_number(v, 0, N_SCORED) for v in value) and value[0] <= value[1]


def _are_periods(value: Any) -> bool:
    """Whether a value holds the two edges of each band."""
    fine = isinstance(value, tuple) and len(value) == N_BANDS
    return fine and all(
        isinstance(p, tuple) and len(p) == 2 and all(map(is_number, p)) for p in value
    )


def _are_correlations(value: Any) -> bool:
    """Whether a value holds a correlation, or None, for each band."""
    fine = isinstance(value, tuple) and len(value) == N_BANDS
    return fine and all(v is None or is_number(v, 0, 1) for v in value)


def _are_texts(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(text, str) for text in value)


def _has(*keys: str) -> Callable[[Any], bool]:
    """A function that tests for a dictionary with these keys."""
    return lambda value: isinstance(value, dict) and set(keys) <= value.keys()


def _are_slices(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(_has("z", "tomoscore", "scale_nm"), value))


def _is_calibration(value: Any) -> bool:
    known = _has(*CALIBRATION_KEYS)(value)
    return known and isinstance(value["name"], str) and isinstance(value["sha256"], str)


def _is_reason(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


TEXT = optional(expect(lambda value: isinstance(value, str), "text or None"))
OCTAVES = expect(lambda value: is_number(value, 0, N_SCORED), f"a number, 0 to {N_SCORED}")
INTERVAL = expect(_is_range, f"(low, high) within 0 to {N_SCORED}")

EVERY_RECORD = (
    Field("schema", expect(lambda value: value == SCHEMA, str(SCHEMA))),
    Field("ts_id", expect(is_id, "printable text that is not empty")),
    Field("path", TEXT),
    Field("status", expect(lambda value: value in (OK, FAILED), f'"{OK}" or "{FAILED}"')),
    Field("warnings", expect(_are_texts, "a list of texts")),
    Field("voxel_size_angstrom", optional(positive("a number > 0"))),
    Field("shape_zyx", optional(expect(_are_integers(3, 1), "(z, y, x)"))),
    Field("z_range", check_z_range),
    Field("model", optional(expect(_has(*MODEL_KEYS), "name, version and sha256"))),
    Field("engine_version", TEXT),
    Field("device", TEXT),
    Field("seconds", optional(expect(is_number, "a number >= 0 or None"))),
)
NO_RESULT = expect(lambda value: value is None, "None in a failed record")
FAILED_RECORD = (
    Field("error", expect(_is_reason, "the reason of the failure")),
    *(Field(name, NO_RESULT) for name in ("tomoscore", "tomoscore_interval", "scale_nm")),
    *(Field(name, NO_RESULT) for name in ("curve", "slab_z", "halves")),
    *(Field(name, NO_RESULT) for name in ("tomoscore_uncalibrated", "calibration")),
    Field("slices", expect(lambda value: value == (), "none in a failed record")),
)
VALUE = expect(lambda value: value is not None, "a value in a scored record")
CURVE = (
    Field("period_nm", expect(_are_periods, f"{N_BANDS} pairs (coarse, fine)")),
    Field("resolvability", expect(_are_correlations, f"{N_BANDS} values, each 0 to 1 or None")),
)
SCORED_RECORD = (
    Field("error", expect(lambda value: value is None, "None in a scored record")),
    *(Field(name, VALUE) for name in ("voxel_size_angstrom", "shape_zyx", "model")),
    *(Field(name, VALUE) for name in ("engine_version", "device", "seconds")),
    Field("tomoscore", OCTAVES),
    Field("tomoscore_interval", INTERVAL),
    Field("curve", expect(_has("period_nm", "resolvability"), "period_nm and resolvability")),
    Field("slices", expect(_are_slices, "a list of z, tomoscore and scale_nm")),
    Field("halves", optional(expect(_has(*HALVES_KEYS), ", ".join(HALVES_KEYS)))),
)
SCALE = (Field("scale_nm", positive("a number > 0")),)
NO_SCALE = (Field("scale_nm", expect(lambda value: value is None, "None where the score is 0")),)
CALIBRATED = (
    Field("tomoscore_uncalibrated", OCTAVES),
    Field("calibration", expect(_is_calibration, "name and sha256 as texts, and tomograms")),
)
UNCALIBRATED = (
    Field(
        "tomoscore_uncalibrated", expect(lambda value: value is None, "None without calibration")
    ),
)
REFUSED_HALVES = (Field("error", expect(_is_reason, "why they are refused")),)
MEASURED_HALVES = (
    Field("error", expect(lambda value: value is None, "None beside a score")),
    Field("tomoscore", OCTAVES),
    Field("interval", INTERVAL),
    Field("curve", expect(_has("period_nm", "resolvability"), "period_nm and resolvability")),
)


def _check(score: Score) -> None:
    """Check that the fields of a record are complete and consistent."""
    values = vars(score)
    check_fields(values, EVERY_RECORD)
    if score.status == FAILED:
        check_fields(values, FAILED_RECORD)
        return
    check_fields(values, SCORED_RECORD)
    check_fields(values, NO_SCALE if score.tomoscore == 0 else SCALE)
    check_fields(score.curve or {}, CURVE, "curve.")
    depth = score.shape_zyx[0] if score.shape_zyx else 0
    _check_slab(score.slab_z, depth)
    _check_slices(score.slices, depth)
    check_fields(values, UNCALIBRATED if score.calibration is None else CALIBRATED)
    if score.halves is not None and score.halves["tomoscore"] is None:
        check_fields(score.halves, REFUSED_HALVES, "halves.")
    elif score.halves is not None:
        check_fields(score.halves, MEASURED_HALVES, "halves.")
        check_fields(score.halves["curve"], CURVE, "halves.curve.")


def _check_slab(slab: Any, depth: int) -> None:
    fine = _are_integers(2, 0)
    inside = expect(
        lambda v: fine(v) and v[0] <= v[1] < depth, f"(first, last) within {depth} slices"
    )
    check_fields({"slab_z": slab}, [Field("slab_z", inside)])


def _check_slices(slices: tuple[Any, ...], depth: int) -> None:
    inside = expect(lambda v: is_index(v) and v < depth, f"an integer within {depth} slices")
    fields = (Field("z", inside), Field("tomoscore", OCTAVES))
    nothing_seen, scored = (*fields, *NO_SCALE), (*fields, *SCALE)
    for entry in slices:
        check_fields(entry, nothing_seen if entry["tomoscore"] == 0 else scored, "slices: ")
