# SPDX-License-Identifier: GPL-3.0-or-later
"""The network over the slices of a volume, on its device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import torch

from tomoscore_scipion.model.network import Measured, ResolvabilityNet
from tomoscore_scipion.model.normalisation import CanonicalSlice
from tomoscore_scipion.model.octaves import OCTAVES, octaves
from tomoscore_scipion.model.statistics import (
    MEANS,
    PERSISTENCE,
    persistence_of,
    tile_means,
)
from tomoscore_scipion.records.bands import N_BANDS
from tomoscore_scipion.records.errors import TomogramError


@dataclass(frozen=True)
class MeasuredSlice:
    """What is measured of a slice.

    Attributes:
        z: plane of the volume.
        means: (tiles_y, tiles_x, OCTAVES, len(MEANS)) float32.
        weight: (tiles_y, tiles_x) float32, the share of each tile that carries data, 0 to 1.
        level: (OCTAVES,) log10 power, comparable within a volume.
        persistence: (OCTAVES, PERSISTENCE).
    """

    z: int
    means: torch.Tensor
    weight: torch.Tensor
    level: torch.Tensor
    persistence: torch.Tensor

    @property
    def blank(self) -> bool:
        """Whether there is nothing to look at."""
        return not bool(self.weight.any())


@dataclass(frozen=True)
class SliceCurves:
    """What the network says of a slice.

    Attributes:
        z: plane of the volume.
        curves: (tiles_y, tiles_x, N_BANDS) float32, signed, not clipped.
        content: (tiles_y, tiles_x, N_BANDS) float32, 0 to 1.
        weight: (tiles_y, tiles_x) float32, the share of each tile that carries data, 0 to 1.
    """

    z: int
    curves: torch.Tensor
    content: torch.Tensor
    weight: torch.Tensor


class Predictor:
    """A network on its device; all in single precision.

    Attributes:
        device: where it runs.
    """

    def __init__(self, network: ResolvabilityNet, device: torch.device) -> None:
        self.device = device
        self._network = network.to(device)

    def measure(self, piece: CanonicalSlice) -> MeasuredSlice:
        """What there is to measure of one slice.

        Raises:
            TomogramError: the GPU's memory does not suffice.
        """
        try:
            return measure(piece, self.device)
        except torch.cuda.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise TomogramError(
                f"{self.device}: its free memory does not suffice for slices of "
                f"{piece.shape[0]} x {piece.shape[1]} pixels; free the GPU, or use --device cpu"
            ) from error

    @torch.inference_mode()
    def curves(self, slices: Sequence[MeasuredSlice]) -> list[SliceCurves]:
        """Curves of the slices of a volume, each seen beside the others; 0 where one is blank."""
        seen = [piece for piece in slices if not piece.blank]
        if not seen:
            return [_no_curves(piece) for piece in slices]
        found = self._network(as_volume(seen, self.device))
        rows = iter(zip(found.curves[0].float().cpu(), found.content[0].float().cpu()))
        return [_no_curves(s) if s.blank else _curves(s, *next(rows)) for s in slices]

    @torch.inference_mode()
    def strangeness(self, slices: Sequence[MeasuredSlice]) -> float:
        """How far a volume is from what was trained on: 1 is where 2 % of these lie beyond."""
        seen = [piece for piece in slices if not piece.blank]
        if not seen:
            return 0.0
        return float(self._network.strangeness(as_volume(seen, self.device))[0])


@torch.inference_mode()
def measure(piece: CanonicalSlice, device: torch.device) -> MeasuredSlice:
    """What there is to measure of one slice, on a device."""
    tiles = (piece.cells[0] - 1, piece.cells[1] - 1)
    if piece.blank:
        return MeasuredSlice(
            piece.z,
            torch.zeros((*tiles, OCTAVES, len(MEANS))),
            torch.zeros(tiles),
            torch.zeros(OCTAVES),
            torch.zeros((OCTAVES, PERSISTENCE)),
        )
    found = octaves(piece, device)
    means, weight = tile_means(found)
    level = torch.tensor([octave.level for octave in found])
    return MeasuredSlice(piece.z, means, weight, level, persistence_of(found))


def as_volume(slices: Sequence[MeasuredSlice], device: torch.device) -> Measured:
    """Slices of one volume as the network's input, v = 1."""

    def stacked(name: str, tiles: bool) -> torch.Tensor:
        rows = [getattr(piece, name) for piece in slices]
        return torch.stack([row.flatten(0, 1) if tiles else row for row in rows])[None].to(device)

    return Measured(
        stacked("means", True),
        stacked("weight", True),
        stacked("level", False),
        stacked("persistence", False),
    )


def _curves(piece: MeasuredSlice, curves: torch.Tensor, content: torch.Tensor) -> SliceCurves:
    shape = (*piece.weight.shape, N_BANDS)
    return SliceCurves(piece.z, curves.reshape(shape), content.reshape(shape), piece.weight)


def _no_curves(piece: MeasuredSlice) -> SliceCurves:
    nothing = torch.zeros((*piece.weight.shape, N_BANDS))
    return SliceCurves(piece.z, nothing, nothing, piece.weight)
