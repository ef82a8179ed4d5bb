# SPDX-License-Identifier: GPL-3.0-or-later
"""The network over the slices of a volume: padding, overlapping tiles, too little GPU memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Sequence

import torch
import torch.nn.functional as F

from tomoscore_scipion.engine.bands import N_BANDS
from tomoscore_scipion.engine.errors import TomogramError
from tomoscore_scipion.engine.network import ResolvabilityNet, slice_contexts
from tomoscore_scipion.engine.normalisation import CanonicalSlice
from tomoscore_scipion.engine.pyramid import CELL_PX
from tomoscore_scipion.engine.texture import N_FEATURES, tile_features

BLOCK_TILES = 25
"""Tiles along the edge of a block of a slice that goes through the network at once."""
FEWEST_TILES = 3
"""Blocks are not made smaller than this when memory is short."""
HALO_CELLS = 4
"""Cells around a block: as far as its tiles look, so that blocks change nothing."""
FEWEST_CELLS = 2


@dataclass(frozen=True)
class MeasuredSlice:
    """What is measured of a slice.

    Attributes:
        z: plane of the volume.
        features: (tiles_y, tiles_x, N_FEATURES) float16.
        weight: (tiles_y, tiles_x) float32, the share of each tile that carries data, 0 to 1.
        level: log10 of the slice's spread.
    """

    z: int
    features: torch.Tensor
    weight: torch.Tensor
    level: float

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
        weight: (tiles_y, tiles_x) float32, the share of each tile that carries data, 0 to 1.
    """

    z: int
    curves: torch.Tensor
    weight: torch.Tensor


class Predictor:
    """A network on its device.

    The network makes curves in half precision on a GPU.  What is measured, and the summary of a
    volume, are in single precision everywhere: the weak octaves of a denoised tomogram would be
    lost in half precision, and sums of fourth moments overflow it.

    Attributes:
        device: where it runs.
        half: whether the network makes curves in half precision.
        block_tiles: edge of a block; halved when the GPU's memory does not suffice.
        notices: what was done about too little memory.
    """

    def __init__(
        self, network: ResolvabilityNet, device: torch.device, half: bool | None = None
    ) -> None:
        self.device = device
        self.half = device.type == "cuda" if half is None else half
        self.block_tiles = BLOCK_TILES
        self.notices: list[str] = []
        self._network = network.to(device)

    def measure(self, piece: CanonicalSlice) -> MeasuredSlice:
        """What there is to measure of one slice.

        Raises:
            TomogramError: the GPU's memory does not suffice even for a small block.
        """
        turn = orientation(piece)
        channels, weight = pad_to_cells(turn.do(piece.channels), turn.do(piece.valid))
        weight = turn.undo(weight)
        if piece.blank:
            features = torch.zeros((*weight.shape, N_FEATURES), dtype=torch.float16)
            return MeasuredSlice(piece.z, features, torch.zeros_like(weight), 0.0)
        while True:
            try:
                features = turn.undo(self._features(channels).permute(2, 0, 1)).permute(1, 2, 0)
                return MeasuredSlice(piece.z, features, weight, piece.level)
            except torch.cuda.OutOfMemoryError as error:
                self._shrink(error)

    @torch.inference_mode()
    def curves(self, slices: Sequence[MeasuredSlice]) -> list[SliceCurves]:
        """Curves of the slices of a volume, each seen beside the others; 0 where one is blank."""
        seen = [piece for piece in slices if not piece.blank]
        if not seen:
            return [_no_curves(piece) for piece in slices]
        summaries = torch.stack([self._network.summary(*self._input(piece)) for piece in seen])
        there = torch.ones((1, len(seen)), dtype=torch.bool, device=self.device)
        contexts = iter(slice_contexts(summaries[None], there)[0])
        return [
            _no_curves(piece) if piece.blank else self._curves(piece, next(contexts))
            for piece in slices
        ]

    @torch.inference_mode()
    def unfamiliar(self, slices: Sequence[MeasuredSlice]) -> float:
        """Share of what is measured of a volume that lies beyond all that was trained on."""
        shares = []
        for piece in slices:
            if not piece.blank:
                features, weight, _ = self._input(piece)
                mean = torch.einsum("tf,t->f", features, weight / weight.sum())
                shares.append(float(self._network.unfamiliar(mean)))
        return sum(shares) / len(shares) if shares else 0.0

    def _input(self, piece: MeasuredSlice) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Features (t, N_FEATURES), weight (t,) and level () on the device."""
        features = piece.features.to(self.device).float().flatten(0, 1)
        weight = piece.weight.to(self.device).flatten()
        return features, weight, torch.tensor(piece.level, device=self.device)

    def _curves(self, piece: MeasuredSlice, context: torch.Tensor) -> SliceCurves:
        features, _, level = self._input(piece)
        with torch.autocast(self.device.type, torch.float16, enabled=self.half):
            found = self._network.curves(features, level, context).float().cpu()
        return SliceCurves(piece.z, found.reshape(*piece.weight.shape, -1), piece.weight)

    def _shrink(self, error: torch.cuda.OutOfMemoryError) -> None:
        """Go on with smaller blocks, or say that there is no way to go on."""
        if self.block_tiles <= FEWEST_TILES:
            raise TomogramError(
                f"{self.device}: its free memory does not suffice for blocks of "
                f"{self.block_tiles} tiles; free the GPU, or use --device cpu"
            ) from error
        torch.cuda.empty_cache()
        self.block_tiles = max(FEWEST_TILES, self.block_tiles // 2)
        self.notices.append(
            f"{self.device}: out of memory: went on in blocks of {self.block_tiles} tiles"
        )

    @torch.inference_mode()
    def _features(self, channels: torch.Tensor) -> torch.Tensor:
        """(CHANNELS, 32 m, 32 n) pixels to (m - 1, n - 1, N_FEATURES) float16 on the CPU."""
        rows = list(blocks(channels.shape[1] // CELL_PX, self.block_tiles))
        columns = list(blocks(channels.shape[2] // CELL_PX, self.block_tiles))
        return torch.cat(
            [torch.cat([self._block(channels, r, c) for c in columns], dim=1) for r in rows]
        )

    def _block(self, channels: torch.Tensor, rows: Block, columns: Block) -> torch.Tensor:
        part = channels[None, :, rows.pixels, columns.pixels].to(self.device).contiguous()
        found = tile_features(part)
        return found[0, :, rows.tiles, columns.tiles].permute(1, 2, 0).half().cpu()


def _no_curves(piece: MeasuredSlice) -> SliceCurves:
    return SliceCurves(piece.z, torch.zeros((*piece.weight.shape, N_BANDS)), piece.weight)


@dataclass(frozen=True)
class Block:
    """A run of tiles along one axis: the pixels it needs, and the tiles to keep of the result."""

    pixels: slice
    tiles: slice


def blocks(cells: int, block_tiles: int) -> Iterator[Block]:
    """Cut `cells` - 1 tiles into runs of at most `block_tiles`, each with its halo."""
    for first in range(0, cells - 1, block_tiles):
        last = min(first + block_tiles, cells - 1)
        low, high = max(first - HALO_CELLS, 0), min(last + 1 + HALO_CELLS, cells)
        yield Block(slice(low * CELL_PX, high * CELL_PX), slice(first - low, last - low))


@dataclass(frozen=True)
class Turn:
    """A turn of a square: mirror y, mirror x, then swap y and x, of the last two axes."""

    mirror_y: bool
    mirror_x: bool
    swap: bool

    def do(self, images: torch.Tensor) -> torch.Tensor:
        """Turn (..., y, x) images."""
        axes = [axis for axis, mirror in ((-2, self.mirror_y), (-1, self.mirror_x)) if mirror]
        turned = images.flip(axes) if axes else images
        return turned.transpose(-2, -1) if self.swap else turned

    def undo(self, images: torch.Tensor) -> torch.Tensor:
        """Turn (..., y, x) images back."""
        axes = [axis for axis, mirror in ((-2, self.mirror_y), (-1, self.mirror_x)) if mirror]
        straight = images.transpose(-2, -1) if self.swap else images
        return straight.flip(axes) if axes else straight


def orientation(piece: CanonicalSlice) -> Turn:
    """The turn that brings a slice into a standard position, so that its own does not matter.

    In it the image varies more along x than along y, as across a vertical tilt axis, and its
    energy lies towards the start of both axes.
    """
    image = piece.channels[0].double()
    energy = image**2
    rows, columns = energy.sum(dim=1), energy.sum(dim=0)
    along_y = float((image.diff(dim=0) ** 2).mean()) if image.shape[0] > 1 else 0.0
    along_x = float((image.diff(dim=1) ** 2).mean()) if image.shape[1] > 1 else 0.0
    return Turn(_leans_to_end(rows), _leans_to_end(columns), along_y > along_x)


def _leans_to_end(profile: torch.Tensor) -> bool:
    """Whether the centre of mass of a profile lies beyond its middle."""
    place = torch.arange(len(profile), dtype=profile.dtype) - (len(profile) - 1) / 2
    return float((place * profile).sum()) > 0


def pad_to_cells(channels: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A slice padded on all sides to whole cells, and the weight of each of its tiles.

    Args:
        channels: (c, y, x).
        valid: (y, x) share of each pixel that carries data.

    Returns:
        channels (c, 32 m, 32 n) float32, m and n at least 2, and weight (m - 1, n - 1), the share
        of each tile of 2 x 2 cells that carries data.
    """
    padding: list[int] = []
    for size in (channels.shape[2], channels.shape[1]):
        missing = max(-(-size // CELL_PX), FEWEST_CELLS) * CELL_PX - size
        padding += [missing // 2, missing - missing // 2]
    share = F.avg_pool2d(F.pad(valid, padding)[None], CELL_PX)
    return F.pad(channels, padding), F.avg_pool2d(share, 2, stride=1)[0]
