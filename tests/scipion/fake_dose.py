# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore dose` of the fake engine: the best dose is the mean value in the stack's header."""

import math
import os
import struct

from lab import write_mrc

from tomoscore_scipion import __version__
from tomoscore_scipion.records.bands import scale_nm

RISING = "still rising at the last view"
PREVIEW_ZYX, PREVIEW_ANGSTROM = (8, 32, 48), 16.0


def numbers(path, rows, columns):
    """The rows of a text file of numbers."""
    with open(path, encoding="ascii") as file:
        table = [[float(word) for word in line.split()] for line in file]
    if len(table) != rows or any(len(row) != columns for row in table):
        raise ValueError(f"{path}: expected {rows} rows of {columns}, got {table}")
    return table


def analyse(entry, job, model):
    """The record of one tilt series."""
    known = {
        "schema": 1,
        "ts_id": entry["ts_id"],
        "path": entry["stack"],
        "model": model,
        "engine_version": __version__,
        "device": job["device"],
        "warnings": ["fake"],
        "pixel_size_angstrom": entry["pixel_size_angstrom"],
    }
    try:
        return {**known, "status": "ok", "error": None, **curves(entry, job)}
    except (OSError, ValueError) as error:
        return {**known, "status": "failed", "error": str(error)}


def curves(entry, job):
    with open(entry["stack"], "rb") as file:
        header = file.read(1024)
    n = struct.unpack("<i", header[8:12])[0]
    best = struct.unpack("<f", header[84:88])[0]
    if best < 0:
        raise ValueError(f"{entry['stack']}: expected a stack that can be read")
    angles = [row[0] for row in numbers(entry["tlt"], n, 1)]
    ends = [before + dose for before, dose in numbers(entry["doses"], n, 2)]
    if entry["xf"] is not None:
        numbers(entry["xf"], n, 6)
    order = sorted(set(range(n)) - set(entry["excluded"]), key=ends.__getitem__)
    steps = [
        step(order[:count], angles, ends, best, 0.0)
        for count in sorted({max(1, round(len(order) * n / 6)) for n in range(1, 7)})
    ]
    optimum = max(steps, key=lambda one: one["tomoscore"])["dose"]
    rising = optimum == steps[-1]["dose"]
    return {
        "steps": steps,
        "steps_weighted": [
            {**s, "tomoscore": s["tomoscore"] + 0.2, "weighted": True} for s in steps
        ],
        "steps_matched": [{**s, "tomoscore": s["tomoscore"] * 0.9} for s in steps],
        "optimum_dose": optimum,
        "suggested_range": None if rising else [0.8 * optimum, 1.3 * optimum],
        "reason": RISING if rising else None,
        "convention": "end of exposure",
        "assumptions": ["none"],
        "views_beyond": [] if rising else [i for i in range(n) if ends[i] > optimum + 1e-3],
        "preview": preview(entry, job["preview_dir"]),
        "shape_zyx": [n, 64, 64],
        "seconds": 0.1,
    }


def step(views, angles, ends, best, shift):
    dose = max(ends[view] for view in views)
    score = 3.0 * math.exp(-(math.log(dose / best) ** 2)) + shift
    return {
        "dose": dose,
        "n_views": len(views),
        "angle_range": [min(angles[v] for v in views), max(angles[v] for v in views)],
        "angle_step": 3.0,
        "weighted": False,
        "tomoscore": score,
        "tomoscore_interval": [max(score - 0.2, 0.0), score + 0.2],
        "scale_nm": scale_nm(score),
    }


def preview(entry, folder):
    if folder is None:
        return None
    path = os.path.join(folder, f"{entry['ts_id']}.mrc")
    return write_mrc(path, 0.0, PREVIEW_ZYX, PREVIEW_ANGSTROM)
