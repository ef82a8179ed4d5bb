# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore benchmark`: what the score is worth on tomograms whose truth is known."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any, Iterable, Iterator

import numpy as np

from tomoscore_scipion.engine.bands import N_BANDS, PERIODS_NM
from tomoscore_scipion.engine.scorer import Scorer

from .evaluate import rank_correlation
from .fresh import Case, Comparison, compare, fresh_tomograms
from .nulls import null_volumes

APART = 0.3
"""Pairs of tomograms of a specimen are judged when their truths differ by so many octaves."""


def main(args: Namespace) -> int:
    """Measure and print; returns the exit status.

    Raises:
        StartError: the weights or the device cannot be used.
    """
    scorer = Scorer.load(args.weights, args.device)
    seeds = range(args.seed, args.seed + args.specimens)
    cases = _counted(fresh_tomograms(seeds, args.acquisitions), len(seeds) * args.acquisitions)
    figures = {"model": scorer.model, **figures_of(compare(scorer, cases))}
    figures["nulls"] = {
        name: scorer.score(volume, 15.0).tomoscore for name, volume in null_volumes(args.seed)
    }
    print(as_text(figures))
    if args.json:
        Path(args.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def _counted(cases: Iterable[Case], total: int) -> Iterator[Case]:
    for number, case in enumerate(cases, start=1):
        print(f"[{number}/{total}] specimen {case.specimen}", file=sys.stderr, flush=True)
        yield case


def figures_of(result: Comparison) -> dict[str, Any]:
    """The figures of a comparison, rounded to four digits; errors in octaves."""
    error = result.found - result.truth
    inside = (result.low <= result.truth) & (result.truth <= result.high)
    figures = {
        "tomograms": len(error),
        "rank_correlation": rank_correlation(result.found, result.truth),
        "mean_absolute_error": np.abs(error).mean(),
        "constant_predictor_error": np.abs(result.truth - np.median(result.truth)).mean(),
        "bias": error.mean(),
        "better_half_auroc": auroc(result.found, result.truth > np.median(result.truth)),
        "pairs_in_order": pairs_in_order(result),
        "interval_coverage": inside.mean(),
        "interval_median_width": np.median(result.high - result.low),
        "slices": len(result.slice_found),
        "slice_rank_correlation": rank_correlation(result.slice_found, result.slice_truth),
        "slice_mean_absolute_error": np.abs(result.slice_found - result.slice_truth).mean(),
    }
    rounded: dict[str, Any] = {name: round(float(value), 4) for name, value in figures.items()}
    rounded["band_correlation"] = [
        round(band_correlation(result.curve_found[:, b], result.curve_truth[:, b]), 4)
        for b in range(N_BANDS)
    ]
    return rounded


def band_correlation(found: np.ndarray, truth: np.ndarray) -> float:
    """Pearson correlation of a band over the tomograms that carry it."""
    carried = np.isfinite(found) & np.isfinite(truth)
    return float(np.corrcoef(found[carried], truth[carried])[0, 1])


def auroc(score: np.ndarray, positive: np.ndarray) -> float:
    """Probability that a positive case scores higher than a negative one; ties count half."""
    above = score[positive][:, None] - score[~positive][None, :]
    return float((above > 0).mean() + 0.5 * (above == 0).mean())


def pairs_in_order(result: Comparison) -> float:
    """Share of the pairs of tomograms of one specimen, truths apart, that are in order."""
    true = result.truth[:, None] - result.truth[None, :]
    found = result.found[:, None] - result.found[None, :]
    judged = (result.specimen[:, None] == result.specimen[None, :]) & (true > APART)
    return float((found[judged] > 0).mean()) if judged.any() else float("nan")


def as_text(figures: dict[str, Any]) -> str:
    """The figures for people."""
    model = figures["model"]
    lines = [f"{model['name']} {model['version']}  sha256 {model['sha256'][:16]}", ""]
    for name, value in figures.items():
        if isinstance(value, (int, float)):
            lines.append(f"{name.replace('_', ' '):28} {value:g}")
    lines += ["", f"{'correlation per band':28} " + "  ".join(_band_names())]
    lines.append(" " * 29 + "  ".join(f"{value:7.3f}" for value in figures["band_correlation"]))
    lines += ["", "nulls (TomoScore of volumes with nothing in them)"]
    lines += [f"  {name:26} {value:.2f}" for name, value in figures["nulls"].items()]
    return "\n".join(lines)


def _band_names() -> list[str]:
    return [f"{f'{coarse:.0f}-{fine:.0f}':>7}" for coarse, fine in PERIODS_NM]
