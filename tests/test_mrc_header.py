# SPDX-License-Identifier: GPL-3.0-or-later
"""Valid and faulty MRC headers, laid out by mrcfile's description of the format."""

import tracemalloc

import numpy as np
import pytest
from mrcfile.dtypes import HEADER_DTYPE

from tomoscore_scipion.reading.mrc_header import parse_header
from tomoscore_scipion.records.errors import TomogramError

IMOD_STAMP = 1146047817
SIZE = 1024 + 3 * 4 * 5 * 2
"""Bytes of the file that `header` describes."""


def header(order="<", **changes):
    """A header of 5 x 4 x 3 voxels (x, y, z) of int16 at 10 A, with changes."""
    entries = np.zeros((), dtype=HEADER_DTYPE.newbyteorder(order))
    entries["nx"], entries["ny"], entries["nz"], entries["mode"] = 5, 4, 3, 1
    entries["mx"], entries["my"], entries["mz"] = 5, 4, 3
    entries["cella"] = (50, 40, 30)
    entries["mapc"], entries["mapr"], entries["maps"] = 1, 2, 3
    entries["ispg"], entries["map"] = 1, b"MAP "
    entries["machst"] = (0x44, 0x44, 0, 0) if order == "<" else (0x11, 0x11, 0, 0)
    for name, value in changes.items():
        entries[name] = value
    return entries.tobytes()


def imod_flags(flags, order="<"):
    """The header's bytes from 152 on, with IMOD's stamp and flags."""
    kind, start = HEADER_DTYPE.fields["extra2"]
    entries = np.array([IMOD_STAMP, flags], dtype=order + "i4").tobytes()
    return (bytes(152 - start) + entries).ljust(kind.itemsize, b"\0")


def parse(raw, size=SIZE, name="tomo.mrc"):
    return parse_header(raw, size, name)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("mode", "kind"), [(0, "i1"), (1, "i2"), (2, "f4"), (6, "u2"), (12, "f2")])
def test_all_real_modes_are_read_in_both_byte_orders(order, mode, kind):
    dtype = np.dtype(order + kind)
    found = parse(header(order, mode=mode), 1024 + 60 * dtype.itemsize)
    assert found.shape_zyx == (3, 4, 5)
    assert found.dtype == dtype
    assert found.data_offset == 1024
    assert found.voxel_size_xyz_angstrom == (10, 10, 10)
    assert found.warnings == ()
    assert found.slice_bytes == 20 * dtype.itemsize


@pytest.mark.parametrize(("flags", "dtype"), [(0, "u1"), (1, "i1"), (2, "u1"), (3, "i1")])
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_imod_flag_decides_whether_bytes_are_signed(order, flags, dtype):
    raw = header(order, mode=0, dmin=0, dmax=255, extra2=imod_flags(flags, order))
    found = parse(raw, 1024 + 60)
    assert found.dtype == dtype
    assert found.warnings == ()


def test_without_the_imod_flag_a_maximum_of_255_means_unsigned_bytes():
    found = parse(header(mode=0, dmin=0, dmax=255), 1024 + 60)
    assert found.dtype == np.uint8
    assert "unsigned" in found.warnings[0]


@pytest.mark.parametrize("limits", [(-128, 127), (0, 127), (0, 0), (0, 1e30), (np.nan, np.nan)])
def test_without_the_imod_flag_bytes_of_other_ranges_are_signed(limits):
    found = parse(header(mode=0, dmin=limits[0], dmax=limits[1]), 1024 + 60)
    assert found.dtype == np.int8
    assert found.warnings == ()


def test_data_begin_after_the_extended_header():
    assert parse(header(nsymbt=4096), SIZE + 4096).data_offset == 1024 + 4096


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("stamp", [(0, 0, 0, 0), (0x20, 0x20, 0x20, 0x20), (255, 1, 2, 3)])
def test_with_an_invalid_machine_stamp_the_entries_decide_the_byte_order(order, stamp):
    found = parse(header(order, machst=stamp))
    assert found.shape_zyx == (3, 4, 5)
    assert found.dtype == np.dtype(order + "i2")
    assert "machine stamp" in found.warnings[0]


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_file_size_decides_if_both_byte_orders_are_plausible(order):
    raw = header(order, nx=256, ny=256, nz=256, mode=0, machst=(0, 0, 0, 0))
    assert parse(raw, 1024 + 256**3).shape_zyx == (256, 256, 256)


def test_a_wrong_machine_stamp_is_ignored_with_a_warning():
    found = parse(header(">", machst=(0x44, 0x44, 0, 0)))
    assert found.shape_zyx == (3, 4, 5)
    assert found.dtype == np.dtype(">i2")
    assert "big-endian" in found.warnings[0]


@pytest.mark.parametrize("stamp", [(0x44, 0x41, 0, 0), (0x44, 0x20, 0x20, 0x20)])
def test_machine_stamps_of_imod_and_other_programs_give_no_warning(stamp):
    assert parse(header(machst=stamp)).warnings == ()


def test_a_file_without_the_map_word_is_read_if_its_size_agrees():
    found = parse(header(map=b"", machst=(0, 0, 0, 0)))
    assert found.shape_zyx == (3, 4, 5)
    assert any("MAP" in warning for warning in found.warnings)


@pytest.mark.parametrize("size", [SIZE - 1, SIZE + 1])
def test_a_file_without_the_map_word_and_of_another_size_is_refused(size):
    with pytest.raises(TomogramError, match=r"^tomo\.mrc: is not an MRC file: expected .* MAP"):
        parse(header(map=b"XXXX"), size)


def test_a_longer_file_is_read_with_a_warning():
    assert parse(header(), SIZE + 7).warnings == (
        "the file is 7 bytes longer than its header says",
    )


@pytest.mark.parametrize("announced", [4, 1024, 131072, 2**24])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("stamp", ["right", "none"])
def test_a_missing_extended_header_is_ignored_with_a_warning(announced, order, stamp):
    stamps = {} if stamp == "right" else {"machst": (0, 0, 0, 0)}
    found = parse(header(order, nsymbt=announced, **stamps))
    assert (found.data_offset, found.file_bytes) == (1024, SIZE)
    assert found.dtype == np.dtype(order + "i2")
    assert f"extended header of {announced} bytes, which the file does not" in found.warnings[-1]


def test_an_existing_extended_header_gives_no_warning():
    found = parse(header(nsymbt=1024), SIZE + 1024)
    assert (found.data_offset, found.warnings) == (2048, ())


@pytest.mark.parametrize("size", [SIZE - 1, SIZE + 1, SIZE + 1023])
def test_a_file_with_an_extended_header_and_of_another_size_is_refused(size):
    with pytest.raises(TomogramError, match="expected data after|shorter than its header"):
        parse(header(nsymbt=1024), size)


def test_an_unknown_file_size_is_not_checked():
    assert parse(header(), None).file_bytes == SIZE


@pytest.mark.parametrize(
    ("changes", "size", "message"),
    [
        ({"nx": -5}, SIZE, r"expected positive dimensions .* found .* -5 x 4 x 3"),
        ({"nz": 0}, SIZE, r"expected positive dimensions .* 5 x 4 x 0"),
        ({"nx": 2**31 - 1, "ny": 2**31 - 1}, SIZE, r"at most 268435456 voxels, .*binvol"),
        ({"nz": 2**31 - 1}, SIZE, r"is shorter than its header says: expected \d+ bytes"),
        ({}, SIZE - 1, rf"is shorter than .* expected {SIZE} bytes .* found {SIZE - 1}; .*cut off"),
        ({"nsymbt": -1}, SIZE, r"extended header of 0 bytes or more, found -1"),
        ({"nsymbt": 10**9}, SIZE, r"extended header of 1000000000 bytes, found a file of only"),
        ({"mode": 5}, SIZE, r"expected mode 0, 1, 2, 6 or 12, found 5; .*newstack -mode 2"),
        ({"mode": -1}, SIZE, r"expected mode 0, 1, 2, 6 or 12, found -1"),
        ({"mode": 3}, SIZE, r"mode 3, complex .* clip fft"),
        ({"mode": 4}, SIZE, r"mode 4, complex .* clip fft"),
        ({"mode": 16}, SIZE, r"mode 16, colours .* grey"),
        ({"mode": 101}, SIZE, r"mode 101, 4 bits .* newstack -mode 1"),
        ({"mode": 0, "extra2": imod_flags(16)}, SIZE, r"mode 0 with 4 bits .* newstack -mode 1"),
        ({"mapc": 3, "maps": 1}, SIZE, r"axes 1, 2, 3 .* found 3, 2, 1; .*mrcfile"),
        ({"mapc": 99}, SIZE, r"axes 1, 2, 3 .* found 99, 2, 3"),
        ({"ispg": 401, "mz": 1}, SIZE, r"stack of 3 with 1 sections .* newstack -secs 0-0"),
    ],
)
def test_an_unreadable_header_is_refused_with_the_reason(changes, size, message):
    with pytest.raises(TomogramError, match=rf"^tomo\.mrc: .*{message}"):
        parse(header(**changes), size)


def test_a_header_of_huge_dimensions_takes_no_memory():
    raw = header(nx=2**31 - 1, ny=2**31 - 1, nz=2**31 - 1, mode=2)
    tracemalloc.start()
    with pytest.raises(TomogramError):
        parse(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


def test_a_stack_of_one_volume_is_a_volume():
    assert parse(header(ispg=401)).shape_zyx == (3, 4, 5)


def test_an_image_stack_has_no_voxel_size_along_z():
    found = parse(header(ispg=0, mz=1))
    assert found.shape_zyx == (3, 4, 5)
    assert found.voxel_size_xyz_angstrom == (10, 10, None)


def test_a_volume_marked_as_images_by_imod_keeps_its_voxel_size_along_z():
    assert parse(header(ispg=0)).voxel_size_xyz_angstrom == (10, 10, 10)


def test_an_image_has_one_section_and_no_voxel_size_along_z():
    found = parse(header(nz=1, mz=1, ispg=0), 1024 + 40)
    assert found.shape_zyx == (1, 4, 5)
    assert found.voxel_size_xyz_angstrom[2] is None


@pytest.mark.parametrize("grid", [0, -5])
def test_a_grid_that_is_not_positive_gives_no_voxel_size(grid):
    assert np.isnan(parse(header(mx=grid)).voxel_size_xyz_angstrom[0])


def test_an_unset_axis_order_is_taken_as_xyz_with_a_warning():
    assert "order of axes" in parse(header(mapc=0, mapr=0, maps=0)).warnings[0]


def test_too_few_bytes_for_a_header_are_refused():
    with pytest.raises(TomogramError, match="expected a header of 1024 bytes, found 1000 bytes"):
        parse(header()[:1000], 1000)
