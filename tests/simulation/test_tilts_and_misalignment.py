# SPDX-License-Identifier: GPL-3.0-or-later
"""Tilt schemes and residual misalignment."""

import numpy as np
import pytest
import torch

from tomoscore_scipion.simulation.misalignment import remove_translation, residual_shifts
from tomoscore_scipion.simulation.recipe import ORDERS, Recipe
from tomoscore_scipion.simulation.tilt_scheme import acquisition_rank, tilt_scheme

TILTS = np.arange(-60.0, 61.0, 3.0)


@pytest.mark.parametrize(
    ("order", "angles_in_time"),
    [
        ("dose_symmetric", [0, 1, -1, 2, -2]),
        ("bidirectional", [0, 1, 2, -1, -2]),
        ("unidirectional", [-2, -1, 0, 1, 2]),
    ],
)
def test_views_are_taken_in_the_order_of_the_scheme(order, angles_in_time):
    rank = acquisition_rank(5, order)
    assert [int(index) - 2 for index in rank.argsort()] == angles_in_time


def test_an_unknown_order_is_refused():
    with pytest.raises(ValueError, match="spiral"):
        acquisition_rank(5, "spiral")


@pytest.mark.parametrize("order", ORDERS)
def test_doses_of_the_views_add_up_to_the_total(order):
    scheme = tilt_scheme(Recipe(order=order, total_dose=123.0, max_tilt_deg=60, tilt_step_deg=3))
    assert scheme.tilts_deg.tolist() == TILTS.tolist()
    assert scheme.dose_per_view * 41 == pytest.approx(123.0)
    expected = np.arange(41) * 3.0
    assert sorted(scheme.dose_before.tolist()) == pytest.approx(expected.tolist(), abs=1e-4)
    assert scheme.dose_middle.mean() == pytest.approx(61.5)


def test_a_dose_symmetric_series_spends_its_first_dose_on_low_tilts():
    scheme = tilt_scheme(Recipe(order="dose_symmetric"))
    early = scheme.dose_before < 30
    assert scheme.tilts_deg[early].abs().max() < scheme.tilts_deg[~early].abs().min() + 3


def test_a_pretilt_turns_all_views_and_steep_ones_are_not_taken():
    scheme = tilt_scheme(Recipe(max_tilt_deg=60, tilt_step_deg=3, pretilt_deg=15.0))
    assert (float(scheme.tilts_deg[0]), float(scheme.tilts_deg[-1])) == (-45.0, 69.0)
    assert len(scheme.dose_before) == len(scheme.tilts_deg) == 39


def test_shifts_that_translate_the_volume_are_removed():
    angle = np.deg2rad(TILTS)
    moved = np.stack([np.full(41, 7.0), 5 * np.cos(angle) - 11 * np.sin(angle)], axis=1)
    np.testing.assert_allclose(remove_translation(moved, TILTS), 0, atol=1e-9)


def test_the_rest_of_a_misalignment_is_kept():
    rng = np.random.default_rng(0)
    shifts = rng.standard_normal((41, 2))
    left = remove_translation(shifts, TILTS)
    np.testing.assert_allclose(remove_translation(left, TILTS), left, atol=1e-9)
    assert 0.8 < left.std() / shifts.std() < 1.0
    angle = np.deg2rad(TILTS)
    moved = shifts + np.stack([np.full(41, -4.0), 3 * np.cos(angle)], axis=1)
    np.testing.assert_allclose(remove_translation(moved, TILTS), left, atol=1e-9)


def test_a_constant_shift_across_the_axis_is_a_misalignment():
    """Shifts a cos(tilt) + b sin(tilt) move a volume; a constant smears points off the axis."""
    shifts = np.stack([np.zeros(41), np.full(41, 10.0)], axis=1)
    assert np.abs(remove_translation(shifts, TILTS)[:, 1]).max() > 1


@pytest.mark.parametrize("fault", ["misalignment_nm", "drift_nm", "unaligned_nm"])
def test_shifts_are_proportional_to_the_fault(fault):
    tilts = torch.from_numpy(TILTS).float()
    none, some, more = (
        residual_shifts(np.random.default_rng(1), tilts, Recipe(**{fault: size}))
        for size in (0.0, 4.0, 12.0)
    )
    assert none.abs().max() < 1e-6
    torch.testing.assert_close(more, 3 * some, rtol=1e-4, atol=1e-4)
    assert some.std() > 0.3


def test_misalignment_is_given_in_nm_per_axis():
    tilts = torch.linspace(-60, 60, 401)
    shifts = residual_shifts(np.random.default_rng(2), tilts, Recipe(misalignment_nm=5.0))
    assert shifts.std(dim=0).tolist() == pytest.approx([5.0, 5.0], rel=0.1)
