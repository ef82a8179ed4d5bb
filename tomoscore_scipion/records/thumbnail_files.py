# SPDX-License-Identifier: GPL-3.0-or-later
"""Slices of a tomogram that are shown as pictures, and the names of the picture files.

`STEM-zN.jpg` is the thumbnail of a tomogram: the stem of its id, and the slice, 0-based.
`STEM-zN.webp` shows a slice in detail. The picture of a quality map is `STEM-quality.png`.
"""

from __future__ import annotations

import os
import re

from tomoscore_scipion.records.file_names import file_stem
from tomoscore_scipion.records.record import Score

THUMBNAIL = "central"
"""The slice of the thumbnail: the middle of the slab."""
DETAILS = ("best", "median", "worst")
"""Which slices are shown in detail, by their score."""

MAP_END = "-quality"
"""End of the names of quality maps and their pictures, before the suffix."""

SHOWN_NM = 10.0
"""Pictures show the mean over about this thickness in z, that of a membrane, to reduce noise."""


def slices_shown(z: int, n_z: int, voxel_size_nm: float) -> range:
    """The slices that a picture of slice `z` of `n_z` averages; an odd number if possible."""
    count = min(2 * max(0, round((SHOWN_NM / voxel_size_nm - 1) / 2)) + 1, n_z)
    first = min(max(z - count // 2, 0), n_z - count)
    return range(first, first + count)


def chosen_slices(record: Score) -> dict[str, int]:
    """The planes to show of a tomogram, 0-based, by kind; empty if the tomogram has no score.

    Central is the scored slice nearest to the middle of the slab. Best, median and worst are
    scored slices of the slab in the order of their scores; of equal ones the lower plane. If
    the slab has no scored slice, all scored slices are used.
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
    """File name of the thumbnail of a tomogram whose middle is slice `z`."""
    return f"{file_stem(ts_id)}-z{z}.jpg"


def detail_name(ts_id: str, z: int) -> str:
    """File name of the picture of a slice in detail."""
    return f"{file_stem(ts_id)}-z{z}.webp"


def map_picture_name(ts_id: str) -> str:
    """File name of the picture of a quality map."""
    return f"{file_stem(ts_id)}{MAP_END}.png"


def pictures_of(folder: str | os.PathLike[str], ts_id: str) -> list[str]:
    """Paths of all thumbnails and details of a tomogram in a folder.

    Raises:
        OSError: the folder cannot be read.
    """
    name = re.compile(re.escape(file_stem(ts_id)) + r"-z\d+\.(jpg|webp)")
    files = sorted(entry for entry in os.listdir(folder) if name.fullmatch(entry))
    return [os.path.join(os.fspath(folder), entry) for entry in files]
