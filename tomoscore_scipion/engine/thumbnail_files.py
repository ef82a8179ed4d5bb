# SPDX-License-Identifier: GPL-3.0-or-later
"""Which slices of a tomogram are worth a picture, and how the pictures of a folder are named.

A thumbnail is `STEM-zN.jpg`: the stem of the tomogram's id, and the plane of the volume, 0-based.
The picture of a quality map is `STEM-quality.png`.
"""

from __future__ import annotations

import os
import re

from tomoscore_scipion.engine.file_names import file_stem
from tomoscore_scipion.engine.record import Score

KINDS = ("central", "best", "median", "worst")
"""What a picture can show: the middle of the slab, and slices of it by their score."""


def chosen_slices(record: Score) -> dict[str, int]:
    """The planes to show of a tomogram, 0-based, by kind; empty where nothing was scored.

    Central is the scored slice nearest to the middle of the slab. Best, median and worst are
    scored slices of the slab in the order of their scores; of equal ones the lower plane. Where
    the slab holds no scored slice, all scored slices stand for it.
    """
    if record.slab_z is None or not record.slices:
        return {}
    first, last = record.slab_z
    inside = [s for s in record.slices if first <= s["z"] <= last] or list(record.slices)
    middle = (first + last) / 2
    ranked = sorted(inside, key=lambda s: (-s["tomoscore"], s["z"]))
    return {
        "central": min((s["z"] for s in inside), key=lambda z: (abs(z - middle), z)),
        "best": ranked[0]["z"],
        "median": ranked[len(ranked) // 2]["z"],
        "worst": ranked[-1]["z"],
    }


def thumbnail_name(ts_id: str, z: int) -> str:
    """File name of the thumbnail of a plane."""
    return f"{file_stem(ts_id)}-z{z}.jpg"


def map_picture_name(ts_id: str) -> str:
    """File name of the picture of a quality map."""
    return f"{file_stem(ts_id)}-quality.png"


def thumbnails_of(folder: str | os.PathLike[str], ts_id: str) -> dict[int, str]:
    """The thumbnails of a tomogram in a folder: {plane: path}, in order of the planes.

    Raises:
        OSError: the folder cannot be read.
    """
    name = re.compile(re.escape(file_stem(ts_id)) + r"-z(\d+)\.jpg")
    found = {}
    for entry in os.listdir(folder):
        match = name.fullmatch(entry)
        if match:
            found[int(match.group(1))] = os.path.join(os.fspath(folder), entry)
    return dict(sorted(found.items()))
