# SPDX-License-Identifier: GPL-3.0-or-later
"""Slices read from files and arrays equal the written ones."""

import bz2
import gzip
import os
import tempfile
import tracemalloc
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from tomoscore_scipion.reading.volume import ArrayVolume, open_volume
from tomoscore_scipion.records.errors import TomogramError

DTYPES = ("int8", "int16", "uint16", "float16", "float32")
COMPRESSORS = {".gz": gzip.compress, ".bz2": bz2.compress}


def values(shape=(3, 4, 5), dtype="float32"):
    return np.random.default_rng(1).uniform(-100, 100, shape).round(2).astype(dtype)


def write(path, array=None, voxel_size=10, **header):
    with mrcfile.new(path, values() if array is None else array, overwrite=True) as mrc:
        mrc.voxel_size = voxel_size
        for name, value in header.items():
            mrc.header[name] = value
    return path


def warnings_of(path, voxel_size=None):
    with open_volume(path, voxel_size) as volume:
        return volume.warnings


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_slice_of_a_file_equals_the_written_one(tmp_path, dtype):
    array = values(dtype=dtype)
    with open_volume(write(tmp_path / "tomo.mrc", array)) as volume:
        assert volume.shape_zyx == (3, 4, 5)
        assert volume.voxel_size_angstrom == 10
        assert volume.path == str(tmp_path / "tomo.mrc")
        assert volume.warnings == ()
        for z in (2, 0, 1, 2):
            found = volume.read_slice(z)
            assert found.dtype == np.float32
            assert found.flags.c_contiguous
            np.testing.assert_array_equal(found, array[z].astype("float32"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_byte_swapped_files_hold_the_same_values(tmp_path, dtype):
    array = values(dtype=dtype)
    path = write(tmp_path / "tomo.mrc", array.astype(array.dtype.newbyteorder(">")))
    with open_volume(path) as volume:
        assert volume.read_slice(1).dtype.isnative
        np.testing.assert_array_equal(volume.read_slice(1), array[1].astype("float32"))
        assert volume.warnings == ()


@pytest.mark.parametrize("dtype", DTYPES)
def test_slices_are_independent_copies(tmp_path, dtype):
    array = values(dtype=dtype)
    with open_volume(write(tmp_path / "tomo.mrc", array)) as volume:
        first = volume.read_slice(0)
        first[:] = 7
        volume.read_slice(1)[:] = 8
        assert (first == 7).all()
        np.testing.assert_array_equal(volume.read_slice(0), array[0].astype("float32"))


@pytest.mark.parametrize(
    "name", ["t.rec", "t.map", "t.st", "t.ali", "t.MRC", "t.mrcs", "t", "t.em"]
)
def test_files_of_any_extension_are_read(tmp_path, name):
    path = write(tmp_path / "tomo.mrc").rename(tmp_path / name)
    with open_volume(path) as volume:
        np.testing.assert_array_equal(volume.read_slice(2), values()[2])


def test_data_after_an_extended_header_are_read(tmp_path):
    path = write(tmp_path / "tomo.mrc")
    with mrcfile.open(path, "r+") as mrc:
        mrc.set_extended_header(np.full(3000, 9, dtype="u1"))
    with open_volume(path) as volume:
        np.testing.assert_array_equal(volume.read_slice(2), values()[2])


def test_unsigned_bytes_of_old_imod_keep_their_order(tmp_path):
    array = np.arange(60, dtype="u1").reshape(3, 4, 5) + 100
    path = write(tmp_path / "tomo.mrc", array.view("i1"))
    raw = bytearray(path.read_bytes())
    raw[152:160] = np.array([1146047817, 0], dtype="<i4").tobytes()
    path.write_bytes(raw)
    with open_volume(path) as volume:
        np.testing.assert_array_equal(volume.read_slice(2), array[2].astype("float32"))


@pytest.mark.filterwarnings("ignore:Data array contains NaN")
def test_extreme_values_nan_and_inf_are_read_unchanged(tmp_path):
    array = np.array([[[1e30, -1e38, np.nan, np.inf, -np.inf]]], dtype="float32")
    with open_volume(write(tmp_path / "tomo.mrc", array)) as volume:
        np.testing.assert_array_equal(volume.read_slice(0), array[0])
    half = np.array([[[65504, np.nan, np.inf, 6e-8]]], dtype="float16")
    with open_volume(write(tmp_path / "half.mrc", half)) as volume:
        np.testing.assert_array_equal(volume.read_slice(0), half[0].astype("float32"))


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 4, 5), (4, 5), (2, 1, 70000)])
def test_images_single_slices_and_thin_volumes_are_read(tmp_path, shape):
    array = values(shape)
    with open_volume(write(tmp_path / "tomo.mrc", array), 10) as volume:
        assert volume.shape_zyx == (*(1,) * (3 - len(shape)), *shape)
        np.testing.assert_array_equal(volume.read_slice(0), array.reshape(volume.shape_zyx)[0])


def test_an_image_stack_is_read_as_a_volume(tmp_path):
    with mrcfile.new(tmp_path / "stack.mrcs", values()) as mrc:
        mrc.set_image_stack()
        mrc.voxel_size = 10
    with open_volume(tmp_path / "stack.mrcs") as volume:
        assert volume.shape_zyx == (3, 4, 5)
        assert volume.warnings == ()


@pytest.mark.parametrize("z", [-1, 3, 10**12])
def test_a_slice_outside_the_volume_is_an_index_error(tmp_path, z):
    with open_volume(write(tmp_path / "tomo.mrc")) as volume, pytest.raises(IndexError):
        volume.read_slice(z)


def test_one_slice_of_a_large_file_takes_the_memory_of_one_slice(tmp_path):
    path = write(tmp_path / "tomo.mrc", np.zeros((1, 1, 1), "i1"))
    with mrcfile.mmap(path, "r+") as mrc:
        for name, n in (("x", 1024), ("y", 1024), ("z", 1000)):
            mrc.header["n" + name] = mrc.header["m" + name] = n
        mrc.header.cella = (10240, 10240, 10000)
    os.truncate(path, 1024 + 1000 * 2**20)
    tracemalloc.start()
    with open_volume(path) as volume:
        for z in (0, 500, 999):
            assert not volume.read_slice(z).any()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * 2**20


@pytest.mark.parametrize("suffix", COMPRESSORS)
@pytest.mark.parametrize("keeps_suffix", [True, False])
def test_compressed_files_are_read_with_a_warning(tmp_path, suffix, keeps_suffix):
    plain = write(tmp_path / "tomo.mrc")
    packed = tmp_path / ("packed.mrc" + (suffix if keeps_suffix else ""))
    packed.write_bytes(COMPRESSORS[suffix](plain.read_bytes()))
    with open_volume(packed) as volume:
        np.testing.assert_array_equal(volume.read_slice(2), values()[2])
        assert volume.path == str(packed)
        (warning,) = volume.warnings
    assert "read whole" in warning


def test_a_compressed_file_leaves_no_temporary_file(tmp_path, monkeypatch):
    packed = tmp_path / "tomo.mrc.gz"
    packed.write_bytes(gzip.compress(write(tmp_path / "tomo.mrc").read_bytes()))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    with open_volume(packed) as volume:
        assert list((tmp_path / "tmp").iterdir()) == []
        np.testing.assert_array_equal(volume.read_slice(0), values()[0])


def test_a_compressed_file_longer_than_its_header_says_is_read_with_a_warning(tmp_path):
    packed = tmp_path / "tomo.mrc.gz"
    packed.write_bytes(gzip.compress(write(tmp_path / "tomo.mrc").read_bytes() + bytes(9)))
    assert any("longer than its header" in warning for warning in warnings_of(packed))


@pytest.mark.parametrize("shape", [(50, 20, 60), (50, 60, 20), (50, 30, 30)])
def test_a_volume_with_its_thin_axis_in_xy_looks_unflipped(tmp_path, shape):
    (warning,) = warnings_of(write(tmp_path / "tomo.mrc", np.zeros(shape, "i1")))
    assert "looks unflipped: slices should lie in xy" in warning
    assert "clip " in warning and "-FlipVol 1" in warning


@pytest.mark.parametrize("shape", [(20, 50, 60), (50, 50, 50), (50, 40, 50), (1, 4, 50), (4, 50)])
def test_flat_volumes_cubes_and_images_do_not_look_unflipped(tmp_path, shape):
    assert warnings_of(write(tmp_path / "tomo.mrc", np.zeros(shape, "i1"))) == ()
    assert ArrayVolume(np.zeros(shape), 10).warnings == ()


def test_the_file_is_closed_at_the_end(tmp_path):
    path = write(tmp_path / "tomo.mrc")
    before = len(os.listdir("/proc/self/fd"))
    with open_volume(path) as volume:
        assert len(os.listdir("/proc/self/fd")) == before + 1
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ValueError, match="closed"):
        volume.read_slice(0)


def test_a_file_cut_off_while_it_is_read_is_an_error_of_that_file(tmp_path):
    path = write(tmp_path / "tomo.mrc")
    with open_volume(path) as volume:
        os.truncate(path, 1024 + 100)
        with pytest.raises(TomogramError, match=r"tomo\.mrc: changed .* 80 bytes .* found 20"):
            volume.read_slice(1)


def test_a_file_rewritten_while_it_is_read_is_an_error_of_that_file(tmp_path):
    path = write(tmp_path / "tomo.mrc")
    os.utime(path, (1, 1))
    with open_volume(path) as volume:
        volume.read_slice(0)
        write(path, values() * 2)
        with pytest.raises(TomogramError, match="changed while it was read"):
            volume.read_slice(1)


def test_a_file_replaced_while_it_is_read_is_read_to_its_end(tmp_path):
    path = write(tmp_path / "tomo.mrc")
    with open_volume(path) as volume:
        os.replace(write(tmp_path / "other.mrc", values() * 2), path)
        np.testing.assert_array_equal(volume.read_slice(2), values()[2])


@pytest.mark.parametrize("dtype", [*DTYPES, "float64", "uint8", "int64", "bool", ">f4"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (4, 5)])
def test_arrays_are_read_as_volumes(dtype, shape):
    array = values(shape, dtype)
    with ArrayVolume(array, 13) as volume:
        assert volume.path is None
        assert volume.voxel_size_angstrom == 13
        assert volume.shape_zyx == ((3, 4, 5) if len(shape) == 3 else (1, 4, 5))
        found = volume.read_slice(0)
        assert found.dtype == np.float32 and found.flags.c_contiguous
        np.testing.assert_array_equal(found, array.reshape(volume.shape_zyx)[0].astype("float32"))


def test_slices_of_an_array_are_copies_in_row_order():
    array = np.asfortranarray(values())
    volume = ArrayVolume(array, 10)
    found = volume.read_slice(1)
    assert found.flags.c_contiguous
    found[:] = 0
    np.testing.assert_array_equal(array, values())


def test_values_beyond_float32_become_infinite_without_a_warning():
    array = np.array([[1e300, -1e300, 1.0]])
    np.testing.assert_array_equal(ArrayVolume(array, 10).read_slice(0), [[np.inf, -np.inf, 1]])


@pytest.mark.parametrize(
    ("array", "size", "message"),
    [
        (np.zeros(5), 10, r"shape \(z, y, x\) or \(y, x\).* got shape \(5,\) of float64"),
        (np.zeros((1, 2, 3, 4)), 10, r"got shape \(1, 2, 3, 4\)"),
        (np.zeros((0, 4)), 10, r"got shape \(0, 4\)"),
        (np.zeros((4, 4), complex), 10, r"real numbers .* of complex128"),
        (np.full((4, 4), "a"), 10, r"real numbers .* of <U1"),
        (np.zeros((4, 4), object), 10, r"real numbers .* of object"),
        (np.zeros((4, 5)), None, r"expected a voxel size .* shape \(4, 5\), got None"),
        (np.zeros((4, 5)), 0, r"shape \(4, 5\): expected a voxel size of 0.1 to 1000 A, .* 0$"),
    ],
)
def test_invalid_arrays_are_refused_with_their_shape_or_type(array, size, message):
    with pytest.raises(TomogramError, match=message):
        ArrayVolume(array, size)


def test_paths_of_every_type_are_accepted(tmp_path):
    path = write(tmp_path / "a b;'\u00e9.mrc")
    for kind in (str(path), Path(path), os.fsencode(path)):
        with open_volume(kind) as volume:
            assert volume.path == str(path)
