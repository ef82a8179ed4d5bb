# SPDX-License-Identifier: GPL-3.0-or-later
"""The histogram decides the sign of bytes if the header does not."""

import gzip

import bad_tomograms
import numpy as np
import pytest

from tomoscore_scipion.reading.byte_sign import WRAPS, wraps_around
from tomoscore_scipion.reading.volume import open_stack, open_volume

SHAPE = (8, 64, 64)


def bytes_of(mean, spread, dtype, seed=0):
    """Normally distributed bytes, clipped at the ends of their range, as int8 is stored."""
    info = np.iinfo(dtype)
    values = np.random.default_rng(seed).normal(mean, spread, SHAPE)
    return np.clip(np.round(values), info.min, info.max).astype(dtype).view("i1")


def counts_of(stored):
    return np.bincount(stored.view("u1").ravel(), minlength=256)


@pytest.mark.parametrize(
    ("mean", "spread", "expected"),
    [
        (128, 30, True),
        (128, 5, True),
        (128, 60, True),
        (110, 20, True),
        (80, 20, True),
        (160, 25, True),
        (60, 12, False),
        (200, 15, False),
    ],
)
def test_unsigned_bytes_on_both_sides_of_128_are_recognised(mean, spread, expected):
    assert wraps_around(counts_of(bytes_of(mean, spread, "u1"))) is expected


@pytest.mark.parametrize(
    ("mean", "spread"), [(0, 30), (0, 5), (0, 60), (40, 20), (-60, 25), (100, 20), (-120, 10)]
)
def test_signed_bytes_are_not_taken_for_unsigned(mean, spread):
    assert not wraps_around(counts_of(bytes_of(mean, spread, "i1")))


@pytest.mark.parametrize("values", [[0], [-128, 127], [-128, 0, 127], list(range(-128, 128))])
def test_clipped_constant_and_uniform_bytes_are_not_taken_for_unsigned(values):
    stored = np.resize(np.array(values, dtype="i1"), SHAPE)
    assert not wraps_around(counts_of(stored))


def written(path, stored, **flags):
    raw = bytearray(bad_tomograms.content(stored))
    if flags:
        raw[152:160] = np.array([1146047817, flags["imod"]], dtype="<i4").tobytes()
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("opened", [open_volume, open_stack])
def test_unsigned_bytes_are_read_with_a_warning(tmp_path, opened):
    stored = bytes_of(128, 30, "u1")
    with opened(written(tmp_path / "t.mrc", stored)) as volume:
        assert volume.warnings == (WRAPS,)
        np.testing.assert_array_equal(volume.read_slice(3), stored.view("u1")[3])


def test_unsigned_bytes_of_compressed_files_are_read_with_a_warning(tmp_path):
    stored = bytes_of(128, 30, "u1")
    path = tmp_path / "t.mrc.gz"
    path.write_bytes(gzip.compress(bad_tomograms.content(stored)))
    with open_volume(path) as volume:
        assert WRAPS in volume.warnings
        np.testing.assert_array_equal(volume.read_slice(0), stored.view("u1")[0])


@pytest.mark.parametrize(("imod", "dtype"), [(1, "i1"), (0, "u1")])
def test_the_imod_flag_decides_the_sign_of_bytes(tmp_path, imod, dtype):
    stored = bytes_of(128, 30, "u1")
    with open_volume(written(tmp_path / "t.mrc", stored, imod=imod)) as volume:
        assert volume.warnings == ()
        np.testing.assert_array_equal(volume.read_slice(0), stored.view(dtype)[0])


def test_signed_bytes_are_read_without_a_warning(tmp_path):
    stored = bytes_of(5, 30, "i1")
    with open_volume(written(tmp_path / "t.mrc", stored)) as volume:
        assert volume.warnings == ()
        np.testing.assert_array_equal(volume.read_slice(0), stored[0])
