# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers of a scored tomogram for napari: tuples of data, arguments and type.

Scales are in angstrom and axes are (z, y, x), so that a coarse map overlays its tomogram.
"""

from __future__ import annotations

import os
import weakref
from typing import Any, Sequence, Tuple

import numpy as np

from tomoscore_scipion.reading.volume import Volume, open_volume
from tomoscore_scipion.records.bands import N_SCORED
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.record import OK, Score
from tomoscore_scipion.records.thumbnail_files import map_picture_name

LayerData = Tuple[Any, dict, str]

SHOWN_PERCENT = (1.0, 99.0)
"""Percentiles of the middle slice that give the contrast limits of the tomogram."""
OPACITY = 0.4
"""Opacity of the quality map."""
METADATA = "tomoscore"
"""Key of the record in the metadata of the layer of a tomogram."""


class LazySlices:
    """A tomogram whose slices are read when napari shows them.

    Attributes:
        shape: (z, y, x), voxels.
        dtype: float32.
        ndim: 3.
    """

    dtype = np.dtype(np.float32)
    ndim = 3

    def __init__(self, volume: Volume) -> None:
        """Take over an open tomogram, which is closed when the layer is deleted.

        Args:
            volume: open tomogram.
        """
        weakref.finalize(self, volume.close)
        self.shape = volume.shape_zyx
        self._volume = volume

    def __getitem__(self, key: Any) -> np.ndarray:
        z, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(z, (int, np.integer)):
            return self._slice(int(z))[tuple(rest)]
        planes = range(self.shape[0])[z] if isinstance(z, slice) else [int(i) for i in z]
        slices = np.empty((len(planes), *self.shape[1:]), self.dtype)
        for index, plane in enumerate(planes):
            slices[index] = self._slice(plane)
        return slices[(slice(None), *rest)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def _slice(self, z: int) -> np.ndarray:
        return self._volume.read_slice(range(self.shape[0])[z])


def layers_of(record: Score, maps: Sequence[str] = ()) -> list[LayerData]:
    """The layers of a scored tomogram: the tomogram, its quality map, and the score of each slice.

    Args:
        record: record of the tomogram.
        maps: folders of quality maps; the first folder that has the map is used.

    Returns:
        Tuples of data, arguments and type of layer.

    Raises:
        StartError: the tomogram was not scored.
        TomogramError: the file of tomogram or map cannot be read.
    """
    if record.status != OK or record.path is None:
        raise StartError(f"{record.ts_id}: was not scored: {record.error or 'it has no file'}")
    volume = open_volume(record.path, record.voxel_size_angstrom)
    layers = [_tomogram(volume, record)]
    name = os.path.splitext(map_picture_name(record.ts_id))[0] + ".mrc"
    candidates = [os.path.join(folder, name) for folder in maps]
    map_path = next(filter(os.path.exists, candidates), None)
    if map_path is not None:
        layers.append(_map(map_path, record))
    return [*layers, _scores(volume, record)]


def _tomogram(volume: Volume, record: Score) -> LayerData:
    middle = volume.read_slice(volume.shape_zyx[0] // 2)
    low, high = (float(value) for value in np.percentile(middle, SHOWN_PERCENT))
    arguments = {
        "name": record.ts_id,
        **_scale_and_origin(volume),
        "contrast_limits": (low, high if high > low else low + 1.0),
        "colormap": "gray",
        "multiscale": False,
        "metadata": {METADATA: record.to_dict()},
    }
    return LazySlices(volume), arguments, "image"


def _map(path: str, record: Score) -> LayerData:
    with open_volume(path) as volume:
        scores = np.stack([volume.read_slice(z) for z in range(volume.shape_zyx[0])])
        arguments = {
            "name": f"{record.ts_id}: TomoScore per place",
            **_scale_and_origin(volume),
            "contrast_limits": (0.0, float(N_SCORED)),
            "colormap": "viridis",
            "opacity": OPACITY,
            "blending": "translucent",
        }
    return scores, arguments, "image"


def _scores(volume: Volume, record: Score) -> LayerData:
    """A point in the corner of each scored slice, with its score as text."""
    planes = [entry["z"] for entry in record.slices]
    scores = [entry["tomoscore"] for entry in record.slices]
    _, n_y, n_x = volume.shape_zyx
    points = np.array([(z, 0.03 * n_y, 0.03 * n_x) for z in planes], dtype=float).reshape(-1, 3)
    text = {"string": "TomoScore {tomoscore:.2f}", "anchor": "upper_left", "color": "yellow"}
    arguments = {
        "name": f"{record.ts_id}: TomoScore per slice",
        **_scale_and_origin(volume),
        "features": {"tomoscore": scores},
        "text": text,
        "size": 1.0,
    }
    return points, arguments, "points"


def _scale_and_origin(volume: Volume) -> dict[str, Any]:
    """Scale and origin of a volume, angstrom, (z, y, x)."""
    x, y, z = volume.origin_xyz_angstrom
    return {"scale": (volume.voxel_size_angstrom,) * 3, "translate": (z, y, x)}
