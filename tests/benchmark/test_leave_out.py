# SPDX-License-Identifier: GPL-3.0-or-later
"""Training samples of the models that leave out one kind of specimen."""

from types import SimpleNamespace

import numpy as np
import pytest


@pytest.fixture(scope="module")
def leave_out(script):
    return script("leave_out")


class Samples(SimpleNamespace):
    def __len__(self):
        return len(self.kind)


@pytest.fixture
def samples():
    """Four specimens, each with a tilt series and a phantom stack, and two noise-only seeds."""
    contents = ["membranes+vesicles", "vesicles", "complexes", "membranes"]
    return Samples(
        specimen=np.repeat(np.arange(6), 2),
        kind=np.array(["tilt_series", "direct"] * 4 + ["null"] * 4),
        correlated=np.array([False, True, False, False] * 2 + [True] * 4),
        contents=np.array([*np.repeat(contents, 2), *[""] * 4]),
    )


def test_an_ingredient_left_out_is_in_none_of_the_specimens(leave_out, samples):
    chosen = leave_out.allowed(samples, "without membranes")
    assert samples.specimen[chosen].tolist() == [1, 1, 2, 2, 4, 4, 5, 5]


def test_white_noise_only_leaves_tilt_series_and_white_stacks(leave_out, samples):
    chosen = leave_out.allowed(samples, "white noise only")
    assert np.flatnonzero(chosen).tolist() == [0, 2, 3, 4, 6, 7]
    assert leave_out.allowed(samples, "everything").all()


def test_all_variants_have_the_same_number_of_specimens(leave_out, samples):
    for variant, expected in (("everything", [0, 1]), ("without membranes", [1, 2])):
        wanted = leave_out.allowed(samples, variant)
        chosen = leave_out.first_specimens(samples, wanted, 2)
        assert not (chosen & ~wanted).any()
        assert np.unique(samples.specimen[chosen]).tolist() == expected
    chosen = leave_out.first_specimens(samples, np.ones(12, dtype=bool), 4)
    assert np.unique(samples.specimen[chosen]).tolist() == [0, 1, 2, 3, 4]
