# SPDX-License-Identifier: GPL-3.0-or-later
"""Figure of one tomogram: three slices, scores of all slices, curve and likely reasons."""

from textwrap import fill

from tomoscore_scipion.records.bands import (
    N_SCORED,
    NOTHING_SEEN,
    PERIODS_NM,
    READILY_SEEN,
    readable_scale,
)
from tomoscore_scipion.records.reasons import reasons_of
from tomoscore_scipion.records.thumbnail_files import slices_shown
from tomoscore_scipion.viewers.colours import ACCEPTED, NEUTRAL, SLAB
from tomoscore_scipion.viewers.runs import chosen_planes
from tomoscore_scipion.viewers.slices import read_picture

SIZE = (13.0, 9.0)
"""Width and height of the figure in inches."""
CHARTS = 0.27
"""Height of the charts as a fraction of the figure; the slices have the remaining height."""
KINDS = ("best", "median", "worst")
LINE = 160
"""Maximum length of a line of the remarks."""


def draw(figure, record, pictures, note=""):
    """Draw a scored tomogram.

    Args:
        figure: a matplotlib figure; cleared first.
        record: its Score.
        pictures: {kind: array} of slices, see slices.py.
        note: remark on the slices.
    """
    figure.clear()
    lines = remarks(record) + ([note] if note else [])
    text = "\n".join(fill(line, LINE) for line in lines)
    bottom = 0.07 + 0.018 * (text.count("\n") + 1 if text else 0)
    top = bottom + CHARTS
    figure.suptitle(heading(record), fontsize=11, y=0.985)
    slices = figure.add_gridspec(
        1, 3, top=0.93, bottom=top + 0.05, left=0.01, right=0.99, wspace=0.02
    )
    for index, kind in enumerate(KINDS):
        _draw_slice(figure.add_subplot(slices[0, index]), record, kind, pictures)
    charts = figure.add_gridspec(1, 2, top=top, bottom=bottom, left=0.06, right=0.98, wspace=0.15)
    draw_profile(figure.add_subplot(charts[0, 0]), record)
    draw_curve(figure.add_subplot(charts[0, 1]), record)
    figure.text(0.02, 0.01, text, fontsize=8, va="bottom")


def heading(record):
    """Heading of the figure: id, score, interval and scale of a record."""
    low, high = record.tomoscore_interval
    interval = f"90 % interval {low:.2f} to {high:.2f}"
    return (
        f"{record.ts_id}: TomoScore {record.tomoscore:.2f} ({interval}), "
        f"resolvable scale {readable_scale(record.scale_nm)}"
    )


def remarks(record):
    """Lines with likely reasons for a low score, and warnings."""
    reasons = [f"{r.code} ({r.confidence} confidence): {r.text}" for r in reasons_of(record)]
    return reasons + [f"Warning: {warning}" for warning in record.warnings]


def _draw_slice(axes, record, kind, pictures):
    axes.set_axis_off()
    if kind in pictures:
        axes.imshow(pictures[kind], cmap="gray", vmin=0, vmax=255, interpolation_stage="data")
    else:
        axes.text(0.5, 0.5, "no picture", ha="center", transform=axes.transAxes)
    z = chosen_planes(record).get(kind)
    scores = {entry["z"]: entry["tomoscore"] for entry in record.slices}
    if z is not None:
        voxel_nm = record.voxel_size_angstrom / 10
        nm = len(slices_shown(z, record.shape_zyx[0], voxel_nm)) * voxel_nm
        axes.set_title(f"{kind}: slice {z}, {scores[z]:.2f}; mean over {nm:.3g} nm", fontsize=9)


def draw_picture(figure, path):
    """Fill a figure with a picture."""
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
    axes.set_axis_off()
    axes.imshow(read_picture(path))


def draw_profile(axes, record):
    """Draw the score of every scored slice against z, with the slab and the tomogram's score."""
    first, last = record.slab_z
    axes.axvspan(first - 0.5, last + 0.5, color=SLAB)
    axes.axhline(record.tomoscore, color="black", linewidth=1, linestyle="--")
    points = sorted((entry["z"], entry["tomoscore"]) for entry in record.slices)
    axes.plot([z for z, _ in points], [s for _, s in points], "o-", color=ACCEPTED, ms=4)
    axes.set_xlim(-0.5, record.shape_zyx[0] - 0.5)
    axes.set_ylim(0, N_SCORED)
    axes.set_title("Score of each slice", fontsize=9)
    axes.set_xlabel("slice z (from 0); shaded: slab of the specimen; dashed: the tomogram")
    axes.set_ylabel("TomoScore (octaves)")


def draw_curve(axes, record):
    """Draw the resolvability per octave, with lines for features seen and readily seen."""
    names = [f"{coarse:g}-{fine:g}" for coarse, fine in PERIODS_NM]
    values = record.curve["resolvability"]
    values_below_nyquist = [(n, r) for n, r in enumerate(values) if r is not None]
    colours = [ACCEPTED if n < N_SCORED else NEUTRAL for n, _ in values_below_nyquist]
    axes.bar(
        [n for n, _ in values_below_nyquist], [r for _, r in values_below_nyquist], color=colours
    )
    for limit in (NOTHING_SEEN, READILY_SEEN):
        axes.axhline(limit, color="black", linewidth=1, linestyle=":")
    for number, value in enumerate(values):
        if value is None:
            axes.text(number, 0.03, "beyond\nNyquist", ha="center", fontsize=7)
    axes.set_xticks(range(len(names)), names, fontsize=8)
    axes.set_xlim(-0.6, len(names) - 0.4)  # includes octaves without a bar at the end
    axes.set_ylim(0, 1)
    axes.set_xlabel("feature size (nm); the last is not scored")
    axes.set_title("Resolvability of the slab", fontsize=9)
    axes.text(
        len(names) - 0.45, NOTHING_SEEN, "seen from here", ha="right", va="bottom", fontsize=7
    )
    axes.text(
        len(names) - 0.45, READILY_SEEN, "counts in full", ha="right", va="bottom", fontsize=7
    )
    axes.set_ylabel("resolvability R")
