# SPDX-License-Identifier: GPL-3.0-or-later
"""How far are simulated images from real ones, in the statistics that the model sees?

Single slices of real images or tomograms are compared with single slices of fresh simulated
tomograms, on which no model was trained: the whitened ratios of every tile, octave by octave
(`tomoscore_scipion/benchmark/two_sample.py`). No neighbours in z are used, unless --neighbours asks
for them; then single images are left out. Octaves that a voxel size does not carry are left out.

FOLDER holds MRC files. The columns "name" (file name without ending), "source" and "kind" of
--sources are used; an image without a source is its own source. Kinds that begin with "raw" are
compared with simulated tomograms without post-processing, those that begin with "denoised" with
denoised ones. As a check, one half of the specimens is compared with the other half.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, Sequence

import numpy as np
import torch

from tomoscore_scipion.benchmark.fresh import fresh_acquisitions
from tomoscore_scipion.benchmark.two_sample import TileSet, separation
from tomoscore_scipion.images.figure_file import check_ending, save_figure
from tomoscore_scipion.model.features import N_RATIOS, RATIO_TABLE, RATIOS, ratios
from tomoscore_scipion.model.inference import MeasuredSlice, measure
from tomoscore_scipion.model.network import polarity
from tomoscore_scipion.model.normalisation import canonical_slice
from tomoscore_scipion.model.octaves import OCTAVES
from tomoscore_scipion.model.sampling import (
    CHANNEL_NAMES,
    PlaneMean,
    ReadPlane,
    SlicePlan,
    plan_slice,
)
from tomoscore_scipion.reading.volume import open_volume
from tomoscore_scipion.records.bands import N_SCORED, PERIODS_NM, fraction_below_nyquist
from tomoscore_scipion.simulation.acquisition import Acquisition
from tomoscore_scipion.simulation.appearance import finish
from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.picture import as_picture
from tomoscore_scipion.simulation.summary import truth_summary

SEED = 930_000
"""Seed of the first specimen; neither training nor other benchmarks use it."""
SLICES = 3
"""Largest number of slices of a tomogram."""
ACQUISITIONS = 3
"""Tomograms of a specimen."""
RAW, DENOISED, OTHER = "raw", "denoised", "other"
DENOISERS = ("median", "nlm", "diffusion", "learned_like", "wedge_fill", "noise2noise", "restored")
"""Post-processing of recipes that is not linear; linear filters are removed by the whitening."""
OCTAVE_NAMES = tuple(f"{coarse:g}-{fine:g} nm" for coarse, fine in PERIODS_NM[:N_SCORED][::-1])
"""Octaves, finest first."""


def main(argv: list[str] | None = None) -> int:
    """Measure, compare, print; returns the exit status."""
    args = parse(argv)
    if args.plot:
        check_ending(str(args.plot))
    real = real_images(args)
    if not real:
        print(f"{args.folder}: no image (.mrc) that can be measured", file=sys.stderr)
        return 2
    simulated = simulated_images(args)
    results = compare(real, simulated)
    print(as_text(results))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if args.plot:
        plot(results, str(args.plot))
    return 0


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("folder", type=Path, help="folder with real images or tomograms, MRC files")
    add("--sources", type=Path, metavar="CSV", help='table with "name", "source" and "kind"')
    add("--specimens", type=int, default=24, help="simulated specimens (default: %(default)s)")
    add("--seed", type=int, default=SEED, help="seed of the first one (default: %(default)s)")
    add("--field", type=int, default=320, help="pixels of 1.5 nm across (default: %(default)s)")
    add(
        "--score",
        type=float,
        nargs=2,
        default=(-np.inf, np.inf),
        metavar=("LOW", "HIGH"),
        help="only simulated slices whose true TomoScore lies in this range",
    )
    add("--pictures", action="store_true", help="simulated slices as pictures of 8 bits, resized")
    add("--neighbours", action="store_true", help="volumes only, with their neighbours in z")
    add("--json", type=Path, metavar="FILE", help="also write the figures")
    add("--plot", type=Path, metavar="FILE.png", help="also draw them")
    return parser.parse_args(argv)


def real_images(args: argparse.Namespace) -> list[TileSet]:
    """Statistics of the real images; those without any valid tile are left out."""
    table = {}
    if args.sources:
        with args.sources.open(encoding="utf-8", newline="") as file:
            table = {row["name"]: row for row in csv.DictReader(file)}
    images = []
    for path in sorted(args.folder.glob("*.mrc")):
        row = table.get(path.stem, {})
        with open_volume(path) as volume:
            n_z = volume.shape_zyx[0]
            if args.neighbours and n_z == 1:
                continue
            options = (row.get("source") or path.stem, kind_of(row.get("kind", "")))
            voxel_nm, planes = volume.voxel_size_angstrom / 10, middle_planes(range(n_z))
            image = tile_set(
                volume.read_slice, n_z, voxel_nm, planes, *options, neighbours=args.neighbours
            )
        images += [image] if image is not None else []
    return images


def kind_of(text: str) -> str:
    """Kind of a real image: `RAW`, `DENOISED` or `OTHER`."""
    return next((kind for kind in (RAW, DENOISED) if text.startswith(kind)), OTHER)


def middle_planes(planes: Sequence[int]) -> list[int]:
    """At most `SLICES` planes of the middle half of some planes."""
    middle = planes[len(planes) // 4 : len(planes) - len(planes) // 4]
    places = (np.arange(SLICES) + 0.5) * len(middle) / SLICES
    return sorted({middle[int(place)] for place in places})


def simulated_images(args: argparse.Namespace) -> list[TileSet]:
    """Statistics of slices of simulated tomograms; each tomogram, or picture, is an image."""
    rng, images, (low, high) = np.random.default_rng(args.seed), [], args.score
    for found in simulated_slices(args):
        kind = {"none": RAW, **dict.fromkeys(DENOISERS, DENOISED)}.get(found.post, OTHER)
        wanted = [z for z, score in found.scores.items() if low <= score <= high]
        options = (f"specimen {found.seed}", kind, args.neighbours)
        if args.pictures:
            pictures = (as_picture(rng, found.raw[z], found.voxel_nm) for z in wanted)
            sets = [tile_set({0: p.numpy()}.__getitem__, 1, v, [0], *options) for p, v in pictures]
        else:
            read = {z: plane.numpy() for z, plane in found.written.items()}.__getitem__
            sets = [tile_set(read, found.n_z, found.voxel_nm, wanted, *options)]
        images += [tiles for tiles in sets if tiles is not None]
    return images


@dataclass(frozen=True)
class SimulatedSlices:
    """Slices of a simulated tomogram.

    Attributes:
        seed: of the specimen.
        post: its post-processing.
        voxel_nm: voxel size in nm.
        n_z: planes of the whole tomogram.
        raw: plane, (y, x), of each z that is needed, before the appearance of the file.
        written: the same as a file has them.
        scores: true TomoScore of the slices to measure, by z.
    """

    seed: int
    post: str
    voxel_nm: float
    n_z: int
    raw: dict[int, torch.Tensor]
    written: dict[int, torch.Tensor]
    scores: dict[int, float]


def simulated_slices(args: argparse.Namespace) -> Iterator[SimulatedSlices]:
    """Slices of fresh tomograms, from the middle half of the slab; reports progress."""
    seeds = range(args.seed, args.seed + args.specimens)
    for seed, rng, taken in fresh_acquisitions(seeds, ACQUISITIONS, Grid(n=args.field)):
        first, last = taken.slab_z()
        chosen, voxel_nm = middle_planes(range(first, last + 1)), taken.voxel_nm
        plans = [plan_slice(z, taken.n_z, voxel_nm) for z in chosen]
        planes = sorted({*chosen, *(z for plan in plans if args.neighbours for z in plan.planes)})
        raw = taken.planes(planes)
        written = finish(rng, raw, taken.recipe, voxel_nm)
        by_z = dict(zip(planes, raw))
        scores = {z: true_score(taken, by_z[z], z) for z in chosen}
        post = taken.recipe.post
        print(f"specimen {seed}, post-processing: {post}", file=sys.stderr, flush=True)
        files = dict(zip(planes, written))
        yield SimulatedSlices(seed, post, voxel_nm, taken.n_z, by_z, files, scores)


def true_score(taken: Acquisition, plane: torch.Tensor, z: int) -> float:
    """True TomoScore of a slice."""
    curves, content = taken.truth(plane, z).numpy(), taken.content(z).numpy()
    return truth_summary(curves[None], content[None], (0, 0), 10 * taken.voxel_nm)["tomoscore"]


def tile_set(
    read: ReadPlane,
    n_z: int,
    voxel_nm: float,
    planes: list[int],
    source: str,
    kind: str,
    neighbours: bool,
) -> TileSet | None:
    """Statistics of the tiles of some slices of a volume.

    Args:
        read: function of z that returns this plane, (y, x) float32.
        n_z: planes of the volume.
        voxel_nm: voxel size in nm.
        planes: slices to measure.
        source: of the image.
        kind: of the image.
        neighbours: whether neighbours in z are measured, too.

    Returns:
        The statistics; None where no tile holds data.
    """
    carried = fraction_below_nyquist(voxel_nm)[:N_SCORED][::-1] == 1
    parts = []
    for z in planes:
        plan = plan_slice(z, n_z, voxel_nm)
        if not neighbours:
            alone = PlaneMean((z,), (1.0,))
            plan = SlicePlan(z, alone, PlaneMean(), PlaneMean(), PlaneMean())
        measured = measure(canonical_slice(read, plan, voxel_nm), torch.device("cpu"))
        if not measured.blank:
            values, weight = tile_ratios(measured)
            values[:, ~(carried[:, None] & defined(plan))] = np.nan
            parts.append((values, weight))
    if not parts:
        return None
    values, weights = (np.concatenate(part) for part in zip(*parts))
    return TileSet(source, kind, values, weights)


def tile_ratios(measured: MeasuredSlice) -> tuple[np.ndarray, np.ndarray]:
    """Ratios of the tiles with data, brought to the contrast of matter that is dark.

    Args:
        measured: a slice with data.

    Returns:
        Ratios, (tiles, OCTAVES, N_RATIOS), and the fraction of each tile that holds data, (tiles,).
    """
    weight = measured.weight.flatten()
    with_data = weight > 0
    means, weight = measured.means.flatten(0, 1)[with_data], weight[with_data]
    of_slice = ratios(torch.einsum("tok,t->ok", means, weight / weight.sum())[None])
    return (ratios(means) * polarity(of_slice)).numpy(), weight.numpy()


def defined(plan: SlicePlan) -> np.ndarray:
    """Which ratios a slice has, (OCTAVES, N_RATIOS) bool: neighbours and coarser octave exist."""
    absent = {name for name, channel in zip(CHANNEL_NAMES, plan.channels) if not channel}
    exists = np.ones((OCTAVES, N_RATIOS), dtype=bool)
    exists[:, [bool(absent & set(ratio.channels)) for ratio in RATIO_TABLE]] = False
    exists[-1, [ratio.coarser for ratio in RATIO_TABLE]] = False
    return exists


def compare(real: list[TileSet], simulated: list[TileSet]) -> dict[str, Any]:
    """Separation of real and simulated images per kind, and of simulated from simulated ones."""
    specimens = list(dict.fromkeys(image.source for image in simulated))
    halves = [
        [s for s in simulated if s.source in part] for part in (specimens[::2], specimens[1::2])
    ]
    comparisons: dict[str, tuple[list[TileSet], ...]] = {"all": (real, simulated)}
    for kind in (RAW, DENOISED):
        comparisons[kind] = tuple([s for s in part if s.kind == kind] for part in (real, simulated))
    comparisons["simulated, two halves"] = tuple(halves)
    return {name: dict(zip(OCTAVE_NAMES, separation(*sets))) for name, sets in comparisons.items()}


def as_text(results: dict[str, Any]) -> str:
    """The figures as text."""
    lines = ["AUC of tiles, mean over the folds (lowest to highest fold):"]
    lines += ["first of a classifier, then of the distance from the simulated tiles"]
    for name, octaves in results.items():
        lines += ["", name]
        for octave, found in octaves.items():
            if found is None:
                lines.append(f"  {octave:10} too few sources")
                continue
            pairs = zip(found["images"], found["sources"])
            counts = " against ".join(f"{images} images of {n}" for images, n in pairs) + " sources"
            both = f"{interval(found)}   {interval(found, 'distance_auc')}"
            lines.append(f"  {octave:10} {both}   {counts}")
    for name in list(results)[:-1]:
        for octave, found in results[name].items():
            if found is not None:
                lines += ["", f"{name}, {octave}"]
                lines += [f"  {sentence(row)}" for row in found["statistics"]]
    return "\n".join(lines)


def interval(row: dict[str, Any], name: str = "auc") -> str:
    """An AUC and its range over the folds."""
    low, high = row[f"{name}_range"]
    return f"{row[name]:.2f} ({low:.2f} to {high:.2f})"


def sentence(row: dict[str, Any]) -> str:
    """The direction in which real tiles differ."""
    return (
        f"real tiles have {'more' if row['auc'] > 0.5 else 'less'} {row['name']}: {interval(row)}"
    )


def plot(results: dict[str, Any], path: str) -> None:
    """AUC per octave of every comparison, and AUC of the listed statistics."""
    from matplotlib.figure import Figure

    shown = {name: octaves for name, octaves in results.items() if any(octaves.values())} or results
    figure = Figure(figsize=(4 + 2.6 * len(shown), 8.5), layout="constrained")
    widths = [1, 0.6 + 0.6 * len(shown)]
    ((curves, maps),) = figure.subfigures(1, 2, squeeze=False, width_ratios=widths)
    panels = curves.subplots(2, 1, sharex=True)
    draw_aucs(panels[0], shown, "auc", "classifier")
    draw_aucs(panels[1], shown, "distance_auc", "distance from the simulated tiles")
    panels[0].legend(fontsize=8)
    draw_statistics(maps, shown)
    save_figure(figure, path)


def draw_aucs(panel: Any, shown: dict[str, Any], name: str, title: str) -> None:
    """An AUC per octave, with the range of the folds."""
    for number, (comparison, octaves) in enumerate(shown.items()):
        known = [(at, found) for at, found in enumerate(octaves.values()) if found]
        at = np.array([place for place, _ in known]) + 0.1 * (number - (len(shown) - 1) / 2)
        middle = np.array([found[name] for _, found in known])
        ends = np.abs(np.array([found[f"{name}_range"] for _, found in known]).T - middle)
        panel.errorbar(at, middle, yerr=ends, marker="o", capsize=2, label=comparison)
    panel.axhline(0.5, color="0.6", lw=1)
    panel.set(ylim=(0, 1.02), ylabel="AUC, range of the folds", title=title)
    panel.set_xticks(range(OCTAVES), OCTAVE_NAMES, rotation=45)


def draw_statistics(figure: Any, shown: dict[str, Any]) -> None:
    """AUC of the listed statistics, one panel per comparison."""
    grids = np.full((len(shown), N_RATIOS, OCTAVES), np.nan)
    for grid, octaves in zip(grids, shown.values()):
        for at, found in enumerate(octaves.values()):
            for row in found["statistics"] if found else ():
                grid[RATIOS.index(row["name"]), at] = row["auc"]
    listed = np.flatnonzero(np.isfinite(grids).any(axis=(0, 2)))
    panels = np.atleast_1d(figure.subplots(1, len(shown), sharey=True))
    for panel, grid, name in zip(panels, grids, shown):
        image = panel.imshow(grid[listed], cmap="RdBu_r", vmin=0, vmax=1, aspect="auto")
        panel.set_title(name, fontsize=10)
        panel.set_xticks(range(OCTAVES), OCTAVE_NAMES, rotation=45, ha="right")
    panels[0].set_yticks(range(len(listed)), [RATIOS[i] for i in listed], fontsize=8)
    figure.colorbar(image, ax=panels, label="AUC of a statistic; 1: larger in real tiles")


if __name__ == "__main__":
    sys.exit(main())
