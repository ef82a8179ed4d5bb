# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file is that is not MRC, and the command that makes an MRC file of it."""

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
    """Whether the word MAP stands where an MRC header of the year 2000 or later has it."""
    return head[208:211] == b"MAP"


def conversion_by_name(name: str) -> str | None:
    """What a file or folder of this name is and how to convert it; None for MRC and the unknown."""
    stem, suffix = os.path.splitext(name.lower().rstrip(os.sep))
    if suffix in _COMPRESSION_SUFFIXES:
        suffix = os.path.splitext(stem)[1]
    return _conversion(suffix)


def refuse_foreign(head: bytes, name: str, kind: FileKind = TOMOGRAM) -> None:
    """Refuse what is known not to be MRC; the rest is left to the header's own checks.

    Args:
        head: the first bytes of the file, up to 1024.
        name: the file's name, for the message and for its extension.
        kind: what it should be.

    Raises:
        TomogramError: empty file, text, or another format, with the way out.
    """
    if not head:
        raise TomogramError(
            f"{name}: is empty (0 bytes), expected an MRC file; was its writing or copying cut off?"
        )
    if has_map_word(head):
        return
    found = _conversion_by_content(head) or _text(head, kind) or conversion_by_name(name)
    if found:
        raise TomogramError(f"{name}: expected an MRC file, but it is {found}")


def _conversion(suffix: str) -> str | None:
    known = _SYNONYMS.get(suffix, suffix)
    if known not in _CONVERSIONS:
        return None
    what, command = _CONVERSIONS[known]
    return f"{what}; convert it first: {command.replace('in' + known, 'in' + suffix)}"


def _conversion_by_content(head: bytes) -> str | None:
    for magic, suffix in _MAGIC.items():
        if head.startswith(magic):
            return _conversion(suffix)
    return None


def _text(head: bytes, kind: FileKind) -> str | None:
    # A real header always holds zero bytes; text holds no control bytes but tabs and line ends.
    # Erased storage holds bytes of 255, of which text has a mark at most.
    if any(byte < 9 or 13 < byte < 32 for byte in head) or head.count(255) > 2:
        return None
    start = " ".join(head.decode("latin-1").split())[:40]
    if start.lower().startswith(("<!doctype", "<html")):
        return f"a web page ({start!a}); download the file itself"
    if start.startswith("version https://git-lfs"):
        return "a Git LFS pointer, not the file itself; fetch it: git lfs pull"
    return f"text ({start!a}); give the {kind.name} itself"
