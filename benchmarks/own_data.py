# SPDX-License-Identifier: GPL-3.0-or-later
"""Error of scores measured from halves, on simulated tomograms.

Every second tomogram is raw, the others may be post-processed. The halves are not post-processed.
Prints the errors of the measured and of the predicted score, separately for tomograms that are
aligned to 1 nm and for others, because halves of frames share their misalignment.

With --sessions, sessions of several worlds are simulated instead. Printed is the accuracy of a
calibration, of the agreement, and of a threshold from examples on held-out tomograms.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Mapping

import mrcfile
import numpy as np
import sessions
import torch
from matplotlib.figure import Figure

from tomoscore_scipion.agreement.drawing import SIZE, draw
from tomoscore_scipion.agreement.figures import agreement_of
from tomoscore_scipion.engine import Scorer
from tomoscore_scipion.records.bands import N_BANDS, tomoscore
from tomoscore_scipion.records.job import Tomogram
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.running.scoring import Scoring
from tomoscore_scipion.simulation.acquisition import Acquisition, Microscope, tomogram
from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.recipe import ordinary_recipe
from tomoscore_scipion.simulation.specimen import random_specimen
from tomoscore_scipion.simulation.summary import truth_summary

PIXELS = 320
THICKNESS_NM = (80.0, 160.0)
HEADROOM = 1.3
ALIGNED_NM = 1.0
SEEDS = 500_000
KINDS = ("by frame", "by tilt")
PLOTTED = "usual session"
Halves = tuple[torch.Tensor, torch.Tensor]
"""Both halves of a tomogram, (z, y, x) each."""


@dataclass(frozen=True)
class Case:
    """True, predicted and measured scores of a tomogram, octaves.

    Attributes:
        recipe: description of the simulation.
        aligned: whether its misalignment is at most `ALIGNED_NM`.
        true: true score over all octaves, and over the octaves that halves of tilts measure.
        predicted: predicted score.
        measured: score measured from halves of frames and of tilts; None if they are refused.
        held: whether the intervals of prediction, frames and tilts contain the true score.
    """

    recipe: str
    aligned: bool
    true: tuple[float, float]
    predicted: float
    measured: tuple[float | None, float | None]
    held: tuple[bool, bool, bool]


def main(argv: list[str] | None = None) -> int:
    """Measure and print; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tomograms", type=int, default=60)
    parser.add_argument("--weights", type=Path, help="other weights than those that ship")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write each tomogram")
    parser.add_argument(
        "--sessions", type=Path, metavar="DIR", help="folder of sessions; what is there is kept"
    )
    parser.add_argument("--learned-from", type=int, default=10, help="tomograms with halves")
    parser.add_argument("--held-out", type=int, default=20, help="tomograms of known truth")
    parser.add_argument("--seed", type=int, default=sessions.SEED, help="of the sessions")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="agreement before and after")
    args = parser.parse_args(argv)
    if args.sessions:
        return try_sessions(args)
    scorer, cases = Scorer.load(args.weights, args.device), []
    for number in range(args.tomograms):
        cases.append(case_of(number, scorer))
        print(f"{number + 1}/{args.tomograms}: {cases[-1]}", file=sys.stderr, flush=True)
    print_table(cases)
    if args.json:
        args.json.write_text(json.dumps([vars(case) for case in cases], indent=1) + "\n")
    return 0


def try_sessions(args: argparse.Namespace) -> int:
    """Simulate sessions, calibrate, print; returns the exit status."""
    args.sessions.mkdir(parents=True, exist_ok=True)
    scorer, count = Scorer.load(args.weights, args.device), args.learned_from + args.held_out
    worlds = {
        world.name: sessions.session(world, count, scorer, args.sessions, args.seed)
        for world in sessions.WORLDS
    }
    sessions.print_report(worlds, args.learned_from)
    if args.plots:
        outcome = sessions.outcome_of(worlds[PLOTTED], "by_frame", args.learned_from)
        for name, records in zip(("before", "after"), outcome.records):
            figure = Figure(figsize=SIZE)
            draw(figure, agreement_of(records))
            figure.savefig(args.plots / f"calibration_{name}.png", dpi=70)
    return 0


def case_of(number: int, scorer: Scorer) -> Case:
    """Simulate, score and measure a tomogram."""
    rng = np.random.default_rng([SEEDS, number])
    specimen = random_specimen(
        rng, Grid(n=PIXELS), ("contamination",), thickness_nm=THICKNESS_NM, empty=False
    )
    recipe = replace(ordinary_recipe(rng), quantisation="float32", border_nm=0.0, picture=False)
    if number % 2 == 0:
        recipe = replace(recipe, post="none", deconvolution_strength=0.0, band_pass="none")
    acquisition = Microscope(specimen).acquire(rng, recipe, HEADROOM, halves=True)
    planes, curves, content = tomogram(rng, acquisition)
    size = round(10 * acquisition.voxel_nm, 4)
    truth = truth_summary(curves.numpy(), content.numpy(), acquisition.slab_z(), size)
    with tempfile.TemporaryDirectory() as folder:
        records = [
            record_of(scorer, Path(folder), planes, halves, size)
            for halves in halves_of(acquisition)
        ]
    coarse = [*truth["curve"]["resolvability"][:3], *[0.0] * (N_BANDS - 3)]
    true_by_tilt = float(tomoscore(np.array(coarse)))
    predicted = records[0].tomoscore
    assert predicted is not None
    by_frame, by_tilt = (_halves(record)["tomoscore"] for record in records)
    return Case(
        f"{recipe.post}, CTF {recipe.ctf_correction}, misaligned {recipe.misalignment_nm:.1f} nm",
        is_aligned(acquisition),
        (truth["tomoscore"], true_by_tilt),
        predicted,
        (by_frame, by_tilt),
        held_by(records, truth["tomoscore"], true_by_tilt),
    )


def _halves(record: Score) -> Mapping[str, Any]:
    assert record.halves is not None
    return record.halves


def held_by(records: list[Score], true: float, true_by_tilt: float) -> tuple[bool, bool, bool]:
    """Whether the intervals of prediction, frames and tilts contain the true scores."""
    intervals = [
        records[0].tomoscore_interval,
        *(_halves(record)["interval"] for record in records),
    ]
    pairs = zip(intervals, (true, true, true_by_tilt))
    held = [
        interval is not None and interval[0] <= value <= interval[1] for interval, value in pairs
    ]
    return held[0], held[1], held[2]


def is_aligned(acquisition: Acquisition) -> bool:
    """Whether no fault of the alignment moves features by more than `ALIGNED_NM`."""
    recipe = acquisition.recipe
    faults = (recipe.misalignment_nm, recipe.drift_nm, recipe.unaligned_nm, recipe.local_motion_nm)
    steady = max(*faults, recipe.motion_blur_nm) <= ALIGNED_NM
    return steady and abs(recipe.axis_error_deg) < 0.5 and recipe.bad_tilts == 0


def halves_of(acquisition: Acquisition) -> tuple[Halves, Halves]:
    """Halves of the electrons, and halves of the tilts."""
    heights = torch.arange(acquisition.n_z) - (acquisition.n_z - 1) / 2
    return acquisition.halves(heights), acquisition.halves_by_tilt(heights)


def record_of(
    scorer: Scorer, folder: Path, planes: torch.Tensor, halves: Halves, size: float
) -> Score:
    """The record of a tomogram with these halves."""
    paths = []
    for name, volume in zip(("whole", "half1", "half2"), (planes, *halves)):
        paths.append(str(folder / f"{name}.mrc"))
        mrcfile.write(paths[-1], volume.numpy(), voxel_size=size, overwrite=True)
    item = Tomogram("simulated", paths[0], size, None, paths[1], paths[2])
    return Scoring().process(scorer, item, lambda done, total: None)


def print_table(cases: list[Case]) -> None:
    """Print median error, median bias, largest excess over the truth, and interval coverage."""
    groups = {
        "aligned to 1 nm": [case for case in cases if case.aligned],
        "others": [case for case in cases if not case.aligned],
    }
    heads = f"{'median error':>13} {'bias':>6} {'largest excess':>15} {'held':>5}"
    print(f"{'':18} {'score':10} {'n':>3} {heads}")
    for title, group in groups.items():
        rows = {"predicted": [(c.predicted, c.true[0], c.held[0]) for c in group]}
        for i, kind in enumerate(KINDS):
            rows[kind] = [
                (measured, c.true[i], c.held[i + 1])
                for c in group
                if (measured := c.measured[i]) is not None
            ]
        for name, pairs in rows.items():
            if pairs:
                error = np.array([measured - true for measured, true, _ in pairs])
                fraction_held = np.mean([inside for _, _, inside in pairs])
                print(
                    f"{title:18} {name:10} {len(pairs):3d} {np.median(np.abs(error)):13.2f} "
                    f"{np.median(error):6.2f} {error.max():15.2f} {fraction_held:5.0%}"
                )
    for i, kind in enumerate(KINDS):
        print(f"refused, {kind}: {sum(case.measured[i] is None for case in cases)}")


if __name__ == "__main__":
    sys.exit(main())
