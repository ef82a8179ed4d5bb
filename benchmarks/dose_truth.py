# SPDX-License-Identifier: GPL-3.0-or-later
"""Accuracy of the doses that `tomoscore dose` suggests, on simulated tilt series.

Simulated tilt series of random specimens are written as stacks with angles and doses, and analysed.
At every step the true TomoScore of the unweighted cumulative reconstruction is computed from the
specimen; its maximum is the true optimum. No parameter of the analysis was fitted to these series,
but its rule for "still rising" was chosen in view of them.

Specimens are filled slabs of 80 to 160 nm. Series have 41 views from -60 to +60 degrees,
dose-symmetric or bidirectional, a total dose of 100 to 600 e/A^2, and a residual misalignment of
1 nm. The kinds of series alternate:

- radiation damage only (Grant and Grigorieff 2015), at up to 600 e/A^2 ("damage") or at 40 to
  120 e/A^2 ("usual");
- mass loss: the contrast decreases as exp(-dose / 8 to 20 % of the total) ("mass loss");
- drift: from 20 to 50 % of the dose on, views are displaced at random, with a standard deviation
  that increases by 8 to 16 nm per tenth of the total dose ("drift"), or blurred as much ("blur").

A true optimum is inside if the truth at the last view is at least 0.1 octave lower. A series is
still rising if the true maximum is in the last tenth of the dose. Other series are flat at the end.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import torch

from tomoscore_scipion.dose.analyse import analyse
from tomoscore_scipion.dose.analysis import STILL_RISING
from tomoscore_scipion.dose.measure import Settings, measure
from tomoscore_scipion.dose.series_files import read_series
from tomoscore_scipion.dose.slices import ViewSlices
from tomoscore_scipion.dose.subsets import cumulative
from tomoscore_scipion.model.aggregation import weighted_curve
from tomoscore_scipion.model.sampling import SlicePlan
from tomoscore_scipion.model.scorer import Scorer
from tomoscore_scipion.records.bands import tomoscore
from tomoscore_scipion.records.dose_source_files import Sources
from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.recipe import Recipe
from tomoscore_scipion.simulation.specimen import Specimen, random_specimen
from tomoscore_scipion.simulation.stack import Ageing, Stack, take_stack
from tomoscore_scipion.simulation.truth import plane_density, tile_content, tile_curves

KINDS = ("mass loss", "drift", "blur", "damage", "mass loss", "drift", "blur", "usual")
INSIDE_DROP = 0.1
LAST_FRACTION = 0.9
FILLED_VARIANCE = 0.02
GENERATOR = 88


def main(argv: list[str] | None = None) -> int:
    """Simulate, analyse, print the table; returns the exit status."""
    args = _parse(argv)
    scorer = Scorer.load(args.weights, args.device)
    finished = _read(args.keep, scorer)
    for seed in range(args.seed, args.seed + args.series):
        if seed not in finished:
            finished[seed] = compare(seed, scorer, args.field)
            if args.keep:
                with open(args.keep, "a", encoding="utf-8") as file:
                    file.write(json.dumps(finished[seed]) + "\n")
        print(_row(finished[seed]), file=sys.stderr, flush=True)
    rows = [finished[seed] for seed in range(args.seed, args.seed + args.series)]
    print(summary_text(rows, scorer))
    return 0


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--series", type=int, default=20, help="how many (default: %(default)s)")
    add("--seed", type=int, default=0, help="seed of the first one (default: %(default)s)")
    add("--field", type=int, default=192, help="pixels of 1.5 nm across (default: %(default)s)")
    add("--keep", metavar="FILE", help="keep finished series in this file, and go on from it")
    add("--weights", metavar="FILE", help="weights to measure (default: those shipped)")
    add("--device", default="auto", metavar="auto|cpu|cuda:N")
    return parser.parse_args(argv)


def _read(path: str | None, scorer: Scorer) -> dict[int, dict[str, Any]]:
    if not path or not Path(path).exists():
        return {}
    rows = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return {row["seed"]: row for row in rows if row["sha256"] == scorer.model["sha256"]}


def draw(seed: int) -> tuple[np.random.Generator, str, Recipe, Ageing]:
    """Kind, recipe and ageing of a series, and the generator for the rest of it."""
    rng = np.random.default_rng([GENERATOR, seed])
    kind = KINDS[seed % len(KINDS)]
    low, high = {"usual": (40, 120), "damage": (300, 600)}.get(kind, (100, 600))
    total = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    recipe = Recipe(
        total_dose=total,
        order=str(rng.choice(["dose_symmetric", "dose_symmetric", "bidirectional"])),
        misalignment_nm=1.0,
        defocus_nm=float(rng.uniform(3000, 7000)),
        quantum_efficiency=float(np.exp(rng.uniform(np.log(0.05), np.log(0.5)))),
    )
    onset = float(rng.uniform(0.2, 0.5)) * total
    strength = float(rng.uniform(8.1, 16.2)) * 1000 / total  # nm per 100 e/A^2
    ageing = {
        "mass loss": Ageing(mass_loss_dose=float(rng.uniform(0.08, 0.2)) * total),
        "drift": Ageing(drift_onset=onset, drift_nm=strength),
        "blur": Ageing(drift_onset=onset, blur_nm=strength),
    }.get(kind, Ageing())
    return rng, kind, recipe, ageing


def filled_specimen(rng: np.random.Generator, grid: Grid) -> Specimen:
    """A random specimen with enough content for the score to depend on image quality."""
    while True:
        specimen = random_specimen(rng, grid, ("contamination",), (80.0, 160.0), empty=False)
        if float(specimen.density.var()) >= FILLED_VARIANCE:
            return specimen


def compare(seed: int, scorer: Scorer, field: int) -> dict[str, Any]:
    """The true curve of a series, and the results of its analysis.

    Args:
        seed: seed of the series.
        scorer: the network.
        field: edge of the field of view in pixels.
    """
    rng, kind, recipe, ageing = draw(seed)
    specimen = filled_specimen(rng, Grid(field))
    stack = take_stack(rng, specimen, recipe, ageing)
    n_z = round(specimen.density.shape[0] * 1.3)
    with tempfile.TemporaryDirectory() as folder:
        sources = write_series(Path(folder), stack, n_z * stack.pixel_nm)
        series = read_series(sources)
        steps = cumulative(series.tilts.angles_deg, series.exposures, len(series.tilts.views))
        truth: list[np.ndarray] = []
        content: list[np.ndarray] = []
        planes: list[int] = []

        weights = torch.from_numpy(np.stack([step.weights for step in steps])).float()

        def look(plan: SlicePlan, views: ViewSlices) -> None:
            height = (plan.z - (n_z - 1) / 2) * stack.pixel_nm
            planes.append(plan.z)
            if len(planes) % 2 == 0 or abs(height) >= specimen.slab_nm[1]:
                return  # the truth of every other slice is enough
            density = plane_density(specimen.density, height, stack.pixel_nm, stack.pixel_nm)
            centres = (weights @ views.centre.flatten(1)).reshape(-1, *views.centre.shape[1:])
            curves = [tile_curves(image, density, specimen.grid) for image in centres]
            plane_content = tile_content(density, specimen.grid, stack.pixel_nm).numpy()
            truth.append(np.stack([curve.numpy() for curve in curves]))
            content.append(plane_content.reshape(-1, plane_content.shape[-1]))

        measured = measure(series, scorer, Settings(n_z * stack.pixel_nm), look=look)
    result = analyse(measured, scorer.card["interval"])
    true = true_scores(truth, content)
    network = [step["tomoscore_network"] for step in result.steps]
    doses = [step["dose"] for step in result.steps]
    return {
        "seed": seed,
        "kind": kind,
        "order": recipe.order,
        "total": doses[-1],
        "thickness_nm": round(specimen.ice_nm, 1),
        "dose": doses,
        "true": [round(float(score), 4) for score in true],
        "found": [step["tomoscore"] for step in result.steps],
        "network": network,
        "optimum": doses[result.optimum.step],
        "range": None
        if result.optimum.steps_within is None
        else [doses[step] for step in result.optimum.steps_within],
        "reason": result.optimum.reason,
        "sha256": scorer.model["sha256"],
    }


def write_series(folder: Path, stack: Stack, thickness_nm: float) -> Sources:
    """Write the files of a simulated series: stack, angles and doses."""
    path, tlt, doses = (folder / f"series.{suffix}" for suffix in ("mrc", "tlt", "txt"))
    mrcfile.write(path, stack.counts.numpy(), voxel_size=10 * stack.pixel_nm)
    scheme = stack.scheme
    tlt.write_text("".join(f"{angle:.2f}\n" for angle in scheme.tilts_deg.tolist()))
    doses.write_text(
        "".join(f"{dose:.4f} {scheme.dose_per_view:.4f}\n" for dose in scheme.dose_before.tolist())
    )
    return Sources("series", str(path), None, str(tlt), str(doses), thickness_nm=thickness_nm)


def true_scores(truth: list[np.ndarray], content: list[np.ndarray]) -> np.ndarray:
    """True TomoScore of every step, (n_steps,).

    Args:
        truth: of each slice (n_steps, tiles, tiles, N_BANDS).
        content: of each slice (tiles x tiles, N_BANDS).
    """
    steps = np.concatenate([t.reshape(len(t), -1, t.shape[-1]) for t in truth], axis=1)
    content_of_tiles = np.concatenate(content)
    return tomoscore(np.stack([weighted_curve(curves, content_of_tiles) for curves in steps]))


def truth_of(row: dict[str, Any]) -> tuple[float, str]:
    """True optimum, e/A^2, and its kind: "inside", "rising" or "flat"."""
    true = np.array(row["true"])
    best = int(true.argmax())
    dose = row["dose"][best]
    if true[best] - true[-1] >= INSIDE_DROP:
        return dose, "inside"
    return dose, "rising" if dose >= LAST_FRACTION * row["total"] else "flat"


def says_rising(row: dict[str, Any]) -> bool:
    """Whether the analysis reports that the curve is still rising, or flat, at the last view."""
    return (row["reason"] or "").startswith(STILL_RISING)


def _row(row: dict[str, Any]) -> str:
    dose, state = truth_of(row)
    said = "rising" if says_rising(row) else "inside" if row["range"] else "undecided"
    span = "-" if not row["range"] else f"{row['range'][0]:.0f}-{row['range'][1]:.0f}"
    true = np.array(row["true"])
    lost = true.max() - true[row["dose"].index(row["optimum"])]
    return (
        f"{row['seed']:4d} {row['kind']:9} {row['order']:14} {row['total']:5.0f} "
        f"{dose:7.0f} {state:6} {row['optimum']:7.0f} {said:9} {span:>9} "
        f"{row['optimum'] / dose - 1:+6.2f} {lost:5.2f} {true.max():5.2f} {max(row['found']):5.2f}"
    )


def summary_text(rows: list[dict[str, Any]], scorer: Scorer) -> str:
    """The truth table and its figures."""
    head = (
        f"{'seed':>4} {'kind':9} {'order':14} {'total':>5} {'optimum':>7} {'true':6} "
        f"{'said':>7} {'said':9} {'range':>9} {'error':>6} {'lost':>5} {'best':>5} {'said':>5}"
    )
    lines = [f"{scorer.model['name']} {scorer.model['version']}", "", head]
    lines += [_row(row) for row in rows]
    states = [truth_of(row)[1] for row in rows]
    inside = [row for row, state in zip(rows, states) if state == "inside"]
    rising = [row for row, state in zip(rows, states) if state == "rising"]
    decided = [row for row in inside if row["range"]]
    errors = [abs(row["optimum"] / truth_of(row)[0] - 1) for row in inside]
    naive = [abs(_network_optimum(row) / truth_of(row)[0] - 1) for row in inside]
    undecided = sum(not row["range"] and not says_rising(row) for row in rows)
    n_rising = sum(map(says_rising, rising))
    n_wrongly_rising = sum(map(says_rising, inside))
    n_contained = sum(row["range"][0] <= truth_of(row)[0] <= row["range"][1] for row in decided)
    lines += [
        "",
        f"series                                              {len(rows)}",
        f"  true optimum inside                               {len(inside)}",
        f"  truth still rising                                {len(rising)}",
        f"  truth flat at the end                             {states.count('flat')}",
        f"median relative error of the optimum, inside        {_median(errors):.2f}",
        f"  of those with a suggested range                   "
        f"{_median([abs(r['optimum'] / truth_of(r)[0] - 1) for r in decided]):.2f} "
        f"({len(decided)})",
        f"  of the network's scores alone                     {_median(naive):.2f}",
        f"suggested range holds the true optimum              {n_contained} of {len(decided)}",
        f"still rising said where it is                       {n_rising} of {len(rising)}",
        f"still rising said where the optimum is inside       {n_wrongly_rising} of {len(inside)}",
        f"undecided                                           {undecided} of {len(rows)}",
    ]
    return "\n".join(lines)


def _network_optimum(row: dict[str, Any]) -> float:
    """The dose at which the network alone gives its highest score."""
    scored = [
        (score, dose) for score, dose in zip(row["network"], row["dose"]) if score is not None
    ]
    return float(max(scored)[1])


def _median(values: list[float]) -> float:
    return float(np.median(values)) if values else float("nan")


if __name__ == "__main__":
    sys.exit(main())
