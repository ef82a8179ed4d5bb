# SPDX-License-Identifier: GPL-3.0-or-later
"""A scorer with random weights, for tests that do not depend on the values of the scores."""

import signal

import pytest


def pytest_configure():
    """Enable Ctrl-C for tests in the background, where a shell makes processes ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory):
    """Path of a valid weights file with random, untrained weights."""
    from small_model import CARD, random_network

    from tomoscore_scipion.model.weights import save_weights

    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_weights(path, random_network(), CARD)
    return path


@pytest.fixture(scope="session")
def scorer(random_weights):
    """A scorer with the random weights, on the CPU."""
    from tomoscore_scipion.model.scorer import Scorer

    return Scorer.load(random_weights, device="cpu")
