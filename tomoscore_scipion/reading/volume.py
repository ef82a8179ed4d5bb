# SPDX-License-Identifier: GPL-3.0-or-later
"""Tomograms and stacks as volumes: slices in xy, voxel size, warnings."""

from __future__ import annotations

import operator
import os
from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import TypeVar

import numpy as np

from tomoscore_scipion.reading.byte_order import check_byte_order
from tomoscore_scipion.reading.byte_sign import choose_sign
from tomoscore_scipion.reading.compressed import compression_of, decompress
from tomoscore_scipion.reading.file_kind import STACK, TOMOGRAM, FileKind
from tomoscore_scipion.reading.mrc_fields import HEADER_BYTES
from tomoscore_scipion.reading.mrc_header import MrcHeader, Warnings, parse_header
from tomoscore_scipion.reading.source_file import SourceFile, open_source
from tomoscore_scipion.reading.voxel_size import check_given_voxel_size, choose_voxel_size
from tomoscore_scipion.records.errors import TomogramError

UNFLIPPED_RATIO = 0.6
"""Largest ratio of y (or x) to z at which a volume looks unflipped, with y (or x) its thin axis."""

AnyVolume = TypeVar("AnyVolume", bound="Volume")


class Volume(ABC):
    """A tomogram that is read by xy slices. It is a context manager, and not thread-safe.

    Attributes:
        path: path of the file; None for an array in memory.
        shape_zyx: sections, rows, columns; (1, y, x) for a single image.
        voxel_size_angstrom: voxel size in xy, in A.
        warnings: warnings about this file, for the user.
        origin_xyz_angstrom: origin of the header, in A; 0 for an array.
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
        """Read one slice.

        Args:
            z: index of the slice, from 0.

        Returns:
            New array, shape (y, x), float32, C-contiguous, values as stored in the file.

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
        """Read a slice whose index is in range."""

    def close(self) -> None:
        """Close the file; slices cannot be read afterwards."""
        return

    def __enter__(self: AnyVolume) -> AnyVolume:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class MrcVolume(Volume):
    """A volume in an open MRC file, which it owns and closes."""

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
        """Buffer for a slice: a new one if the caller gets it, else one that is reused."""
        if self._is_float32:
            return np.empty(self._header.slice_bytes, dtype=np.uint8)
        if self._stored is None:
            self._stored = np.empty(self._header.slice_bytes, dtype=np.uint8)
        return self._stored

    def close(self) -> None:
        """Close the file."""
        self._source.close()


class ArrayVolume(Volume):
    """A tomogram in memory."""

    def __init__(self, array: np.ndarray, voxel_size_angstrom: float | None) -> None:
        """Wrap an array; it is not copied.

        Args:
            array: real numbers, shape (z, y, x) or (y, x).
            voxel_size_angstrom: voxel size in xy, 0.1 to 1000 A.

        Raises:
            TomogramError: shape, data type or voxel size are invalid.
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
        path: the file. The format is determined by its content, not by its extension.
        voxel_size_angstrom: voxel size in A that takes precedence over the header; None to use the
            header.
        kind: tomogram or stack.

    Raises:
        TomogramError: the file cannot be opened, is not MRC, is damaged, has an unsupported mode,
            or has no valid voxel size. The message says what to do.
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
        header = choose_sign(source, header)
        check_byte_order(source, header, kind)
        on_error.pop_all()
    return MrcVolume(source, header, size, warnings + header.warnings + size_warnings, kind)


def open_stack(path: str | os.PathLike[str], pixel_size_angstrom: float | None = None) -> MrcVolume:
    """Open a stack of images, such as the views of a tilt series; `read_slice` reads an image.

    Args:
        path: the file.
        pixel_size_angstrom: pixel size in A that takes precedence over the header; None to use the
            header.

    Raises:
        TomogramError: see `open_volume`.
    """
    return open_volume(path, pixel_size_angstrom, STACK)


def images_in_stack(path: str | os.PathLike[str]) -> int:
    """Number of images of a stack; its pixel size is not checked.

    Raises:
        TomogramError: it cannot be read.
    """
    source, header, _ = _opened(os.fsdecode(path), STACK)
    source.close()
    return header.shape_zyx[0]


def _opened(name: str, kind: FileKind) -> tuple[SourceFile, MrcHeader, Warnings]:
    """Open an MRC file, decompressed if necessary; its header, and warnings."""
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
    # Values beyond the range of float32 become infinite; later steps mask values that are not
    # finite.
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
