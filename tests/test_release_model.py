# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped weights on new simulated specimens; training uses none of these seeds."""

import numpy as np
import pytest

from tomoscore_scipion.benchmark.figures import figures_of, rank_correlation
from tomoscore_scipion.benchmark.fresh import compare, fresh_tomograms
from tomoscore_scipion.engine import Scorer
from tomoscore_scipion.model.weights import read_card, shipped_weights_path
from tomoscore_scipion.simulation.grid import Grid


@pytest.fixture(scope="module")
def compared():
    cases = fresh_tomograms(range(650000, 650006), 2, Grid(n=256))
    return compare(Scorer.load(device="cpu"), cases)


@pytest.fixture(scope="module")
def figures(compared):
    return figures_of(compared)


def test_scores_rank_fresh_tomograms_as_their_truth_does(figures):
    assert figures["rank_correlation"] > 0.75


def test_scores_rank_tomograms_with_a_specimen_as_their_truth_does(compared):
    has_specimen = compared.truth > 0
    assert has_specimen.sum() == 10
    found = rank_correlation(compared.predicted[has_specimen], compared.truth[has_specimen])
    assert found > 0.85


def test_tomograms_without_a_specimen_score_less_than_1(compared):
    assert compared.predicted[compared.truth == 0].max() < 1


def test_scores_are_better_than_a_constant(figures):
    assert figures["mean_absolute_error"] < 0.9 * figures["constant_predictor_error"]


def test_scores_are_close_to_the_truth(figures):
    assert figures["mean_absolute_error"] < 0.6


def test_the_card_states_licence_training_and_accuracy():
    card = read_card(shipped_weights_path())
    assert card["licence"] == "GPL-3.0-or-later"
    assert card["training"]["seeds"]
    for side in ("below", "above"):
        assert np.all(np.array(card["interval"][side]) > 0)
    assert 0 < card["held_out_volumes"]["rank_correlation"] <= 1
