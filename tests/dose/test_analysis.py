# SPDX-License-Identifier: GPL-3.0-or-later
"""Optimum dose, suggested range and reasons for known curves."""

import numpy as np
import pytest

from tomoscore_scipion.dose.analysis import (
    AT_THE_START,
    NO_FALL,
    NOTHING_SEEN,
    STILL_RISING,
    TOO_FEW,
    DoseCurve,
    Measured,
    dose_curve,
    factors,
    find_optimum,
    smoothing,
)
from tomoscore_scipion.records.bands import N_BANDS

N_STEPS = 40
VIEWS = np.arange(3, 3 + N_STEPS)
PLACE = np.arange(N_STEPS)
DOSE = 3.0 * VIEWS


def curve_of(score, spread=0.0, seed=0):
    """A curve with bootstrap draws that vary mostly together, as draws of slices do."""
    rng = np.random.default_rng(seed)
    draws = (
        score
        + 0.3 * rng.standard_normal((300, 1))
        + spread * rng.standard_normal((300, 1)) * (PLACE / N_STEPS)
    )
    sd = draws.std(axis=0)
    return DoseCurve(score, sd, score, draws, np.ones(N_BANDS))


def hill(top, width):
    return 3.0 - ((PLACE - top) / width) ** 2


def test_the_optimum_is_the_maximum_and_the_range_is_within_a_tenth_octave_of_it():
    found = find_optimum(curve_of(hill(20, 10)), VIEWS, DOSE)
    # (step / 10)^2 <= 0.1 up to 3.16 steps away.
    assert (found.step, found.steps_within, found.reason) == (20, (17, 23), None)


def test_a_curve_that_rises_to_the_end_gets_no_range():
    found = find_optimum(curve_of(hill(60, 20)), VIEWS, DOSE)
    assert (found.step, found.steps_within, found.reason) == (N_STEPS - 1, None, STILL_RISING)


def plateau(top):
    """A curve that rises to step 20, then falls very slightly, with a small peak."""
    score = np.minimum(0.1 * PLACE, 2.0) - 0.001 * PLACE
    score[top] += 0.05
    return score


def test_a_late_maximum_without_a_fall_after_it_gets_no_range():
    found = find_optimum(curve_of(plateau(36)), VIEWS, DOSE)
    assert (found.step, found.steps_within, found.reason) == (36, None, NO_FALL)
    assert NO_FALL.startswith(STILL_RISING)


def test_an_early_maximum_before_a_plateau_gets_a_range_up_to_the_last_view():
    found = find_optimum(curve_of(plateau(22)), VIEWS, DOSE)
    assert (found.step, found.steps_within) == (22, (20, N_STEPS - 1))


def test_a_late_maximum_with_a_fall_after_it_gets_a_range():
    found = find_optimum(curve_of(hill(35, 8)), VIEWS, DOSE)
    assert (found.step, found.steps_within) == (35, (33, 37))


def test_a_curve_that_falls_from_the_beginning_gets_no_range():
    found = find_optimum(curve_of(3 - 0.05 * PLACE), VIEWS, DOSE)
    assert (found.steps_within, found.reason) == (None, AT_THE_START)


def test_a_curve_without_visible_features_gets_no_range():
    found = find_optimum(curve_of(0.02 * hill(20, 10)), VIEWS, DOSE)
    assert (found.steps_within, found.reason) == (None, NOTHING_SEEN)


def test_too_few_views_get_no_range():
    score = np.array([0.5, 1.0, 1.2])
    short = DoseCurve(score, score, score, np.tile(score, (9, 1)), np.ones(N_BANDS))
    assert find_optimum(short, np.array([3, 4, 5]), DOSE[:3]).reason == TOO_FEW


def test_the_suggested_range_is_contiguous():
    score = hill(12, 6)
    score[30] = 3.0 - 0.05
    assert find_optimum(curve_of(score), VIEWS, DOSE).steps_within == (11, 13)


def test_varying_bootstrap_draws_do_not_move_the_optimum():
    found = find_optimum(curve_of(hill(20, 10), spread=0.5), VIEWS, DOSE)
    assert found.step == 20 and found.reason is None


def test_smoothing_keeps_quadratics_and_removes_the_zigzag_of_alternating_views():
    matrix = smoothing(N_STEPS)
    np.testing.assert_allclose(matrix @ hill(15, 9), hill(15, 9), atol=1e-9)
    zigzag = 0.2 * (-1.0) ** PLACE
    assert np.abs(matrix @ zigzag)[5:-5].max() < 0.05


@pytest.mark.parametrize("n_steps", [1, 2, 5])
def test_short_curves_are_not_smoothed(n_steps):
    np.testing.assert_array_equal(smoothing(n_steps), np.eye(n_steps))


def test_factor_is_level_over_agreement_and_at_most_one():
    agreement = np.array([0.8, 0.5, 0.4, 0.0, -0.1, 0.2])
    level = np.array([0.4, 0.5, 0.6, 0.3, 0.3, 0.0])
    np.testing.assert_allclose(factors(agreement, level), [0.5, 1, 1, 0, 0, 0])


def test_curve_and_bootstrap_draws_agree_for_a_known_agreement():
    """The agreement of each step is known; tiles differ in the scale of their intensities."""
    rng = np.random.default_rng(0)
    m = np.linspace(0.3, 0.9, 8)
    power = rng.uniform(0.5, 2, (60, 1, 1)) * np.ones((60, 8, N_BANDS))
    reference = rng.uniform(0.5, 2, (60, 1, 1)) * np.ones((60, 8, N_BANDS))
    pooled = np.sqrt(power.sum(axis=0) * reference.sum(axis=0))
    agreement = np.ones((60, 1, 1)) / 60 * m[:, None] * pooled
    units = np.stack([agreement, power, reference])
    level = np.full((3, N_BANDS), 0.45)
    content = np.ones_like(level)
    slices = np.repeat(np.arange(3), 20)
    curve = dose_curve(Measured(units, slices, level, content), np.ones(N_BANDS))
    np.testing.assert_allclose(curve.factor, 0.5)
    np.testing.assert_allclose(curve.score, 5 * np.clip((0.5 * m - 0.15) / 0.45, 0, 1))
    assert curve.draws.shape == (300, 8)
    assert np.abs(curve.draws.mean(axis=0) - curve.smooth).max() < 0.15
    # All draws use the same network level of the full tomogram, so that they are paired.
    assert curve.draws[:, -1].std() < 0.05


def test_slices_are_weighted_by_their_content():
    units = np.ones((3, 60, 8, N_BANDS)) / 60
    level = np.array([[0.6], [0.1], [0.1]]) * np.ones(N_BANDS)
    content = np.array([[0.8], [1e-9], [1e-9]]) * np.ones(N_BANDS)
    measured = Measured(units, np.repeat(np.arange(3), 20), level, content)
    whole = dose_curve(measured, np.ones(N_BANDS)).factor
    np.testing.assert_allclose(whole, 0.6, atol=1e-3)
