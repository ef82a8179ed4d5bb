# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the score of a tomogram with the scores of its quarters, slices and reconstructions.

Quarters of a field are scored like separate tomograms; with --halves, the score of each one is also
measured from its half maps, over the octaves that these allow. A single slice shows the same
specimen as the volume around it, so that its score should be similar. Other reconstructions of
the same tilt series, for example at other voxel sizes, should have the same score.

For example, after `python scripts/demo_real.py FOLDER`:

python benchmarks/real_parts.py FOLDER/00254_20A.mrc
    --halves FOLDER/00254_20A_odd.mrc FOLDER/00254_20A_even.mrc
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Iterator

import mrcfile
import numpy as np

from tomoscore_scipion.engine import Scorer
from tomoscore_scipion.reading.volume import open_volume
from tomoscore_scipion.records.errors import TomoScoreError
from tomoscore_scipion.records.halves_block import scores_over_measured
from tomoscore_scipion.records.job import Tomogram
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.running.scoring import Scoring

SINGLE_SLICES = 6
"""Number of single slices, evenly distributed over the middle half of the slab."""
QUARTERS = {
    "quarter, low y, low x": (0, 0),
    "quarter, low y, high x": (0, 1),
    "quarter, high y, low x": (1, 0),
    "quarter, high y, high x": (1, 1),
}
"""Names of the quarters, with their position in y and x."""


def main(argv: list[str] | None = None) -> int:
    """Score all parts and print a table; returns the exit status."""
    args = parse(argv)
    half1, half2 = map(str, args.halves) if args.halves else (None, None)
    whole = Tomogram("whole", str(args.tomogram), None, None, half1, half2)
    try:
        scorer = Scorer.load(args.weights, args.device)
        print(f"{'':28} score  90 % interval", end="")
        print("  measured octaves: predicted, measured" if args.halves else "")
        with tempfile.TemporaryDirectory() as folder:
            record = scored(scorer, whole)
            assert record.slab_z is not None
            print(line(record))
            for part in parts(whole, record.slab_z, Path(folder)):
                print(line(scored(scorer, part)), flush=True)
        for path in args.others:
            print(line(scored(scorer, Tomogram(path.name, str(path), None, None, None, None))))
    except TomoScoreError as error:
        print(f"real_parts: {error}", file=sys.stderr)
        return 1
    return 0


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tomogram", type=Path)
    parser.add_argument("--halves", type=Path, nargs=2, help="its half maps")
    parser.add_argument(
        "--others", type=Path, nargs="+", default=[], help="other reconstructions of the series"
    )
    parser.add_argument("--weights", type=Path, help="other weights than those that ship")
    parser.add_argument("--device", default="auto")
    return parser.parse_args(argv)


def scored(scorer: Scorer, item: Tomogram) -> Score:
    """The record of a tomogram, with the measurement from its halves."""
    return Scoring().process(scorer, item, lambda done, total: None)


def parts(whole: Tomogram, slab_z: tuple[int, int], folder: Path) -> Iterator[Tomogram]:
    """Quarters with their halves, then single slices without; written into a folder."""
    volumes = [read(path) for path in (whole.path, whole.half1, whole.half2) if path is not None]
    n_y, n_x = (n // 2 for n in volumes[0][0].shape[1:])
    for title, (y, x) in QUARTERS.items():
        written = []
        for number, (volume, voxel_size_angstrom) in enumerate(volumes):
            part = volume[:, y * n_y : (y + 1) * n_y, x * n_x : (x + 1) * n_x]
            written.append(write(folder / f"{y}{x}_{number}.mrc", part, voxel_size_angstrom))
        half1, half2 = written[1:] or (None, None)
        yield replace(whole, ts_id=title, path=written[0], half1=half1, half2=half2)
    first, last = slab_z
    quarter = (last - first) / 4
    for z in np.unique(np.linspace(first + quarter, last - quarter, SINGLE_SLICES).astype(int)):
        volume, voxel_size_angstrom = volumes[0]
        path = write(folder / f"plane_{z}.mrc", volume[z : z + 1], voxel_size_angstrom)
        yield Tomogram(f"single slice, plane {z}", path, None, None, None, None)


def read(path: str) -> tuple[np.ndarray, float]:
    """A volume (z, y, x) as float32, and its voxel size in angstrom."""
    with open_volume(path) as volume:
        planes = [volume.read_slice(z) for z in range(volume.shape_zyx[0])]
        return np.stack(planes).astype(np.float32), volume.voxel_size_angstrom


def write(path: Path, volume: np.ndarray, voxel_size_angstrom: float) -> str:
    """Write a part of a volume; returns its path."""
    mrcfile.write(path, volume, voxel_size=voxel_size_angstrom)
    return str(path)


def line(record: Score) -> str:
    """A row of the table."""
    assert record.tomoscore_interval is not None
    low, high = record.tomoscore_interval
    text = f"{record.ts_id:28} {record.tomoscore:5.2f}  {low:.2f} to {high:.2f}"
    if record.halves is None:
        return text
    both = scores_over_measured(record)
    if both is None:
        return f"{text}    not measured: {record.halves['error']}"
    return f"{text}    {both[0]:.2f}, {both[1]:.2f}"


if __name__ == "__main__":
    sys.exit(main())
