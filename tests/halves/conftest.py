# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated tomograms with halves, and their files."""

import mrcfile
import numpy as np
import pytest
from simulated_halves import simulated

from tomoscore_scipion.model.scorer import Scorer


@pytest.fixture(scope="session")
def cell():
    return simulated(0)


@pytest.fixture(scope="session")
def another():
    return simulated(1)


@pytest.fixture(scope="session")
def shipped():
    return Scorer.load(device="cpu")


@pytest.fixture
def files(tmp_path, cell):
    """Function that writes a tomogram and two halves and returns their paths."""

    def write(half1, half2, whole=cell.whole, sizes=(None, None, None)):
        paths = []
        for name, values, size in zip(("whole", "odd", "even"), (whole, half1, half2), sizes):
            path = str(tmp_path / f"{name}.mrc")
            voxel_size = cell.voxel_size_angstrom if size is None else size
            values = np.asarray(values, dtype=np.float32)
            mrcfile.write(path, values, voxel_size=voxel_size, overwrite=True)
            paths.append(path)
        return paths

    return write
