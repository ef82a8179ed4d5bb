# SPDX-License-Identifier: GPL-3.0-or-later
"""Choice of the slices that are shown as pictures, and names of the picture files.

`STEM-zN.jpg` is the thumbnail of a tomogram, with the stem of its id and the index N of the slice,
0-based. `STEM-zN.webp` is a detailed picture of a slice. `STEM-quality.png` is the picture of a
quality map.
"""

from __future__ import annotations

import os
import re

from tomoscore_scipion.records.file_names import file_stem
from tomoscore_scipion.records.record import Score

THUMBNAIL = "central"
"""Kind of the slice in the thumbnail: the middle of the slab."""
DETAILS = ("best", "median", "worst")
"""Kinds of the slices with detailed pictures, by their score."""

MAP_END = "-quality"
"""End of the names of quality maps and their pictures, before the suffix."""

SHOWN_NM = 10.0
"""Pictures show the mean over about this thickness in z, to reduce noise."""


def slices_shown(z: int, n_z: int, voxel_size_nm: float) -> range:
    """Slices to average for a picture of slice `z` of `n_z`; an odd number if possible."""
    count = min(2 * max(0, round((SHOWN_NM / voxel_size_nm - 1) / 2)) + 1, n_z)
    first = min(max(z - count // 2, 0), n_z - count)
    return range(first, first + count)


def chosen_slices(record: Score) -> dict[str, int]:
    """The planes of a tomogram to show, {kind: plane}, 0-based; empty for a tomogram without score.

    "central" is the scored slice nearest to the middle of the slab. "best", "median" and "worst"
    are scored slices of the slab by score; of slices with equal scores the lower plane is taken. If
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
    """File name of the thumbnail of a tomogram, which shows slice `z`."""
    return f"{file_stem(ts_id)}-z{z}.jpg"


def detail_name(ts_id: str, z: int) -> str:
    """File name of the detailed picture of a slice."""
    return f"{file_stem(ts_id)}-z{z}.webp"


def map_picture_name(ts_id: str) -> str:
    """File name of the picture of a quality map."""
    return f"{file_stem(ts_id)}{MAP_END}.png"


def pictures_of(folder: str | os.PathLike[str], ts_id: str) -> list[str]:
    """Paths of all thumbnails and detailed pictures of a tomogram in a folder.

    Raises:
        OSError: the folder cannot be read.
    """
    name = re.compile(re.escape(file_stem(ts_id)) + r"-z\d+\.(jpg|webp)")
    files = sorted(entry for entry in os.listdir(folder) if name.fullmatch(entry))
    return [os.path.join(os.fspath(folder), entry) for entry in files]
