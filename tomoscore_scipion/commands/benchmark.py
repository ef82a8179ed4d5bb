# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore benchmark`: accuracy of the score on tomograms with known truth."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from typing import Any, Iterable, Iterator

import numpy as np

from tomoscore_scipion.benchmark.degradations import ladders
from tomoscore_scipion.benchmark.drawing import draw
from tomoscore_scipion.benchmark.figures import constant_error, figures_of, rank_correlation
from tomoscore_scipion.benchmark.fresh import compare, fresh_tomograms
from tomoscore_scipion.benchmark.invariances import deviations, figures_of_deviations
from tomoscore_scipion.benchmark.noise_only import noise_volumes, reconstructed_noise
from tomoscore_scipion.benchmark.phantoms import VOXEL_NM, phantoms
from tomoscore_scipion.benchmark.summary_text import summary_text
from tomoscore_scipion.model.scorer import Scorer
from tomoscore_scipion.records.line_file import write_file
from tomoscore_scipion.records.output_paths import check_outputs
from tomoscore_scipion.simulation.recipe import ordinary_recipe
from tomoscore_scipion.simulation.worlds import WORLDS

CHANGED_CASES = 6
"""Fresh tomograms that are turned, flipped and re-binned."""


def main(args: Namespace) -> int:
    """Measure and print; returns the exit status.

    Raises:
        StartError: the weights or the device cannot be used, or a file cannot be written.
    """
    check_outputs([args.json, args.plot], [args.weights])
    scorer = Scorer.load(args.weights, args.device)
    seeds = range(args.seed, args.seed + args.specimens)
    cases = fresh_tomograms(seeds, args.acquisitions)
    total = len(seeds) * args.acquisitions
    result = compare(scorer, _counted(cases, total))
    figures: dict[str, Any] = {"model": scorer.model, **figures_of(result)}
    if args.plot:
        draw(result, args.plot)
    if "ordinary" in args.parts:
        ordinary = fresh_tomograms(seeds, args.acquisitions, draw=ordinary_recipe)
        comparison = compare(scorer, _counted(ordinary, total, "ordinary tomograms"))
        figures["ordinary"] = figures_of(comparison)
    if "old_world" in args.parts:
        old = fresh_tomograms(seeds, args.acquisitions, world=WORLDS[0])
        comparison = compare(scorer, _counted(old, total, "tomograms of the old world"))
        figures["old_world"] = figures_of(comparison)
    if "nulls" in args.parts:
        volumes = (*noise_volumes(args.seed), *reconstructed_noise(args.seed))
        figures["nulls"] = {
            name: scorer.score(volume, 15.0).tomoscore
            for name, volume in _counted(volumes, len(volumes), "nothing")
        }
    if "phantoms" in args.parts:
        figures["phantoms"] = _phantom_figures(scorer, args)
    if "invariances" in args.parts:
        some = fresh_tomograms(seeds[:CHANGED_CASES], 1)
        figures["invariances"] = figures_of_deviations(
            deviations(scorer, _counted(some, CHANGED_CASES, "turned and re-binned"))
        )
    if "degradations" in args.parts:
        worse = _counted(seeds[: args.ladders], args.ladders, "degraded")
        figures["degradations"] = ladders(scorer, worse)
    print(summary_text(figures))
    if args.json:
        write_file(args.json, json.dumps(figures, indent=1) + "\n")
    return 0


def _counted(cases: Iterable, total: int, what: str = "fresh tomograms") -> Iterator:
    for number, case in enumerate(cases, start=1):
        print(f"{what} {number}/{total}", file=sys.stderr, flush=True)
        yield case


def _phantom_figures(scorer: Scorer, args: Namespace) -> dict[str, dict[str, float]]:
    figures = {}
    seeds = range(args.seed, args.seed + args.phantoms)
    for noise, correlated in (("white noise", False), ("correlated noise", True)):
        scores, truths = [], []
        for case in _counted(phantoms(seeds, correlated), len(seeds), f"phantoms, {noise}"):
            scores.append(scorer.score(case.stack, 10 * VOXEL_NM).tomoscore)
            truths.append(case.truth)
        predicted, truth = np.array(scores, dtype=float), np.array(truths)
        figures[noise] = {
            "phantoms": len(predicted),
            "rank_correlation": round(rank_correlation(predicted, truth), 4),
            "mean_absolute_error": round(float(np.abs(predicted - truth).mean()), 4),
            "constant_predictor_error": round(constant_error(truth), 4),
            "bias": round(float((predicted - truth).mean()), 4),
        }
    return figures
