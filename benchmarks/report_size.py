# SPDX-License-Identifier: GPL-3.0-or-later
"""Size and run time of the HTML report for 10, 100 and 300 tomograms.

The records are synthetic. The pictures are noise with smooth shapes, of the largest size that the
report accepts. With --browser the page is also opened in a headless Chromium: printed are the time
until it can be used, and errors.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from volumes import smooth_shapes

from tomoscore_scipion.images.pictures import THUMBNAIL_PX, as_jpeg, as_webp, picture
from tomoscore_scipion.records.bands import N_SCORED, PERIODS_NM, scale_nm, tomoscore
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.thumbnail_files import (
    DETAILS,
    THUMBNAIL,
    chosen_slices,
    detail_name,
    thumbnail_name,
)
from tomoscore_scipion.report.writing import write_report

NUMBERS = (10, 100, 300)
SHAPE_ZYX = (150, 928, 928)
VOXEL_ANGSTROM = 13.0
DISTINCT = 16
"""Number of different pictures, which are repeated."""
FAILED_EACH = 25
MODEL = {"name": "made-up", "version": "1", "sha256": "0" * 64}


def made_up_record(number: int, rng: np.random.Generator) -> Score:
    """A plausible record; every 25th has failed."""
    ts_id = f"Position_{number + 1}"
    path = f"/data/session/tomograms/{ts_id}.mrc"
    if number % FAILED_EACH == FAILED_EACH - 1:
        return Score.failed(ts_id, path, f"{path}: is shorter than its header says: cut off")
    resolvability = rng.uniform(0.1, 1.0)
    curve = np.clip(resolvability * np.array([0.9, 0.85, 0.6, 0.35, 0.1, 0.03]), 0, 1).round(4)
    score = round(float(tomoscore(curve)), 4)
    planes = np.linspace(3, SHAPE_ZYX[0] - 4, 24).round().astype(int)
    inside = np.exp(-(((planes - 75) / 45.0) ** 4))
    scores = np.clip(score * inside + 0.1 * rng.standard_normal(24), 0, N_SCORED).round(4)
    slices = [
        {"z": int(z), "tomoscore": float(s), "scale_nm": scale_nm(float(s))}
        for z, s in zip(planes, scores)
    ]
    return Score(
        ts_id=ts_id,
        path=path,
        tomoscore=score,
        tomoscore_interval=(max(0.0, score - 0.5), min(float(N_SCORED), score + 0.5)),
        scale_nm=scale_nm(score),
        curve={"period_nm": PERIODS_NM, "resolvability": curve},
        slab_z=(30, 120),
        slices=tuple(slices),
        voxel_size_angstrom=VOXEL_ANGSTROM,
        shape_zyx=SHAPE_ZYX,
        warnings=("the header leaves the order of axes unset; taken as x, y, z",),
        model=MODEL,
        engine_version="0",
        device="cpu",
        seconds=3.2,
    )


def write_pictures(records: list[Score], folder: Path, rng: np.random.Generator) -> None:
    """Write the thumbnail and the details of records."""
    slices = [
        smooth_shapes(rng, (928, 928)) + rng.standard_normal((928, 928)) for _ in range(DISTINCT)
    ]
    thumbnails = [as_jpeg(picture(values, THUMBNAIL_PX)) for values in slices]
    details = [as_webp(picture(values)) for values in slices]
    for i, record in enumerate(records):
        slice_of_kind = chosen_slices(record)
        if THUMBNAIL in slice_of_kind:
            name = thumbnail_name(record.ts_id, slice_of_kind[THUMBNAIL])
            (folder / name).write_bytes(thumbnails[i % DISTINCT])
        for j, z in enumerate(slice_of_kind[kind] for kind in DETAILS if kind in slice_of_kind):
            path = folder / detail_name(record.ts_id, z)
            path.write_bytes(details[(3 * i + j) % DISTINCT])


def in_browser(page: Path, browser: str) -> tuple[float, float]:
    """Seconds until the page can be used, and until the browser has ended.

    The first number is measured by the page. The second one includes the start and the end of the
    browser, and the output of the page.

    Raises:
        RuntimeError: the page did not become ready.
    """
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    started = time.perf_counter()
    process = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - started
    ready_ms = re.search(r"<html[^>]* data-ready-after-ms=\"(\d+)\"", process.stdout)
    if not ready_ms:
        raise RuntimeError(f"{page}: did not become ready: {process.stderr[-2000:]}")
    return int(ready_ms[1]) / 1000, seconds


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows here")
    parser.add_argument("--browser", metavar="PROGRAM", help="Chromium to open the page with")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the reports here")
    parser.add_argument("--numbers", type=int, nargs="+", default=NUMBERS, metavar="N")
    args = parser.parse_args(argv)
    print(f"{'tomograms':>9}{'MB':>8}{'s to write':>12}{'s until usable':>16}{'s in all':>10}")
    rows = []
    for number in args.numbers:
        rng = np.random.default_rng(number)
        with tempfile.TemporaryDirectory(prefix="tomoscore-report-") as name:
            folder = Path(name)
            records = [made_up_record(i, rng) for i in range(number)]
            write_pictures(records, folder, rng)
            page = (args.keep or folder) / f"report-{number}.html"
            started = time.perf_counter()
            write_report(records, str(page), folders=[name])
            seconds = time.perf_counter() - started
            opened = in_browser(page, args.browser) if args.browser else (None, None)
            row = {"tomograms": number, "mb": page.stat().st_size / 1e6, "write_s": seconds}
            rows.append({**row, "usable_s": opened[0], "open_s": opened[1]})
        usable, opened_in = ("-" if s is None else f"{s:.1f}" for s in opened)
        print(
            f"{number:>9}{row['mb']:>8.1f}{seconds:>12.2f}{usable:>16}{opened_in:>10}", flush=True
        )
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
