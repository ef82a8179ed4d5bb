# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated sessions: tomograms of one microscope and one pipeline, with halves and their truth.

The world defines what the tomograms of a session have in common. Specimens, ice, alignment and
defocus differ between tomograms.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Mapping

import mrcfile
import numpy as np
import torch

from tomoscore_scipion.agreement.figures import agreement_of
from tomoscore_scipion.agreement.summary_text import verdict
from tomoscore_scipion.calibration.apply import calibrated
from tomoscore_scipion.calibration.fit import (
    MeasuredSession,
    RefusedError,
    calibration_from,
    shifts_of,
)
from tomoscore_scipion.engine import Scorer
from tomoscore_scipion.examples.fit import threshold_of
from tomoscore_scipion.records.bands import N_SCORED, tomoscore
from tomoscore_scipion.records.halves_block import IS_COARSE, scores_over_measured
from tomoscore_scipion.records.job import Tomogram
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.running.scoring import Scoring
from tomoscore_scipion.simulation.acquisition import Microscope, tomogram
from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.recipe import raw_recipe
from tomoscore_scipion.simulation.specimen import random_specimen
from tomoscore_scipion.simulation.summary import truth_summary

FIELD_NM, PIXEL_NM = 192.0, Grid().pixel_nm
HEADROOM = 1.2
SEED = 700_000
"""First seed of the sessions that the settings of calibration were chosen on."""
TRUTH_SD = 0.03
"""Standard deviation that makes a correction follow true curves closely."""


@dataclass(frozen=True)
class World:
    """What the tomograms of a session have in common.

    Attributes:
        name: name in tables.
        recipe: parameters that differ from those of `raw_recipe`.
        thickness_nm: range of the ice thickness, nm.
        scene: scene of all specimens; None to draw one for each.
        misalignment_nm: range of the misalignment, log-uniform, nm.
    """

    name: str
    recipe: Mapping[str, Any] = field(default_factory=dict)
    thickness_nm: tuple[float, float] = (70.0, 130.0)
    scene: str | None = None
    misalignment_nm: tuple[float, float] = (0.3, 4.0)


WORLDS = (
    World("usual session"),
    World("other detector", {"mtf_shape": "gaussian", "signal_mtf": 0.3, "noise_mtf": 0.5}),
    World("SIRT", {"filter": "sirt_like", "sirt_iterations": 5}),
    World("other species", scene="bundles"),
    World("thick ice", {"mean_free_path_nm": 220.0}, thickness_nm=(190.0, 250.0)),
    World("denoised", {"post": "learned_like", "strength": 0.9}),
    World("sharp", {"total_dose": 160.0, "quantum_efficiency": 0.9}, misalignment_nm=(0.1, 0.6)),
    World("non-local means", {"post": "nlm", "strength": 0.9}),
)


@dataclass(frozen=True)
class Case:
    """A tomogram of a session.

    Attributes:
        by_frame: record with halves of frames.
        by_tilt: record with halves of tilts.
        true_curve: true curve, in the form of a record.
        true_score: true score, octaves.
    """

    by_frame: Score
    by_tilt: Score
    true_curve: tuple[float | None, ...]
    true_score: float

    def to_json(self) -> str:
        """A line of JSON."""
        truth = {"curve": self.true_curve, "tomoscore": self.true_score}
        records = {"by_frame": self.by_frame.to_dict(), "by_tilt": self.by_tilt.to_dict()}
        return json.dumps({**records, "truth": truth})

    @classmethod
    def from_json(cls, line: str) -> Case:
        """The case of a line."""
        content = json.loads(line)
        truth = content["truth"]
        by_frame, by_tilt = (Score.from_dict(content[kind]) for kind in ("by_frame", "by_tilt"))
        return cls(by_frame, by_tilt, tuple(truth["curve"]), truth["tomoscore"])


def session(world: World, count: int, scorer: Scorer, folder: Path, seed: int = SEED) -> list[Case]:
    """The tomograms of a session; existing ones are read from the folder.

    Args:
        world: what the tomograms have in common.
        count: number of tomograms.
        scorer: the model.
        folder: holds one file for each session, to which new tomograms are appended.
        seed: seed of the simulation; other seeds need another folder.
    """
    path = folder / f"{world.name.replace(' ', '_')}.jsonl"
    cases = (
        [Case.from_json(line) for line in path.read_text().splitlines()] if path.exists() else []
    )
    with path.open("a") as file:
        for number in range(len(cases), count):
            cases.append(case_of(world, number, scorer, seed))
            file.write(cases[-1].to_json() + "\n")
            file.flush()
    return cases[:count]


def case_of(world: World, number: int, scorer: Scorer, seed: int = SEED) -> Case:
    """Simulate, score and measure a tomogram of a session."""
    rng = np.random.default_rng([seed, WORLDS.index(world), number])
    specimen = random_specimen(
        rng,
        Grid(n=round(FIELD_NM / PIXEL_NM)),
        ("contamination",),
        world.thickness_nm,
        empty=False,
        scene=world.scene,
    )
    recipe = replace(raw_recipe(rng, world.misalignment_nm), **world.recipe)
    acquisition = Microscope(specimen).acquire(rng, recipe, HEADROOM, halves=True)
    planes, curves, content = tomogram(rng, acquisition)
    heights = torch.arange(acquisition.n_z) - (acquisition.n_z - 1) / 2
    size = round(10 * acquisition.voxel_nm, 4)
    truth = truth_summary(curves.numpy(), content.numpy(), acquisition.slab_z(), size)
    with tempfile.TemporaryDirectory() as folder:
        by_frame, by_tilt = (
            record_of(scorer, f"TS_{number + 1:02d}", Path(folder), (planes, *halves), size)
            for halves in (acquisition.halves(heights), acquisition.halves_by_tilt(heights))
        )
    return Case(by_frame, by_tilt, tuple(truth["curve"]["resolvability"]), truth["tomoscore"])


def record_of(scorer: Scorer, ts_id: str, folder: Path, volumes: tuple, size: float) -> Score:
    """The record of a tomogram with halves: volumes (tomogram, half, half), (z, y, x) each."""
    paths = []
    for name, volume in zip(("", "_odd", "_even"), volumes):
        paths.append(str(folder / f"{ts_id}{name}.mrc"))
        mrcfile.write(paths[-1], volume.numpy(), voxel_size=size, overwrite=True)
    item = Tomogram(ts_id, paths[0], size, None, paths[1], paths[2])
    return Scoring().process(scorer, item, lambda done, total: None)


@dataclass(frozen=True)
class Outcome:
    """Errors of the held-out tomograms of a session before and after a calibration.

    Attributes:
        before: (n,) predicted minus true score, octaves.
        after: (n,) the same for calibrated scores; equal to `before` if calibration was refused.
        in_interval: fraction of the 90 % intervals that contain the true score, before and after.
        refused: why there is no calibration; None if there is one.
        records: uncalibrated and calibrated records of the held-out tomograms.
    """

    before: np.ndarray
    after: np.ndarray
    in_interval: tuple[float, float]
    refused: str | None
    records: tuple[list[Score], list[Score]]


def outcome_of(cases: list[Case], kind: str, learned_from: int) -> Outcome:
    """Calibrate with the first tomograms of a session, and apply it to the others.

    Args:
        cases: tomograms of a session.
        kind: "by_frame" or "by_tilt".
        learned_from: number of tomograms whose halves are used.
    """
    records = [getattr(case, kind) for case in cases]
    held_out, truths = records[learned_from:], [case.true_score for case in cases[learned_from:]]
    refused, corrected = None, held_out
    try:
        calibration = calibration_from(records[:learned_from])
        corrected = [calibrated(record, {}, calibration) for record in held_out]
    except RefusedError as error:
        refused = str(error)
    both = (held_out, corrected)
    before, after = (np.array([r.tomoscore for r in part]) - truths for part in both)
    holds_before, holds_after = (float(np.mean(list(map(_holds, part, truths)))) for part in both)
    return Outcome(before, after, (holds_before, holds_after), refused, both)


def error_by_truth(cases: list[Case], learned_from: int) -> np.ndarray:
    """Predicted minus true score of the held-out tomograms, octaves, corrected by true curves.

    The correction is fitted to the true curves of the first tomograms instead of measured ones. The
    error that is left is not the same in all tomograms of the session.

    Args:
        cases: tomograms of a session.
        learned_from: number of tomograms whose true curves are used.
    """
    learned, held_out = map(_with_truth, (cases[:learned_from], cases[learned_from:]))
    return np.asarray(held_out.excess(shifts_of(learned, TRUTH_SD)).sum(axis=-1))


def _with_truth(cases: list[Case]) -> MeasuredSession:
    """The session with true curves instead of measured ones."""
    predicted = [(case.by_frame.curve or {})["resolvability"][:N_SCORED] for case in cases]
    true = np.array([case.true_curve[:N_SCORED] for case in cases], dtype=float)
    nowhere, everywhere = np.zeros(true.shape, dtype=bool), np.ones(true.shape)
    return MeasuredSession(np.array(predicted, dtype=float), true, nowhere, everywhere)


def _holds(record: Score, truth: float) -> bool:
    assert record.tomoscore_interval is not None
    low, high = record.tomoscore_interval
    return low <= truth <= high


def _predicted(case: Case) -> float:
    assert case.by_frame.tomoscore is not None
    return case.by_frame.tomoscore


def errors_of(cases: list[Case]) -> tuple[np.ndarray, ...]:
    """Errors against the truth, octaves, (n,) each; NaN without measured halves.

    Returns:
        From 128 to 16 nm: of the predicted score, of that measured by frames, and by tilts; from 16
        to 4 nm: of the predicted score.
    """
    true = [tomoscore(np.array(c.true_curve, dtype=float), IS_COARSE.astype(float)) for c in cases]
    none = (np.nan, np.nan)
    by_frame, by_tilt = (
        np.array([scores_over_measured(getattr(case, kind)) or none for case in cases])
        for kind in ("by_frame", "by_tilt")
    )
    whole = np.array([_predicted(case) - case.true_score for case in cases])
    predicted = by_frame[:, 0] - true
    return predicted, by_frame[:, 1] - true, by_tilt[:, 1] - true, whole - predicted


def _error_text(error: np.ndarray) -> str:
    return f"{np.nanmedian(np.abs(error)):.2f} ({np.nanmean(error):+.2f})"


def print_report(sessions: Mapping[str, list[Case]], learned_from: int) -> None:
    """Print the results of calibration, agreement and examples, a line for each session."""
    print_errors(sessions, learned_from)
    print(f"\n{'':17} error against the truth, median (mean), of all tomograms, octaves")
    print(f"{'':17} {'from 128 to 16 nm':42} 16 to 4 nm")
    heads = ("predicted", "by frames", "by tilts", "predicted")
    print(f"{'world':17}", *(f"{head:13}" for head in heads))
    for name, cases in sessions.items():
        print(f"{name:17}", *(f"{_error_text(error):13}" for error in errors_of(cases)))
    for kind, title in (("by_frame", "frames"), ("by_tilt", "tilts")):
        print(f"\n{'world':17} agreement of the first {learned_from} tomograms, halves of {title}")
        for name, cases in sessions.items():
            agreement = agreement_of([getattr(case, kind) for case in cases[:learned_from]])
            print(f"{name:17} {verdict(agreement)}")
    print(f"\n{'world':17} threshold of who accepts the better half, by {learned_from} examples")
    for name, cases in sessions.items():
        print(f"{name:17} {_by_examples(cases, learned_from)}")


def print_errors(sessions: Mapping[str, list[Case]], learned_from: int) -> None:
    """Print the median errors of held-out tomograms before and after a calibration.

    The reasons of refused calibrations follow the table.
    """
    print(f"{'':17} median error (octaves; 90 % interval holds), {learned_from} with halves")
    heads = ("as predicted", "halves of frames", "halves of tilts", "by the truth")
    print(f"{'world':17}", *(f"{head:18}" for head in heads))
    errors: dict[str, list[np.ndarray]] = {head: [] for head in heads}
    reasons = []
    for name, cases in sessions.items():
        frames, tilts = (outcome_of(cases, kind, learned_from) for kind in ("by_frame", "by_tilt"))
        row = (frames.before, frames.after, tilts.after, error_by_truth(cases, learned_from))
        holds = (*frames.in_interval, tilts.in_interval[1], None)
        refused = (False, bool(frames.refused), bool(tilts.refused), False)
        print(f"{name:17}", *(f"{_cell(*values):18}" for values in zip(row, holds, refused)))
        for head, error in zip(heads, row):
            errors[head].append(error)
        for kind, outcome in (("frames", frames), ("tilts", tilts)):
            if outcome.refused:
                reasons.append(f"{name}, halves of {kind}: {outcome.refused}")
    print(f"{'all':17}", *(f"{_median(np.concatenate(errors[head])):<18.2f}" for head in heads))
    print("\n".join(reasons))


def _cell(error: np.ndarray, holds: float | None, is_refused: bool) -> str:
    if is_refused:
        return "refused"
    return f"{_median(error):.2f}" if holds is None else f"{_median(error):.2f} ({holds:.0%})"


def _median(error: np.ndarray) -> float:
    return float(np.median(np.abs(error)))


def _by_examples(cases: list[Case], count: int) -> str:
    """A threshold from examples, and its agreement on the other tomograms."""
    marked, others = cases[:count], cases[count:]
    true = float(np.median([case.true_score for case in marked]))
    good, bad = (
        {c.by_frame.ts_id: _predicted(c) for c in marked if (c.true_score > true) == kind}
        for kind in (True, False)
    )
    threshold = threshold_of(good, bad)
    same = [(_predicted(c) >= threshold.threshold) == (c.true_score > true) for c in others]
    low, high = threshold.interval
    return (
        f"{threshold.threshold:.2f} ({low:.2f} to {high:.2f}), true {true:.2f}; "
        f"{sum(same)} of {len(same)} others as they would"
    )
