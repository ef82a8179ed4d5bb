# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of the slices of a tomogram, for reports and viewers."""

from __future__ import annotations

import os

import numpy as np

from tomoscore_scipion.images.pictures import THUMBNAIL_PX, as_jpeg, as_webp, picture
from tomoscore_scipion.reading.volume import Volume
from tomoscore_scipion.records.atomic_write import write_atomically
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.thumbnail_files import (
    DETAILS,
    THUMBNAIL,
    chosen_slices,
    detail_name,
    pictures_of,
    slices_shown,
    thumbnail_name,
)


def write_thumbnails(volume: Volume, record: Score, folder: str) -> None:
    """Write the pictures of a scored tomogram. Existing pictures of its id are removed.

    Args:
        volume: the tomogram, open.
        record: its record, by which slices are chosen.
        folder: existing folder.

    Raises:
        OSError: the files cannot be written.
        TomogramError: the file of the tomogram cannot be read.
    """
    for path in pictures_of(folder, record.ts_id):
        os.remove(path)
    slice_of_kind = chosen_slices(record)
    details = {slice_of_kind[kind] for kind in DETAILS if kind in slice_of_kind}
    for z in sorted(set(slice_of_kind.values())):
        values = slice_to_show(volume, z)
        if z == slice_of_kind[THUMBNAIL]:
            thumbnail = as_jpeg(picture(values, THUMBNAIL_PX))
            write_atomically(os.path.join(folder, thumbnail_name(record.ts_id, z)), thumbnail)
        if z in details:
            detail = as_webp(picture(values))
            write_atomically(os.path.join(folder, detail_name(record.ts_id, z)), detail)


def slice_to_show(volume: Volume, z: int) -> np.ndarray:
    """The mean over about 10 nm in z around slice `z`, see `slices_shown`: (y, x) float32.

    Raises:
        TomogramError: the file cannot be read.
    """
    planes = slices_shown(z, volume.shape_zyx[0], volume.voxel_size_angstrom / 10)
    total = volume.read_slice(planes[0])
    with np.errstate(over="ignore", invalid="ignore"):  # pictures replace such values
        for plane in planes[1:]:
            total += volume.read_slice(plane)
        total /= np.float32(len(planes))
    return total
