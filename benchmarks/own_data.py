# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the score that halves measure is from the true one, on simulated tomograms.

Tomograms of ordinary sessions; every second one is raw, the others may be post-processed. The
halves are as they were reconstructed. Prints the errors of the measured and of the predicted score,
for tomograms that are aligned to 1 nm and for others: halves of frames share their misalignment.

With --sessions, whole sessions of several worlds are simulated instead, and what a calibration, the
agreement and a threshold from examples are worth on tomograms that they have not seen is printed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

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
PLOTTED = "thick ice"


@dataclass(frozen=True)
class Case:
    """One tomogram: what is true, predicted and measured, octaves.

    Attributes:
        recipe: how it was made, in words.
        aligned: whether its misalignment is at most `ALIGNED_NM`.
        true: the true score, and over the octaves that halves by tilt measure.
        predicted: the predicted score.
        measured: by halves of frames and by halves of tilts; None where they are refused.
        held: whether the intervals of prediction, frames and tilts hold the true score.
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
    parser.add_argument("--held-out", type=int, default=8, help="tomograms of known truth")
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
    made = {w.name: sessions.session(w, count, scorer, args.sessions) for w in sessions.WORLDS}
    sessions.print_report(made, args.learned_from)
    if args.plots:
        found = sessions.outcome_of(made[PLOTTED], "by_frame", args.learned_from)
        for name, records in zip(("before", "after"), found.records):
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
    taken = Microscope(specimen).acquire(rng, recipe, HEADROOM, halves=True)
    planes, curves, content = tomogram(rng, taken)
    size = round(10 * taken.voxel_nm, 4)
    truth = truth_summary(curves.numpy(), content.numpy(), taken.slab_z(), size)
    with tempfile.TemporaryDirectory() as folder:
        records = [
            record_of(scorer, Path(folder), planes, halves, size) for halves in halves_of(taken)
        ]
    coarse = [*truth["curve"]["resolvability"][:3], *[0.0] * (N_BANDS - 3)]
    true_by_tilt = float(tomoscore(np.array(coarse)))
    by_frame, by_tilt = (record.halves["tomoscore"] for record in records)
    return Case(
        f"{recipe.post}, CTF {recipe.ctf_correction}, misaligned {recipe.misalignment_nm:.1f} nm",
        is_aligned(taken),
        (truth["tomoscore"], true_by_tilt),
        records[0].tomoscore,
        (by_frame, by_tilt),
        held_by(records, truth["tomoscore"], true_by_tilt),
    )


def held_by(records, true: float, true_by_tilt: float) -> tuple[bool, bool, bool]:
    """Whether the intervals of prediction, frames and tilts hold the true scores."""
    intervals = [records[0].tomoscore_interval, *(record.halves["interval"] for record in records)]
    pairs = zip(intervals, (true, true, true_by_tilt))
    held = [known is not None and known[0] <= value <= known[1] for known, value in pairs]
    return held[0], held[1], held[2]


def is_aligned(taken: Acquisition) -> bool:
    """Whether no fault of the alignment moves features by more than `ALIGNED_NM`."""
    recipe = taken.recipe
    faults = (recipe.misalignment_nm, recipe.drift_nm, recipe.unaligned_nm, recipe.local_motion_nm)
    steady = max(*faults, recipe.motion_blur_nm) <= ALIGNED_NM
    return steady and abs(recipe.axis_error_deg) < 0.5 and recipe.bad_tilts == 0


def halves_of(taken: Acquisition) -> tuple:
    """Halves of the electrons, and halves of the tilts."""
    heights = torch.arange(taken.n_z) - (taken.n_z - 1) / 2
    return taken.halves(heights), taken.halves_by_tilt(heights)


def record_of(scorer, folder: Path, planes, halves, size: float):
    """The record of a tomogram with these halves."""
    paths = []
    for name, volume in zip(("whole", "half1", "half2"), (planes, *halves)):
        paths.append(str(folder / f"{name}.mrc"))
        mrcfile.write(paths[-1], volume.numpy(), voxel_size=size, overwrite=True)
    item = Tomogram("simulated", paths[0], size, None, *paths[1:])
    return Scoring().do(scorer, item, lambda done, total: None)


def print_table(cases: list[Case]) -> None:
    """Median error, median bias, largest excess over the truth, and coverage of the intervals."""
    groups = {
        "aligned to 1 nm": [case for case in cases if case.aligned],
        "others": [case for case in cases if not case.aligned],
    }
    heads = f"{'median error':>13} {'bias':>6} {'largest excess':>15} {'held':>5}"
    print(f"{'':18} {'score':10} {'n':>3} {heads}")
    for title, group in groups.items():
        rows = {"predicted": [(c.predicted, c.true[0], c.held[0]) for c in group]}
        for i, kind in enumerate(KINDS):
            known = [c for c in group if c.measured[i] is not None]
            rows[kind] = [(c.measured[i], c.true[i], c.held[i + 1]) for c in known]
        for name, pairs in rows.items():
            if pairs:
                error = np.array([measured - true for measured, true, _ in pairs])
                held = np.mean([inside for _, _, inside in pairs])
                print(
                    f"{title:18} {name:10} {len(pairs):3d} {np.median(np.abs(error)):13.2f} "
                    f"{np.median(error):6.2f} {error.max():15.2f} {held:5.0%}"
                )
    for i, kind in enumerate(KINDS):
        print(f"refused, {kind}: {sum(case.measured[i] is None for case in cases)}")


if __name__ == "__main__":
    sys.exit(main())
