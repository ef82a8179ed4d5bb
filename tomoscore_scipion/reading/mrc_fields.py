# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the entries of an MRC header, and determine its byte order.

The layout of the header is taken from mrcfile, whose reader would accept files that are not MRC.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE

HEADER_BYTES = HEADER_DTYPE.itemsize
MODE_BITS = {0: 8, 1: 16, 2: 32, 3: 32, 4: 64, 6: 16, 12: 16, 16: 24, 101: 4}
"""Bits per voxel of all modes of MRC2014 and IMOD."""

_STAMP_BYTE = HEADER_DTYPE.fields["machst"][1]
_ORDER_OF_STAMP = {0x44: "<", 0x11: ">"}
_ORDER_NAME = {"<": "little-endian", ">": "big-endian"}
_MAX_DIMENSION = 2**20
_IMOD_STAMP = 1146047817
_IMOD_STAMP_BYTE = 152
"""Where IMOD puts its stamp and, behind it, its flags: in `extra2` of MRC2014."""
_MAX_EXTENDED_BYTES = 2**24
"""An entry with a larger extended header is damaged: no program writes one."""


class MrcFields(NamedTuple):
    """Unchecked entries of a header; axes are in the order x, y, z, as in the file."""

    order: str
    """Byte order as NumPy writes it, "<" or ">"."""
    dims_xyz: tuple[int, int, int]
    mode: int
    grid_xyz: tuple[int, int, int]
    cell_xyz: tuple[float, float, float]
    axes: tuple[int, int, int]
    value_min: float
    value_max: float
    space_group: int
    extended_bytes: int
    imod_flags: int | None
    """None if the header does not have the stamp of IMOD."""
    origin_xyz: tuple[float, float, float]

    @property
    def data_bytes(self) -> int:
        """Bytes of all sections."""
        nx, ny, nz = self.dims_xyz
        return nx * ny * nz * MODE_BITS.get(self.mode, 8) // 8

    @property
    def file_bytes(self) -> int:
        """Expected size of the file in bytes."""
        return HEADER_BYTES + self.extended_bytes + self.data_bytes

    @property
    def is_plausible(self) -> bool:
        """Whether mode, dimensions and extended header have possible values."""
        return (
            self.mode in MODE_BITS
            and all(0 < n <= _MAX_DIMENSION for n in self.dims_xyz)
            and self.extended_bytes >= 0
        )

    def fits(self, file_size: int | None) -> bool:
        """Whether the entries are plausible, and fit in a file of this size (None: any size)."""
        return self.is_plausible and (file_size is None or self.file_bytes <= file_size)


def read_fields(raw: bytes, file_size: int | None) -> tuple[MrcFields, tuple[str, ...]]:
    """Read the entries of a header.

    The machine stamp gives the byte order. If the stamp is unknown, or if the entries fit the size
    of the file in the other byte order only, the byte order is the one in which the entries are
    plausible. If the file has exactly the size of header and data, an extended header that the
    entries announce does not exist and is ignored.

    Args:
        raw: the header, at least 1024 bytes.
        file_size: size of the file in bytes; None if unknown.

    Returns:
        The entries, and warnings.
    """
    stamped = _ORDER_OF_STAMP.get(raw[_STAMP_BYTE])
    expected, absent = _as_in_file(_unpack(raw, stamped or "<"), file_size)
    swapped, absent_swapped = _as_in_file(
        _unpack(raw, "<" if expected.order == ">" else ">"), file_size
    )
    if stamped:
        lies = swapped.fits(file_size) and not expected.fits(file_size)
        fields = swapped if lies else expected
    else:
        fields = max(expected, swapped, key=lambda candidate: _plausibility(candidate, file_size))
    warnings = absent_swapped if fields is swapped else absent
    if fields.order == stamped:
        return fields, warnings
    return fields, (
        f"the machine stamp is {raw[_STAMP_BYTE : _STAMP_BYTE + 2].hex()} (hexadecimal); read as "
        f"{_ORDER_NAME[fields.order]}, as the dimensions make more sense so",
        *warnings,
    )


def _as_in_file(fields: MrcFields, file_size: int | None) -> tuple[MrcFields, tuple[str, ...]]:
    """Remove an extended header that the file does not have; the entries, and a warning."""
    announced = fields.extended_bytes
    ends_with_data = file_size == HEADER_BYTES + fields.data_bytes
    if not (0 < announced <= _MAX_EXTENDED_BYTES and fields.is_plausible and ends_with_data):
        return fields, ()
    return fields._replace(extended_bytes=0), (
        f"the header announces an extended header of {announced} bytes, which the file does not "
        "have: its size is that of header and data, and it is read so",
    )


def _plausibility(fields: MrcFields, file_size: int | None) -> tuple[bool, bool, bool]:
    return fields.is_plausible, fields.fits(file_size), fields.file_bytes == file_size


def _unpack(raw: bytes, order: str) -> MrcFields:
    layout = HEADER_DTYPE.newbyteorder(order)
    entries = dict(zip(layout.names, np.frombuffer(raw, layout, count=1).tolist()[0]))
    stamp, flags = np.frombuffer(raw, order + "i4", count=2, offset=_IMOD_STAMP_BYTE).tolist()
    return MrcFields(
        order=order,
        dims_xyz=(entries["nx"], entries["ny"], entries["nz"]),
        mode=entries["mode"],
        grid_xyz=(entries["mx"], entries["my"], entries["mz"]),
        cell_xyz=entries["cella"],
        axes=(entries["mapc"], entries["mapr"], entries["maps"]),
        value_min=entries["dmin"],
        value_max=entries["dmax"],
        space_group=entries["ispg"],
        extended_bytes=entries["nsymbt"],
        imod_flags=flags if stamp == _IMOD_STAMP else None,
        origin_xyz=entries["origin"],
    )
