# SPDX-License-Identifier: GPL-3.0-or-later
"""Image stacks of other programs: harmless differences are accepted, others give a warning."""

import struct
from dataclasses import replace

import dose_files
import mrcfile
import numpy as np
import pytest
import torch
from dose_files import ANGLES, PIXEL_ANGSTROM

from tomoscore_scipion.dose.series_files import read_series
from tomoscore_scipion.dose.series_record import record_of
from tomoscore_scipion.reading.volume import images_in_stack, open_stack
from tomoscore_scipion.records.dose_source_files import Sources
from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tomography.tilt_series import aligned_views

N = len(ANGLES)
NX, MODE, MZ, CELL_X, CELL_Z, ISPG, NSYMBT, STAMP = 0, 12, 36, 40, 48, 88, 92, 212


@pytest.fixture
def series(files):
    return Sources("TS_01", files["stack"], xf=files["xf"], tlt=files["tlt"], doses=files["doses"])


@pytest.fixture
def changed(files, tmp_path):
    """Function that writes the stack with changed header entries and extra data at its end."""

    def make(*entries, more=b""):
        with open(files["stack"], "rb") as file:
            raw = bytearray(file.read())
        for place, kind, value in entries:
            struct.pack_into(kind, raw, place, value)
        path = tmp_path / "changed.mrc"
        path.write_bytes(bytes(raw) + more)
        return str(path)

    return make


def warnings_of(series, stack):
    return read_series(replace(series, stack=stack)).warnings


@pytest.mark.parametrize(
    "entries",
    [
        [(CELL_Z, "<f", 0.0)],
        [(CELL_Z, "<f", 11.0)],
        [(CELL_Z, "<f", float("nan"))],
        [(CELL_Z, "<f", -5.0), (MZ, "<i", 1)],
        [(MZ, "<i", 0)],
        [(MZ, "<i", 1), (CELL_Z, "<f", PIXEL_ANGSTROM)],
    ],
)
def test_the_z_spacing_of_a_stack_is_ignored(series, changed, entries):
    assert warnings_of(series, changed(*entries)) == ()


@pytest.mark.parametrize("entries", [[(MZ, "<i", 1)], [], [(MZ, "<i", 2)], [(MZ, "<i", 0)]])
@pytest.mark.parametrize("group", [401, 400, 402, 1, 0])
def test_a_stack_marked_as_volumes_is_read_as_images(series, changed, group, entries):
    stack = changed((ISPG, "<i", group), *entries)
    assert warnings_of(series, stack) == ()
    assert images_in_stack(stack) == N


def test_a_stack_of_many_small_images_gives_no_warning(tmp_path):
    path = tmp_path / "many.mrc"
    mrcfile.write(path, np.zeros((90, 32, 32), dtype="i2"), voxel_size=10.0)
    with open_stack(path) as stack:
        assert stack.warnings == ()


ODD = {
    "1 A": ([(CELL_X, "<f", 96.0), (CELL_X + 4, "<f", 96.0)], b"", "pixel size is exactly 1 A"),
    "wrong stamp": ([(STAMP, "4s", b"\xff\1\2\3")], b"", "the machine stamp is ff01"),
    "trailing bytes": ([], bytes(9), "9 bytes longer than its header says"),
    "no extended header": ([(NSYMBT, "<i", 8192)], b"", "extended header of 8192 bytes, which"),
    "no MAP": ([(208, "4s", bytes(4))], b"", "the header lacks the word MAP"),
}


@pytest.mark.parametrize("name", ODD)
def test_warnings_of_the_mrc_reader_are_among_those_of_the_series(series, changed, name):
    entries, more, says = ODD[name]
    (warning,) = warnings_of(series, changed(*entries, more=more))
    assert says in warning


def test_unsigned_bytes_in_a_stack_give_a_warning(series, tmp_path):
    images = np.random.default_rng(0).normal(128, 30, (N, 96, 96)).clip(0, 255).astype("u1")
    path = tmp_path / "bytes.mrc"
    mrcfile.write(path, images.view("i1"), voxel_size=PIXEL_ANGSTROM)
    (warning,) = warnings_of(series, str(path))
    assert "read as unsigned" in warning


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([(CELL_X, "<f", 0.0)], "along x and y, but it is unset .*; give --pixel-size$"),
        ([(CELL_X, "<f", 96e6), (CELL_X + 4, "<f", 96e6)], "not believable .*; give --pixel-size$"),
        ([(CELL_X, "<f", 960.0)], "differs between the axes .*; give --pixel-size$"),
        ([(NX, "<i", 2**30)], "slices of at most .*newstack -bin 4"),
        ([(MODE, "<i", 4)], "cannot be analysed: mode 4"),
    ],
)
def test_errors_of_a_stack_advise_options_of_the_dose_command(series, changed, entries, says):
    with pytest.raises(TomogramError, match=says):
        read_series(replace(series, stack=changed(*entries)))


def test_a_given_pixel_size_overrides_the_header(series, changed):
    stack = changed((CELL_X, "<f", 0.0))
    found = read_series(replace(series, stack=stack, pixel_angstrom=12.0))
    assert found.tilts.pixel_angstrom == 12.0
    (warning,) = found.warnings
    assert "the header's pixel size is unset" in warning and "12 A is used" in warning


def stack_with(path, view, region, value):
    with mrcfile.open(dose_files.write_stack(path, (32, 32)), "r+") as mrc:
        mrc.data[view][region] = value
    return str(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("region", [np.s_[3, 4], np.s_[:5], np.s_[:, ::2]])
def test_nan_and_inf_in_an_image_are_filled_with_a_warning(series, tmp_path, value, region):
    stack = stack_with(tmp_path / "TS_01.mrc", 3, region, value)
    warnings = []
    views = aligned_views(
        read_series(replace(series, stack=stack)).tilts, 20.0, warn=warnings.append
    )
    assert torch.isfinite(views).all()
    assert all(view.std() > 0 for view in views)
    (warning,) = warnings
    assert "TS_01.mrc: image 4 holds" in warning and "pixels of NaN or inf" in warning


def test_an_image_of_nan_alone_is_refused_with_advice(series, tmp_path):
    stack = stack_with(tmp_path / "TS_01.mrc", 3, np.s_[:], np.nan)
    tilts = read_series(replace(series, stack=stack)).tilts
    with pytest.raises(
        TomogramError, match=r"TS_01\.mrc: image 4: .*NaN or inf alone.*--exclude 3"
    ):
        aligned_views(tilts, 20.0)
    left = read_series(replace(series, stack=stack, excluded=(3,))).tilts
    assert len(aligned_views(left, 20.0)) == 10


@pytest.mark.parametrize(("view", "value"), [(0, 0.0), (3, -7.5), (10, 1e6)])
def test_a_constant_image_gives_a_warning(series, tmp_path, view, value):
    stack = stack_with(tmp_path / "TS_01.mrc", view, np.s_[:], value)
    warnings = []
    aligned_views(read_series(replace(series, stack=stack)).tilts, 20.0, warn=warnings.append)
    assert warnings == [
        f"TS_01.mrc: image {view + 1} holds one value everywhere: leave it out (--exclude {view})"
    ]


def test_unusual_images_give_warnings_in_the_record(tmp_path, scorer):
    stack = stack_with(tmp_path / "TS_01.mrc", slice(0, 6), np.s_[:, :4], np.nan)
    tlt, doses = dose_files.write_tlt(tmp_path / "a.tlt"), dose_files.write_doses(tmp_path / "d")
    record = record_of(Sources("TS_01", stack, tlt=tlt, doses=doses, thickness_nm=4), scorer)
    lines = [text for text in record.warnings if "NaN" in text]
    assert len(lines) == 3 and "the same of 3 more images" in record.warnings
