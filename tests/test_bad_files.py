# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are not tomograms are refused; messages name the file and a solution."""

import bz2
import gzip
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile

import mrcfile
import numpy as np
import pytest

from tomoscore_scipion.reading.source_file import SourceFile
from tomoscore_scipion.reading.volume import open_volume
from tomoscore_scipion.records.errors import TomogramError


@pytest.fixture
def tomogram(tmp_path):
    path = tmp_path / "tomo.mrc"
    mrcfile.write(path, np.random.default_rng(1).normal(size=(3, 4, 5)).astype("f4"), voxel_size=10)
    return path


def refusal(path, voxel_size=None):
    """The error message of a refused path; checks that no file remains open."""
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(TomogramError) as caught:
        open_volume(path, voxel_size)
    assert len(os.listdir("/proc/self/fd")) == before
    name, _, message = str(caught.value).partition(": ")
    assert name == str(path)
    return message


def run_suggested_command(message, cwd):
    """Run the Python command that an error message suggests."""
    command = re.search(r'python -c "[^"]*"', message).group()
    subprocess.run([sys.executable, *shlex.split(command)[1:]], cwd=cwd, check=True)


def test_a_missing_file_is_refused(tmp_path):
    assert "none of this name" in refusal(tmp_path / "tomo.mrc")


def test_a_path_below_a_file_is_refused(tomogram):
    assert "Not a directory" in refusal(tomogram / "tomo.mrc")


def test_an_invalid_file_name_is_refused():
    assert "null" in refusal("tomo\0.mrc")
    assert "too long" in refusal("t" * 300)


def test_a_folder_is_refused(tmp_path):
    assert "is a folder; give the tomogram's file" in refusal(tmp_path)


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe.mrc")
    assert "a pipe, socket or device" in refusal(tmp_path / "pipe.mrc")


def test_devices_and_sockets_are_refused(tmp_path, monkeypatch):
    assert "a pipe, socket or device" in refusal("/dev/zero")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.mrc")
        assert "cannot be opened" in refusal("s.mrc")


def test_dangling_and_circular_links_are_refused(tmp_path):
    (tmp_path / "dangling.mrc").symlink_to("gone.mrc")
    assert "a link to gone.mrc, which does not exist" in refusal(tmp_path / "dangling.mrc")
    (tmp_path / "a.mrc").symlink_to("b.mrc")
    (tmp_path / "b.mrc").symlink_to("a.mrc")
    assert "leads back to itself" in refusal(tmp_path / "a.mrc")


def test_a_file_without_read_permission_is_refused(tomogram):
    tomogram.chmod(0)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            open_volume(tomogram)
        except TomogramError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        assert f"{tomogram}: permission denied" in answer.read()
    os.waitpid(child, 0)


def test_files_shorter_than_a_header_are_refused(tmp_path, tomogram):
    (tmp_path / "empty.mrc").touch()
    assert "is empty (0 bytes)" in refusal(tmp_path / "empty.mrc")
    os.truncate(tomogram, 1023)
    assert "found 1023 bytes in all" in refusal(tomogram)


@pytest.mark.parametrize("size", [1024, 1025, 1024 + 239])
def test_a_truncated_file_is_refused(tomogram, size):
    os.truncate(tomogram, size)
    assert "expected 1264 bytes" in (message := refusal(tomogram))
    assert f"found {size}" in message and "still being written" in message


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        ("index ts_01 1.5\n" * 200, "text ('index ts_01 1.5"),
        ("\n<!DOCTYPE html>\n<title>404</title>", "a web page"),
        ("<HTML><body>Sign in</body></HTML>", "a web page"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        ("Gr\u00fc\u00dfe", "text"),
    ],
)
def test_text_files_are_refused(tmp_path, content, finding):
    (tmp_path / "tomo.mrc").write_text(content, encoding="utf-8")
    assert finding in refusal(tmp_path / "tomo.mrc")


@pytest.mark.parametrize(
    ("name", "content", "command"),
    [
        ("t.em", b"\6\0\0\5", "e2proc3d.py in.em out.mrc"),
        ("t.hdf", b"\x89HDF\r\n\x1a\n", "e2proc3d.py in.hdf out.mrc"),
        ("t.H5", b"\0", "e2proc3d.py in.h5 out.mrc"),
        ("t.tif", b"\0", "tif2mrc in.tif out.mrc"),
        ("t.tiff", b"II*\0", "tif2mrc in.tif out.mrc"),
        ("t.dm4", b"\0\0\0\4", "dm2mrc in.dm4 out.mrc"),
        ("t.vol", b"\0", "xmipp_image_convert -i in.vol -o out.mrc"),
        ("t.npy", b"\x93NUMPY", "numpy.load('in.npy')"),
        ("t.hdf.gz", b"\0", "e2proc3d.py in.hdf out.mrc"),
        ("disguised.mrc", b"\x89HDF\r\n\x1a\n", "e2proc3d.py in.hdf out.mrc"),
        ("disguised.rec", b"II*\0", "tif2mrc in.tif out.mrc"),
        ("t.mrc.xz", b"\xfd7zXZ\0", "unxz"),
        ("t.mrc.zst", b"\x28\xb5\x2f\xfd", "unzstd"),
        ("t.zip", b"PK\3\4", "unzip"),
    ],
)
def test_other_formats_are_refused_with_the_command_that_converts_them(
    tmp_path, name, content, command
):
    (tmp_path / name).write_bytes(content + bytes(5000))
    assert command in refusal(tmp_path / name)


def test_a_zarr_folder_is_refused_with_the_command_that_converts_it(tmp_path):
    (tmp_path / "t.zarr").mkdir()
    assert "zarr.open('in.zarr'" in refusal(tmp_path / "t.zarr")


def test_the_suggested_command_converts_numpy_files(tmp_path):
    array = np.random.default_rng(1).normal(size=(3, 4, 5))
    np.save(tmp_path / "in.npy", array)
    run_suggested_command(refusal(tmp_path / "in.npy"), tmp_path)
    with open_volume(tmp_path / "out.mrc") as volume:
        np.testing.assert_array_equal(volume.read_slice(1), array[1].astype("f4"))


def test_the_suggested_command_corrects_permuted_axes(tomogram):
    with mrcfile.open(tomogram, "r+") as mrc:
        mrc.header.mapc, mrc.header.mapr, mrc.header.maps = 3, 1, 2
    message = refusal(tomogram)
    assert "found 3, 1, 2" in message
    tomogram.rename(tomogram.parent / "in.mrc")
    run_suggested_command(message, tomogram.parent)
    with open_volume(tomogram.parent / "in.mrc") as volume:
        assert volume.warnings == ()


def test_random_bytes_are_refused(tmp_path):
    (tmp_path / "tomo.mrc").write_bytes(np.random.default_rng(1).bytes(5000))
    assert "is not an MRC file: expected the word MAP" in refusal(tmp_path / "tomo.mrc")


@pytest.mark.parametrize("kind", [gzip, bz2])
@pytest.mark.parametrize("part", [20, 100, -1])
def test_a_truncated_compressed_file_is_refused(tmp_path, tomogram, kind, part):
    path = tmp_path / "packed.mrc"
    path.write_bytes(kind.compress(tomogram.read_bytes())[:part])
    assert refusal(path).endswith("data, found a file that is cut off; get the file anew")


@pytest.mark.parametrize("kind", [gzip, bz2])
def test_a_damaged_compressed_file_is_refused(tmp_path, tomogram, kind):
    packed = bytearray(kind.compress(tomogram.read_bytes()))
    packed[len(packed) // 2] ^= 255
    (tmp_path / "packed.mrc").write_bytes(packed)
    assert "found damage" in refusal(tmp_path / "packed.mrc")


def test_a_wrong_checksum_is_refused_as_damage(tmp_path, tomogram):
    packed = bytearray(gzip.compress(tomogram.read_bytes()))
    packed[-8] ^= 1
    (tmp_path / "packed.mrc.gz").write_bytes(packed)
    assert "found damage" in refusal(tmp_path / "packed.mrc.gz")


def test_a_compressed_file_shorter_than_its_header_says_is_refused(tmp_path, tomogram):
    (tmp_path / "t.mrc.gz").write_bytes(gzip.compress(tomogram.read_bytes()[:-1]))
    assert "is shorter than its header says" in refusal(tmp_path / "t.mrc.gz")


@pytest.mark.parametrize("content", [b"", b"<html>", b"only text"])
def test_a_compressed_file_without_a_tomogram_is_refused(tmp_path, content):
    (tmp_path / "t.mrc.gz").write_bytes(gzip.compress(content))
    assert "expected an MRC file" in refusal(tmp_path / "t.mrc.gz")


def test_a_compressed_file_larger_than_the_free_disk_space_is_refused(tmp_path, tomogram):
    with mrcfile.mmap(tomogram, "r+") as mrc:
        mrc.header.nz = mrc.header.mz = 2**31 - 1
        mrc.header.nx = mrc.header.ny = 16384
    (tmp_path / "bomb.mrc.gz").write_bytes(gzip.compress(tomogram.read_bytes()))
    message = refusal(tmp_path / "bomb.mrc.gz")
    assert "expected room for" in message and "TMPDIR" in message


def test_a_missing_folder_for_temporary_files_is_reported(tmp_path, tomogram, monkeypatch):
    (tmp_path / "t.mrc.gz").write_bytes(gzip.compress(tomogram.read_bytes()))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    message = refusal(tmp_path / "t.mrc.gz")
    assert "No such file or directory" in message and "TMPDIR" in message


def test_a_read_error_of_the_disk_is_reported():
    with open("/proc/self/mem", "rb", buffering=0) as unreadable:
        source = SourceFile(unreadable, "tomo.mrc")
        with pytest.raises(TomogramError, match=r"^tomo\.mrc: cannot be read at byte 0: Input/out"):
            source.head(1024)


def test_a_file_without_a_voxel_size_is_refused_unless_one_is_given(tomogram):
    with mrcfile.open(tomogram, "r+") as mrc:
        mrc.voxel_size = 0
    assert "give --voxel-size" in refusal(tomogram)
    with open_volume(tomogram, 13) as volume:
        assert volume.voxel_size_angstrom == 13
    assert "was given 1000000.0" in refusal(tomogram, 1e6)
