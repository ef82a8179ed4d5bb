# SPDX-License-Identifier: GPL-3.0-or-later
"""Small pictures of a tomogram's slices, for reports and viewers."""

from __future__ import annotations

import os

import numpy as np

from tomoscore_scipion.engine.aside import write_file
from tomoscore_scipion.engine.pictures import as_jpeg, picture
from tomoscore_scipion.engine.record import Score
from tomoscore_scipion.engine.sampling import mean_plane, plan_slice
from tomoscore_scipion.engine.thumbnail_files import chosen_slices, thumbnail_name, thumbnails_of
from tomoscore_scipion.engine.volume import Volume


def write_thumbnails(volume: Volume, record: Score, folder: str) -> None:
    """Write the thumbnails of a scored tomogram; earlier ones of the same id are removed.

    Args:
        volume: the tomogram, open.
        record: its record, which says what is to be shown.
        folder: where to; it exists.

    Raises:
        OSError: they cannot be written.
        TomogramError: the tomogram's file cannot be read any more.
    """
    for path in thumbnails_of(folder, record.ts_id).values():
        os.remove(path)
    for z in sorted(set(chosen_slices(record).values())):
        content = as_jpeg(picture(slice_as_scored(volume, z)))
        write_file(os.path.join(folder, thumbnail_name(record.ts_id, z)), content)


def slice_as_scored(volume: Volume, z: int) -> np.ndarray:
    """The slice around plane `z` as it was scored: (y, x) float32, as thick as the model sees it.

    Raises:
        TomogramError: the file cannot be read.
    """
    plan = plan_slice(z, volume.shape_zyx[0], volume.voxel_size_angstrom / 10)
    return mean_plane(volume.read_slice, plan.centre.planes, plan.centre.weights)
