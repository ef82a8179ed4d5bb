# SPDX-License-Identifier: GPL-3.0-or-later
"""Invalid tomogram files with their error messages, and unusual files that can be scored.

Each maker is a function that writes its file at a given path.
"""

import bz2
import gzip
import os
import struct
from pathlib import Path

import numpy as np

SHAPE_ZYX = (6, 48, 48)
VOXEL = 16.0
CODES = {"i1": 0, "i2": 1, "f4": 2, "u2": 6, "f2": 12}


def texture(shape=SHAPE_ZYX, seed=1):
    """Correlated noise with mean 0 and variance 1, of any shape (z, y, x), float32."""
    noise = np.random.default_rng(seed).normal(size=shape)
    return ((noise + np.roll(noise, 1, -1) + np.roll(noise, 1, -2)) / 3**0.5).astype("f4")


def content(array=None, voxel_size=VOXEL):
    """The bytes of an MRC file of an array (z, y, x)."""
    array = texture() if array is None else array
    order = ">" if array.dtype.byteorder == ">" else "<"
    header = bytearray(1024)
    nz, ny, nx = array.shape
    mode = CODES[array.dtype.str[1:]]
    struct.pack_into(order + "10i", header, 0, nx, ny, nz, mode, 0, 0, 0, nx, ny, nz)
    cell = [np.float32(voxel_size * n) for n in (nx, ny, nz)]
    struct.pack_into(order + "6f3i", header, 40, *cell, 90, 90, 90, 1, 2, 3)
    struct.pack_into(order + "2i", header, 88, 1, 0)
    header[208:216] = b"MAP " + (b"\x44\x44\0\0" if order == "<" else b"\x11\x11\0\0")
    return bytes(header) + array.tobytes()


def file_of(array):
    return lambda path: path.write_bytes(content(array))


def writing(data):
    return lambda path: path.write_bytes(data)


def cut(size):
    return lambda path: path.write_bytes(content()[:size])


def altered(*changes):
    """A valid file with changed header entries, each given as (byte, format, value)."""

    def make(path):
        raw = bytearray(content())
        for offset, kind, value in changes:
            struct.pack_into(kind, raw, offset, value)
        path.write_bytes(raw)

    return make


def link_to(target):
    return lambda path: path.symlink_to(target)


def no_file(path):
    """Write no file."""


def unreadable(path):
    path.write_bytes(content())
    path.chmod(0)


REFUSED = {
    "missing": (no_file, "expected a file, but there is none of this name; check the path"),
    "folder": (Path.mkdir, "is a folder; give the tomogram's file"),
    "pipe": (os.mkfifo, "a pipe, socket or device; give the tomogram's file"),
    "dangling link": (link_to("gone.mrc"), "is a link to gone.mrc, which does not exist; mend the"),
    "link loop": (lambda path: path.symlink_to(path.name), "leads back to itself; mend the link"),
    "permission denied": (unreadable, "permission denied; ask its owner for the right to read it"),
    "empty": (Path.touch, "is empty (0 bytes), expected an MRC file"),
    "shorter than a header": (cut(700), "expected a header of 1024 bytes, found 700 bytes"),
    "cut off": (cut(20000), "expected 56320 bytes for columns x rows x sections 48 x 48 x 6, mode"),
    "text": (writing(b"index of tomograms\n" * 99), "but it is text ('index of tomograms"),
    "web page": (writing(b"<html>sign in</html>" * 99), "a web page"),
    "HDF5 file": (writing(b"\x89HDF\r\n\x1a\n" + bytes(2000)), "e2proc3d.py in.hdf out.mrc"),
    "nonsense": (writing(b"\0\1\2\3" * 999), "expected the word MAP at byte 208, found neither"),
    "wrong MAP and stamp": (
        altered((208, "8s", b"JUNKJUNK"), (0, "<i", 47)),
        "expected the word MAP at byte 208, found neither it nor a header that agrees",
    ),
    "far longer than its header says": (
        altered((8, "<i", 2)),
        "far longer than its header says: expected 19456 bytes for columns x rows x sections 48 x "
        "48 x 2, mode 2, found 56320; the header is damaged",
    ),
    "mode of smaller values": (altered((12, "<i", 0)), "found 56320; it has the size of mode 2"),
    "mode of larger values": (
        writing(
            content(texture().astype("i2"))[:12]
            + struct.pack("<i", 2)
            + content(texture().astype("i2"))[16:]
        ),
        "or its mode is wrong, for it has the size of mode 1 or 6 or 12",
    ),
    "values in another byte order": (
        writing(content()[:1024] + content(texture().astype(">f4"))[1024:]),
        "expected values of little-endian byte order, as its header is, found values of big-endian",
    ),
    "header in another byte order": (
        writing(content(texture().astype(">f4"))[:1024] + content()[1024:]),
        "expected values of big-endian byte order, as its header is, found values of little-endian",
    ),
    "unknown mode": (altered((12, "<i", 77)), "expected mode 0, 1, 2, 6 or 12, found 77"),
    "complex mode": (altered((12, "<i", 4)), "cannot be scored: mode 4, complex 32-bit floats"),
    "colours": (altered((12, "<i", 16)), "cannot be scored: mode 16, colours (RGB)"),
    "negative dimensions": (altered((0, "<i", -48)), "expected positive dimensions in the header"),
    "dimensions of zero": (altered((8, "<i", 0)), "found columns x rows x sections 48 x 48 x 0"),
    "absurd slices": (
        altered((0, "<i", 2**31 - 1), (4, "<i", 2**31 - 1)),
        "expected slices of at most 268435456 voxels, found columns x rows x sections 2147483647",
    ),
    "absurd number of slices": (altered((8, "<i", 2**31 - 1)), "is shorter than its header says"),
    "huge extended header": (altered((92, "<i", 10**9)), "extended header of 1000000000 bytes"),
    "negative extended header": (altered((92, "<i", -1)), "extended header of 0 bytes or more"),
    "permuted axes": (altered((64, "<i", 3), (72, "<i", 1)), "axes 1, 2, 3 (x, y, z), found 3, 2"),
    "stack of volumes": (altered((88, "<i", 401), (36, "<i", 2)), "found a stack of 3 with 2"),
    "voxel size of 0": (altered((40, "<f", 0.0)), "is unset (0, 16, 16 A); give --voxel-size"),
    "voxel size negative": (altered((40, "<f", -768.0)), "is unset (-16, 16, 16 A); give --voxel"),
    "voxel size NaN": (altered((44, "<f", np.nan)), "is unset (16, nan, 16 A); give --voxel-size"),
    "voxel size absurd": (
        altered(*((40 + 4 * i, "<f", n * 1e6) for i, n in enumerate((48, 48, 6)))),
        "is not believable (1e+06, 1e+06, 1e+06 A); give --voxel-size",
    ),
    "voxel size anisotropic": (altered((40, "<f", 480.0)), "differs between the axes (10, 16, 16"),
    "damaged gzip": (
        writing(gzip.compress(content())[:5000]),
        "sound gzip data, found a file that",
    ),
    "cut off bzip2": (writing(bz2.compress(content())[:-9]), "sound bzip2 data, found a file that"),
    "spoiled gzip": (
        writing(gzip.compress(content())[:-8] + bytes(8)),
        "sound gzip data, found damage; get",
    ),
    "gzip bomb": (
        writing(
            gzip.compress(
                content()[:8] + struct.pack("<i", 2**31 - 1) + content()[12:],
            )
        ),
        "when decompressed",
    ),
}
"""{name: (maker, part of the record's error message)}"""

ONLY_VOXEL_SIZE = [name for name in REFUSED if name.startswith("voxel size")]
"""Files that can be scored if the user gives a voxel size."""


def unsigned(array):
    """Unsigned bytes around the middle of their range, as the int8 type of MRC mode 0."""
    return np.clip(128 + 30 * array, 0, 255).astype("u1").view("i1")


def with_values(*values):
    """Texture with the given values in some voxels of the middle planes."""
    array = texture()
    for number, value in enumerate(values):
        array[2:4, 5 + number, :20] = value
    return array


def extremes(dtype):
    """Texture as integers that use the full range of their type."""
    info = np.iinfo(dtype)
    array = texture()
    scaled = (array - array.min()) / np.ptp(array)
    return (info.min + scaled * (info.max - float(info.min))).astype(dtype)


SCORED = {
    "sound": (file_of(texture()), None),
    "byte-swapped": (file_of(texture().astype(">f4")), None),
    "longer than its header says": (writing(content() + bytes(7)), "is 7 bytes longer than its"),
    "wrong machine stamp": (altered((212, "4s", b"\xff\1\2\3")), "the machine stamp is ff01"),
    "no MAP word": (altered((208, "4s", b"\0\0\0\0")), "the header lacks the word MAP"),
    "extended header that is not there": (
        altered((92, "<i", 131072)),
        "announces an extended header of 131072 bytes, which the file does not have",
    ),
    "unsigned bytes that the header does not declare": (
        file_of(unsigned(texture())),
        "bytes read as unsigned: the header does not say",
    ),
    "some NaN and inf": (file_of(with_values(np.nan, np.inf, -np.inf)), "hold NaN or inf: masked"),
    "all NaN": (file_of(np.full(SHAPE_ZYX, np.nan, "f4")), "constant, or nearly"),
    "constant": (file_of(np.full(SHAPE_ZYX, 41, "f4")), "constant, or nearly"),
    "nearly constant": (file_of((1e6 + 1e-2 * texture()).astype("f4")), "constant, or nearly"),
    "int8 of full range": (file_of(extremes("i1")), None),
    "uint16 of full range": (file_of(extremes("u2")), None),
    "values of 1e30": (file_of((1e30 * texture()).astype("f4")), None),
    "one voxel": (file_of(np.ones((1, 1, 1), "f4")), "constant, or nearly"),
    "one slice": (file_of(texture((1, 48, 48))), None),
    "narrower than a tile": (file_of(texture((4, 9, 48))), "the field is only"),
    "huge and thin": (file_of(texture((2, 1, 30000))), None),
    "compressed": (writing(gzip.compress(content())), "compressed by gzip: read whole"),
}
"""{name: (maker, part of a warning, or None if no warning is expected)}"""

WITHOUT_CONTENT = ("all NaN", "constant", "nearly constant", "one voxel")
LIKE_VALID = (
    "byte-swapped",
    "longer than its header says",
    "wrong machine stamp",
    "no MAP word",
    "extended header that is not there",
    "compressed",
)
"""Files with the same values as the valid one, which must have the same score."""


def make_all(folder):
    """Write all files to a folder; returns {name: path}."""
    paths = {}
    for name, (make, _) in {**SCORED, **REFUSED}.items():
        paths[name] = Path(folder, name.replace(" ", "-") + ".mrc")
        make(paths[name])
    return paths
