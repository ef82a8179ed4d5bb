# SPDX-License-Identifier: GPL-3.0-or-later
"""The intervals of single slices cover their errors, of whole fields and of parts."""

from types import SimpleNamespace

import numpy as np
import pytest

from tomoscore_scipion.model.interval import own_error, smallness
from tomoscore_scipion.training import single_slices

INTERVAL = {"score": [0.0, 5.0], "below": [0.5, 0.5], "above": [1.0, 1.0]}
SLICES = 400
WIDTHS_NM = np.tile([768.0, 96.0, 144.0, 192.0, 96.0, 144.0, 192.0, 96.0, 144.0, 192.0], SLICES)
WHOLE = WIDTHS_NM == 768.0


def wider(monkeypatch, error):
    truth = np.full(len(WIDTHS_NM), 2.5)
    result = SimpleNamespace(predicted=truth - error, truth=truth)
    monkeypatch.setattr(single_slices, "compare", lambda scorer, cases: result)
    return single_slices.wider_intervals(None, INTERVAL, 1)


def covered(error, factors):
    interval = {**INTERVAL, **factors}
    ends = np.array(
        [own_error(2.5, interval, 1, small=smallness(2.0, width)) for width in WIDTHS_NM]
    )
    return (error >= -ends[:, 0]) & (error <= ends[:, 1])


@pytest.mark.parametrize("whole", [0.8, 1.2])
def test_the_interval_covers_nine_in_ten_errors(monkeypatch, whole):
    error = np.random.default_rng(0).normal(0, np.where(WHOLE, whole, 1.5))
    held = covered(error, wider(monkeypatch, error))
    assert held[WHOLE].mean() == pytest.approx(0.9, abs=0.01)
    assert held[~WHOLE].mean() == pytest.approx(0.9, abs=0.02)


def test_errors_within_the_interval_do_not_widen_it(monkeypatch):
    assert wider(monkeypatch, np.full(len(WIDTHS_NM), 0.9)) == {"thin": 1.0, "small": 0.0}


def test_single_slices_are_whole_fields_and_parts_of_half_a_tile_to_a_tile(monkeypatch):
    monkeypatch.setattr(single_slices, "RECIPES", single_slices.RECIPES[:1])
    cases = list(
        single_slices._cases(range(single_slices.FIRST_SEED, single_slices.FIRST_SEED + 1))
    )
    widths = [case.stack.shape[2] * case.voxel_size_angstrom / 10 for case in cases]
    n = len(single_slices.RECIPES) * single_slices.SLICES
    assert widths == pytest.approx(WIDTHS_NM[: 10 * n], rel=0.03)
    assert {len(case.stack) for case in cases} == {1}
    assert len({case.truth["tomoscore"] for case in cases}) > n
