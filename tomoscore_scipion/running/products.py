# SPDX-License-Identifier: GPL-3.0-or-later
"""Files written for an open tomogram besides its record: thumbnails and quality maps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Sequence

from tomoscore_scipion.records.output_paths import make_folder
from tomoscore_scipion.records.record import Score

if TYPE_CHECKING:
    from tomoscore_scipion.model.inference import SliceCurves
    from tomoscore_scipion.reading.volume import Volume


@dataclass(frozen=True)
class Products:
    """Folders of the products.

    Attributes:
        thumbnail_dir: folder for pictures of slices; None for no pictures.
        map_dir: folder for quality maps; None for no maps.
    """

    thumbnail_dir: str | None = None
    map_dir: str | None = None

    def prepare(self) -> None:
        """Make the folders.

        Raises:
            StartError: a folder cannot be made or is not writable.
        """
        for folder in (self.thumbnail_dir, self.map_dir):
            if folder is not None:
                make_folder(folder)

    def __call__(self, volume: Volume, slices: Sequence[SliceCurves], record: Score) -> Score:
        """Make the products of one tomogram.

        Args:
            volume: the tomogram, open.
            slices: predicted curves of its slices.
            record: its record.

        Returns:
            The record, with a warning for each product that could not be written.

        Raises:
            TomogramError: the file of the tomogram can no longer be read.
        """
        if self.thumbnail_dir is not None:
            from tomoscore_scipion.images.thumbnails import write_thumbnails

            try:
                write_thumbnails(volume, record, self.thumbnail_dir)
            except OSError as error:
                record = _warned(record, "thumbnails", self.thumbnail_dir, error)
        if self.map_dir is not None:
            from tomoscore_scipion.images.map_files import write_map

            try:
                write_map(volume, slices, record, self.map_dir)
            except OSError as error:
                record = _warned(record, "map", self.map_dir, error)
        return record


def _warned(record: Score, product: str, folder: str, error: OSError) -> Score:
    warning = f"its {product} could not be written to {folder}: {error.strerror}; the score holds"
    return replace(record, warnings=(*record.warnings, warning))
