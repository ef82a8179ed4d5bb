# SPDX-License-Identifier: GPL-3.0-or-later
"""Reconstruct a real tilt series of a cell, and score it before and after degradations.

At the end, the score is measured from half maps of odd and even tilts, and printed beside the
prediction.

The series is EMPIAR-10499, tilt series 00254, from the source distribution of warpylib (MIT
licence): 41 images of 630 x 652 pixels, 10 A per pixel, -60 to +60 degrees, with its alignment.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any, Iterator, Mapping

import mrcfile
import numpy as np

from tomoscore_scipion.benchmark.halves import (
    measured_curve,
    noise_free_series,
    split_ceiling,
    wedge_factor,
)
from tomoscore_scipion.engine import Scorer
from tomoscore_scipion.records.bands import fraction_below_nyquist, tomoscore
from tomoscore_scipion.records.errors import TomoScoreError
from tomoscore_scipion.records.halves_block import MEASURED, scores_over_measured
from tomoscore_scipion.records.job import Tomogram
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.table import make_table
from tomoscore_scipion.running.scoring import Scoring
from tomoscore_scipion.tomography.tilt_series import (
    TiltSeries,
    random_shifts,
    read_imod_series,
    reconstruct,
)

PACKAGE = "warpylib-1.1.2"
REQUIREMENT = (
    "warpylib==1.1.2 "
    "--hash=sha256:431bc6c81ea87f6bd6ac0dfa0358fa456d477098c0fcad70504b584ff2d1e4e8\n"
)
FILES = {
    "testdata/00254.stack.mrc": "11b43b68f1a9efa4321d9448481e2a13420079ab21f75b777563f81378aedd19",
    "testdata/xf_import/00254.xf": (
        "f8441b993c5e494ac4aa3c0a1ec61bb0c90065397546f6172ba82eef75c89902"
    ),
    "testdata/xf_import/00254.tlt": (
        "629c0e424b6e6026814032c9ecde54d667765017732be9e2e356eb3a679564c7"
    ),
}
"""Files that are used of the source distribution, with their sha256."""

HALVES_ANGSTROM = 10.0
THINNED = (2, 4, 8)
CENTRAL_SLICES = 40
"""Number of slices of the half tomograms, inside the cell."""
WEDGE_SEEDS = range(12)
"""Seeds of the specimens for the effect of the missing wedge."""
SHIFTS_NM = (5.0, 10.0, 20.0)


def main(argv: list[str] | None = None) -> int:
    """Run the demonstration; returns the exit status."""
    args = parse(argv)
    try:
        scorer = Scorer.load(weights=args.weights, device=args.device)
        series = fetch_series(args.folder)
        path = args.folder / f"00254_{args.voxel_size:g}A.mrc"
        write(path, tomogram_of(series, args), args.voxel_size)
        print(f"{path}: reconstructed from {len(series.views)} views, protein dark\n")
        scores = [scorer.score(path)]
        print(f"{'resolvability in the octaves from 128 nm':45}", *curve_of(scores[0].curve))
        for name, worse in ladders(series, args.ladders):
            tomogram = tomogram_of(worse, args)
            scores.append(scorer.score(tomogram, voxel_size_angstrom=args.voxel_size, ts_id=name))
            print(f"{name:45}", *curve_of(scores[-1].curve), flush=True)
        print("\n" + make_table(scores), end="")
        print_measured(series, args, scorer, path)
        if args.halves:
            compare_halves(series, args, scores[0])
    except (TomoScoreError, subprocess.CalledProcessError) as error:
        print(f"demo_real: {error}", file=sys.stderr)
        return 1
    return 0


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="for the download (67 MB) and the tomograms")
    parser.add_argument("--voxel-size", type=float, default=20.0, metavar="A")
    parser.add_argument("--thickness", type=float, default=2000.0, metavar="A")
    parser.add_argument(
        "--ladders",
        nargs="*",
        choices=("tilts", "shifts"),
        default=("tilts", "shifts"),
        help="degrade by fewer tilts, by more misalignment (default: both; no value: neither)",
    )
    parser.add_argument(
        "--halves",
        action="store_true",
        help="also compare with halves at 10 A and simulated effects of the missing wedge",
    )
    parser.add_argument("--weights", type=Path, help="other weights than those that ship")
    parser.add_argument("--device", default="auto")
    return parser.parse_args(argv)


def fetch_series(folder: Path) -> TiltSeries:
    """Read the series, which is downloaded unless it is in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / Path(name).name for name in FILES]
    if not all(map(is_sound, paths, FILES.values())):
        download(folder)
    stack, xf, tlt = paths
    return read_imod_series(stack, xf, tlt)


def download(folder: Path) -> None:
    """Download the source distribution, and extract the required files."""
    print("Downloading the tilt series ...", flush=True)
    # pip checks the hash before it opens the archive and runs its build for the metadata.
    requirements = folder / "requirements.txt"
    requirements.write_text(REQUIREMENT, encoding="ascii")
    options = ["--quiet", "--no-deps", "--no-binary", ":all:", "--require-hashes"]
    subprocess.run(
        [sys.executable, "-m", "pip", "download", *options]
        + ["--requirement", str(requirements), "--dest", str(folder)],
        check=True,
    )
    archive = folder / f"{PACKAGE}.tar.gz"
    with tarfile.open(archive) as tar:
        for name, sha256 in FILES.items():
            path = folder / Path(name).name
            source = tar.extractfile(f"{PACKAGE}/{name}")
            assert source is not None
            with open(path, "wb") as target:
                shutil.copyfileobj(source, target)
            if not is_sound(path, sha256):
                raise TomoScoreError(f"{path}: expected sha256 {sha256}, found another one")
    archive.unlink()
    requirements.unlink()


def is_sound(path: Path, sha256: str) -> bool:
    """Whether a file exists and has this sha256."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def ladders(series: TiltSeries, names: list[str]) -> Iterator[tuple[str, TiltSeries]]:
    """Degraded versions of a series, in increasing strength, each with its name."""
    if "tilts" in names:
        for step in THINNED:
            thinned = series.select(slice(None, None, step))
            yield f"every {step}th tilt ({len(thinned.views)})".replace("2th", "2nd"), thinned
    if "shifts" in names:
        for sigma_nm in SHIFTS_NM:
            shifts = random_shifts(len(series.views), 10.0 * sigma_nm)
            yield f"random shifts, sigma {sigma_nm:g} nm", series.shifted(shifts)
        yield "no shift alignment", series.without_shifts()


def tomogram_of(series: TiltSeries, args: argparse.Namespace) -> np.ndarray:
    """Reconstruct with the parameters of the command line, shape (z, y, x)."""
    return reconstruct(series, args.voxel_size, args.thickness)


def curve_of(curve: Mapping[str, Any] | None) -> list[str]:
    """Resolvability per band as text; a dash where there is none."""
    assert curve is not None
    return ["   -" if value is None else f"{value:.2f}" for value in curve["resolvability"]]


def print_measured(
    series: TiltSeries, args: argparse.Namespace, scorer: Scorer, path: Path
) -> None:
    """Print the score measured from half maps of alternate views beside the predicted one."""
    half1, half2 = map(str, write_halves(series, args, args.voxel_size))
    item = Tomogram(path.stem, str(path), None, None, half1, half2)
    record = Scoring().process(scorer, item, lambda done, total: None)
    print("\n" + make_table([record]))
    assert record.halves is not None
    if record.halves["status"] != MEASURED:
        print(f"The half maps are refused: {record.halves['error']}")
        return
    scores = scores_over_measured(record)
    assert scores is not None
    predicted, measured = scores
    print(f"{'predicted R':45}", *curve_of(record.curve))
    print(f"{'measured R, ' + record.halves['kind']:45}", *curve_of(record.halves["curve"]))
    low, high = record.halves["interval"]
    print(
        f"octaves from 128 to 16 nm: predicted {predicted:.2f}, measured {measured:.2f} "
        f"(90 % interval {low:.2f} to {high:.2f})"
    )


def write_halves(series: TiltSeries, args: argparse.Namespace, voxel_size: float) -> list[Path]:
    """Reconstruct and write the tomograms of odd and even views; returns their paths."""
    paths = []
    for first, name in enumerate(("odd", "even")):
        paths.append(args.folder / f"00254_{voxel_size:g}A_{name}.mrc")
        half = series.select(slice(first, None, 2))
        write(paths[-1], reconstruct(half, voxel_size, args.thickness), voxel_size)
        print(f"{paths[-1]}: {len(half.views)} {name} views")
    return paths


def compare_halves(series: TiltSeries, args: argparse.Namespace, score: Score) -> None:
    """Print the score of half tomograms at 10 A, with simulated effects of the missing wedge."""
    halves = [mrcfile.read(path) for path in write_halves(series, args, HALVES_ANGSTROM)]
    middle = (len(halves[0]) - CENTRAL_SLICES) // 2
    odd, even = (half[middle : middle + CENTRAL_SLICES] for half in halves)
    step = float(np.median(np.diff(np.sort(series.angles_deg))))
    tilts = float(np.abs(series.angles_deg).max()), step
    reached = [(wedge_factor(s), split_ceiling(s)) for s in noise_free_series(*tilts, WEDGE_SEEDS)]
    factors, ceilings = map(np.stack, zip(*reached))
    voxel_nm = HALVES_ANGSTROM / 10
    below_nyquist = fraction_below_nyquist(voxel_nm)
    curves = measured_curve(odd, even, voxel_nm, factors)
    curve, by_specimen = curves.mean(axis=0), tomoscore(curves, below_nyquist)
    rows = (
        ("predicted", curve_of(score.curve)),
        ("by the halves", [f"{r:.2f}" for r in curve]),
        ("C that noise-free halves would have", [f"{c:.2f}" for c in ceilings.mean(axis=0)]),
    )
    for name, row in rows:
        print(f"{name:45}", *row)
    print(
        f"TomoScore {score.tomoscore:.2f}; from the halves "
        f"{float(tomoscore(curve, below_nyquist)):.2f}, or {by_specimen.min():.2f} to "
        f"{by_specimen.max():.2f}, depending on the specimen"
    )


def write(path: Path, tomogram: np.ndarray, voxel_size_angstrom: float) -> None:
    """Write a tomogram (z, y, x) as float32 .mrc."""
    mrcfile.write(path, tomogram, overwrite=True, voxel_size=voxel_size_angstrom)


if __name__ == "__main__":
    sys.exit(main())
