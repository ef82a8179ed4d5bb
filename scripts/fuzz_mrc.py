# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzz the reading of tomograms, guided by the coverage of the code.

python scripts/fuzz_mrc.py CORPUS_FOLDER [-max_total_time=600]

Needs atheris (`pip install atheris`). A file must be read completely, or refused by a TomogramError
that names it; any other outcome ends the run and stores the file.
"""

import os
import sys
import tempfile
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["tomoscore_scipion"]):
    from tomoscore_scipion.reading.volume import open_volume
    from tomoscore_scipion.records.errors import TomogramError

MAX_SLICES = 64
"""Largest number of slices to read; files with one voxel per slice can have thousands."""


def seed(folder: str) -> None:
    """Write a valid file for each mode and byte order, as start of the corpus."""
    for order, stamp in (("<", b"\x44\x44\0\0"), (">", b"\x11\x11\0\0")):
        for mode, item in ((0, 1), (1, 2), (2, 4), (6, 2), (12, 2)):
            header_words = np.zeros(256, dtype=order + "i4")
            header_words[:10] = 5, 4, 3, mode, 0, 0, 0, 5, 4, 3
            header_words[10:13].view(order + "f4")[:] = 50, 40, 30
            header_words[16:19], header_words[22] = (1, 2, 3), 1
            raw = bytearray(header_words.tobytes())
            raw[208:216] = b"MAP " + stamp
            name = f"mode-{mode}-{'little' if order == '<' else 'big'}"
            Path(folder, name).write_bytes(raw + bytes(60 * item))


def try_one(path: Path, content: bytes) -> None:
    """Read a file, with the voxel size of its header and with a given one.

    Args:
        path: path of the file, which is written here.
        content: bytes of the file.
    """
    path.write_bytes(content)
    for voxel_size in (None, 10.0):
        try:
            with open_volume(path, voxel_size) as volume:
                for z in range(min(volume.shape_zyx[0], MAX_SLICES)):
                    assert volume.read_slice(z).shape == volume.shape_zyx[1:]
        except TomogramError as error:
            assert str(error).startswith(f"{path}: "), error


def main() -> None:
    """Fuzz until an error occurs or the time is over."""
    os.makedirs(sys.argv[1], exist_ok=True)
    seed(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.mrc")
        atheris.Setup([*sys.argv, "-max_len=4096"], lambda content: try_one(path, content))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
