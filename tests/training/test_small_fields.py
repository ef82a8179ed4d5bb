# SPDX-License-Identifier: GPL-3.0-or-later
"""The increase of the interval of small fields covers their errors."""

from types import SimpleNamespace

import numpy as np
import pytest

from tomoscore_scipion.model.interval import own_error, smallness
from tomoscore_scipion.training import small_fields

INTERVAL = {"score": [0.0, 5.0], "below": [0.5, 0.5], "above": [1.0, 1.0]}
WIDTHS_NM = np.tile([96.0, 144.0, 192.0], 400)


def increase(monkeypatch, error):
    truth = np.full(len(WIDTHS_NM), 2.5)
    result = SimpleNamespace(predicted=truth - error, truth=truth)
    monkeypatch.setattr(small_fields, "compare", lambda scorer, cases: result)
    return small_fields.small_increase(None, INTERVAL, 1), result


def test_the_interval_covers_nine_in_ten_errors(monkeypatch):
    error = np.random.default_rng(0).normal(0, 1.5, len(WIDTHS_NM))
    small, result = increase(monkeypatch, error)
    widened = np.array(
        [
            own_error(predicted, {**INTERVAL, "small": small}, small=smallness(2.0, width))
            for predicted, width in zip(result.predicted, WIDTHS_NM)
        ]
    )
    held = (error >= -widened[:, 0]) & (error <= widened[:, 1])
    assert held.mean() == pytest.approx(0.9, abs=0.01)


def test_errors_within_the_interval_do_not_widen_it(monkeypatch):
    assert increase(monkeypatch, np.full(len(WIDTHS_NM), 0.9))[0] == 0


def test_parts_are_single_slices_of_half_a_tile_to_a_tile(monkeypatch):
    monkeypatch.setattr(small_fields, "RECIPES", small_fields.RECIPES[:1])
    cases = list(small_fields._cases(range(small_fields.FIRST_SEED, small_fields.FIRST_SEED + 1)))
    widths = [case.stack.shape[2] * case.voxel_size_angstrom / 10 for case in cases]
    n = len(small_fields.RECIPES) * small_fields.SLICES * small_fields.PARTS
    assert widths == pytest.approx([96.0, 144.0, 192.0] * n, rel=0.03)
    assert {len(case.stack) for case in cases} == {1}
    assert len({case.truth["tomoscore"] for case in cases}) > n
