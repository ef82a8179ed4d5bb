# SPDX-License-Identifier: GPL-3.0-or-later
"""The views of each partial tomogram."""

import numpy as np
import pytest
from dose_files import ANGLES, DOSE, RANK

from tomoscore_scipion.dose.subsets import cumulative, matched, spread
from tomoscore_scipion.tilt_metadata.exposures import Exposures
from tomoscore_scipion.tomography.backprojection import view_weights

EXPOSURES = Exposures(DOSE * RANK, np.full(len(RANK), DOSE), "test")


@pytest.fixture
def steps():
    return cumulative(ANGLES, EXPOSURES, 99)


def test_steps_add_views_in_the_order_of_acquisition(steps):
    assert [len(step.views) for step in steps] == list(range(3, 12))
    assert [step.dose for step in steps] == [DOSE * n for n in range(3, 12)]
    assert steps[0].views.tolist() == sorted(np.argsort(RANK)[:3].tolist())
    assert steps[-1].angle_range == (-40, 40)
    assert steps[0].angle_range == (-8, 8)
    assert steps[0].angle_step == 8


def test_weights_of_a_step_depend_on_its_views_only(steps):
    step = steps[2]
    np.testing.assert_allclose(step.weights[step.views], view_weights(ANGLES[step.views]))
    assert np.delete(step.weights, step.views).sum() == 0


def test_a_long_series_has_fewer_steps_and_all_views_at_the_end():
    few = cumulative(ANGLES, EXPOSURES, 4)
    assert [len(step.views) for step in few] == [3, 6, 8, 11]
    assert spread(9, 3).tolist() == [0, 4, 8]
    assert spread(2, 8).tolist() == [0, 1]


def test_matched_views_keep_the_range_and_the_number(steps):
    for step, thinned in zip(steps, matched(ANGLES, steps)):
        assert thinned.angle_range == (-40, 40)
        assert (len(thinned.views), thinned.dose) == (len(step.views), step.dose)
        assert len(set(thinned.views.tolist())) == len(thinned.views)
    assert thinned.views.tolist() == list(range(11))


def test_views_of_a_single_angle_make_no_step():
    angles = np.array([0.0, 0, 0, 10, -10])
    exposures = Exposures(np.arange(5.0), np.ones(5), "test")
    assert [len(step.views) for step in cumulative(angles, exposures, 9)] == [4, 5]
