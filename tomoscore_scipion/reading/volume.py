# SPDX-License-Identifier: GPL-3.0-or-later
"""A tomogram as the steps that follow see it: slices in xy, a voxel size, warnings."""

from __future__ import annotations

import operator
import os
from abc import ABC, abstractmethod
from contextlib import ExitStack
from types import TracebackType
from typing import TypeVar

import numpy as np

from tomoscore_scipion.reading.byte_order import check_byte_order
from tomoscore_scipion.reading.byte_sign import settle_bytes
from tomoscore_scipion.reading.compressed import compression_of, decompress
from tomoscore_scipion.reading.file_kind import STACK, TOMOGRAM, FileKind
from tomoscore_scipion.reading.mrc_fields import HEADER_BYTES
from tomoscore_scipion.reading.mrc_header import MrcHeader, Warnings, parse_header
from tomoscore_scipion.reading.source_file import SourceFile, open_source
from tomoscore_scipion.reading.voxel_size import check_given_voxel_size, choose_voxel_size
from tomoscore_scipion.records.errors import TomogramError

UNFLIPPED_RATIO = 0.6
"""A volume whose thinnest axis is y or x and at most this share of z looks unflipped."""

AnyVolume = TypeVar("AnyVolume", bound="Volume")


class Volume(ABC):
    """A tomogram that hands out xy slices. A context manager; for one thread at a time.

    Attributes:
        path: the file, None for an array in memory.
        shape_zyx: sections, rows, columns; (1, y, x) for an image.
        voxel_size_angstrom: the voxel size in xy.
        warnings: what the user should know about this input.
        origin_xyz_angstrom: as it stands in the file's header; 0 for an array.
    """

    origin_xyz_angstrom: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __init__(
        self,
        path: str | None,
        shape_zyx: tuple[int, int, int],
        voxel_size_angstrom: float,
        warnings: Warnings = (),
        kind: FileKind = TOMOGRAM,
    ) -> None:
        self.path = path
        self.shape_zyx = shape_zyx
        self.voxel_size_angstrom = voxel_size_angstrom
        self.warnings = warnings
        if not kind.is_stack:
            self.warnings += _unflipped_warnings(shape_zyx)

    def read_slice(self, z: int) -> np.ndarray:
        """One slice, as a new array of shape (y, x), float32, C-contiguous, values as stored.

        Raises:
            IndexError: z is not in 0 .. sections - 1.
            TomogramError: the file cannot be read, or changed since it was opened.
        """
        z = operator.index(z)
        if not 0 <= z < self.shape_zyx[0]:
            raise IndexError(f"expected z in 0 .. {self.shape_zyx[0] - 1}, got {z}")
        return self._read_slice(z)

    @abstractmethod
    def _read_slice(self, z: int) -> np.ndarray:
        """The slice of a z that is in range."""

    def close(self) -> None:
        """Close what is open; nothing can be read afterwards."""
        return

    def __enter__(self: AnyVolume) -> AnyVolume:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class MrcVolume(Volume):
    """An open MRC file. It owns the file and closes it."""

    def __init__(
        self,
        source: SourceFile,
        header: MrcHeader,
        voxel_size_angstrom: float,
        warnings: Warnings,
        kind: FileKind = TOMOGRAM,
    ) -> None:
        super().__init__(source.name, header.shape_zyx, voxel_size_angstrom, warnings, kind)
        self.origin_xyz_angstrom = header.origin_xyz_angstrom
        self._source = source
        self._header = header
        self._kind = kind
        self._is_float32 = header.dtype == np.float32
        self._stored: np.ndarray | None = None

    def _read_slice(self, z: int) -> np.ndarray:
        n_bytes = self._header.slice_bytes
        stored = self._buffer()
        read = self._source.read_into(stored, self._header.data_offset + z * n_bytes)
        if read < n_bytes or self._source.has_changed():
            raise TomogramError(
                f"{self.path}: changed while it was read: expected {n_bytes} bytes for slice {z} "
                f"as when it was opened, found {read}; {self._kind.use} it when it is complete"
            )
        values = stored.view(self._header.dtype).reshape(self.shape_zyx[1:])
        return values if self._is_float32 else _as_float32(values)

    def _buffer(self) -> np.ndarray:
        """Room for the bytes of a slice: new where they are handed out, else always the same."""
        if self._is_float32:
            return np.empty(self._header.slice_bytes, dtype=np.uint8)
        if self._stored is None:
            self._stored = np.empty(self._header.slice_bytes, dtype=np.uint8)
        return self._stored

    def close(self) -> None:
        """Close the file."""
        self._source.close()


class ArrayVolume(Volume):
    """A tomogram in memory, with the interface of one in a file."""

    def __init__(self, array: np.ndarray, voxel_size_angstrom: float | None) -> None:
        """Take an array of shape (z, y, x) or (y, x) of real numbers; it is not copied.

        Raises:
            TomogramError: another shape or type, or no valid voxel size (0.1 to 1000 A).
        """
        array = np.asarray(array)
        if array.ndim not in (2, 3) or array.size == 0 or array.dtype.kind not in "biuf":
            raise TomogramError(
                "expected an array of real numbers of shape (z, y, x) or (y, x), none of them 0, "
                f"got shape {array.shape} of {array.dtype}"
            )
        if voxel_size_angstrom is None:
            raise TomogramError(
                f"expected a voxel size in A with the array of shape {array.shape}, got None"
            )
        size = check_given_voxel_size(voxel_size_angstrom, f"array of shape {array.shape}")
        self._array = array if array.ndim == 3 else array[np.newaxis]
        nz, ny, nx = self._array.shape
        super().__init__(None, (nz, ny, nx), size)

    def _read_slice(self, z: int) -> np.ndarray:
        return _as_float32(self._array[z])


def open_volume(
    path: str | os.PathLike[str],
    voxel_size_angstrom: float | None = None,
    kind: FileKind = TOMOGRAM,
) -> MrcVolume:
    """Open a tomogram in MRC format (.mrc, .rec, .map, ..., also compressed by gzip or bzip2).

    Args:
        path: the file; its content decides, not its extension.
        voxel_size_angstrom: wins over the header's; None takes the header's.
        kind: what it is read as.

    Raises:
        TomogramError: the file cannot be opened, is not MRC, is damaged, is of a mode that cannot
            be scored, or no valid voxel size is known. The message says what to do.
    """
    name = os.fsdecode(path)
    if voxel_size_angstrom is not None:
        voxel_size_angstrom = check_given_voxel_size(voxel_size_angstrom, name, kind)
    with ExitStack() as on_error:
        source, header, warnings = _opened(name, kind)
        on_error.callback(source.close)
        size, size_warnings = choose_voxel_size(
            header.voxel_size_xyz_angstrom, voxel_size_angstrom, name, kind
        )
        header = settle_bytes(source, header)
        check_byte_order(source, header, kind)
        on_error.pop_all()
    return MrcVolume(source, header, size, warnings + header.warnings + size_warnings, kind)


def open_stack(path: str | os.PathLike[str], pixel_size_angstrom: float | None = None) -> MrcVolume:
    """Open a stack of images, the views of a tilt series; its sections are its "slices".

    What the header says of the third axis does not matter.

    Args:
        path: the file.
        pixel_size_angstrom: wins over the header's; None takes the header's.

    Raises:
        TomogramError: as `open_volume`.
    """
    return open_volume(path, pixel_size_angstrom, STACK)


def images_in_stack(path: str | os.PathLike[str]) -> int:
    """The number of images of a stack, whatever its pixel size.

    Raises:
        TomogramError: it cannot be read.
    """
    source, header, _ = _opened(os.fsdecode(path), STACK)
    source.close()
    return header.shape_zyx[0]


def _opened(name: str, kind: FileKind) -> tuple[SourceFile, MrcHeader, Warnings]:
    """An open MRC file, decompressed where it was compressed, its header, and warnings."""
    with ExitStack() as on_error:
        source = open_source(name, kind)
        on_error.callback(source.close)
        warnings: Warnings = ()
        compression = compression_of(source.head(HEADER_BYTES))
        if compression:
            source, warnings = decompress(source, compression, kind)
            on_error.callback(source.close)
        header = parse_header(source.head(HEADER_BYTES), source.size, name, kind)
        on_error.pop_all()
    return source, header, warnings


def _as_float32(values: np.ndarray) -> np.ndarray:
    # What is beyond float32 becomes infinite: values that are not finite are dealt with later.
    with np.errstate(over="ignore", invalid="ignore"):
        return np.array(values, dtype=np.float32, order="C")


def _unflipped_warnings(shape_zyx: tuple[int, int, int]) -> Warnings:
    nz, ny, nx = shape_zyx
    if nz == 1 or min(ny, nx) > UNFLIPPED_RATIO * nz:
        return ()
    axis, turn = "y", "clip rotx in.mrc out.mrc or trimvol -rx in.mrc out.mrc"
    if nx < ny:
        axis, turn = "x", "clip flipxz in.mrc out.mrc"
    return (
        f"looks unflipped: slices should lie in xy, but {axis} is the thinnest axis ({nx} x {ny} x "
        f"{nz} voxels in x, y, z); turn it with {turn} (IMOD), or reconstruct it with -FlipVol 1 "
        "(AreTomo)",
    )
