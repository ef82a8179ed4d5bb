# SPDX-License-Identifier: GPL-3.0-or-later
"""Lossless changes of a simulated tomogram keep its score, with any weights."""

import numpy as np
import pytest

from tomoscore_scipion.simulation.simulated import Request, simulate

VOXEL = 20.0
CHANGES = {
    "contrast sign": lambda v: -v,
    "scale and offset": lambda v: 250 * v - 1000,
    "flip x": lambda v: v[:, :, ::-1],
    "flip y": lambda v: v[:, ::-1],
    "quarter turn": lambda v: np.rot90(v, axes=(1, 2)),
    "reversed z": lambda v: v[::-1],
    "gradient": lambda v: v + 3 * v.std() * np.linspace(0, 1, v.shape[2]),
}


@pytest.fixture(scope="module")
def stack():
    request = Request(
        quality="good", field_nm=240.0, thickness_nm=(40.0, 50.0), fixed={"voxel_nm": VOXEL / 10}
    )
    return np.asarray(simulate(5, request)[0], dtype=np.float32)


@pytest.mark.parametrize("name", CHANGES)
def test_lossless_changes_keep_the_score(scorer, stack, name):
    changed = np.ascontiguousarray(CHANGES[name](stack), dtype=np.float32)
    found, expected = scorer.score(changed, VOXEL), scorer.score(stack, VOXEL)
    assert found.tomoscore == pytest.approx(expected.tomoscore, abs=0.1)
