# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare scores of real images with the estimates of a reader.

FOLDER has tomograms or single slices as MRC files, NAME.mrc. The table has the columns "name",
"kind", such as "raw" or "denoised", and "reader_estimate", the TomoScore that a reader expects from
the picture (empty without an estimate). The first word of a kind, up to a space or "/", is its
group.

Printed are the scores, the rank correlation, bias and error of each group, how often the 90 %
interval contains the estimate, how many of the --pairs are in order, and with --changes how much
the scores change under transformations that must not change them.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tomoscore_scipion.benchmark.figures import constant_error, rank_correlation
from tomoscore_scipion.benchmark.invariances import CHANGES
from tomoscore_scipion.engine import Scorer
from tomoscore_scipion.model.tiles import TILE_NM
from tomoscore_scipion.reading.volume import open_volume
from tomoscore_scipion.records.errors import TomoScoreError

COLUMNS = ("name", "kind", "reader_estimate")
"""Columns of the table."""
READERS_ERROR = 0.5
"""Accuracy of an estimate from a picture, octaves."""
NOTICEABLE = 0.3
"""Changes of a score that are larger than this are counted, octaves."""


@dataclass(frozen=True)
class Image:
    """A real image with its score.

    Attributes:
        name: name of the file without extension.
        kind: group, such as "raw" or "denoised".
        estimate: the reader's estimate, octaves; None without one.
        score: TomoScore, octaves.
        interval: 90 % interval of the score.
        width_nm: width of the field, the smaller one of x and y.
    """

    name: str
    kind: str
    estimate: float | None
    score: float
    interval: tuple[float, float]
    width_nm: float


def main(argv: list[str] | None = None) -> int:
    """Score, compare, print; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of the images, NAME.mrc")
    parser.add_argument("table", type=Path, help='CSV with "name", "kind" and "reader_estimate"')
    parser.add_argument("--weights", type=Path, help="other weights than those that ship")
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--pairs", nargs="+", default=[], metavar="WORSE:BETTER", help="names in a known order"
    )
    parser.add_argument("--changes", action="store_true", help="also transform each image")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the scores")
    args = parser.parse_args(argv)
    with args.table.open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        rows, lacking = list(table), [c for c in COLUMNS if c not in (table.fieldnames or ())]
    if lacking:
        parser.error(
            f"{args.table}: expected the columns {', '.join(COLUMNS)}; it lacks {lacking[0]}"
        )
    try:
        pairs = known_pairs(args.pairs, {row["name"] for row in rows})
    except ValueError as error:
        parser.error(f"argument --pairs: {error}")
    try:
        scorer = Scorer.load(args.weights, args.device)
        images = [scored(scorer, args.folder, row) for row in rows]
    except TomoScoreError as error:
        print(f"real_images: {error}", file=sys.stderr)
        return 1
    print(listing(images))
    print(report(images))
    if pairs:
        print(order_report(images, pairs))
    if args.changes:
        print(change_report(scorer, args.folder, images))
    if args.json:
        args.json.write_text(json.dumps([vars(i) for i in images], indent=1) + "\n")
    return 0


def scored(scorer: Scorer, folder: Path, row: dict[str, Any]) -> Image:
    """Score the image of a row of the table."""
    record = scorer.score(folder / f"{row['name']}.mrc")
    assert record.tomoscore is not None and record.tomoscore_interval is not None
    estimate = float(row["reader_estimate"]) if row["reader_estimate"] else None
    kind = re.split(r"[ /]", row["kind"])[0]
    assert record.shape_zyx is not None and record.voxel_size_angstrom is not None
    width_nm = min(record.shape_zyx[1:]) * record.voxel_size_angstrom / 10
    interval = record.tomoscore_interval
    return Image(row["name"], kind, estimate, record.tomoscore, interval, round(width_nm, 1))


def listing(images: list[Image]) -> str:
    """A line for each image, as text."""
    lines = [f"{'':24} {'kind':10} {'width':>7} {'estimate':>8} {'score':>5}  90 % interval"]
    for image in images:
        estimate = "-" if image.estimate is None else f"{image.estimate:.2f}"
        low, high = image.interval
        lines.append(
            f"{image.name:24} {image.kind:10} {image.width_nm:4.0f} nm {estimate:>8} "
            f"{image.score:5.2f}  {low:.2f} to {high:.2f}"
        )
    return "\n".join([*lines, ""])


def report(images: list[Image]) -> str:
    """Accuracy of each group, and coverage of the intervals, as text."""
    estimated = [image for image in images if image.estimate is not None]
    lines = [f"{len(estimated)} images with an estimate", ""]
    lines.append(
        f"{'':12} {'images':>6} {'rank':>6} {'bias':>6} {'error':>6} {'of a constant':>14}"
    )
    for kind in sorted({image.kind for image in estimated}):
        members = [image for image in estimated if image.kind == kind]
        lines.append(f"{kind:12} {accuracy(members)}")
    lines += [f"{'all':12} {accuracy(estimated)}", ""]
    inside, near = (share_inside(estimated, margin) for margin in (0.0, READERS_ERROR))
    width = np.median([image.interval[1] - image.interval[0] for image in images])
    lines.append(
        f"the 90 % interval contains the estimate in {inside:.0%}, or half an octave beside it in "
        f"{near:.0%}; median width {width:.1f} octaves"
    )
    return "\n".join(lines)


def accuracy(images: list[Image]) -> str:
    """Number, rank correlation of three or more, bias, error, error of a constant, as text."""
    score = np.array([image.score for image in images])
    estimate = np.array([image.estimate for image in images], dtype=float)
    error = score - estimate
    rank = f"{rank_correlation(score, estimate):.2f}" if len(images) > 2 else "-"
    return (
        f"{len(images):6} {rank:>6} {error.mean():+6.2f} "
        f"{np.abs(error).mean():6.2f} {constant_error(estimate):14.2f}"
    )


def share_inside(images: list[Image], margin: float) -> float:
    """Fraction of the images whose interval, widened on both sides, contains the estimate."""
    inside = [
        image.interval[0] - margin <= image.estimate <= image.interval[1] + margin
        for image in images
        if image.estimate is not None
    ]
    return float(np.mean(inside))


def known_pairs(pairs: list[str], names: set[str]) -> list[tuple[str, str]]:
    """The names (worse, better) of pairs WORSE:BETTER.

    Raises:
        ValueError: a pair is not two names of the table.
    """
    split = []
    for pair in pairs:
        worse, colon, better = pair.partition(":")
        unknown = [name for name in (worse, better) if name not in names]
        if not colon or unknown:
            raise ValueError(
                f"expected WORSE:BETTER with names of the table, found {pair!r}; unknown: "
                + ", ".join(map(repr, unknown))
            )
        split.append((worse, better))
    return split


def order_report(images: list[Image], pairs: list[tuple[str, str]]) -> str:
    """Number of pairs (worse, better) in order, and those that are not, as text."""
    score = {image.name: image.score for image in images}
    wrong = [f"{worse}:{better}" for worse, better in pairs if score[worse] >= score[better]]
    text = f"{len(pairs) - len(wrong)} of {len(pairs)} pairs in order"
    return text + (f"; not in order: {' '.join(wrong)}" if wrong else "")


def change_report(scorer: Scorer, folder: Path, images: list[Image]) -> str:
    """Changes of the score under transformations that must not change it, as text."""
    changed: dict[str, list[float]] = {name: [] for name in CHANGES}
    for number, image in enumerate(images, start=1):
        print(f"{number}/{len(images)}: {image.name}", file=sys.stderr, flush=True)
        with open_volume(folder / f"{image.name}.mrc") as volume:
            voxel = volume.voxel_size_angstrom
            planes = [volume.read_slice(z) for z in range(volume.shape_zyx[0])]
        stack = np.stack(planes).astype(np.float32)
        for name, change in CHANGES.items():
            record = scorer.score(np.ascontiguousarray(change(stack)), voxel)
            assert record.tomoscore is not None
            changed[name].append(abs(record.tomoscore - image.score))
    wide = [image.width_nm >= TILE_NM for image in images]
    titles = (
        "median",
        "largest",
        f"over {NOTICEABLE:g}",
        f"largest of {sum(wide)} fields >= {TILE_NM:g} nm",
    )
    lines = ["", f"{'change of the score, octaves':28} " + " ".join(titles)]
    for name, values in changed.items():
        over = sum(value > NOTICEABLE for value in values)
        largest = max((v for v, is_wide in zip(values, wide) if is_wide), default=float("nan"))
        lines.append(
            f"{name:28} {np.median(values):6.2f} {max(values):7.2f} {over:8} {largest:7.2f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
