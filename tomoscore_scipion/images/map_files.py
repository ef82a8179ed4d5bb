# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a quality map: STEM-quality.mrc, and its picture STEM-quality.png."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Sequence

import mrcfile
import numpy as np

from tomoscore_scipion.images.pictures import picture
from tomoscore_scipion.images.thumbnails import slice_to_show
from tomoscore_scipion.model.quality_map import QualityMap, quality_map
from tomoscore_scipion.reading.volume import Volume
from tomoscore_scipion.records.atomic_write import atomic_path, write_atomically
from tomoscore_scipion.records.bands import N_SCORED, fraction_below_nyquist
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.thumbnail_files import chosen_slices, map_picture_name

if TYPE_CHECKING:
    from PIL import Image

    from tomoscore_scipion.model.inference import SliceCurves

COLOUR_MAP = "viridis"
"""Colour map of matplotlib with increasing lightness, also for colour-blind readers."""
OPACITY = 0.4
MAX_SIDE_PX = 640
BAR_PX = 14


def write_map(
    volume: Volume, slices: Sequence[SliceCurves], record: Score, folder: str
) -> QualityMap:
    """Write the quality map of a tomogram and its picture. Existing files of its id are replaced.

    The origin of the map is that of the tomogram plus the distance between the centres of their
    first voxels.

    Args:
        volume: the tomogram, open.
        slices: predicted curves of its slices, in order of z.
        record: its record, with a score.
        folder: existing folder.

    Returns:
        The map that was written.

    Raises:
        OSError: the files cannot be written.
        TomogramError: the file of the tomogram cannot be read.
        ValueError: the record has no slab.
    """
    if record.slab_z is None:
        raise ValueError(f"expected a scored record, got {record.status!r}")
    below_nyquist = fraction_below_nyquist(volume.voxel_size_angstrom / 10)
    map_ = quality_map(
        slices, record.slab_z, volume.shape_zyx, volume.voxel_size_angstrom, below_nyquist
    )
    path = os.path.join(folder, map_picture_name(record.ts_id))
    with atomic_path(os.path.splitext(path)[0] + ".mrc") as temporary:
        write_mrc(temporary, map_, volume.origin_xyz_angstrom)
    slice_of_kind = chosen_slices(record)
    middle = slice_of_kind.get("central", slices[len(slices) // 2].z)
    image = overlay(slice_to_show(volume, middle), map_)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    write_atomically(path, buffer.getvalue())
    return map_


def write_mrc(path: str, map_: QualityMap, origin_xyz_angstrom: tuple[float, float, float]) -> None:
    """Write a quality map as a new MRC file.

    Args:
        path: path of a file that does not exist.
        map_: the quality map.
        origin_xyz_angstrom: origin of its tomogram in A.

    Raises:
        OSError: the file cannot be written.
    """
    with mrcfile.new(path, map_.scores) as mrc:
        mrc.voxel_size = map_.voxel_size_angstrom
        mrc.header.origin = tuple(o + map_.offset_angstrom for o in origin_xyz_angstrom)
        mrc.add_label("TomoScore map: octaves, 0 to 5, higher is better; 0 outside the slab")


def overlay(values: np.ndarray, map_: QualityMap) -> Image.Image:
    """Picture of a slice with the colours of its quality map (mean over the slab), and their scale.

    Args:
        values: slice of the tomogram, (y, x) float32.
        map_: the quality map.
    """
    from PIL import Image

    grey = picture(values, MAX_SIDE_PX)
    layers = map_.scores[map_.scores.any(axis=(1, 2))]
    mean = layers.mean(axis=0) if len(layers) else np.zeros(map_.scores.shape[1:])
    n_y, n_x = values.shape
    coarse = Image.fromarray(np.ascontiguousarray(mean[::-1], dtype=np.float32))
    # The last cells of the map may extend beyond the slice, at the top of the picture.
    high, wide = n_y / map_.factor, n_x / map_.factor
    box = (0.0, coarse.height - high, wide, float(coarse.height))
    scores = np.asarray(coarse.resize(grey.size, Image.Resampling.BILINEAR, box=box))
    base = np.repeat(np.asarray(grey, dtype=np.float64)[..., None], 3, axis=2)
    mixed = (1 - OPACITY) * base + OPACITY * colours(scores)
    return _with_scale(Image.fromarray(mixed.round().astype(np.uint8)))


def colours(scores: np.ndarray) -> np.ndarray:
    """Colours of scores, from 0 to 5 octaves.

    Args:
        scores: any shape, in octaves.

    Returns:
        (..., 3) float64, 0 to 255.
    """
    from matplotlib import colormaps

    return np.asarray(255 * colormaps[COLOUR_MAP](np.asarray(scores) / N_SCORED)[..., :3])


def _with_scale(image: Image.Image) -> Image.Image:
    """The picture with a colour scale at its right, 0 at the bottom."""
    from PIL import Image, ImageDraw

    width, height = image.size
    with_scale = Image.new("RGB", (width + BAR_PX + 26, height), "white")
    with_scale.paste(image, (0, 0))
    ramp = colours(np.linspace(N_SCORED, 0, height))[:, None].repeat(BAR_PX, axis=1)
    with_scale.paste(Image.fromarray(ramp.round().astype(np.uint8)), (width + 6, 0))
    draw = ImageDraw.Draw(with_scale)
    for score in range(N_SCORED + 1):
        place = (height - 12) * (1 - score / N_SCORED)
        draw.text((width + BAR_PX + 10, place), str(score), fill="black")
    return with_scale
