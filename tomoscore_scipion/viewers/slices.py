# SPDX-License-Identifier: GPL-3.0-or-later
"""Slices of a tomogram in full resolution, read from its file for the figure of one tomogram."""

import numpy as np

from tomoscore_scipion.images.pictures import grey_levels
from tomoscore_scipion.images.thumbnails import slice_to_show
from tomoscore_scipion.reading.volume import open_volume
from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.records.failures import cause_first
from tomoscore_scipion.viewers.runs import chosen_planes

MAX_SIDE_PX = 1200
"""Maximum number of pixels along the longer edge of a slice, which allows zooming."""
SHOWN_PX = 400
"""Approximate pixels along the longer edge of a slice in the window, before zooming."""


def slices_of(record, thumbnails):
    """The best, median and worst slice of a scored tomogram.

    Args:
        record: its Score.
        thumbnails: {kind: path} of the pictures from the run.

    Returns:
        ({kind: array (y, x) float32 with 0 for black and 255 for white, or (y, x, 3) of 8 bits},
        remark if the slices are not from the file).
    """
    try:
        with open_volume(record.path, record.voxel_size_angstrom) as volume:
            if volume.shape_zyx != record.shape_zyx:
                raise TomogramError(
                    f"{record.path}: has changed since it was scored: expected "
                    f"{record.shape_zyx} voxels (z, y, x), found {volume.shape_zyx}"
                )
            return {kind: _read(volume, z) for kind, z in chosen_planes(record).items()}, ""
    except TomogramError as error:
        reason = cause_first(str(error), record.path)
        return {kind: read_picture(path) for kind, path in thumbnails.items()}, (
            f"The slices are the run's pictures, since the file cannot be read: {reason}"
        )


def _read(volume, z):
    return grey_levels(slice_to_show(volume, z), MAX_SIDE_PX, SHOWN_PX)


def read_picture(path):
    """A picture file as (y, x, 3) of 8 bits."""
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
