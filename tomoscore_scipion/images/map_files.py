# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a quality map: STEM-quality.mrc, and STEM-quality.png to look at."""

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
from tomoscore_scipion.records.bands import N_SCORED, share_below_nyquist
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.thumbnail_files import chosen_slices, map_picture_name

if TYPE_CHECKING:
    from PIL import Image

    from tomoscore_scipion.model.inference import SliceCurves

COLOUR_MAP = "viridis"
"""matplotlib's; its colours rise in lightness, also for the colour-blind."""
OPACITY = 0.4
LONGEST_PX = 640
BAR_PX = 14


def write_map(
    volume: Volume, slices: Sequence[SliceCurves], record: Score, folder: str
) -> QualityMap:
    """Write the map of a scored tomogram and its picture; earlier ones of its id are replaced.

    The origin in the map's header is that of the tomogram's, moved by the distance between the
    centres of their first voxels.

    Args:
        volume: the tomogram, open.
        slices: what the network says of its slices, in order of z.
        record: its record, scored.
        folder: where to; it exists.

    Returns:
        The map that was written.

    Raises:
        OSError: it cannot be written.
        TomogramError: the tomogram's file cannot be read any more.
        ValueError: the record has no slab.
    """
    if record.slab_z is None:
        raise ValueError(f"expected a scored record, got {record.status!r}")
    share = share_below_nyquist(volume.voxel_size_angstrom / 10)
    found = quality_map(slices, record.slab_z, volume.shape_zyx, volume.voxel_size_angstrom, share)
    path = os.path.join(folder, map_picture_name(record.ts_id))
    with atomic_path(os.path.splitext(path)[0] + ".mrc") as temporary:
        write_mrc(temporary, found, volume.origin_xyz_angstrom)
    chosen = chosen_slices(record)
    middle = chosen.get("central", slices[len(slices) // 2].z)
    image = overlay(slice_to_show(volume, middle), found)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    write_atomically(path, buffer.getvalue())
    return found


def write_mrc(
    path: str, found: QualityMap, origin_xyz_angstrom: tuple[float, float, float]
) -> None:
    """Write a map as an MRC file that does not exist yet.

    Args:
        path: the file.
        found: the map.
        origin_xyz_angstrom: origin of its tomogram.

    Raises:
        OSError: it cannot be written.
    """
    with mrcfile.new(path, found.scores) as mrc:
        mrc.voxel_size = found.voxel_size_angstrom
        mrc.header.origin = tuple(o + found.offset_angstrom for o in origin_xyz_angstrom)
        mrc.add_label("TomoScore map: octaves, 0 to 5, higher is better; 0 outside the slab")


def overlay(values: np.ndarray, found: QualityMap) -> Image.Image:
    """A slice under the colours of the map, the mean over the slab; the scale at the right.

    Args:
        values: (y, x) float32, a slice of the tomogram.
        found: the map.
    """
    from PIL import Image

    grey = picture(values, LONGEST_PX)
    layers = found.scores[found.scores.any(axis=(1, 2))]
    mean = layers.mean(axis=0) if len(layers) else np.zeros(found.scores.shape[1:])
    n_y, n_x = values.shape
    coarse = Image.fromarray(np.ascontiguousarray(mean[::-1], dtype=np.float32))
    # The map may reach beyond the end of the slice, which is its top here.
    high, wide = n_y / found.factor, n_x / found.factor
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
    """The picture with the scale of colours, 0 at its bottom, and numbers beside it."""
    from PIL import Image, ImageDraw

    width, height = image.size
    whole = Image.new("RGB", (width + BAR_PX + 26, height), "white")
    whole.paste(image, (0, 0))
    ramp = colours(np.linspace(N_SCORED, 0, height))[:, None].repeat(BAR_PX, axis=1)
    whole.paste(Image.fromarray(ramp.round().astype(np.uint8)), (width + 6, 0))
    draw = ImageDraw.Draw(whole)
    for score in range(N_SCORED + 1):
        place = (height - 12) * (1 - score / N_SCORED)
        draw.text((width + BAR_PX + 10, place), str(score), fill="black")
    return whole
