# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure slices, and predict the curves of a volume with the network, on a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import torch

from tomoscore_scipion.model.network import Measured, ResolvabilityNet
from tomoscore_scipion.model.normalisation import CanonicalSlice
from tomoscore_scipion.model.octaves import OCTAVES, octaves
from tomoscore_scipion.model.statistics import MEANS, PERSISTENCE, persistence_of, tile_means
from tomoscore_scipion.records.bands import N_BANDS
from tomoscore_scipion.records.errors import TomogramError


@dataclass(frozen=True)
class MeasuredSlice:
    """Statistics of a slice.

    Attributes:
        z: plane of the volume.
        means: (tiles_y, tiles_x, OCTAVES, len(MEANS)) float32.
        weight: (tiles_y, tiles_x) float32, fraction of each tile that holds data, 0 to 1.
        log_power: (OCTAVES,) log10 power, comparable within a volume.
        persistence: (OCTAVES, PERSISTENCE).
    """

    z: int
    means: torch.Tensor
    weight: torch.Tensor
    log_power: torch.Tensor
    persistence: torch.Tensor

    @property
    def blank(self) -> bool:
        """Whether no tile holds data."""
        return not bool(self.weight.any())


@dataclass(frozen=True)
class SliceCurves:
    """Predictions of the network for a slice.

    Attributes:
        z: plane of the volume.
        curves: (tiles_y, tiles_x, N_BANDS) float32, signed resolvability, not clipped.
        content: (tiles_y, tiles_x, N_BANDS) float32, amount of structure, 0 to 1.
        weight: (tiles_y, tiles_x) float32, fraction of each tile that holds data, 0 to 1.
    """

    z: int
    curves: torch.Tensor
    content: torch.Tensor
    weight: torch.Tensor


class Predictor:
    """A network on a device, in single precision.

    Attributes:
        device: device of the network.
    """

    def __init__(self, network: ResolvabilityNet, device: torch.device) -> None:
        self.device = device
        self._network = network.to(device)

    def measure(self, canonical: CanonicalSlice) -> MeasuredSlice:
        """Measure the statistics of one slice.

        Raises:
            TomogramError: the GPU has too little memory.
        """
        try:
            return measure(canonical, self.device)
        except torch.cuda.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise TomogramError(
                f"{self.device}: its free memory does not suffice for slices of "
                f"{canonical.shape[0]} x {canonical.shape[1]} pixels; free the GPU, or use "
                "--device cpu"
            ) from error

    @torch.inference_mode()
    def curves(self, slices: Sequence[MeasuredSlice]) -> list[SliceCurves]:
        """Predict the curves of all slices of a volume together; blank slices have curves of 0."""
        not_blank = [measured for measured in slices if not measured.blank]
        if not not_blank:
            return [_no_curves(measured) for measured in slices]
        prediction = self._network(as_volume(not_blank, self.device))
        rows = iter(zip(prediction.curves[0].float().cpu(), prediction.content[0].float().cpu()))
        return [_no_curves(s) if s.blank else _curves(s, *next(rows)) for s in slices]

    @torch.inference_mode()
    def out_of_distribution(self, slices: Sequence[MeasuredSlice]) -> float:
        """Distance of a volume from the training volumes; 2 % of held-out volumes exceed 1."""
        not_blank = [measured for measured in slices if not measured.blank]
        if not not_blank:
            return 0.0
        return float(self._network.out_of_distribution(as_volume(not_blank, self.device))[0])


@torch.inference_mode()
def measure(canonical: CanonicalSlice, device: torch.device) -> MeasuredSlice:
    """Measure the statistics of one slice on a device."""
    tiles = (canonical.cells[0] - 1, canonical.cells[1] - 1)
    if canonical.blank:
        return MeasuredSlice(
            canonical.z,
            torch.zeros((*tiles, OCTAVES, len(MEANS))),
            torch.zeros(tiles),
            torch.zeros(OCTAVES),
            torch.zeros((OCTAVES, PERSISTENCE)),
        )
    slice_octaves = octaves(canonical, device)
    means, weight = tile_means(slice_octaves)
    log_power = torch.tensor([octave.log_power for octave in slice_octaves])
    return MeasuredSlice(canonical.z, means, weight, log_power, persistence_of(slice_octaves))


def as_volume(slices: Sequence[MeasuredSlice], device: torch.device) -> Measured:
    """Input of the network for the slices of one volume, v = 1."""

    def stacked(name: str, tiles: bool) -> torch.Tensor:
        rows = [getattr(measured, name) for measured in slices]
        return torch.stack([row.flatten(0, 1) if tiles else row for row in rows])[None].to(device)

    return Measured(
        stacked("means", True),
        stacked("weight", True),
        stacked("log_power", False),
        stacked("persistence", False),
    )


def _curves(measured: MeasuredSlice, curves: torch.Tensor, content: torch.Tensor) -> SliceCurves:
    shape = (*measured.weight.shape, N_BANDS)
    return SliceCurves(measured.z, curves.reshape(shape), content.reshape(shape), measured.weight)


def _no_curves(measured: MeasuredSlice) -> SliceCurves:
    zeros = torch.zeros((*measured.weight.shape, N_BANDS))
    return SliceCurves(measured.z, zeros, zeros, measured.weight)
