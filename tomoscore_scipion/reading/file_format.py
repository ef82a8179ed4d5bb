# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognise files of other formats, and name the command that converts them to MRC."""

from __future__ import annotations

import os

from tomoscore_scipion.reading.file_kind import TOMOGRAM, FileKind
from tomoscore_scipion.records.errors import TomogramError

_COMPRESSION_SUFFIXES = (".gz", ".bz2")

_ONE_LINER = (
    "python -c \"import mrcfile, {module}; mrcfile.write('out.mrc', {array}, voxel_size=10)\""
)
_FROM_NPY = _ONE_LINER.format(module="numpy", array="numpy.load('in.npy').astype('float32')")
_FROM_ZARR = _ONE_LINER.format(module="zarr", array="zarr.open('in.zarr', mode='r')['0'][:]")
_OWN_SIZE = " (with your own voxel size in A)"

_CONVERSIONS = {
    ".em": ("an EM file", "e2proc3d.py in.em out.mrc (EMAN2)"),
    ".hdf": ("an HDF5 file", "e2proc3d.py in.hdf out.mrc (EMAN2)"),
    ".tif": ("a TIFF file", "tif2mrc in.tif out.mrc (IMOD)"),
    ".dm4": ("a DigitalMicrograph file", "dm2mrc in.dm4 out.mrc (IMOD)"),
    ".vol": ("a SPIDER file", "xmipp_image_convert -i in.vol -o out.mrc (Xmipp)"),
    ".npy": ("a NumPy file", _FROM_NPY + _OWN_SIZE),
    ".zarr": ("a Zarr array", _FROM_ZARR + _OWN_SIZE),
    ".zip": ("a zip archive", "unzip in.zip"),
    ".xz": ("compressed by xz", "unxz in.mrc.xz"),
    ".zst": ("compressed by zstd", "unzstd in.mrc.zst"),
}
_SYNONYMS = {".h5": ".hdf", ".hdf5": ".hdf", ".tiff": ".tif", ".dm3": ".dm4", ".spi": ".vol"}
_MAGIC = {
    b"\x89HDF\r\n\x1a\n": ".hdf",
    b"II*\x00": ".tif",
    b"MM\x00*": ".tif",
    b"II+\x00": ".tif",
    b"MM\x00+": ".tif",
    b"\x93NUMPY": ".npy",
    b"PK\x03\x04": ".zip",
    b"\xfd7zXZ\x00": ".xz",
    b"\x28\xb5\x2f\xfd": ".zst",
}


def has_map_word(head: bytes) -> bool:
    """Whether a header has the word MAP at byte 208, as MRC files have since the year 2000."""
    return head[208:211] == b"MAP"


def conversion_by_name(name: str) -> str | None:
    """Format of a file or folder by its extension, and how to convert it; None for all others."""
    stem, suffix = os.path.splitext(name.lower().rstrip(os.sep))
    if suffix in _COMPRESSION_SUFFIXES:
        suffix = os.path.splitext(stem)[1]
    return _conversion(suffix)


def refuse_other_format(head: bytes, name: str, kind: FileKind = TOMOGRAM) -> None:
    """Refuse files that are recognised as another format; `parse_header` checks all others.

    Args:
        head: the first bytes of the file, up to 1024.
        name: name of the file, for the message and for its extension.
        kind: tomogram or stack, for messages.

    Raises:
        TomogramError: the file is empty, a text, or of another format; the message says how to
            convert it.
    """
    if not head:
        raise TomogramError(
            f"{name}: is empty (0 bytes), expected an MRC file; was its writing or copying cut off?"
        )
    if has_map_word(head):
        return
    description = _conversion_by_content(head) or _text(head, kind) or conversion_by_name(name)
    if description:
        raise TomogramError(f"{name}: expected an MRC file, but it is {description}")


def _conversion(suffix: str) -> str | None:
    canonical = _SYNONYMS.get(suffix, suffix)
    if canonical not in _CONVERSIONS:
        return None
    description, command = _CONVERSIONS[canonical]
    return f"{description}; convert it first: {command.replace('in' + canonical, 'in' + suffix)}"


def _conversion_by_content(head: bytes) -> str | None:
    for magic, suffix in _MAGIC.items():
        if head.startswith(magic):
            return _conversion(suffix)
    return None


def _text(head: bytes, kind: FileKind) -> str | None:
    # An MRC header contains zero bytes; text has no control bytes except tabs and line ends.
    # Erased storage is full of bytes of 255; text has them in a byte order mark only.
    if any(byte < 9 or 13 < byte < 32 for byte in head) or head.count(255) > 2:
        return None
    start = " ".join(head.decode("latin-1").split())[:40]
    if start.lower().startswith(("<!doctype", "<html")):
        return f"a web page ({start!a}); download the file itself"
    if start.startswith("version https://git-lfs"):
        return "a Git LFS pointer, not the file itself; fetch it: git lfs pull"
    return f"text ({start!a}); give the {kind.name} itself"
