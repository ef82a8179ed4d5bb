# SPDX-License-Identifier: GPL-3.0-or-later
"""Any file is either read as a complete volume or refused with an error message."""

import tempfile
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tomoscore_scipion.reading.mrc_header import MAX_SLICE_VOXELS, parse_header
from tomoscore_scipion.reading.volume import open_volume
from tomoscore_scipion.records.errors import TomogramError

DTYPES = ("<i1", "<i2", ">i2", "<u2", ">u2", "<f2", ">f2", "<f4", ">f4")
INTEGERS = st.sampled_from([0, 1, 2, 3, 6, 12, 101, 256, 401, 2**30, 2**31 - 1, -1, -(2**31)])
sizes = st.one_of(st.none(), st.integers(0, 2**40))


def written(array):
    """The bytes of a valid MRC file."""
    with tempfile.TemporaryDirectory() as folder:
        mrcfile.write(Path(folder, "t.mrc"), array, voxel_size=10)
        return Path(folder, "t.mrc").read_bytes()


VALID = written(np.arange(60, dtype="i2").reshape(3, 4, 5))


@st.composite
def damaged_files(draw):
    """A valid file with changes in some 32-bit words of the header, or at its end."""
    raw = bytearray(VALID)
    for _ in range(draw(st.integers(1, 4))):
        word = draw(st.integers(0, 255))
        value = draw(st.one_of(INTEGERS, st.integers(-(2**31), 2**31 - 1)))
        order = draw(st.sampled_from("<>"))
        raw[4 * word : 4 * word + 4] = np.array(value, dtype=order + "i4").tobytes()
    return bytes(raw[: draw(st.integers(0, len(raw)))]) if draw(st.booleans()) else bytes(raw)


def parsed(raw, size):
    """The parsed header, or None when it is refused with a TomogramError."""
    try:
        return parse_header(raw, size, "t.mrc")
    except TomogramError as error:
        assert str(error).startswith("t.mrc: ")
        return None


def check(header, size):
    assert min(header.shape_zyx) >= 1
    assert header.shape_zyx[1] * header.shape_zyx[2] <= MAX_SLICE_VOXELS
    assert header.data_offset >= 1024
    assert size is None or header.file_bytes <= size


@given(st.binary(min_size=1024, max_size=1024), sizes)
@settings(deadline=None)
def test_arbitrary_bytes_are_a_header_or_refused(raw, size):
    header = parsed(raw, size)
    if header:
        check(header, size)


@given(damaged_files(), sizes)
@settings(max_examples=300, deadline=None)
def test_a_damaged_header_is_read_or_refused(raw, size):
    header = parsed(raw[:1024], size)
    if header:
        check(header, size)


@given(st.one_of(st.binary(max_size=2048), damaged_files()), st.sampled_from([None, 10.0]))
@settings(max_examples=300, deadline=None)
def test_an_arbitrary_file_is_read_completely_or_refused(content, voxel_size):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.mrc")
        path.write_bytes(content)
        try:
            with open_volume(path, voxel_size) as volume:
                for z in range(volume.shape_zyx[0]):
                    assert volume.read_slice(z).shape == volume.shape_zyx[1:]
                assert 0.1 <= volume.voxel_size_angstrom <= 1000
        except TomogramError as error:
            assert str(error).startswith(f"{path}: ")


@given(damaged_files(), st.sampled_from([None, 3.0, 10.0, 40.0]))
@settings(max_examples=60, deadline=None)
def test_a_damaged_file_gets_a_record_or_an_error(scorer, content, voxel_size):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.mrc")
        path.write_bytes(content)
        try:
            assert scorer.score(path, voxel_size).status == "ok"
        except TomogramError as error:
            assert str(error)


@pytest.mark.filterwarnings("ignore::RuntimeWarning:mrcfile", "ignore::RuntimeWarning:numpy")
@given(
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_dims=3, max_side=9))
    )
)
@settings(deadline=None)
def test_written_arrays_are_read_slice_by_slice(array):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.mrc")
        path.write_bytes(written(array))
        with open_volume(path) as volume:
            stack = array.reshape(volume.shape_zyx)
            for z in reversed(range(len(stack))):
                np.testing.assert_array_equal(volume.read_slice(z), stack[z].astype("f4"))
