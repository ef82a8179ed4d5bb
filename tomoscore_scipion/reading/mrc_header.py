# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of MRC headers against MRC2014 (with mode 12) and the conventions of IMOD.

A header that could give a wrong volume is an error. An unusual header with one meaning gives a
warning. No file is read here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Tuple

import numpy as np

from tomoscore_scipion.reading.file_format import has_map_word, refuse_other_format
from tomoscore_scipion.reading.file_kind import TOMOGRAM, FileKind
from tomoscore_scipion.reading.mrc_fields import HEADER_BYTES, MrcFields, read_fields
from tomoscore_scipion.records.errors import TomogramError

MAX_SLICE_VOXELS = 2**28
"""Largest slice that is read, 1 GiB as float32."""

_DTYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_FOUR_BITS = "4 bits per voxel; convert it: newstack -mode 1 in.mrc out.mrc (IMOD)"
_FOURIER = "a Fourier transform; turn it back: clip fft in.mrc out.mrc (IMOD)"
_REFUSED_MODES = {
    3: f"complex 16-bit integers, {_FOURIER}",
    4: f"complex 32-bit floats, {_FOURIER}",
    16: "colours (RGB); give the volume of grey values",
    101: _FOUR_BITS,
}
_FIX_AXES = (
    "python -c \"import mrcfile; m = mrcfile.mmap('in.mrc', 'r+'); h = m.header; "
    'h.mapc, h.mapr, h.maps = 1, 2, 3; m.close()"'
)
_IMOD_SIGNED_BYTES = 1
_IMOD_FOUR_BITS = 16
_VOLUME_STACK_GROUPS = range(401, 631)

Warnings = Tuple[str, ...]


@dataclass(frozen=True)
class MrcHeader:
    """A checked MRC header, made by `parse_header`.

    Attributes:
        shape_zyx: sections, rows, columns.
        dtype: data type of the stored values, with byte order.
        data_offset: first byte of the first section.
        voxel_size_xyz_angstrom: cell size divided by grid size, in A, otherwise unchecked; NaN if
            the grid size is not positive. z is None if the third axis is not a length: for a single
            section, or a stack of images.
        warnings: warnings for the user.
        origin_xyz_angstrom: origin as in the header, in A; 0 if it is not finite, or if the header
            is older than this entry.
        sign_is_unknown: whether the header does not say if the bytes of mode 0 are signed; `dtype`
            is then signed.
    """

    shape_zyx: tuple[int, int, int]
    dtype: np.dtype[Any]
    data_offset: int
    voxel_size_xyz_angstrom: tuple[float, float, float | None]
    warnings: Warnings
    origin_xyz_angstrom: tuple[float, float, float] = (0.0, 0.0, 0.0)
    sign_is_unknown: bool = False

    @property
    def slice_bytes(self) -> int:
        """Bytes of one section."""
        return self.shape_zyx[1] * self.shape_zyx[2] * self.dtype.itemsize

    @property
    def file_bytes(self) -> int:
        """Smallest size of the file in bytes: header, extended header and all sections."""
        return self.data_offset + self.shape_zyx[0] * self.slice_bytes


def parse_header(
    raw: bytes, file_size: int | None, name: str, kind: FileKind = TOMOGRAM
) -> MrcHeader:
    """Check an MRC header against the size of its file.

    Args:
        raw: the first 1024 bytes of the file, or all bytes of a shorter file.
        file_size: size of the file in bytes; None if it is unknown (compressed), which skips the
            checks that need it.
        name: name of the file, for messages and for its extension.
        kind: tomogram or stack.

    Raises:
        TomogramError: the file is not MRC, is damaged, or has an unsupported mode.
    """
    refuse_other_format(raw, name, kind)
    if len(raw) < HEADER_BYTES:
        raise TomogramError(
            f"{name}: is not an MRC file: expected a header of {HEADER_BYTES} bytes, "
            f"found {len(raw)} bytes in all; was its writing or copying cut off?"
        )
    fields, warnings = read_fields(raw, file_size)
    if not has_map_word(raw):
        warnings += _check_without_map_word(fields, file_size, name, kind)
    _check_dimensions(fields, name, kind)
    warnings += _check_axes(fields, name)
    if not kind.is_stack:
        _check_one_volume(fields, name)
    dtype, dtype_warnings = _dtype(fields, name, kind)
    if file_size is not None:
        warnings += _check_file_size(fields, file_size, name, kind)
    return MrcHeader(
        shape_zyx=(fields.dims_xyz[2], fields.dims_xyz[1], fields.dims_xyz[0]),
        dtype=dtype,
        data_offset=HEADER_BYTES + fields.extended_bytes,
        voxel_size_xyz_angstrom=_voxel_size(fields, kind),
        warnings=warnings + dtype_warnings,
        origin_xyz_angstrom=_origin(fields) if has_map_word(raw) else (0.0, 0.0, 0.0),
        sign_is_unknown=fields.mode == 0 and fields.imod_flags is None and dtype == np.int8,
    )


def _check_without_map_word(
    fields: MrcFields, file_size: int | None, name: str, kind: FileKind
) -> Warnings:
    """Check a header without the word MAP, from before 2000: the file size must fit exactly."""
    if not fields.is_plausible or (file_size is not None and fields.file_bytes != file_size):
        raise TomogramError(
            f"{name}: is not an MRC file: expected the word MAP at byte 208, found neither it nor "
            f"a header that agrees with the file ({_dimensions(fields)}, mode {fields.mode}); "
            f"if it is a {kind.name}, convert it to MRC"
        )
    return ("the header lacks the word MAP (as before the year 2000)",)


def _check_dimensions(fields: MrcFields, name: str, kind: FileKind) -> None:
    if min(fields.dims_xyz) < 1:
        raise TomogramError(
            f"{name}: expected positive dimensions in the header, found {_dimensions(fields)}; "
            "the header is damaged, write the file anew"
        )
    if fields.dims_xyz[0] * fields.dims_xyz[1] > MAX_SLICE_VOXELS:
        raise TomogramError(
            f"{name}: expected slices of at most {MAX_SLICE_VOXELS} voxels, found "
            f"{_dimensions(fields)}; if that is true, bin it: {kind.bin_command} (IMOD)"
        )
    if fields.extended_bytes < 0:
        raise TomogramError(
            f"{name}: expected an extended header of 0 bytes or more, found "
            f"{fields.extended_bytes}; the header is damaged, write the file anew"
        )


def _dimensions(fields: MrcFields) -> str:
    return "columns x rows x sections " + " x ".join(map(str, fields.dims_xyz))


def _check_axes(fields: MrcFields, name: str) -> Warnings:
    if fields.axes == (1, 2, 3):
        return ()
    if fields.axes == (0, 0, 0):
        return ("the header leaves the order of axes unset; taken as x, y, z",)
    raise TomogramError(
        f"{name}: expected columns, rows, sections along axes 1, 2, 3 (x, y, z), found "
        f"{', '.join(map(str, fields.axes))}; if the sections are xy slices all the same, mend the "
        f"header: {_FIX_AXES}; else turn the volume so that they are"
    )


def _check_one_volume(fields: MrcFields, name: str) -> None:
    nz, mz = fields.dims_xyz[2], fields.grid_xyz[2]
    if fields.space_group in _VOLUME_STACK_GROUPS and 0 < mz < nz:
        raise TomogramError(
            f"{name}: expected one volume, found a stack of {math.ceil(nz / mz)} with {mz} "
            f"sections each; take them out one by one: newstack -secs 0-{mz - 1} in.mrc out.mrc "
            "(IMOD)"
        )


def _dtype(fields: MrcFields, name: str, kind: FileKind) -> tuple[np.dtype[Any], Warnings]:
    mode = fields.mode
    if mode == 0 and (fields.imod_flags or 0) & _IMOD_FOUR_BITS:
        raise TomogramError(f"{name}: cannot be {kind.used}: mode 0 with {_FOUR_BITS}")
    if mode in _REFUSED_MODES:
        raise TomogramError(f"{name}: cannot be {kind.used}: mode {mode}, {_REFUSED_MODES[mode]}")
    if mode not in _DTYPES:
        raise TomogramError(
            f"{name}: expected mode 0, 1, 2, 6 or 12, found {mode}; "
            "if the file is sound, convert it: newstack -mode 2 in.mrc out.mrc (IMOD)"
        )
    if mode == 0:
        return _byte_dtype(fields)
    return np.dtype(fields.order + _DTYPES[mode]), ()


def _byte_dtype(fields: MrcFields) -> tuple[np.dtype[Any], Warnings]:
    """Mode 0 is signed in MRC2014. It was unsigned in IMOD, which now writes a flag for it."""
    if fields.imod_flags is not None:
        return np.dtype("i1" if fields.imod_flags & _IMOD_SIGNED_BYTES else "u1"), ()
    if fields.value_min >= 0 and 127 < fields.value_max <= 255:
        return np.dtype("u1"), (
            f"bytes read as unsigned, as the header gives them a range of {fields.value_min:g} to "
            f"{fields.value_max:g}",
        )
    return np.dtype("i1"), ()


def _check_file_size(fields: MrcFields, file_size: int, name: str, kind: FileKind) -> Warnings:
    if HEADER_BYTES + fields.extended_bytes > file_size:
        raise TomogramError(
            f"{name}: expected data after an extended header of {fields.extended_bytes} bytes, "
            f"found a file of only {file_size} bytes; the header is damaged or the file cut off"
        )
    missing = fields.file_bytes - file_size
    if missing > 0:
        raise TomogramError(
            f"{name}: is shorter than its header says: expected {fields.file_bytes} bytes for "
            f"{_dimensions(fields)}, mode {fields.mode}, found {file_size}; it was cut off, or is "
            f"still being written: {kind.use} it when it is complete"
            + _other_mode(fields, file_size, "; or its mode is wrong, for it has")
        )
    data_bytes = fields.file_bytes - HEADER_BYTES - fields.extended_bytes
    if -missing >= max(data_bytes, HEADER_BYTES):
        raise TomogramError(
            f"{name}: is far longer than its header says: expected {fields.file_bytes} bytes for "
            f"{_dimensions(fields)}, mode {fields.mode}, found {file_size}"
            + _other_mode(fields, file_size, "; it has")
            + "; the header is damaged, or of another file: write the file anew"
        )
    return (f"the file is {-missing} bytes longer than its header says",) if missing else ()


def _other_mode(fields: MrcFields, file_size: int, how: str) -> str:
    """Hint for the message: modes with which the file would have its size, or empty."""
    n_x, n_y, n_z = fields.dims_xyz
    data_bytes = file_size - HEADER_BYTES - fields.extended_bytes
    modes = [
        str(mode)
        for mode, kind in _DTYPES.items()
        if n_x * n_y * n_z * np.dtype(kind).itemsize == data_bytes
    ]
    return f"{how} the size of mode {' or '.join(modes)}" if modes else ""


def _origin(fields: MrcFields) -> tuple[float, float, float]:
    x, y, z = (value if math.isfinite(value) else 0.0 for value in fields.origin_xyz)
    return x, y, z


def _voxel_size(fields: MrcFields, kind: FileKind) -> tuple[float, float, float | None]:
    x, y, z = (
        cell / grid if grid > 0 else math.nan
        for cell, grid in zip(fields.cell_xyz, fields.grid_xyz)
    )
    # An image stack (space group 0, one section in the grid) has no length along its sections.
    is_image_stack = kind.is_stack or (fields.space_group == 0 and fields.grid_xyz[2] <= 1)
    return x, y, None if fields.dims_xyz[2] == 1 or is_image_stack else z
